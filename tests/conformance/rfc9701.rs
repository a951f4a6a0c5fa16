//! RFC 9701: JSON Web Token (JWT) Response for OAuth Token Introspection.

use crate::introspection::signed::{MEDIA_TYPE, Signed, claims_with, sign};
use crate::support::now;
use serde_json::json;

const BAD: &str = "as_bad_response";

/// §4: such an answer is asked for by its media type, in an otherwise ordinary request.
#[test]
fn section_4_the_request() {
    let signed = Signed::start("");
    signed.outcome_of(&signed.answer(json!({})));
    let requests = signed.setup.server.requests();
    let request = requests
        .iter()
        .find(|request| request.token().is_some())
        .expect("an introspection request");
    assert_eq!((request.method.as_str(), request.header("accept")), ("POST", Some(MEDIA_TYPE)));
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
}

/// §5: the answer of the RFC's example, with a time of today.
#[test]
fn section_5_the_response() {
    let signed = Signed::start("audience: [\"https://protected.example.net/resource\"]");
    let answer = signed.answer(json!({
        "aud": "https://protected.example.net/resource",
        "iat": now(),
        "token_introspection": {
            "active": true,
            "iss": crate::introspection::signed::ISSUER,
            "aud": "https://protected.example.net/resource",
            "iat": now() - 10,
            "exp": now() + 600,
            "client_id": "paiB2goo0a",
            "scope": "read write dolphin",
            "sub": "Z5O3upPC88QrAjx00dis",
            "birthdate": "1982-02-01",
            "given_name": "John",
            "family_name": "Doe",
            "jti": "t1FoCCaZd4Xv4ORJUWVUeTZfsKhW30CQCrWDDjwXy6w",
        },
    }));
    assert_eq!(signed.outcome_of(&answer), (200, String::new()));
    let seen = signed.setup.upstream.last();
    assert_eq!(
        (seen.header("x-introspected-sub"), seen.header("x-introspected-client-id")),
        (Some("Z5O3upPC88QrAjx00dis"), Some("paiB2goo0a"))
    );
}

/// §5: `iss`, `aud`, `iat` and `token_introspection` are required.
#[test]
fn section_5_required_claims() {
    let signed = Signed::start("");
    for claim in ["iss", "aud", "iat", "token_introspection"] {
        assert_eq!(
            signed.outcome_of(&signed.answer(json!({ claim: null }))),
            (503, BAD.into()),
            "{claim}"
        );
    }
}

/// §5: `sub` and `exp` of the answer itself, which it should not have, are not the token's.
#[test]
fn section_5_top_level_claims_are_not_the_token_s() {
    let signed = Signed::start("");
    let inside = json!({ "active": true, "scope": "read" });
    let changes = json!({ "sub": "mallory", "scope": "admin", "username": "m", "exp": now() + 9999, "active": false, "token_introspection": inside });
    assert_eq!(signed.outcome_of(&signed.answer(changes)), (200, String::new()));
    let seen = signed.setup.upstream.last();
    for name in ["sub", "exp", "username", "iat", "aud"] {
        assert_eq!(seen.header(&format!("x-introspected-{name}")), None, "{name}");
    }
    assert_eq!(seen.header("x-introspected-scope"), Some("read"));
    let inside = json!({ "active": false });
    let changes =
        json!({ "active": true, "scope": "read", "sub": "mallory", "token_introspection": inside });
    assert_eq!(signed.outcome_of(&signed.answer(changes)), (401, "inactive".into()));
}

/// §8.1: the header's `typ` keeps an access token, an ID token or a logout token from being an
/// answer.
#[test]
fn section_8_1_other_jwts_of_the_server() {
    let signed = Signed::start("");
    for typ in [
        json!("JWT"),
        json!("at+jwt"),
        json!("logout+jwt"),
        json!("dpop+jwt"),
        json!("token-introspection"),
        json!(""),
        json!(null),
    ] {
        let answer = sign(&signed.signer, json!({ "typ": typ }), &claims_with(json!({})));
        assert_eq!(signed.outcome_of(&answer), (503, BAD.into()), "{typ}");
    }
}

/// §8.1, the other way round: an answer is no access token.
#[test]
fn section_8_1_an_answer_is_no_access_token() {
    let (setup, signer) = crate::jwt::decrypting(&[("key.pem", &crate::jwt::Sealer::rsa().pem())]);
    let claims = crate::jwt::claims();
    assert_eq!(setup.outcome(&signer.sign(&claims)), crate::jwt::passed());
    assert_eq!(setup.outcome(&sign(&signer, json!({}), &claims)), crate::jwt::invalid());
}
