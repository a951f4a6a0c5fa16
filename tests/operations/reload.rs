//! A change of the file takes effect by itself or on SIGHUP; a bad one changes nothing (pitfalls 8
//! and 74).

use crate::support::{
    Behaviour, Builder, Gateway, Setup, UpstreamBehaviour, free_port, one_route, request_bytes,
    wait_until, wait_within,
};
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const OPEN: &str = "routes: [{ path: /*, upstream: \"@UPSTREAM@\", auth: none }]";
const GUARDED: &str = "routes: [{ path: /*, upstream: \"@UPSTREAM@\" }]";

/// The contract promises two seconds; the rest is for a machine that is busy with other tests.
const SOON: Duration = Duration::from_millis(3500);

fn is_open(gateway: &Gateway) -> bool {
    gateway.get("/", &[]).status == 200
}

#[test]
fn a_changed_file_takes_effect_within_two_seconds() {
    let setup = Setup::start(OPEN);
    for (yaml, open) in [(GUARDED, false), (OPEN, true)] {
        setup.gateway.rewrite_config(&setup.fill_in(yaml));
        wait_within(SOON, "the change takes effect", || is_open(&setup.gateway) == open);
    }
    assert_eq!(setup.gateway.metric("introgate_config_last_reload_success"), 1.0);
    assert!(setup.gateway.metric("introgate_config_reloads_total") >= 2.0);
}

/// Some editors write in place.
#[test]
fn a_file_that_is_written_in_place_is_noticed_too() {
    let setup = Setup::start(OPEN);
    let file = setup.gateway.config_file();
    let before = fs::read_to_string(file).expect("the configuration");
    fs::write(file, before.replace("auth: none", "auth: required")).expect("write");
    wait_within(SOON, "the change takes effect", || !is_open(&setup.gateway));
}

/// Kubernetes swaps a symbolic link in the middle of the path.
#[test]
fn a_file_behind_a_swapped_link_is_noticed_too() {
    let setup = Setup::start(OPEN);
    let directory = setup.gateway.directory();
    let file = setup.gateway.config_file();
    let text = fs::read_to_string(file).expect("the configuration");
    for (version, text) in
        [("v1", text.clone()), ("v2", text.replace("auth: none", "auth: required"))]
    {
        fs::create_dir(directory.join(version)).expect("a folder");
        fs::write(directory.join(version).join("gateway.yaml"), text).expect("write");
    }
    symlink("v1", directory.join("data")).expect("a link");
    symlink("data/gateway.yaml", directory.join("new")).expect("a link");
    fs::rename(directory.join("new"), file).expect("put the link in place");
    symlink("v2", directory.join("data-new")).expect("a link");
    fs::rename(directory.join("data-new"), directory.join("data")).expect("swap the link");
    wait_within(SOON, "the change takes effect", || !is_open(&setup.gateway));
}

#[test]
fn sighup_reads_the_file_at_once() {
    let setup = Setup::start(OPEN);
    setup.gateway.rewrite_config(&setup.fill_in(GUARDED));
    setup.gateway.sighup();
    wait_until("the change takes effect", || !is_open(&setup.gateway));
}

/// Pitfall 74: the old configuration stays, the metric shows the failure, the log the reason.
#[test]
fn a_bad_file_keeps_the_old_configuration_and_logs_the_reason() {
    let setup = Setup::start(GUARDED);
    let bad = [
        (format!("{OPEN}\nunknown_key: 1"), "unknown_key"),
        ("routes: [".to_owned(), "gateway.yaml"),
        (String::new(), "gateway.yaml"),
        (OPEN.replace("@UPSTREAM@", "nowhere"), "nowhere"),
        (OPEN.replace("none", "\"${INTROGATE_TEST_UNSET}\""), "INTROGATE_TEST_UNSET"),
    ];
    for (yaml, why) in bad {
        let logged = setup.gateway.stderr().len();
        setup.reload(&yaml);
        assert_eq!(setup.gateway.metric("introgate_config_last_reload_success"), 0.0, "{yaml}");
        wait_until("the reason is logged", || setup.gateway.stderr()[logged..].contains(why));
        assert_eq!(setup.gateway.get("/", &[]).status, 401, "{yaml}");
        assert_eq!(setup.get("good").status, 200, "{yaml}");
    }
    assert_eq!(setup.gateway.admin_get("/readyz").status, 200);
    setup.reload(OPEN);
    assert_eq!(setup.gateway.metric("introgate_config_last_reload_success"), 1.0);
    assert!(is_open(&setup.gateway));
}

/// A file that is not there for a moment is a bad file, not the end.
#[test]
fn a_file_that_vanishes_keeps_the_old_configuration() {
    let setup = Setup::start(OPEN);
    fs::remove_file(setup.gateway.config_file()).expect("remove");
    setup.gateway.sighup();
    wait_until("it is noticed", || {
        setup.gateway.metric("introgate_config_last_reload_success") == 0.0
    });
    assert!(is_open(&setup.gateway));
    setup.gateway.rewrite_config(&setup.fill_in(GUARDED));
    wait_within(SOON, "the new file takes effect", || !is_open(&setup.gateway));
}

/// Pitfall 8: a setting that does not affect an answer leaves it in the cache.
#[test]
fn a_change_of_policy_keeps_the_cache() {
    let setup = Setup::start(GUARDED);
    assert_eq!(setup.get("good").status, 200);
    setup.reload(&one_route("scopes: [admin]"));
    assert_eq!(setup.get("good").status, 403);
    setup.reload("realm: other\nlog: { level: warn }\nroutes:\n  - { path: /x, upstream: \"@UPSTREAM@\" }\n  - { path: /*, upstream: \"@UPSTREAM@\" }\n");
    assert_eq!(setup.get("good").status, 200);
    assert_eq!(setup.server.count(), 1);
}

