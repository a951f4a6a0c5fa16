//! Contract §9: the access log, and the data that no log ever shows.

use crate::support::{Behaviour, Builder, Connection, Setup, UpstreamBehaviour, one_route};
use base64::prelude::*;
use serde_json::{Value, json};

const FIELDS: [&str; 21] = [
    "ts",
    "level",
    "request_id",
    "trace_id",
    "client_ip",
    "method",
    "host",
    "path",
    "route",
    "status",
    "duration_ms",
    "upstream",
    "upstream_ms",
    "decision",
    "reason",
    "sub",
    "client_id",
    "server",
    "cache",
    "introspection_ms",
    "token_fp",
];

#[test]
fn a_line_has_its_fields() {
    let setup = Setup::start(
        "upstreams: { api: { servers: [\"@UPSTREAM@\"] } }\nroutes: [{ name: items, path: /items/*, upstream: api, scopes: [read] }]",
    );
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    let headers = [
        ("Authorization", "Bearer good"),
        ("Host", "api.test"),
        ("X-Request-Id", "allowed"),
        ("traceparent", &parent),
    ];
    assert_eq!(setup.gateway.get("/items/7?secret=query", &headers).status, 200);
    let line = setup.gateway.access_log_of("allowed");
    for field in FIELDS {
        assert!(line.get(field).is_some(), "{field} in {line}");
    }
    let expected = [
        ("trace_id", json!(trace)),
        ("client_ip", json!("127.0.0.1")),
        ("method", json!("GET")),
        ("host", json!("api.test")),
        ("path", json!("/items/7")),
        ("route", json!("items")),
        ("status", json!(200)),
        ("upstream", json!("api")),
        ("decision", json!("allow")),
        ("sub", json!("alice")),
        ("client_id", json!("app")),
        ("server", json!("main")),
        ("cache", json!("miss")),
    ];
    for (field, value) in expected {
        assert_eq!(line[field], value, "{field}");
    }
    for field in ["duration_ms", "upstream_ms", "introspection_ms"] {
        assert!(line[field].is_number(), "{field} in {line}");
    }
    let fingerprint = line["token_fp"].as_str().expect("a fingerprint");
    assert!(
        fingerprint.len() == 8 && fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{fingerprint}"
    );
    assert!(!setup.gateway.stdout().contains("secret=query"), "query strings are not logged");
}

#[test]
fn one_line_a_request_also_when_refused() {
    let setup = Setup::route("scopes: [read]");
    let cases = [
        ("a", Some("Bearer unknown"), 401, "deny", "inactive", "miss"),
        ("b", Some("Bearer unknown"), 401, "deny", "inactive", "inactive"),
        ("c", Some("Bearer narrow"), 403, "deny", "insufficient_scope", "miss"),
        ("d", None, 401, "deny", "missing_token", "none"),
        ("e", Some("Bearer broken"), 503, "error", "as_bad_response", "miss"),
    ];
    setup.server.behave("broken", Behaviour::body("x"));
    for (id, authorization, status, decision, reason, cache) in cases {
        let mut headers = vec![("X-Request-Id", id)];
        headers.extend(authorization.map(|value| ("Authorization", value)));
        assert_eq!(setup.gateway.get("/", &headers).status, status);
        let line = setup.gateway.access_log_of(id);
        let got = ["status", "decision", "reason", "cache"].map(|field| line[field].clone());
        assert_eq!(got, [json!(status), json!(decision), json!(reason), json!(cache)], "{line}");
    }
    assert_eq!(setup.gateway.access_log(5).len(), 5);
}

/// Contract §2, `log.access`.
#[test]
fn the_access_log_can_be_narrowed_and_turned_off() {
    for (access, expected) in [("denied", vec![401, 403]), ("off", vec![])] {
        let setup =
            Setup::start(&format!("log: {{ access: {access} }}\n{}", one_route("scopes: [read]")));
        for token in ["good", "unknown", "narrow", "good"] {
            setup.get(token);
        }
        let log = setup.gateway.access_log(expected.len());
        let mut statuses: Vec<_> = log.iter().filter_map(|line| line["status"].as_u64()).collect();
        // a line is written behind its response, so that two connections have no order
        statuses.sort_unstable();
        assert_eq!(statuses, expected, "{access}");
    }
}

/// The same token has the same fingerprint, another one another, and the key is the process's own.
#[test]
fn fingerprints_tell_tokens_apart_but_not_which() {
    let fingerprints = || {
        let setup = Setup::route("");
        ["good", "good", "bare"].map(|token| {
            let id = format!("{token}-{}", setup.server.count());
            setup
                .gateway
                .get("/", &[("Authorization", &format!("Bearer {token}")), ("X-Request-Id", &id)]);
            setup.gateway.access_log_of(&id)["token_fp"].clone()
        })
    };
    let [first, again, other] = fingerprints();
    assert_eq!(first, again);
    assert_ne!(first, other);
    assert_ne!(fingerprints()[0], first, "another process, another key");
}

