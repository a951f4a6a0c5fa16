//! Contract §9: the access log, and what no log ever shows.

use crate::support::{Behaviour, Builder, Setup, UpstreamBehaviour, one_route};
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
        let statuses: Vec<_> = log.iter().map(|line| line["status"].clone()).collect();
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
    assert!(everything.len() > 10_000, "trace says a lot");
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
