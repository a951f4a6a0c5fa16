//! `introgate doctor`: its report on healthy servers and on faulty ones.

use crate::support::{
    Authority, AuthorizationServer, Behaviour, REDIS_KEY, Redis, Upstream, active, free_port, now,
    run_cli_in,
};
use serde_json::json;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const TOKEN: &str = "a-real-token-of-somebody";

struct Practice {
    server: AuthorizationServer,
    upstream: Upstream,
}

impl Practice {
    fn open() -> Self {
        Self { server: AuthorizationServer::start(), upstream: Upstream::start() }
    }

    /// The same for a server that is well, with this `cache`.
    fn examine_cache(&self, cache: &str) -> (i32, String) {
        self.examine(&format!("{BASIC} }} }}\ncache: {{ redis: {{ {cache}"))
    }

    /// Exit code and report for a server with these keys.
    fn examine(&self, keys: &str) -> (i32, String) {
        self.examine_with(keys, &["doctor", "-c", "gateway.yaml"])
    }

    fn examine_with(&self, keys: &str, arguments: &[&str]) -> (i32, String) {
        let yaml = format!(
            "authorization_servers: {{ main: {{ {keys} }} }}\nroutes: [{{ path: /*, upstream: \"{}\", scopes: [read] }}]\n",
            self.upstream.url()
        );
        let directory = tempfile::tempdir().expect("a folder");
        fs::write(
            directory.path().join("gateway.yaml"),
            yaml.replace("AS/", &format!("{}/", self.server.origin())),
        )
        .expect("write");
        let (code, out, err) = run_cli_in(directory.path(), arguments, &[]);
        let all = out + &err;
        assert!(!all.contains("s3cret") && !all.contains(TOKEN), "{all}");
        (code, all)
    }
}

const BASIC: &str = "introspection_endpoint: AS/introspect, client_auth: { method: client_secret_basic, client_id: gate, client_secret: s3cret }";

/// The report contains this, and the exit code fits.
#[track_caller]
fn finds((code, report): (i32, String), expected_code: i32, lines: &[&str]) {
    assert_eq!(code, expected_code, "{report}");
    for line in lines {
        assert!(report.contains(line), "{line:?} in {report}");
    }
}

#[test]
fn all_is_well() {
    let practice = Practice::open();
    let reached = format!("  ok       {}/: reached in ", practice.server.origin());
    let connected = format!("  ok       {}: connected in ", practice.upstream.url());
    finds(
        practice.examine(BASIC),
        0,
        &[
            "gateway.yaml: ok",
            "authorization server `main` (rfc7662)",
            &reached,
            "credentials: accepted",
            &connected,
            "no problem found",
        ],
    );
    let asked = practice.server.last();
    assert_eq!(
        asked.header("authorization"),
        Some("Basic Z2F0ZTpzM2NyZXQ="),
        "as the gateway itself would"
    );
    assert!(asked.token().is_some_and(|token| token.starts_with("introgate-doctor-")));
}

#[test]
fn refused_credentials() {
    let practice = Practice::open();
    practice.server.publish("/introspect", Behaviour::status(401));
    finds(
        practice.examine(BASIC),
        1,
        &["problem  as_rejected_us:", "check client_auth", "1 problem"],
    );
}

#[test]
fn a_token_of_our_own_that_cannot_be_had() {
    let practice = Practice::open();
    let auth = "client_auth: { method: client_credentials, client_id: gate, client_secret: s3cret, token_endpoint: AS/token }";
    let keys = format!("introspection_endpoint: AS/introspect, {auth}");
    practice.server.publish("/token", Behaviour::status(401));
    let origin = practice.server.origin();
    let refused = format!("problem  as_rejected_us: {origin}/token: status 401");
    finds(
        practice.examine(&keys),
        1,
        &[&refused, "check client_id, client_secret and form_encode of client_auth", "1 problem"],
    );
    assert_eq!(practice.server.count_of_path("/introspect"), 0);
    practice.server.publish(
        "/token",
        Behaviour::Json(json!({ "access_token": "own-s3cret", "token_type": "Bearer" })),
    );
    finds(practice.examine(&keys), 0, &["credentials: accepted", "no problem found"]);

    let down = format!("http://127.0.0.1:{}/", free_port());
    let elsewhere = keys.replace("AS/token", &format!("{down}token"));
    finds(
        practice.examine(&elsewhere),
        1,
        &[&format!("problem  as_unavailable: {down}: cannot connect")],
    );
}

