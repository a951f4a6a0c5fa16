//! RFC 7638: JSON Web Key (JWK) Thumbprint.

use crate::proof::{Client, ORIGIN, send};
use crate::support::Setup;
use introgate::parts::thumbprint;
use serde_json::{Value, json};

const MODULUS: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

fn of(jwk: &Value) -> Option<String> {
    thumbprint(jwk.as_object()?).map(|thumbprint| thumbprint.to_string())
}

#[test]
fn section_3_1_the_example() {
    let jwk =
        json!({ "kty": "RSA", "n": MODULUS, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29" });
    assert_eq!(of(&jwk).as_deref(), Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
}

/// §3.2: the required members of each kind of key alone, in lexicographic order; RFC 8037 appendix
/// A.3 for Ed25519, RFC 9449 §6.1 for P-256.
#[test]
fn section_3_2_only_required_members_count() {
    let example = Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs".to_owned());
    for jwk in [
        json!({ "e": "AQAB", "kty": "RSA", "n": MODULUS }),
        json!({ "n": MODULUS, "e": "AQAB", "kty": "RSA", "use": "sig", "x5c": ["AA=="] }),
        json!({ "key_ops": [], "kty": "RSA", "crv": "P-256", "x": "AA", "n": MODULUS, "e": "AQAB" }),
    ] {
        assert_eq!(of(&jwk), example, "{jwk}");
    }
    let ed25519 = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    assert_eq!(of(&ed25519).as_deref(), Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
    let p256 = json!({
        "kty": "EC", "crv": "P-256",
        "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
        "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
    });
    assert_eq!(of(&p256).as_deref(), Some("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"));
    for none in [
        json!({}),
        json!({ "kty": "RSA", "n": MODULUS }),
        json!({ "kty": "RSA", "n": MODULUS, "e": 65537 }),
        json!({ "kty": "EC", "crv": "P-256", "x": "AA" }),
        json!({ "kty": "rsa", "n": MODULUS, "e": "AQAB" }),
    ] {
        assert_eq!(of(&none), None, "{none}");
    }
}

/// §3.2, seen from outside: a client may describe its key in a proof as it likes.
#[test]
fn section_3_2_further_members_of_the_key_in_a_proof() {
    let setup = Setup::route("");
    let client = Client::new();
    client.own(&setup.server, "bound");
    for more in
        [json!({}), json!({ "kid": "a", "use": "sig" }), json!({ "alg": "ES256", "x-own": 1 })]
    {
        let mut header = client.header();
        for (name, value) in more.as_object().expect("an object") {
            header["jwk"][name] = value.clone();
        }
        let proof = client.sign(&header, &client.claims("GET", ORIGIN, "bound"));
        assert_eq!(send(&setup.gateway, "bound", &proof).status, 200, "{more}");
    }
}
