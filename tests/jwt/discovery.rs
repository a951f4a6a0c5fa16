//! Keys that are found by the issuer.

use super::{Signer, claims_with, configured, passed};
use crate::support::{Behaviour, Setup, wait_until};
use serde_json::{Value, json};

const RFC8414: &str = "/.well-known/oauth-authorization-server/introspect";
const OIDC: &str = "/introspect/.well-known/openid-configuration";

/// The issuer is the fake's introspection URL: it has a path.
fn start() -> Setup {
    configured("issuer: \"@AS@\", audience: [api]")
}

fn metadata(setup: &Setup, changes: Value) -> Behaviour {
    let mut document = json!({ "issuer": setup.server.url(), "jwks_uri": format!("{}/keys", setup.server.origin()) });
    for (name, value) in changes.as_object().expect("an object") {
        document[name] = value.clone();
    }
    Behaviour::Json(document)
}

fn token(setup: &Setup, signer: &Signer) -> String {
    signer.sign(&claims_with(json!({ "iss": setup.server.url() })))
}

#[test]
fn by_either_document() {
    for place in [RFC8414, OIDC] {
        let (setup, signer) = (start(), Signer::p256("k"));
        for other in [RFC8414, OIDC] {
            setup.server.publish(other, Behaviour::status(404));
        }
        setup.server.publish(place, metadata(&setup, json!({})));
        setup.server.publish("/keys", Behaviour::Json(json!({ "keys": [signer.jwk()] })));
        for _ in 0..3 {
            assert_eq!(setup.outcome(&token(&setup, &signer)), passed(), "{place}");
        }
        assert_eq!(
            (setup.server.count_of_path(place), setup.server.count_of_path("/keys")),
            (1, 1)
        );
        assert_eq!(
            setup
                .gateway
                .metric("introgate_cache_requests_total{cache=\"discovery\",result=\"miss\"}"),
            1.0
        );
        assert_eq!(
            setup.gateway.metric("introgate_cache_requests_total{cache=\"jwks\",result=\"hit\"}"),
            2.0
        );
    }
}

#[test]
fn invalid_metadata_is_as_bad_response() {
    let url = |setup: &Setup| setup.server.url();
    let cases: [&dyn Fn(&Setup) -> Behaviour; 11] = [
        &|setup| metadata(setup, json!({ "issuer": format!("{}/", url(setup)) })),
        &|setup| metadata(setup, json!({ "issuer": "https://other.test" })),
        &|setup| metadata(setup, json!({ "issuer": null })),
        &|setup| metadata(setup, json!({ "jwks_uri": null })),
        &|setup| metadata(setup, json!({ "jwks_uri": "http://example.com/keys" })),
        &|setup| metadata(setup, json!({ "jwks_uri": "file:///etc/passwd" })),
        &|setup| metadata(setup, json!({ "jwks_uri": "/keys" })),
        &|_| Behaviour::body("<html>"),
        &|_| Behaviour::status(404),
        &|setup| {
            Behaviour::respond(
                302,
                &[("Location", &format!("{}/moved", setup.server.origin()))],
                "",
            )
        },
        &|_| Behaviour::status(403),
    ];
    for (number, behaviour) in cases.into_iter().enumerate() {
        let (setup, signer) = (start(), Signer::p256("k"));
        setup.server.publish("/keys", Behaviour::Json(json!({ "keys": [signer.jwk()] })));
        setup.server.publish("/moved", metadata(&setup, json!({})));
        for place in [RFC8414, OIDC] {
            setup.server.publish(place, behaviour(&setup));
        }
        assert_eq!(
            setup.outcome(&token(&setup, &signer)),
            (503, "as_bad_response".into()),
            "{number}"
        );
        assert_eq!(
            (setup.server.count_of_path("/moved"), setup.server.count_of_path("/keys")),
            (0, 0),
            "{number}"
        );
    }
}

#[test]
fn down_at_the_start_and_then_up() {
    let (mut setup, signer) = (start(), Signer::p256("k"));
    setup.server.publish(RFC8414, metadata(&setup, json!({})));
    setup.server.publish("/keys", Behaviour::Json(json!({ "keys": [signer.jwk()] })));
    setup.server.stop();
    for _ in 0..10 {
        assert_eq!(
            setup.outcome(&token(&setup, &signer)),
            (503, "as_unavailable".into()),
            "and the circuit does not open"
        );
    }
    setup.server.start_again();
    wait_until("it recovers by itself", || setup.outcome(&token(&setup, &signer)) == passed());
}