#[test]
fn no_credentials() {
    finds(
        Practice::open().examine("introspection_endpoint: AS/introspect"),
        0,
        &["note     credentials: none are configured"],
    );
}

#[test]
fn a_server_that_checks_nothing() {
    let practice = Practice::open();
    practice.server.behave_for_all(Behaviour::Json(active(json!({ "scope": "read" }))));
    finds(practice.examine(BASIC), 1, &["problem  it calls a made-up token active"]);
}

#[test]
fn a_wrong_path() {
    let practice = Practice::open();
    practice
        .server
        .publish("/introspect", Behaviour::respond(301, &[("Location", "/introspect/")], ""));
    finds(practice.examine(BASIC), 1, &["problem  as_bad_response:", "final slash"]);
}

#[test]
fn unreachable_servers_are_reported() {
    let mut practice = Practice::open();
    practice.server.stop();
    practice.upstream.stop();
    let upstream = format!("problem  {}: cannot connect: ", practice.upstream.url());
    let server = format!("problem  as_unavailable: {}/: cannot connect", practice.server.origin());
    finds(
        practice.examine(BASIC),
        1,
        &[&server, "its credentials were not tried", &upstream, "onnection refused", "2 problems"],
    );
}

/// Also those that are only asked when others fail.
#[test]
fn every_endpoint_is_examined() {
    let practice = Practice::open();
    let keys = format!(
        "introspection_endpoint: [AS/introspect, \"http://127.0.0.1:{}/introspect\"]",
        free_port()
    );
    finds(practice.examine(&keys), 1, &["reached in", "problem  as_unavailable", "1 problem"]);
    practice.server.publish("/b", Behaviour::status(500));
    finds(
        practice.examine("introspection_endpoint: [AS/introspect, AS/b]"),
        1,
        &["note     credentials", "/b: status 500"],
    );
}

#[test]
fn clocks() {
    let practice = Practice::open();
    let at = |seconds: i64| {
        let time = UNIX_EPOCH
            + Duration::from_secs((now() + seconds).try_into().expect("a time after 1970"));
        Behaviour::respond(404, &[("Date", &http_date(time))], "")
    };
    practice.server.publish("/", at(0));
    finds(practice.examine(BASIC), 0, &["ok       clock: the server's and ours agree"]);
    practice.server.publish("/", at(90));
    finds(
        practice.examine(BASIC),
        1,
        &["problem  clock: the server's is", "s ahead of ours", "NTP"],
    );
    practice.server.publish("/", at(-90));
    finds(practice.examine(BASIC), 1, &["s behind ours"]);
    practice.server.publish("/", Behaviour::respond(404, &[("Date", "yesterday")], ""));
    finds(practice.examine(BASIC), 0, &["note     clock: the server does not send its time"]);
}

fn http_date(time: SystemTime) -> String {
    httpdate::fmt_http_date(time)
}

#[test]
fn issuers() {
    let practice = Practice::open();
    let document = |issuer: &str| {
        Behaviour::Json(
            json!({ "issuer": issuer, "introspection_endpoint": format!("{}/introspect", practice.server.origin()) }),
        )
    };
    let origin = practice.server.origin();
    practice.server.publish("/.well-known/oauth-authorization-server", document(&origin));
    let keys = format!(
        "issuer: \"{origin}\", client_auth: {{ method: client_secret_basic, client_id: gate, client_secret: s3cret }}"
    );
    finds(practice.examine(&keys), 0, &["credentials: accepted"]);
    practice
        .server
        .publish("/.well-known/oauth-authorization-server", document("https://elsewhere.example"));
    practice
        .server
        .publish("/.well-known/openid-configuration", document("https://elsewhere.example"));
    finds(
        practice.examine(&keys),
        1,
        &["problem  as_bad_response:", "`issuer` is not the configured one"],
    );
}

