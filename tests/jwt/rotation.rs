//! New keys without a restart, and an authorization server that is not there.

use super::{JWKS, Signer, claims, invalid, passed, publish, start};
use crate::support::{Behaviour, wait_until};
use serde_json::json;

const FETCHES: &str = "introgate_cache_requests_total{cache=\"jwks\"";

fn unavailable() -> (u16, String) {
    (503, "as_unavailable".to_owned())
}

#[test]
fn a_new_key_is_found_when_a_token_names_it() {
    let setup = start("");
    let (old, new) = (Signer::p256("old"), Signer::ed25519("new"));
    publish(&setup, &[&old]);
    assert_eq!(setup.outcome(&old.sign(&claims())), passed());
    publish(&setup, &[&old, &new]);
    wait_until("the pause is over and the key is known", || {
        setup.outcome(&new.sign(&claims())) == passed()
    });
    assert_eq!(setup.outcome(&old.sign(&claims())), passed());
    assert_eq!(setup.server.count_of_path(JWKS), 2);
}

/// A refusal for want of a key is not kept: the same token is good once its key is known.
#[test]
fn the_same_token_heals() {
    let setup = start("");
    let (old, new) = (Signer::p256("old"), Signer::ed25519("new"));
    publish(&setup, &[&old]);
    assert_eq!(setup.outcome(&old.sign(&claims())), passed());
    let token = new.sign(&claims());
    assert_eq!(setup.outcome(&token), invalid());
    publish(&setup, &[&new]);
    wait_until("the key is known", || setup.outcome(&token) == passed());
    assert_eq!(setup.outcome(&old.sign(&claims())), invalid(), "and a withdrawn key is forgotten");
}

#[test]
fn unknown_keys_cost_one_call_a_pause() {
    let setup = start("");
    let signer = Signer::p256("k");
    publish(&setup, &[&signer]);
    assert_eq!(setup.outcome(&signer.sign(&claims())), passed());
    let begun = std::time::Instant::now();
    for n in 0..60 {
        assert_eq!(setup.outcome(&signer.named(Some(&format!("{n}"))).sign(&claims())), invalid());
    }
    let allowed = 2 + begun.elapsed().as_secs() as usize;
    let calls = setup.server.count_of_path(JWKS);
    assert!(calls <= allowed, "{calls} calls in {:?}", begun.elapsed());
}

#[test]
fn the_pause_counts_failed_calls_too_and_known_keys_keep_working() {
    let setup = start("");
    let signer = Signer::p256("k");
    publish(&setup, &[&signer]);
    assert_eq!(setup.outcome(&signer.sign(&claims())), passed());
    setup.server.publish(JWKS, Behaviour::status(500));
    let unknown = signer.named(Some("x"));
    wait_until("the pause is over", || setup.outcome(&unknown.sign(&claims())) == unavailable());
    let (begun, before) = (std::time::Instant::now(), setup.server.count_of_path(JWKS));
    for _ in 0..30 {
        // the existence of such a key is unknown
        assert_eq!(setup.outcome(&unknown.sign(&claims())), unavailable());
        assert_eq!(setup.outcome(&signer.sign(&claims())), passed());
    }
    let calls = setup.server.count_of_path(JWKS) - before;
    assert!(
        calls <= 1 + begun.elapsed().as_secs() as usize,
        "{calls} calls in {:?}",
        begun.elapsed()
    );
    assert_eq!(
        setup.gateway.metric("introgate_circuit_state{server=\"local\"}"),
        0.0,
        "garbage does not open the circuit"
    );
    assert!(setup.gateway.metric(&format!("{FETCHES},result=\"error\"}}")) >= 1.0);
    let log = setup.gateway.log_with("\"not fetched\"");
    assert_eq!(log.matches("\"not fetched\"").count(), 1, "{log}");
}

#[test]
fn down_at_the_start_and_then_up() {
    let mut setup = start("");
    let signer = Signer::p256("k");
    publish(&setup, &[&signer]);
    setup.server.stop();
    let response = setup.get(&signer.sign(&claims()));
    assert_eq!((response.status, response.reason().as_str()), (503, "as_unavailable"));
    assert!(
        response.header("retry-after").is_some() && response.header("www-authenticate").is_none()
    );
    assert_eq!(setup.outcome(&signer.sign(&claims())), unavailable());
    setup.server.start_again();
    wait_until("it recovers by itself", || setup.outcome(&signer.sign(&claims())) == passed());
}

