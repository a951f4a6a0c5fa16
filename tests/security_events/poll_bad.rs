//! Events by poll that are no good, and transmitters that send too many.

use super::poll::{acknowledged, config, start};
use super::transmitter::Transmitter;
use super::{CAEP, World, but, iss_sub, sign};
use crate::jwt::Signer;
use crate::support::{Behaviour, wait_until};
use serde_json::{Value, json};

/// RFC 8936 §2.4 with the codes of RFC 8935 §2.4: each is reported once, with the good ones
/// acknowledged beside them.
#[test]
fn events_that_do_not_verify_are_reported_once() {
    let (transmitter, world) = start("poll_interval: 200ms");
    let claims = |jti: &str, changes: Value| {
        let claims = world.claims(&format!("{CAEP}/session-revoked"), iss_sub("alice"));
        but(but(claims, json!({ "jti": jti })), changes)
    };
    let forger = Signer::p256("main");
    let cases: [(&str, Value, &str); 8] = [
        ("garbage", json!("no token"), "invalid_request"),
        ("number", json!(7), "invalid_request"),
        ("forged", json!(sign(&forger, &claims("forged", json!({})))), "authentication_failed"),
        (
            "key",
            json!(sign(&forger.named(Some("unheard-of")), &claims("key", json!({})))),
            "invalid_key",
        ),
        (
            "issuer",
            json!(world.event(&claims("issuer", json!({ "iss": "https://stranger.test" })))),
            "invalid_issuer",
        ),
        (
            "audience",
            json!(world.event(&claims("audience", json!({ "aud": "https://stranger.test" })))),
            "invalid_audience",
        ),
        (
            "email",
            json!(world.event(&claims(
                "email",
                json!({ "sub_id": { "format": "email", "email": "a@example.com" } })
            ))),
            "invalid_request",
        ),
        ("another-jti", json!(world.revocation("else", "alice")), "invalid_request"),
    ];
    for (jti, token, _) in &cases {
        transmitter.send_value(jti, token.clone());
    }
    transmitter.send("good", &world.revocation("good", "bob"));
    acknowledged(&transmitter, "good");
    wait_until("all are reported", || transmitter.state().refused.len() >= cases.len());
    assert_eq!(world.asked_again(), ["bob-1"], "none of them ended anything");
    let state = transmitter.state();
    assert_eq!(state.acknowledged, ["good"]);
    assert_eq!(state.refused.len(), cases.len(), "each once: {:?}", state.refused);
    for (jti, _, code) in &cases {
        let (_, error) = state.refused.iter().find(|(refused, _)| refused == jti).expect(jti);
        assert_eq!(error["err"], *code, "{jti}: {error}");
        assert!(error["description"].as_str().is_some_and(|text| text.len() > 10), "{error}");
    }
}

/// An event whose key cannot be fetched at the moment is neither acknowledged nor refused.
#[test]
fn events_wait_for_keys_that_are_not_available() {
    let transmitter = Transmitter::start(Signer::p256("transmitter"));
    let yaml = config(&transmitter, "poll_interval: 200ms")
        .replace("keys: [main.json]", "jwks_uri: \"@AS_ORIGIN@/keys\"")
        .replace("introspection_endpoint: \"@AS@\"\n    events", "introspection_endpoint: \"@AS@\"\n    circuit_breaker: { open_for: 100ms }\n    events");
    let world = World::with(&yaml);
    world.setup.server.publish("/keys", Behaviour::status(503));
    transmitter.send("e1", &world.revocation("e1", "alice"));
    wait_until("the keys are missed", || {
        world.metric("server=\"main\",result=\"unavailable\"") >= 2.0
    });
    assert!(transmitter.acknowledged().is_empty() && transmitter.state().refused.is_empty());
    let keys = json!({ "keys": [world.signer.jwk()] });
    world.setup.server.publish("/keys", Behaviour::Json(keys));
    acknowledged(&transmitter, "e1");
    assert_eq!(world.asked_again(), ["alice-1", "alice-2"]);
}

/// 10,000 events in one response, although `maxEvents` asks for 100: they are all taken, and more
/// subjects than are looked for one by one end all answers of the server.
#[test]
fn ten_thousand_events_in_one_poll() {
    let (transmitter, world) = start("poll_interval: 1s");
    let mut events = Vec::new();
    for n in 0..10_000 {
        let jti = format!("e{n}");
        let token = world.revocation(&jti, &format!("user-{n}"));
        events.push((jti, json!(token)));
    }
    let mut state = transmitter.state();
    (state.floods, state.events) = (true, events);
    drop(state);
    wait_until("all are acknowledged", || transmitter.acknowledged().len() >= 10_000);
    assert_eq!(world.asked_again(), ["alice-1", "alice-2", "bob-1", "carol-1"]);
    assert_eq!(world.metric("server=\"main\",result=\"accepted\""), 10_000.0);
}

/// A response that is larger than the limit: fewer events are asked for.
#[test]
fn a_response_that_is_too_large_is_asked_for_in_smaller_parts() {
    let (transmitter, world) = start("poll_interval: 200ms");
    let padding = "x".repeat(300_000);
    let mut events: Vec<_> = (0..100).map(|n| (format!("e{n}"), json!(padding))).collect();
    events.push(("good".into(), json!(world.revocation("good", "alice"))));
    // all at once: a request whose response is too large is repeated with its reports
    transmitter.state().events = events;
    acknowledged(&transmitter, "good");
    assert_eq!(transmitter.state().refused.len(), 100);
    assert!(world.polls("bad_response") >= 1.0);
    let log = world.setup.gateway.log_with("larger than 8388608 bytes, the fixed limit");
    assert!(!log.contains("max_response_size"), "no key changes this limit: {log}");
    assert_eq!(world.asked_again(), ["alice-1", "alice-2"]);
}

#[test]
fn responses_that_are_none() {
    let (transmitter, world) = start("poll_interval: 200ms");
    wait_until("it polls", || !transmitter.state().polls.is_empty());
    transmitter.state().failures.push_back((404, ""));
    wait_until("it is counted", || world.polls("bad_response") == 1.0);
    let log = world.setup.gateway.log_with("security events cannot be fetched");
    assert!(log.contains("there is no such stream"), "{log}");
    transmitter.send("e1", &world.revocation("e1", "bob"));
    acknowledged(&transmitter, "e1");
}