#[test]
fn keys_of_signed_tokens() {
    let practice = Practice::open();
    let keys = "type: jwt, issuer: \"https://as.example.com\", jwks_uri: AS/jwks, audience: [me]";
    practice.server.publish("/jwks", Behaviour::Json(json!({ "keys": [] })));
    finds(
        practice.examine(keys),
        1,
        &["authorization server `main` (jwt)", "problem  as_bad_response:", "no public key"],
    );
    let key = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    practice.server.publish("/jwks", Behaviour::Json(json!({ "keys": [key] })));
    finds(practice.examine(keys), 0, &["ok       keys: there; a made-up token is refused"]);
}

/// The keys and the poll endpoint of `events` (RFC 8936); no event is fetched or acknowledged.
#[test]
fn events_by_poll() {
    let practice = Practice::open();
    let events = "events: { issuer: \"https://as.example.com\", audience: [me], jwks_uri: AS/jwks, delivery: poll, poll_endpoint: AS/poll }";
    let keys = format!("{BASIC}, {events}");
    let published = |document| practice.server.publish("/jwks", Behaviour::Json(document));
    let key = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    published(json!({ "keys": [key] }));
    practice.server.publish("/poll", Behaviour::Json(json!({ "sets": {} })));
    finds(
        practice.examine(&keys),
        0,
        &[
            "ok       events: the keys of the events are there",
            "ok       events: the poll endpoint answers and accepts the gateway",
        ],
    );
    let polls = practice.server.requests_of_path("/poll");
    let [poll] = &*polls else { panic!("one poll: {polls:?}") };
    let body: serde_json::Value = serde_json::from_slice(&poll.body).expect("JSON");
    assert_eq!((&body["maxEvents"], &body["returnImmediately"]), (&json!(0), &json!(true)));
    assert!(body.get("ack").is_none() && body.get("setErrs").is_none(), "{body}");

    practice.server.publish("/poll", Behaviour::Json(json!({ "sets": [] })));
    finds(
        practice.examine(&keys),
        1,
        &["problem  events: the response to a poll has a member `sets` that is not an object"],
    );
    // an introspection endpoint, and any other that answers with an object
    practice.server.publish("/poll", Behaviour::Json(json!({ "active": false })));
    let is_none = "problem  events: the response to a poll has no member `sets` (RFC 8936 §2.3); is this a poll endpoint?";
    finds(practice.examine(&keys), 1, &[is_none]);
    for status in [401, 404] {
        practice.server.publish("/poll", Behaviour::status(status));
        let line = format!("status {status}");
        finds(practice.examine(&keys), 1, &["problem  events: ", &line]);
    }
    published(json!({ "keys": [] }));
    finds(practice.examine(&keys), 1, &["problem  events: no keys: "]);
}

#[test]
fn a_real_token() {
    let practice = Practice::open();
    let with_token = ["doctor", "-c", "gateway.yaml", "--token", TOKEN];
    let keys = format!("{BASIC}, issuer: \"https://as.example.com\"");
    practice.server.answer(TOKEN, active(json!({ "sub": "alice", "scope": "read", "iss": "https://as.example.com", "exp": now() + 600 })));
    finds(
        practice.examine_with(&keys, &with_token),
        0,
        &["ok       your token: active; sub \"alice\"", "scope \"read\"", "ends in "],
    );
    practice.server.answer(TOKEN, active(json!({ "iss": "https://as.example.com/" })));
    finds(
        practice.examine_with(&keys, &with_token),
        1,
        &["your token: active, and yet refused on every route: issuer;", "without exp"],
    );
    practice.server.behave(TOKEN, Behaviour::inactive());
    finds(practice.examine_with(&keys, &with_token), 1, &["problem  your token: inactive"]);
    finds(
        practice.examine_with(&keys, &["doctor", "-c", "gateway.yaml", "--token", "a b"]),
        1,
        &["is not an access token"],
    );
}

