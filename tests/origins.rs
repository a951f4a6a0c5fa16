//! Route key `origins`: a browser's request for a site that is not listed is refused with 403, on
//! every kind of route and of listener, before its token is shown to anybody.

use crate::support::http2::{Event, Http2};
use crate::support::{Builder, Connection, PATIENCE, Response, Setup, free_port};
use serde_json::json;

const ROUTES: &str = r#"
defaults: { origins: ["https://App.example.com:443", "http://localhost:*"] }
routes:
  - { name: guarded, path: /*, upstream: "@UPSTREAM@", scopes: [read] }
  - { name: public, path: /public/*, upstream: "@UPSTREAM@", auth: none }
  - { name: optional, path: /optional/*, upstream: "@UPSTREAM@", auth: optional }
  - { name: preflight, path: /preflight/*, upstream: "@UPSTREAM@", preflight: pass }
  - { name: own, path: /own/*, upstream: "@UPSTREAM@", origins: ["null", "https://own.test"] }
  - { name: shadow, path: /shadow/*, upstream: "@UPSTREAM@", enforce: false }
"#;

const LISTED: &str = "https://app.example.com";
const EVIL: &str = "https://evil.test";

fn ask(setup: &Setup, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
    setup.gateway.request(method, path, headers, b"")
}

/// Path, token, origins, status, reason. `auth: none` and a request without a token are no ways
/// around it.
#[test]
fn only_listed_origins_pass() {
    let setup = Setup::start(ROUTES);
    for (path, token, origins, status, reason) in [
        ("/a", "good", &[][..], 200, ""),
        ("/a", "good", &[LISTED], 200, ""),
        ("/a", "good", &["https://APP.example.com:443"], 200, ""),
        ("/a", "good", &["http://localhost"], 200, ""),
        ("/a", "good", &["http://localhost:5173"], 200, ""),
        ("/a", "good", &["https://localhost:5173"], 403, "require"),
        ("/a", "good", &["http://localhost.evil.test:5173"], 403, "require"),
        ("/a", "good", &["https://app.example.com.evil.test"], 403, "require"),
        ("/a", "good", &["https://app.example.com:8443"], 403, "require"),
        ("/a", "good", &["http://app.example.com"], 403, "require"),
        ("/a", "good", &[EVIL], 403, "require"),
        ("/a", "good", &["null"], 403, "require"),
        ("/a", "good", &[""], 403, "require"),
        ("/a", "good", &["*"], 403, "require"),
        ("/a", "good", &[LISTED, LISTED], 400, "bad_request"),
        ("/a", "good", &[LISTED, EVIL], 400, "bad_request"),
        ("/a", "good", &["https://app.example.com, https://evil.test"], 400, "bad_request"),
        ("/a", "", &[], 401, "missing_token"),
        ("/a", "", &[LISTED], 401, "missing_token"),
        ("/a", "", &[EVIL], 403, "require"),
        ("/a", "narrow", &[LISTED], 403, "insufficient_scope"),
        ("/public/a", "", &[], 200, ""),
        ("/public/a", "", &[LISTED], 200, ""),
        ("/public/a", "", &[EVIL], 403, "require"),
        ("/public/a", "", &[EVIL, LISTED], 400, "bad_request"),
        ("/optional/a", "", &[], 200, ""),
        ("/optional/a", "", &[LISTED], 200, ""),
        ("/optional/a", "", &[EVIL], 403, "require"),
        ("/optional/a", "good", &[EVIL], 403, "require"),
        ("/own/a", "good", &["null"], 200, ""),
        ("/own/a", "good", &["https://own.test"], 200, ""),
        ("/own/a", "good", &[LISTED], 403, "require"),
        ("/own/a", "good", &["http://localhost:1"], 403, "require"),
    ] {
        let before = setup.upstream.count();
        let bearer = format!("Bearer {token}");
        let mut headers: Vec<_> = origins.iter().map(|origin| ("Origin", *origin)).collect();
        headers.extend((!token.is_empty()).then_some(("Authorization", &*bearer)));
        let response = ask(&setup, "GET", path, &headers);
        let row = (path, token, origins);
        assert_eq!((response.status, &*response.reason()), (status, reason), "{row:?}");
        let forwarded = setup.upstream.count() - before;
        assert_eq!(forwarded, usize::from(status == 200), "{row:?}");
        if status == 200 {
            let seen = setup.upstream.last();
            let named: Vec<&str> = origins.to_vec();
            assert_eq!(seen.headers_all("origin"), named, "{row:?}");
        }
    }
}

/// The refusal names the cause, in the same form as each refusal of a demand.
#[test]
fn the_refusal_says_what_is_wrong() {
    let setup = Setup::start(ROUTES);
    let headers = [("Origin", EVIL), ("X-Request-Id", "one")];
    let response = ask(&setup, "GET", "/a", &headers);
    assert_eq!(response.json()["detail"], "Requests from this origin are not allowed.");
    assert_eq!(response.header("www-authenticate"), Some("Bearer realm=\"introgate\""));
    assert!(!response.text().contains("evil.test"), "{}", response.text());
    let line = setup.gateway.access_log_of("one");
    assert_eq!((&line["decision"], &line["reason"]), (&json!("deny"), &json!("require")));
    assert_eq!(line["route"], "guarded");
    let twice = [("Origin", LISTED), ("Origin", LISTED)];
    let response = ask(&setup, "GET", "/a", &twice);
    assert_eq!(response.json()["detail"], "The request has more than one Origin.");
    assert_eq!(response.header("www-authenticate"), None);
    let grpc = [("Origin", EVIL), ("Content-Type", "application/grpc")];
    let response = ask(&setup, "POST", "/a", &grpc);
    assert_eq!((response.status, response.header("grpc-status")), (200, Some("7")));
}

/// A foreign site cannot make the gateway ask about tokens, nor learn whether one is good; its
/// requests take nothing of a rate limit.
#[test]
fn no_server_is_asked_about_the_token() {
    let setup = Setup::route(
        "origins: [\"https://app.example.com\"], rate_limit: { per: client_ip, requests: 2, window: 1h }",
    );
    let refused = (403, "require".to_owned());
    for token in ["good", "unknown", "narrow", "a,b"] {
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", &*bearer), ("Origin", EVIL)];
        let response = ask(&setup, "GET", "/", &headers);
        assert_eq!((response.status, response.reason()), refused, "{token}");
    }
    assert_eq!(setup.server.count(), 0);
    for _ in 0..2 {
        assert_eq!(setup.outcome("good"), (200, String::new()));
    }
    assert_eq!(setup.server.count(), 1);
    assert_eq!(setup.outcome("good").0, 429);
    // also with a cached answer
    let headers = [("Authorization", "Bearer good"), ("Origin", EVIL)];
    assert_eq!(ask(&setup, "GET", "/", &headers).status, 403);
}

/// Browsers let any site open a WebSocket: `Origin` is all that tells them apart (RFC 6455 §10.2).
#[test]
fn upgrades_and_preflights_are_no_exception() {
    let setup = Setup::start(ROUTES);
    let upgrade = [
        ("Authorization", "Bearer good"),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ];
    for (path, origins, status) in [
        ("/a", &[][..], 101),
        ("/a", &[LISTED], 101),
        ("/a", &[EVIL], 403),
        ("/a", &["null"], 403),
        ("/a", &[LISTED, EVIL], 400),
        ("/public/a", &[EVIL], 403),
        ("/optional/a", &[EVIL], 403),
    ] {
        let origins: Vec<_> = origins.iter().map(|origin| ("Origin", *origin)).collect();
        let response = ask(&setup, "GET", path, &[&upgrade[..], &origins].concat());
        assert_eq!(response.status, status, "{path} {origins:?}");
    }
    for (path, origin, status) in [
        ("/preflight/a", LISTED, 200),
        ("/preflight/a", EVIL, 403),
        ("/preflight/a", "null", 403),
        ("/a", LISTED, 401),
        ("/a", EVIL, 403),
        ("/public/a", EVIL, 403),
    ] {
        let headers = [("Origin", origin), ("Access-Control-Request-Method", "GET")];
        let response = ask(&setup, "OPTIONS", path, &headers);
        assert_eq!(response.status, status, "{path} {origin}");
    }
}

/// Shadow mode forwards and counts a request of a foreign site; an ambiguous one is refused.
#[test]
fn shadow_mode_does_not_enforce_it() {
    let setup = Setup::start(ROUTES);
    let headers = [("Authorization", "Bearer good"), ("Origin", EVIL), ("X-Request-Id", "one")];
    let response = ask(&setup, "GET", "/shadow/a", &headers);
    assert_eq!(response.status, 200);
    assert_eq!(setup.upstream.last().header("x-introspected-sub"), None);
    let line = setup.gateway.access_log_of("one");
    assert_eq!((&line["enforced"], &line["reason"]), (&json!(false), &json!("require")));
    let twice = [("Origin", LISTED), ("Origin", EVIL)];
    assert_eq!(ask(&setup, "GET", "/shadow/a", &twice).status, 400);
}

/// A reload changes the list for requests that come after it, on connections that are open too.
#[test]
fn a_reload_changes_the_list() {
    let yaml = |origin: &str| {
        format!("routes: [{{ path: /*, upstream: \"@UPSTREAM@\", origins: [\"{origin}\"] }}]\n")
    };
    let setup = Setup::start(&yaml(LISTED));
    let mut connection = setup.gateway.connect();
    let headers = [("Authorization", "Bearer good"), ("Origin", EVIL)];
    let mut status = || connection.request("GET", "/", &headers, b"").expect("a response").status;
    assert_eq!(status(), 403);
    setup.reload(&yaml(EVIL));
    assert_eq!(status(), 200);
}

/// HTTP/2, and another proxy's question: the same demand.
#[test]
fn every_listener_demands_it() {
    let (port, h2_port) = (free_port(), free_port());
    let _setup = Setup::build(
        Builder::new(),
        &format!(
            "listeners:\n  - {{ address: \"127.0.0.1:{h2_port}\", protocols: [h2c] }}\n  - {{ address: \"127.0.0.1:@PORT@\" }}\n  - {{ address: \"127.0.0.1:{port}\", serves: forward_auth }}\n{ROUTES}"
        ),
    );
    for (uri, origins, status) in [
        ("/a", &[][..], 200),
        ("/a", &[LISTED], 200),
        ("/a", &[EVIL], 403),
        ("/a", &[LISTED, EVIL], 400),
        ("/public/a", &[EVIL], 403),
        ("/optional/a", &[EVIL], 403),
    ] {
        let described = [
            ("X-Forwarded-Method", "GET"),
            ("X-Forwarded-Uri", uri),
            ("Authorization", "Bearer good"),
        ];
        let origins: Vec<_> = origins.iter().map(|origin| ("Origin", *origin)).collect();
        let mut connection = Connection::open(port);
        let response = connection.request("GET", "/", &[&described[..], &origins].concat(), b"");
        let response = response.expect("an answer");
        assert_eq!(response.status, status, "{uri} {origins:?}");

        let mut fields = vec![
            (":method", "GET"),
            (":scheme", "http"),
            (":path", uri),
            (":authority", "gateway.test"),
            ("authorization", "Bearer good"),
        ];
        fields.extend(origins.iter().map(|(_, origin)| ("origin", *origin)));
        let mut client = Http2::open(h2_port, &[]);
        client.headers(1, &fields, true).expect("send");
        let head = client.next(PATIENCE);
        let is = matches!(head, Some(Event::Head { status: Some(got), .. }) if got == status);
        assert!(is, "{uri} {origins:?} {head:?}");
    }
}
