//! RFC 8705: OAuth 2.0 Mutual-TLS Client Authentication and Certificate-Bound Access Tokens.

use crate::jwt::{self, Signer};
use crate::support::{Behaviour, Setup, active, one_route};
use introgate::parts::Thumbprint;
use serde_json::json;

/// Appendix A, figure 11: the certificate, and its thumbprint.
const CERTIFICATE: &str = concat!(
    "MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAxODEyMzcwOVoXDTIyMDUwMjEyMzcw",
    "OVowDzENMAsGA1UEAwwEbXRsczBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW9Oyl",
    "MbnQZjjJ/Au08/coZwxS7LfA4vOLS9WuneIXhbGGWvsDSb0tH6IxLm8wCgYIKoZIzj0EAwIDSQAwRgIhAP0RC1E+vwJD",
    "/D1AGHGzuri+hlV/PpQEKTWUVeORWz83AiEA5x2eXZOVbUlJSGQgjwD5vaUaKlLR50Q2DmFfQj1L+SY=",
);
const THUMBPRINT: &str = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0";

/// Appendix A: a token that is bound to the certificate passes with it.
#[test]
fn appendix_a_the_example_passes() {
    let setup = Setup::start(&format!("trusted_proxies: [127.0.0.1]\n{}", one_route("")));
    setup.server.answer("bound", active(json!({ "cnf": { "x5t#S256": THUMBPRINT } })));
    let certificate = format!(":{CERTIFICATE}:");
    let headers = [("Authorization", "Bearer bound"), ("Client-Cert", certificate.as_str())];
    assert_eq!(setup.gateway.get("/", &headers).status, 200);
}

/// §3: a mismatch, or no certificate, is 401 with `invalid_token`.
#[test]
fn section_3_a_mismatch_is_an_invalid_token() {
    let setup = Setup::start(&format!("trusted_proxies: [127.0.0.1]\n{}", one_route("")));
    let thumbprint = Thumbprint::hash(b"a certificate").to_string();
    setup.server.answer("bound", active(json!({ "cnf": { "x5t#S256": thumbprint } })));
    for lines in [&[][..], &[("Client-Cert", ":AAAA:")]] {
        let mut headers = vec![("Authorization", "Bearer bound")];
        headers.extend(lines);
        let response = setup.gateway.get("/", &headers);
        assert_eq!(
            (response.status, response.json()["error"].clone()),
            (401, "invalid_token".into())
        );
    }
}

/// §3.1: a JWT has the confirmation among its own claims.
#[test]
fn section_3_1_a_jwt_access_token() {
    let setup = Setup::start(&format!(
        "trusted_proxies: [127.0.0.1]\nauthorization_servers:\n  local: {{ type: jwt, issuer: \"https://as.test\", audience: [api], jwks_uri: \"@AS@/jwks\" }}\n{}",
        one_route("")
    ));
    let signer = Signer::p256("k");
    setup.server.publish("/introspect/jwks", Behaviour::Json(json!({ "keys": [signer.jwk()] })));
    let mut claims = jwt::claims();
    claims["cnf"] = json!({ "x5t#S256": THUMBPRINT });
    let bearer = format!("Bearer {}", signer.sign(&claims));
    let certificate = format!(":{CERTIFICATE}:");
    for (shown, status) in [(certificate.as_str(), 200), (":AAAA:", 401), ("", 401)] {
        let mut headers = vec![("Authorization", bearer.as_str())];
        headers.extend((!shown.is_empty()).then_some(("Client-Cert", shown)));
        assert_eq!(setup.gateway.get("/", &headers).status, status, "{shown}");
    }
}

/// §3.2: the answer of an introspection has it, and a member beside it that nothing here can prove
/// is no way around it.
#[test]
fn section_3_2_the_confirmation_of_an_introspection() {
    let setup = Setup::start(&format!("trusted_proxies: [127.0.0.1]\n{}", one_route("")));
    let certificate = format!(":{CERTIFICATE}:");
    for (cnf, status) in [
        (json!({ "x5t#S256": THUMBPRINT }), 200),
        (json!({ "x5t#S256": THUMBPRINT.to_lowercase() }), 401),
        (json!({ "x5t#S256": &THUMBPRINT[1..] }), 401),
        (json!({ "x5t#S256": "" }), 401),
        (json!({ "x5t#S256": null }), 401),
        (json!({ "x5t#S256": [THUMBPRINT] }), 401),
        (json!({ "x5t": THUMBPRINT }), 401),
        (json!({ "x5t#S256": THUMBPRINT, "jkt": THUMBPRINT }), 401),
        (json!({ "x5t#S256": THUMBPRINT, "jwe": "x" }), 401),
    ] {
        let token = format!("token-{:016x}", rand::random::<u64>());
        let bearer = format!("Bearer {token}");
        setup.server.answer(&token, active(json!({ "cnf": cnf })));
        let headers = [("Authorization", bearer.as_str()), ("Client-Cert", certificate.as_str())];
        for _ in 0..2 {
            assert_eq!(setup.gateway.get("/", &headers).status, status, "{cnf}");
        }
    }
}
