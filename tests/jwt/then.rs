//! `then`: another server is asked as well, once the signature holds.

use super::{ISSUER, JWKS, Signer, claims, claims_with, invalid, passed, refused};
use crate::support::{Behaviour, Setup, active, now, one_route};
use serde_json::json;

fn start(keys: &str, route: &str) -> (Setup, Signer) {
    let yaml = format!(
        "authorization_servers:\n  local: {{ type: jwt, issuer: \"{ISSUER}\", audience: [api], jwks_uri: \"@AS@/jwks\", then: main }}\n  main: {{ introspection_endpoint: \"@AS@\", retries: 0, {keys} }}\n{}",
        one_route(&format!("authorization_server: local, {route}"))
    );
    let (setup, signer) = (Setup::start(&yaml), Signer::ed25519("k"));
    setup.server.publish(JWKS, Behaviour::Json(json!({ "keys": [signer.jwk()] })));
    (setup, signer)
}

#[test]
fn revocation_counts() {
    let (setup, signer) = start("", "");
    let (good, revoked) = (signer.sign(&claims()), signer.sign(&claims()));
    setup.server.answer(&good, active(json!({})));
    assert_eq!((setup.outcome(&good), setup.outcome(&revoked)), (passed(), refused("inactive")));
    assert_eq!((setup.server.count_of(&good), setup.server.count_of(&revoked)), (1, 1));
    assert_eq!(setup.outcome(&good), passed());
    assert_eq!(setup.server.count_of(&good), 1, "the outcome is cached");
}

#[test]
fn a_forged_token_never_reaches_the_server() {
    let (setup, signer) = start("", "");
    let forged = Signer::ed25519("k");
    setup.server.behave_for_all(Behaviour::Json(active(json!({}))));
    assert_eq!(setup.outcome(&forged.sign(&claims())), invalid());
    assert_eq!(setup.outcome("opaque"), invalid());
    assert_eq!(
        setup.outcome(&signer.sign(&claims_with(json!({ "exp": now() - 100 })))),
        refused("expired")
    );
    assert_eq!(
        setup.outcome(&signer.sign(&claims_with(json!({ "aud": "other" })))),
        refused("audience")
    );
    assert_eq!(setup.server.count(), setup.server.count_of_path(JWKS));
}

/// Where both speak of the same member, the server knows better; nothing lives longer than either
/// allows.
#[test]
fn both_are_heard() {
    let (setup, signer) = start("", "scopes: [write]");
    let outcome = |claims, answer| {
        let token = signer.sign(&claims_with(claims));
        setup.server.answer(&token, active(answer));
        setup.outcome(&token)
    };
    assert_eq!(outcome(json!({}), json!({ "username": "alice@example.com" })), passed());
    let seen = setup.upstream.last();
    assert_eq!(
        (seen.header("x-introspected-sub"), seen.header("x-introspected-username")),
        (Some("alice"), Some("alice@example.com"))
    );
    assert_eq!(seen.header("x-introspected-server"), Some("local"));
    assert_eq!(outcome(json!({}), json!({ "scope": "read" })), (403, "insufficient_scope".into()));
    assert_eq!(
        outcome(json!({ "scope": null, "scp": "read" }), json!({ "scope": "write" })),
        passed()
    );
    assert_eq!(outcome(json!({}), json!({ "scp": "read" })), (403, "insufficient_scope".into()));
    assert_eq!(outcome(json!({}), json!({ "exp": now() - 60 })), refused("expired"));
    assert_eq!(outcome(json!({}), json!({ "exp": now() + 99_999 })), passed());
    assert!(
        setup
            .upstream
            .last()
            .header("x-introspected-exp")
            .is_some_and(|exp| exp.parse::<i64>().is_ok_and(|exp| exp <= now() + 3600))
    );
    assert_eq!(outcome(json!({}), json!({ "nbf": now() + 100 })), refused("not_yet_valid"));
    assert_eq!(outcome(json!({}), json!({ "iss": "https://other.test" })), refused("issuer"));
    assert_eq!(outcome(json!({}), json!({ "token_type": "refresh_token" })), refused("token_type"));
    assert_eq!(outcome(json!({ "cnf": { "jkt": "x" } }), json!({})), refused("binding_dpop"));
}

#[test]
fn its_failures_are_failures() {
    let (setup, signer) = start("circuit_breaker: { failures: 2 }", "");
    setup.server.behave_for_all(Behaviour::status(500));
    for reason in ["as_unavailable", "as_unavailable", "as_circuit_open"] {
        assert_eq!(setup.outcome(&signer.sign(&claims())), (503, reason.into()));
    }
    assert_eq!(setup.gateway.metric("introgate_circuit_state{server=\"main\"}"), 2.0);
    assert_eq!(setup.gateway.metric("introgate_circuit_state{server=\"local\"}"), 0.0);
    // flaws of the token are still reported
    assert_eq!(setup.outcome(&Signer::ed25519("k").sign(&claims())), invalid());
}
