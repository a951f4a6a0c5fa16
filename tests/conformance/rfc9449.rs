//! RFC 9449: OAuth 2.0 Demonstrating Proof of Possession (DPoP).
//!
//! The RFC's own proofs are of 2019, so that they are checked by the library with a clock of that
//! day; the rest by the program.

use crate::proof::{Client, ORIGIN};
use crate::support::Setup;
use http::{HeaderMap, HeaderValue, Method};
use introgate::parts::{AccessToken, DigestKey};
use introgate::parts::{DPOP, Dpop, DpopSettings, Expected, HttpUrl, Proof, ProofFlaw};
use introgate::parts::{Mono, Now};

/// §7.1, figure 13.
const TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
const HEADER: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19";
const FIGURE_13: &str = "eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
/// §4.1, figure 2: for a token endpoint, and so without `ath`.
const FIGURE_2: &str = "eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
/// §6.1, figure 9.
const JKT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

fn check(payload: &str, method: &Method, url: &str) -> Result<Proof, ProofFlaw> {
    let mut headers = HeaderMap::new();
    let proof = format!("{HEADER}.{payload}");
    headers.insert(DPOP, HeaderValue::try_from(proof).expect("a header"));
    let url = HttpUrl::parse(url);
    let token = AccessToken::parse(TOKEN.as_bytes(), 100).expect("a token");
    let now = Now { wall: 1_562_262_620_000, mono: Mono::ZERO };
    let expected = Expected { method, url: url.as_ref(), token, now };
    Dpop::new(DpopSettings::default(), &DigestKey::random()).check(&headers, &expected)
}

#[test]
fn section_7_1_the_example_passes() {
    let proof = check(FIGURE_13, &Method::GET, "https://resource.example.org/protectedresource");
    assert_eq!(proof.map(|proof| proof.thumbprint.to_string()).as_deref(), Ok(JKT));
    let other = check(FIGURE_13, &Method::GET, "https://resource.example.org/other");
    assert_eq!(other, Err(ProofFlaw::Url));
}

/// §4.3, item 12: with an access token, `ath` is its hash.
#[test]
fn section_4_1_a_proof_for_the_token_endpoint_is_none_for_a_resource() {
    let proof = check(FIGURE_2, &Method::POST, "https://server.example.com/token");
    assert_eq!(proof, Err(ProofFlaw::TokenHash));
}

/// §7.1: the scheme is compared without regard to case; §7.2: a protected resource must refuse a
/// DPoP-bound token that is presented with the scheme `Bearer`.
#[test]
fn section_7_the_scheme() {
    let setup = Setup::route("");
    let client = Client::new();
    client.own(&setup.server, "bound");
    assert_eq!(client.get(&setup.gateway, "bound").status, 200);
    let proof = client.proof("GET", ORIGIN, "bound");
    let headers = [("Authorization", "dPoP bound"), ("DPoP", proof.as_str())];
    assert_eq!(setup.gateway.get("/", &headers).status, 200);
    let refused = setup.get("bound");
    assert_eq!(refused.status, 401);
    let challenge = refused.header("www-authenticate").unwrap_or_default().to_owned();
    assert!(challenge.starts_with("DPoP ") && challenge.contains("error=\"invalid_token\""));
}

/// §7.1, figure 15: a challenge to a request without a token.
#[test]
fn section_7_1_the_challenge() {
    let setup = Setup::start(
        "dpop: { algorithms: [ES256, PS256] }\nroutes: [{ path: /*, upstream: \"@UPSTREAM@\", binding: { dpop: required } }]\n",
    );
    let challenge = setup.gateway.get("/", &[]);
    let expected = r#"DPoP realm="introgate", algs="ES256 PS256""#;
    assert_eq!(challenge.header("www-authenticate"), Some(expected));
}