/// No key set is no verdict on a token.
#[test]
fn garbage_in_place_of_keys() {
    let elsewhere = crate::support::AuthorizationServer::start();
    let signer = Signer::p256("k");
    elsewhere.behave_for_all(Behaviour::Json(json!({ "keys": [signer.jwk()] })));
    let many: Vec<_> = (0..200).map(|n| signer.named(Some(&n.to_string())).jwk()).collect();
    let jwk = signer.jwk().to_string();
    let cases = [
        (Behaviour::body("<html>"), "as_bad_response"),
        (Behaviour::body(""), "as_bad_response"),
        (Behaviour::body("[]"), "as_bad_response"),
        (Behaviour::body("{}"), "as_bad_response"),
        (Behaviour::Json(json!({ "keys": [] })), "as_bad_response"),
        (Behaviour::Json(json!({ "keys": {} })), "as_bad_response"),
        (Behaviour::Json(json!({ "keys": [1, "x", null, {}] })), "as_bad_response"),
        (
            Behaviour::Json(
                json!({ "keys": [{ "kty": "oct", "k": "AAAA", "kid": "k", "alg": "HS256" }] }),
            ),
            "as_bad_response",
        ),
        (Behaviour::body(&format!("{{\"keys\":[{jwk}],\"keys\":[{jwk}]}}")), "as_bad_response"),
        (Behaviour::Json(json!({ "keys": many })), "as_bad_response"),
        (
            Behaviour::body(&format!("{{\"keys\":[{jwk}]}}{}", " ".repeat(100_000))),
            "as_bad_response",
        ),
        (Behaviour::Endless, "as_bad_response"),
        (Behaviour::respond(302, &[("Location", &elsewhere.url())], ""), "as_bad_response"),
        (Behaviour::status(404), "as_bad_response"),
        (Behaviour::status(429), "as_throttled"),
        (Behaviour::status(503), "as_unavailable"),
        (Behaviour::Close, "as_unavailable"),
        (Behaviour::Hang, "as_timeout"),
    ];
    for (behaviour, reason) in cases {
        let setup = start("timeout: 500ms");
        setup.server.publish(JWKS, behaviour.clone());
        assert_eq!(
            setup.outcome(&signer.sign(&claims())),
            (503, reason.to_owned()),
            "{behaviour:?}"
        );
    }
    assert_eq!(elsewhere.count(), 0, "redirects are not followed");
}

/// Unusable keys do not affect the usable ones beside them.
#[test]
fn unusable_keys_are_passed_over() {
    let setup = start("");
    let signer = Signer::p256("k");
    let mut broken = Signer::p256("broken").jwk();
    broken["x"] = json!("AA");
    let others = [
        json!({ "kty": "oct", "k": "AAAA", "kid": "k" }),
        json!({ "kty": "EC", "crv": "P-521", "x": "AA", "y": "AA", "kid": "k" }),
        json!({ "kty": "OKP", "crv": "X25519", "x": "AA", "kid": "k" }),
        json!({ "kty": "new", "kid": "k" }),
        json!(17),
        broken,
        signer.jwk(),
    ];
    setup.server.publish(JWKS, Behaviour::Json(json!({ "keys": others })));
    assert_eq!(setup.outcome(&signer.sign(&claims())), passed());
}

/// A reload keeps the known keys.
#[test]
fn known_keys_outlive_a_reload() {
    for keys in [
        format!("issuer: \"{}\", jwks_uri: \"@AS@/jwks\"", super::ISSUER),
        "issuer: \"@AS@\"".to_owned(),
    ] {
        let yaml = super::config(&format!("audience: [api], {keys}"));
        let (mut setup, signer) = (crate::support::Setup::start(&yaml), Signer::p256("k"));
        publish(&setup, &[&signer]);
        let issuer =
            if keys.contains("jwks_uri") { super::ISSUER.to_owned() } else { setup.server.url() };
        let metadata =
            json!({ "issuer": issuer, "jwks_uri": format!("{}{JWKS}", setup.server.origin()) });
        setup.server.publish(
            "/.well-known/oauth-authorization-server/introspect",
            Behaviour::Json(metadata),
        );
        let token = || signer.sign(&super::claims_with(json!({ "iss": issuer })));
        assert_eq!(setup.outcome(&token()), passed());
        setup.server.stop();
        for realm in ["one", "two"] {
            setup.reload(&format!("realm: {realm}\n{yaml}"));
            assert_eq!(setup.outcome(&token()), passed(), "{keys}");
        }
        // other settings are other documents
        setup.reload(&yaml.replace("retries: 0", "retries: 1"));
        assert_eq!(setup.outcome(&token()), unavailable(), "{keys}");
    }
}