/// Control characters from a client cannot make a line of their own.
#[test]
fn clients_cannot_write_lines() {
    let setup = Setup::route("auth: none");
    let headers = [("X-Request-Id", "lines"), ("User-Agent", "x\"}{\"status\":1")];
    setup.gateway.get("/a%0a%7B%22status%22:1%7D?%0a", &headers);
    setup.gateway.get("/second", &[]);
    let log = setup.gateway.access_log(2);
    assert_eq!(log.len(), 2);
    assert!(log.iter().all(|line| line["status"].is_number() && line["ts"] != Value::Null));
}

/// Pitfall 68: at the most talkative level, with everything that can go wrong going wrong.
#[test]
fn no_log_shows_a_token_or_a_secret() {
    let builder =
        Builder::new().env("SECRET", "s3cret-from-environment").file("file", "s3cret-from-file");
    let setup = Setup::build(
        builder,
        r#"
log: { level: trace }
token: { from: [header, query, "header:X-Access-Token", "cookie:at"], forward: true }
authorization_servers:
  bearer: { introspection_endpoint: "@AS@", retries: 1, timeout: 500ms, client_auth: { method: bearer, token: "${SECRET}" } }
  basic: { introspection_endpoint: "@AS@", client_auth: { method: client_secret_basic, client_id: me, client_secret_file: "@DIR@/file" } }
  post: { introspection_endpoint: "@AS@", client_auth: { method: client_secret_post, client_id: me, client_secret: "s3cret-in-the-body" } }
routes:
  - { path: /bearer/*, upstream: "@UPSTREAM@", authorization_server: bearer }
  - { path: /basic/*, upstream: "@UPSTREAM@", authorization_server: basic }
  - { path: /post/*, upstream: "@UPSTREAM@", authorization_server: post }
  - { path: /down/*, upstream: "http://127.0.0.1:1", authorization_server: post }
"#,
    );
    let token = "t0ken";
    let behaviours = [
        Behaviour::inactive(),
        Behaviour::Json(json!({ "active": true, "sub": "alice" })),
        Behaviour::status(401),
        Behaviour::status(503),
        Behaviour::status(400),
        Behaviour::respond(302, &[("Location", "/t0ken-in-location")], ""),
        Behaviour::body("garbage t0ken-in-body"),
        Behaviour::Raw(b"nonsense t0ken-raw\r\n\r\n".to_vec()),
        Behaviour::Hang,
        Behaviour::Close,
    ];
    for (number, behaviour) in behaviours.into_iter().enumerate() {
        setup.server.behave_for_all(behaviour);
        let token = format!("{token}-{number}");
        let (bearer, cookie) = (format!("Bearer {token}"), format!("at={token}"));
        for path in ["/bearer/x", "/basic/x", "/post/x", "/down/x"] {
            setup.gateway.get(path, &[("Authorization", &bearer)]);
        }
        setup.gateway.get(&format!("/bearer/x?access_token={token}"), &[]);
        setup.gateway.get("/bearer/x", &[("X-Access-Token", &token)]);
        setup.gateway.get("/bearer/x", &[("Cookie", &cookie)]);
        setup.gateway.get(&format!("/nowhere?access_token={token}"), &[("Authorization", &bearer)]);
        setup.gateway.get("/bearer/x", &[("Authorization", &format!("{bearer},x"))]);
        setup.gateway.get("/bearer/x", &[("Authorization", &bearer), ("Authorization", &bearer)]);
        setup.gateway.admin_post("/api/cache/purge", &json!({ "token": token }));
    }
    setup.upstream.behave(UpstreamBehaviour::Close);
    setup.get("t0ken-last");
    setup
        .gateway
        .raw(b"GET / HTTP/1.1\r\nAuthorization: Bearer t0ken-broken\r\nbroken line\r\n\r\n");
    setup.gateway.sighup();
    let admin = setup.gateway.admin_get("/api/status").text()
        + &setup.gateway.admin_get("/api/config").text();
    let everything = setup.gateway.stdout() + &setup.gateway.stderr() + &admin;
    assert!(everything.len() > 10_000, "trace logs a lot");
    let basic = BASE64_STANDARD.encode("me:s3cret-from-file");
    for secret in ["t0ken", "s3cret", basic.as_str()] {
        if let Some(at) = everything.find(secret) {
            let around = everything.get(at.saturating_sub(200)..(at + 100).min(everything.len()));
            panic!("{secret} in a log: {around:?}");
        }
    }
}

/// real-servers: rejected credentials are reported once a minute, not once a request (pitfall 35).
#[test]
fn rejected_credentials_are_reported_once() {
    let setup = Setup::server("circuit_breaker: { failures: 1000 }");
    setup.server.behave_for_all(Behaviour::status(401));
    for number in 0..20 {
        assert_eq!(setup.get(&format!("token-{number}")).reason(), "as_rejected_us");
    }
    let loud = |line: &&str| {
        let line: Value = serde_json::from_str(line).unwrap_or_default();
        ["WARN", "ERROR"]
            .contains(&line["level"].as_str().unwrap_or_default().to_uppercase().as_str())
    };
    let stderr = setup.gateway.stderr();
    let count = stderr.lines().filter(loud).count();
    assert!((1..=3).contains(&count), "{count} loud lines: {stderr}");
}

/// Pitfall 94: unreadable input is not quoted in the log by any library, on any listener, at any
/// level.
#[test]
fn malformed_requests_are_not_logged() {
    let setup = Setup::start(
        "log: { level: trace }\nlisteners: [{ address: \"127.0.0.1:@PORT@\" }, { address: \"unix:@DIR@/gate.sock\" }]\n\
         routes: [{ path: /*, upstream: \"@UPSTREAM@\" }]",
    );
    let many: String = (0..400).map(|n| format!("X-{n}: t0ken\r\n")).collect();
    let long = "t0ken".repeat(300_000);
    // each behind `GET /?access_token=t0ken HTTP/1.1`, unless it has its own request line
    let requests = [
        "Authorization: Bearer t0ken\r\nbroken line\r\n\r\n".to_owned(),
        "Authorization: Bearer t0ken\r\nbad name: x\r\n\r\n".into(),
        "Authorization: Bearer t0ken\r\n: x\r\n\r\n".into(),
        "Authorization: Bearer t0ken\r\nX: \0\r\n\r\n".into(),
        "Authorization: Bearer t0ken\r\n folded t0ken\r\n\r\n".into(),
        "Content-Length: t0ken\r\n\r\n".into(),
        "Content-Length: -5\r\nAuthorization: Bearer t0ken\r\n\r\n".into(),
        "Content-Length: 5\r\nContent-Length: t0ken\r\n\r\nt0ken".into(),
        "Transfer-Encoding: t0ken\r\n\r\n".into(),
        "Transfer-Encoding: chunked\r\n\r\nt0ken\r\n".into(),
        "Transfer-Encoding: chunked\r\n\r\n5;t0ken\r\nt0kent0ken\r\n".into(),
        "Content-Length: 3\r\n\r\nt0ken t0ken t0ken\r\n\r\n".into(),
        "Host: t0ken t0ken\r\n\r\n".into(),
        "Upgrade: t0ken\r\nConnection: upgrade\r\n\r\nt0ken".into(),
        format!("Authorization: Bearer t0ken\r\n{many}\r\n"),
        format!("Authorization: Bearer {long}\r\n\r\n"),
        "GET /t0ken HTTP/9.9\r\n\r\n".into(),
        "GET /t0ken\r\n\r\n".into(),
        "G\u{7f}T /t0ken HTTP/1.1\r\n\r\n".into(),
        "GET /\u{e9}?t0ken HTTP/1.1\r\nHost: a\r\n\r\n".into(),
        "GET http://t0ken:t0ken@/ HTTP/1.1\r\nHost: a\r\n\r\n".into(),
        "CONNECT t0ken:443 HTTP/1.1\r\nHost: t0ken\r\n\r\n".into(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nt0ken".into(),
        "\u{16}\u{3}\u{1} t0ken".into(),
        "t0ken\r\n\r\n".into(),
    ];
    let socket = setup.gateway.directory().join("gate.sock");
    for rest in &requests {
        let request = if rest.contains("HTTP/") || !rest.contains(": ") && rest.contains("t0ken") {
            rest.clone()
        } else {
            format!("GET /?access_token=t0ken HTTP/1.1\r\nHost: a\r\n{rest}")
        };
        for listener in ["tcp", "unix", "admin"] {
            let mut connection = match listener {
                "tcp" => setup.gateway.connect(),
                "unix" => Connection::open_unix(&socket),
                _ => setup.gateway.connect_admin(),
            };
            connection.patience(std::time::Duration::from_millis(100));
            // the other side may well close before it has read everything
            let _ = connection.send(request.as_bytes());
            let _ = connection.read_to_end();
        }
    }
    let mut admin = setup.gateway.connect_admin();
    admin
        .send(b"GET / HTTP/1.1\r\nAuthorization: Bearer t0ken\r\nbroken line\r\n\r\n")
        .expect("send");
    assert_eq!(admin.read_response("GET").expect("an answer").status, 400);
    setup.upstream.behave(UpstreamBehaviour::Raw(b"HTTP/1.1 t0ken\r\nX t0ken\r\n\r\n".to_vec()));
    assert_eq!(setup.get("good").status, 502);
    setup.gateway.log_with("the admin listener refused a malformed request");
    let everything = setup.gateway.stdout() + &setup.gateway.stderr();
    if let Some(at) = everything.find("t0ken") {
        let around = everything.get(at.saturating_sub(200)..(at + 100).min(everything.len()));
        panic!("a token in a log: {around:?}");
    }
}

/// A gateway whose log cannot be written any more serves all the same.
#[test]
fn a_reader_of_the_log_that_leaves_ends_nothing() {
    let mut setup = Setup::build(Builder::new().without_reader(), &one_route(""));
    for number in 0..20 {
        setup.server.behave("broken", Behaviour::status(401));
        assert_eq!(setup.get("broken").status, 503, "{number}");
        assert_eq!(setup.get("good").status, 200, "{number}");
    }
    assert_eq!(setup.gateway.terminate().code(), Some(0));
}