/// Real servers call these active (issue 10, 30).
#[test]
fn a_token_of_another_kind() {
    let practice = Practice::open();
    let with_token = ["doctor", "-c", "gateway.yaml", "--token", TOKEN];
    for (answer, note) in [
        (
            json!({ "sub": "alice", "client_id": "app" }),
            "its answer has neither `token_type` nor `scope`",
        ),
        (
            json!({ "sub": "alice", "sid": "s", "auth_time": 1 }),
            "its answer has `auth_time`, `sid`",
        ),
        (
            json!({ "scope": "read", "token_type": "Bearer", "nonce": "n" }),
            "its answer has `nonce`",
        ),
    ] {
        practice.server.answer(TOKEN, active(answer));
        let expected =
            format!("note     your token: this looks like a refresh or ID token ({note}");
        let (code, report) = practice.examine_with(BASIC, &with_token);
        assert!(code == 0 && report.contains(&expected), "{report}");
    }
    practice.server.answer(TOKEN, active(json!({ "scope": "read", "client_id": "app" })));
    let (_, report) = practice.examine_with(BASIC, &with_token);
    assert!(!report.contains("looks like"), "{report}");
}

/// RFC 8414 §2.
#[test]
fn the_metadata_is_compared_with_the_settings() {
    let practice = Practice::open();
    let origin = practice.server.origin();
    let keys = format!("{BASIC}, issuer: \"{origin}\"");
    finds(
        practice.examine(&keys),
        0,
        &["note     issuer: not compared with the server's metadata, which cannot be read"],
    );
    let publish = |more: serde_json::Value| {
        let mut document =
            json!({ "issuer": origin, "introspection_endpoint": format!("{origin}/introspect") });
        document
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        practice.server.publish("/.well-known/openid-configuration", Behaviour::Json(document));
    };
    let methods = |list: &[&str]| json!({ "introspection_endpoint_auth_methods_supported": list });
    for (more, note) in [
        (json!({}), None),
        (methods(&["client_secret_basic", "private_key_jwt"]), None),
        (methods(&[]), None),
        (
            methods(&["private_key_jwt", "tls_client_auth"]),
            Some(
                "`client_secret_basic` is not among the methods that the server's metadata lists for introspection: private_key_jwt, tls_client_auth",
            ),
        ),
        (
            json!({ "introspection_endpoint": "https://elsewhere.example/introspect" }),
            Some("the metadata of `issuer` names another one"),
        ),
    ] {
        publish(more.clone());
        let (code, report) = practice.examine(&keys);
        assert_eq!(code, 0, "{report}");
        assert_eq!(
            note.is_some_and(|note| report.contains(note)),
            note.is_some(),
            "{more}: {report}"
        );
        assert_eq!(
            report.contains("note     client_auth")
                || report.contains("note     introspection_endpoint"),
            note.is_some(),
            "{more}: {report}"
        );
    }
}

#[test]
fn redis() {
    let practice = Practice::open();
    let Some(mut redis) = Redis::with(&["--requirepass", "s3cret"]) else { return };
    let cache = |password: &str| {
        format!("url: \"{}\", key: {REDIS_KEY}, password: {password}", redis.url())
    };
    finds(practice.examine_cache(&cache("s3cret")), 0, &["cache.redis\n  ok       in use within "]);
    finds(
        practice.examine_cache(&cache("wrong")),
        1,
        &["problem  refused: ", "look at user and password of cache.redis"],
    );
    let cache = cache("s3cret");
    redis.stop();
    finds(
        practice.examine_cache(&cache),
        1,
        &["problem  unreachable: ", "the gateway would go without it"],
    );
}

#[test]
fn a_bad_configuration_is_not_tried() {
    let practice = Practice::open();
    finds(
        practice.examine("introspection_endpoint: AS/introspect, nonsense: 1"),
        64,
        &["unknown key `nonsense`"],
    );
    assert_eq!(practice.server.count(), 0);
}

