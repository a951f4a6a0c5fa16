//! Where the keys come from by which events are believed.

use super::{AUDIENCE, CAEP};
use crate::jwt::Signer;
use crate::support::{Behaviour, Response, Setup, active, now, one_route, wait_until};
use serde_json::{Value, json};

fn start(keys: &str) -> Setup {
    Setup::start(&format!(
        "authorization_servers:\n  main: {{ retries: 0, circuit_breaker: {{ open_for: 100ms }}, {keys} }}\n{}",
        one_route("")
    ))
}

fn publish(setup: &Setup, path: &str, signer: &Signer) {
    setup.server.publish(path, Behaviour::Json(json!({ "keys": [signer.jwk()] })));
}

fn event(signer: &Signer, issuer: &str) -> String {
    let claims = json!({
        "iss": issuer, "aud": AUDIENCE, "iat": now(), "jti": format!("{:016x}", rand::random::<u64>()), "sub": "alice",
        "events": { format!("{CAEP}/session-revoked"): {} },
    });
    signer.sign_with(json!({ "typ": "secevent+jwt" }), &claims)
}

fn push(setup: &Setup, token: &str) -> Response {
    let mut connection = setup.gateway.connect_admin();
    let headers = [("Content-Type", "application/secevent+jwt")];
    connection.request("POST", "/api/events", &headers, token.as_bytes()).expect("an answer")
}

/// The server's own `issuer` is the events' too, and the keys are found by it; new ones when an
/// event names one.
#[test]
fn discovered_and_rotated() {
    let setup = start(&format!(
        "introspection_endpoint: \"@AS@\", issuer: \"@AS@\", events: {{ audience: [\"{AUDIENCE}\"] }}"
    ));
    let issuer = setup.server.url();
    let document =
        json!({ "issuer": issuer, "jwks_uri": format!("{}/keys", setup.server.origin()) });
    setup
        .server
        .publish("/.well-known/oauth-authorization-server/introspect", Behaviour::Json(document));
    let (old, new) = (Signer::p256("old"), Signer::ed25519("new"));
    publish(&setup, "/keys", &old);
    setup.server.answer("t", active(json!({ "sub": "alice", "iss": issuer })));
    assert_eq!(setup.get("t").status, 200);
    assert_eq!(push(&setup, &event(&old, &issuer)).status, 202);
    publish(&setup, "/keys", &new);
    wait_until("the new key is known", || push(&setup, &event(&new, &issuer)).status == 202);
    assert_eq!(push(&setup, &event(&old, &issuer)).json()["err"], "invalid_key");
    setup.server.answer("t", active(json!({ "sub": "alice" })));
    assert_eq!((setup.get("t").status, setup.server.count_of("t")), (200, 2));
}

/// An event that cannot be judged at the moment is not refused for good: its sender is to come
/// again.
#[test]
fn keys_that_cannot_be_had() {
    let mut setup = start(&format!(
        "introspection_endpoint: \"@AS@\", events: {{ issuer: \"https://as.test\", audience: [\"{AUDIENCE}\"], jwks_uri: \"@AS_ORIGIN@/keys\" }}"
    ));
    let signer = Signer::p256("k");
    publish(&setup, "/keys", &signer);
    setup.server.stop();
    let token = event(&signer, "https://as.test");
    let response = push(&setup, &token);
    assert_eq!((response.status, response.header("retry-after")), (503, Some("5")));
    assert!(!response.text().contains("127.0.0.1"), "{}", response.text());
    setup.gateway.log_with("/keys");
    assert_eq!(
        setup.gateway.metric("introgate_events_total{server=\"main\",result=\"unavailable\"}"),
        1.0
    );
    setup.server.start_again();
    wait_until("the keys are there", || push(&setup, &token).status != 503);
    assert_eq!(
        push(&setup, &token).json()["description"],
        "its `jti` was taken before",
        "the same event was good then"
    );
}

/// A server of type `jwt` with `then`: its own keys unless others are written. The purge makes the
/// second server be asked.
#[test]
fn a_jwt_servers_own_keys() {
    let yaml = format!(
        "authorization_servers:\n  asked: {{ introspection_endpoint: \"@AS@\" }}\n  local: {{ type: jwt, issuer: \"https://as.test\", audience: [api], \
         jwks_uri: \"@AS_ORIGIN@/keys\", then: asked, events: {{ audience: [\"{AUDIENCE}\"] }} }}\n{}",
        one_route("authorization_server: local")
    );
    let setup = Setup::start(&yaml);
    let signer = Signer::p256("k");
    publish(&setup, "/keys", &signer);
    let claims: Value =
        json!({ "iss": "https://as.test", "aud": "api", "sub": "alice", "exp": now() + 600 });
    let token = signer.sign(&claims);
    setup.server.answer(&token, active(json!({ "sub": "alice" })));
    assert_eq!(
        (setup.get(&token).status, setup.get(&token).status, setup.server.count_of(&token)),
        (200, 200, 1)
    );
    setup.server.behave(&token, Behaviour::inactive());
    assert_eq!(setup.get(&token).status, 200, "until an event ends it");
    assert_eq!(push(&setup, &event(&signer, "https://as.test")).status, 202);
    assert_eq!(setup.outcome(&token), (401, "inactive".into()));
}
