//! `serves: forward_auth`, asked as each proxy asks.

use crate::support::{Response, Setup};
use serde_json::json;

const LISTENER: &str = "listeners: [{ address: \"127.0.0.1:@PORT@\", serves: forward_auth }]\n";
const ROUTES: &str = "routes:\n  - { path: /public/*, auth: none }\n  - { path: /*, methods: [GET, HEAD], scopes: [read] }\n  - { path: /*, scopes: [write] }\n";

fn setup() -> Setup {
    let setup = Setup::start(&format!("{LISTENER}{ROUTES}"));
    setup.server.answer(
        "reader",
        json!({ "active": true, "sub": "alice", "client_id": "app", "scope": "read" }),
    );
    setup
}

fn ask(setup: &Setup, headers: &[(&str, &str)]) -> Response {
    setup.gateway.request("GET", "/_auth", headers, b"")
}

const TOKEN: (&str, &str) = ("Authorization", "Bearer reader");

/// Every proxy's way to describe the request in question gives the same decision.
#[test]
fn the_request_in_question_decides_and_not_the_one_that_asks() {
    let setup = setup();
    for (description, status) in [
        (&[("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "/items")][..], 200),
        (&[("X-Forwarded-Method", "DELETE"), ("X-Forwarded-Uri", "/items")], 403),
        (&[("X-Original-Method", "GET"), ("X-Original-URI", "/items?a=b")], 200),
        (&[("X-Original-Method", "POST"), ("X-Original-URI", "/items")], 403),
        (&[("X-Original-Method", "GET"), ("X-Original-URL", "https://api.test/items")], 200),
        (&[("X-Original-Method", "PUT"), ("X-Original-URL", "https://api.test/items")], 403),
        (&[], 200),
        (&[("X-Original-URI", "/items")], 400),
        (&[("X-Original-Method", "GET")], 400),
        (
            &[
                ("X-Original-Method", "GET"),
                ("X-Original-URI", "/public/a"),
                ("X-Forwarded-Uri", "/items"),
            ],
            400,
        ),
        (&[("X-Original-Method", "GET"), ("X-Original-URI", "/a/%2e%2e/../b")], 400),
        (&[("X-Original-Method", "TRACE"), ("X-Original-URI", "/public/a")], 400),
    ] {
        let response = ask(&setup, &[description, &[TOKEN]].concat());
        assert_eq!(response.status, status, "{description:?} {}", response.text());
    }
}

#[test]
fn a_permitted_request_is_answered_with_the_identity() {
    let setup = setup();
    let description = [("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "/items")];
    let forged = [("X-Introspected-Sub", "admin"), ("X-Introspected-Role", "root")];
    let response = ask(&setup, &[&description[..], &forged, &[TOKEN]].concat());
    assert_eq!(response.status, 200);
    assert_eq!(response.headers_all("x-introspected-sub"), ["alice"]);
    assert_eq!(response.header("x-introspected-scope"), Some("read"));
    assert_eq!(response.header("x-introspected-role"), None);
    assert_eq!(response.header("authorization"), None);
    assert!(response.body.is_empty());

    let public = [("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "/public/a")];
    let response = ask(&setup, &[&public[..], &forged].concat());
    assert_eq!((response.status, response.header("x-introspected-sub")), (200, None));
}

/// The refusal is the one that the gateway itself would send.
#[test]
fn refusals_are_those_of_the_proxy() {
    let mut setup = setup();
    let description = [("X-Forwarded-Method", "POST"), ("X-Forwarded-Uri", "/items")];
    let missing = ask(&setup, &description);
    assert_eq!((missing.status, missing.reason().as_str()), (401, "missing_token"));
    assert!(missing.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer ")));
    let scope = ask(&setup, &[&description[..], &[TOKEN]].concat());
    assert_eq!((scope.status, scope.reason().as_str()), (403, "insufficient_scope"));
    setup.server.stop();
    let unknown = [("Authorization", "Bearer other")];
    let down = ask(&setup, &[&description[..], &unknown].concat());
    assert_eq!((down.status, down.header("retry-after").is_some()), (503, true));
    let line = setup.gateway.access_log(3).pop().expect("a line");
    assert_eq!(
        (&line["method"], &line["path"], &line["status"]),
        (&json!("POST"), &json!("/items"), &json!(503))
    );
}

/// A client's protocol does not change the form of a refusal: a gRPC refusal has status 200.
#[test]
fn a_grpc_request_is_refused_with_a_status_that_a_proxy_understands() {
    let description = [
        ("X-Forwarded-Method", "POST"),
        ("X-Forwarded-Uri", "/items"),
        ("Content-Type", "application/grpc"),
    ];
    assert_eq!(ask(&setup(), &description).status, 401);
}

/// Envoy and the Gateway API send the request itself, below a prefix that the listener names.
#[test]
fn a_path_prefix_is_taken_off_where_the_request_itself_is_meant() {
    let setup = Setup::start(&format!(
        "listeners: [{{ address: \"127.0.0.1:@PORT@\", serves: forward_auth, path_prefix: /check }}]\n{ROUTES}"
    ));
    assert_eq!(setup.gateway.get("/check/public/a", &[]).status, 200);
    assert_eq!(setup.gateway.get("/check/items", &[]).status, 401);
    assert_eq!(setup.gateway.get("/public/a", &[]).status, 400);
    assert_eq!(setup.gateway.request("POST", "/check/public/a", &[], b"body").status, 200);
}
