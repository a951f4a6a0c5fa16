//! RFC 8705: OAuth 2.0 Mutual-TLS Client Authentication and Certificate-Bound Access Tokens.

use crate::support::{Setup, active, one_route};
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