/// Pitfall 8: a setting that can affect an answer makes the old ones unreachable.
#[test]
fn a_change_of_credentials_or_endpoint_asks_again() {
    let server = |keys: &str| {
        format!(
            "authorization_servers:\n  main: {{ introspection_endpoint: \"@AS@\", {keys} }}\n{GUARDED}"
        )
    };
    let setup = Setup::start(&server(""));
    let settings = [
        "client_auth: { method: bearer, token: one }",
        "client_auth: { method: client_secret_post, client_id: a, client_secret: s }",
        "client_auth: { method: client_secret_post, client_id: b, client_secret: s }",
        "parameters: { a: b }",
        "headers: { X-A: b }",
        "token_type_hint: access_token",
    ];
    assert_eq!(setup.get("good").status, 200);
    for (number, keys) in settings.into_iter().enumerate() {
        setup.reload(&server(keys));
        assert_eq!(setup.get("good").status, 200, "{keys}");
        assert_eq!(setup.server.count(), number + 2, "{keys}");
    }
    setup.reload(&server("timeout: 4s, retries: 0"));
    assert_eq!(setup.get("good").status, 200);
}

/// An issuer that is configured later holds for cached answers too.
#[test]
fn a_new_issuer_holds_for_cached_answers() {
    let server = |keys: &str| {
        format!(
            "authorization_servers:\n  main: {{ introspection_endpoint: \"@AS@\", {keys} }}\n{GUARDED}"
        )
    };
    let setup = Setup::start(&server(""));
    assert_eq!(setup.get("good").status, 200);
    setup.reload(&server("issuer: \"https://as.test\", require_issuer: true"));
    assert_eq!(setup.outcome("good"), (401, "issuer".into()));
}

/// Contract §2: files with secrets are read again when they change.
#[test]
fn a_secret_file_is_read_again() {
    let builder = Builder::new().file("secret", "one");
    let yaml = format!(
        "cache: {{ ttl: 0s }}\nauthorization_servers:\n  main: {{ introspection_endpoint: \"@AS@\", client_auth: {{ method: bearer, token_file: \"@DIR@/secret\" }} }}\n{GUARDED}"
    );
    let setup = Setup::build(builder, &yaml);
    assert_eq!(setup.get("good").status, 200);
    assert_eq!(setup.server.last().header("authorization"), Some("Bearer one"));
    fs::write(setup.gateway.directory().join("secret"), "two").expect("write");
    wait_within(SOON, "the new secret is used", || {
        setup.get("good");
        setup.server.last().header("authorization") == Some("Bearer two")
    });
}

/// No request is dropped, however often the configuration changes.
#[test]
fn a_reload_drops_no_request() {
    let setup = Setup::start(GUARDED);
    let done = AtomicBool::new(false);
    let asked = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut connection = setup.gateway.connect();
                    let mut asked = 0;
                    while !done.load(Ordering::SeqCst) {
                        let bearer = [("Authorization", "Bearer good")];
                        let response =
                            connection.request("GET", "/", &bearer, b"").expect("an answer");
                        assert_eq!(response.status, 200);
                        asked += 1;
                    }
                    asked
                })
            })
            .collect();
        for number in 0..5 {
            setup.reload(&format!("realm: r{number}\n{GUARDED}"));
        }
        done.store(true, Ordering::SeqCst);
        clients.into_iter().map(|client| client.join().expect("a client")).sum::<usize>()
    });
    assert!(asked > 10, "{asked}");
}

/// A request that is under way ends as it began; one that waits for its introspection is judged.
#[test]
fn requests_under_way_survive_a_reload() {
    let setup = Setup::start(GUARDED);
    setup.upstream.behave(UpstreamBehaviour::EchoAfter(Duration::from_millis(600)));
    let good = Behaviour::Json(serde_json::json!({ "active": true }));
    setup.server.behave("slow", Behaviour::after(Duration::from_millis(600), good));
    let mut connections = ["good", "slow"].map(|token| {
        let mut connection = setup.gateway.connect();
        let bearer = format!("Bearer {token}");
        connection
            .send(&request_bytes("GET", "/", &[("Authorization", &bearer)], b""))
            .expect("send");
        connection
    });
    wait_until("both are under way", || setup.upstream.count() == 1 && setup.server.count() == 2);
    setup.reload(&format!("realm: new\n{GUARDED}"));
    for connection in &mut connections {
        assert_eq!(connection.read_response("GET").expect("an answer").status, 200);
    }
}

/// Upstreams change as well, without a restart.
#[test]
fn upstreams_are_reloaded() {
    let setup = Setup::start(
        "upstreams: { api: { servers: [\"http://127.0.0.1:1\"] } }\nroutes: [{ path: /*, upstream: api, auth: none }]",
    );
    assert_eq!(setup.gateway.get("/", &[]).status, 502);
    setup.reload("upstreams: { api: { servers: [\"@UPSTREAM@\"] } }\nroutes: [{ path: /*, upstream: api, auth: none }]");
    assert_eq!(setup.gateway.get("/", &[]).status, 200);
}

/// A change that needs a restart is logged, and does no harm.
#[test]
fn a_change_of_the_admin_address_logs_the_needed_restart() {
    let setup = Setup::start(OPEN);
    let other = free_port();
    setup.gateway.rewrite_config(
        &setup.fill_in(&format!("admin: {{ address: \"127.0.0.1:{other}\" }}\n{OPEN}")),
    );
    setup.gateway.sighup();
    wait_until("the restart is mentioned", || {
        setup.gateway.stderr().to_lowercase().contains("restart")
    });
    assert!(is_open(&setup.gateway));
}