/// `cache.redis` also counts rate limits, by a command that a user of Redis may not have.
#[test]
fn rate_limits_in_redis() {
    let practice = Practice::open();
    let Some(redis) = Redis::with(&[]) else { return };
    let cache =
        format!("cache: {{ redis: {{ url: \"{}\", key: {REDIS_KEY}, timeout: 5s", redis.url());
    let limit = "rate_limit: { per: client_ip, requests: 5, window: 1m }";
    let keys = |cache: &str| format!("{BASIC} }} }}\ndefaults: {{ {limit} }}\n{cache}");
    finds(
        practice.examine(&keys(&cache)),
        0,
        &[
            "  ok       in use within ",
            "  ok       rate limits are counted for all gateways together",
        ],
    );
    let mut command = redis::cmd("ACL");
    command.arg("SETUSER").arg("default").arg("-eval");
    command.exec(&mut redis.connection()).expect("the user is changed");
    finds(practice.examine(&keys(&cache)), 1, &["problem  rate limits cannot be counted: "]);
    finds(
        practice.examine(&keys("# the end of the line is a comment")),
        0,
        &["note     routes with a rate_limit: 1; cache.redis is not configured"],
    );
}

/// The doctor's report about a configuration with these listeners and files.
fn examine_listeners(listeners: &str, files: &[(&str, &str)]) -> (i32, String) {
    let (server, directory) =
        (AuthorizationServer::start(), tempfile::tempdir().expect("a folder"));
    for (name, contents) in files {
        fs::write(directory.path().join(name), contents).expect("write");
    }
    let yaml = format!(
        "{listeners}\nauthorization_servers: {{ main: {{ introspection_endpoint: \"{}\" }} }}\n\
         routes: [{{ path: /*, scopes: [read] }}]\n",
        server.url()
    );
    fs::write(directory.path().join("gateway.yaml"), yaml).expect("write");
    let (code, out, err) = run_cli_in(directory.path(), &["doctor", "-c", "gateway.yaml"], &[]);
    (code, out + &err)
}

#[test]
fn listeners_and_the_trust_of_proxies() {
    let (free, taken, open) = (free_port(), free_port(), free_port());
    let _taken = std::net::TcpListener::bind(("127.0.0.1", taken)).expect("bind");
    finds(
        examine_listeners(
            &format!(
                "listeners: [{{ address: \"127.0.0.1:{free}\", serves: ext_authz }}, {{ address: \"127.0.0.1:{taken}\", serves: forward_auth }}, {{ address: \"0.0.0.0:{open}\", serves: forward_auth }}]"
            ),
            &[],
        ),
        0,
        &[
            &format!(
                "listener 127.0.0.1:{free} (ext_authz)\n  ok       its address can be opened\n  ok       proxies on this machine may ask\n  ok       a decision takes up to 5s"
            ),
            &format!("listener 127.0.0.1:{taken} (forward_auth)\n  note     its address is in use"),
            "note     proxies on this machine may ask, all others get 403",
            "note     tokens and identities cross the network in plaintext",
        ],
    );
    // TEST-NET-1 (RFC 5737): no machine has it
    finds(
        examine_listeners(
            "trusted_proxies: [10.0.0.0/8]\nlisteners: [{ address: \"192.0.2.1:8080\", serves: ext_authz }]",
            &[],
        ),
        1,
        &["problem  its address cannot be opened", "on this machine and in 10.0.0.0/8 may ask"],
    );
}

#[test]
fn certificates_of_listeners() {
    let authority = Authority::new();
    let (good, over) = (authority.certify(&["api.test"]), authority.certify_expired(&["old.test"]));
    let files = [
        ("good.crt", &*good.certificate),
        ("good.key", &good.key),
        ("over.crt", &over.certificate),
        ("over.key", &over.key),
    ];
    let listener = |pair: &str| {
        format!(
            "listeners: [{{ address: \"127.0.0.1:{}\", serves: ext_authz, tls: {{ certificate: {pair}.crt, private_key: {pair}.key }} }}]",
            free_port()
        )
    };
    finds(
        examine_listeners(&listener("good"), &files),
        0,
        &["certificates\n  ok       listener 127.0.0.1:", ": good.crt for api.test: ends in "],
    );
    finds(
        examine_listeners(&listener("over"), &files),
        1,
        &["problem  listener 127.0.0.1:", ": over.crt: has expired; replace it by a valid one"],
    );
}
