//! RFC 7662: OAuth 2.0 Token Introspection.

use crate::support::{Behaviour, Setup, active, now};
use serde_json::json;

/// §2.1: a POST with parameters sent as `application/x-www-form-urlencoded`, `token` among them.
#[test]
fn section_2_1_the_request() {
    let setup = Setup::route("");
    setup.get("mF_9.B5f-4.1JqM");
    let request = setup.server.last();
    assert_eq!(request.method, "POST");
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(request.header("accept"), Some("application/json"));
    assert_eq!(request.token().as_deref(), Some("mF_9.B5f-4.1JqM"));
    assert_eq!(request.path(), "/introspect", "the token is not in the URL");
}

/// §2.1: the endpoint may have a query of its own, which is kept.
#[test]
fn section_2_1_an_endpoint_with_a_query() {
    let setup = Setup::start(
        "authorization_servers: { main: { introspection_endpoint: \"@AS@?tenant=a%26b\" } }\nroutes: [{ path: /*, upstream: \"@UPSTREAM@\" }]",
    );
    assert_eq!(setup.get("good").status, 200);
    assert_eq!(setup.server.last().target, "/introspect?tenant=a%26b");
}

/// §2.1: the gateway has to authenticate; the secret is not the client's token.
#[test]
fn section_2_1_the_callers_own_credentials() {
    let setup = Setup::server("client_auth: { method: bearer, token: own }");
    setup.get("good");
    assert_eq!(setup.server.last().header("authorization"), Some("Bearer own"));
}

/// §2.2: `active` alone is required; other members and unknown ones are optional.
#[test]
fn section_2_2_members_are_optional() {
    let setup = Setup::route("");
    assert_eq!(setup.get("bare").status, 200);
    setup
        .server
        .answer("more", active(json!({ "x": { "y": [1, 2, { "z": null }] }, "exp": now() + 9 })));
    assert_eq!(setup.get("more").status, 200);
}

/// §2.2: the published answer to a token that is not active.
#[test]
fn section_2_2_inactive() {
    let setup = Setup::route("");
    setup.server.behave("x", Behaviour::body("{\n  \"active\": false\n}"));
    assert_eq!(setup.outcome("x"), (401, "inactive".into()));
}

/// §2.3: 401 is about the protected resource's own credentials, not about the token.
#[test]
fn section_2_3_our_credentials() {
    let setup = Setup::route("");
    let headers = [("WWW-Authenticate", "Bearer error=\"invalid_token\"")];
    setup.server.behave("x", Behaviour::respond(401, &headers, r#"{"error":"invalid_client"}"#));
    let response = setup.get("x");
    assert_eq!((response.status, response.header("www-authenticate")), (503, None));
}

/// §4: an answer may be cached, but not beyond the token's expiration.
#[test]
fn section_4_caching_ends_with_exp() {
    let setup =
        Setup::start("cache: { ttl: 1h }\nroutes: [{ path: /*, upstream: \"@UPSTREAM@\" }]");
    setup.server.answer("short", active(json!({ "exp": now() + 2 })));
    assert_eq!(setup.get("short").status, 200);
    crate::support::wait_until("the token expires", || setup.get("short").status == 401);
}
