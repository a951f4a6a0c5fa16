//! The algorithms of signatures (RFC 7518 §3.1). The JWT library knows all but ES512, which is
//! verified and made here.

use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm as Known, DecodingKey, DecodingKeyKind, crypto};
use std::str::FromStr;

/// `alg` of a JWS. `Debug` shows its registered name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    ES512,
    EdDSA,
}

/// Bytes of an uncompressed point of P-521 (SEC 1 §2.3.3): 04, x, y.
pub const P521_POINT: usize = 1 + 2 * 66;

impl Algorithm {
    const ALL: [(Algorithm, &str, Option<Known>); 13] = [
        (Self::HS256, "HS256", Some(Known::HS256)),
        (Self::HS384, "HS384", Some(Known::HS384)),
        (Self::HS512, "HS512", Some(Known::HS512)),
        (Self::RS256, "RS256", Some(Known::RS256)),
        (Self::RS384, "RS384", Some(Known::RS384)),
        (Self::RS512, "RS512", Some(Known::RS512)),
        (Self::PS256, "PS256", Some(Known::PS256)),
        (Self::PS384, "PS384", Some(Known::PS384)),
        (Self::PS512, "PS512", Some(Known::PS512)),
        (Self::ES256, "ES256", Some(Known::ES256)),
        (Self::ES384, "ES384", Some(Known::ES384)),
        (Self::ES512, "ES512", None),
        (Self::EdDSA, "EdDSA", Some(Known::EdDSA)),
    ];

    /// The registered name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(algorithm, ..)| *algorithm == self).map_or("", |(_, name, _)| name)
    }

    /// An HMAC: everyone who can verify with the key can sign with it.
    pub fn is_by_secret(self) -> bool {
        matches!(self, Self::HS256 | Self::HS384 | Self::HS512)
    }

    /// The library's name for it; `None`: the library does not know it.
    pub fn known(self) -> Option<Known> {
        Self::ALL.iter().find(|(algorithm, ..)| *algorithm == self).and_then(|(.., known)| *known)
    }

    /// Whether the signature (base64url) of these octets is by this key.
    pub fn verifies(self, signature: &str, signed: &[u8], key: &DecodingKey) -> bool {
        match self.known() {
            Some(known) => {
                crypto::verify(signature, signed, key, known).is_ok_and(|verified| verified)
            }
            None => es512(signature, signed, key),
        }
    }
}

impl FromStr for Algorithm {
    /// There is no such algorithm.
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.iter().find(|(_, name, _)| *name == text).map(|(found, ..)| *found).ok_or(())
    }
}

/// RFC 7518 §3.4: r and s of 66 octets each.
fn es512(signature: &str, signed: &[u8], key: &DecodingKey) -> bool {
    let DecodingKeyKind::SecretOrDer(point) = key.kind() else { return false };
    let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
    point.len() == P521_POINT
        && UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, point)
            .verify(signed, &signature)
            .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::introspect::jwt::jws::Jws;
    use crate::introspect::jwt::keys::{KeySet, Verdict};
    use serde_json::json;

    /// RFC 7515 A.4, whose payload is no JSON.
    const HEAD: &str = "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA";
    const SIGNATURE: &str = "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";
    const X: &str =
        "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk";
    const Y: &str =
        "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2";

    fn verdict(jwk: serde_json::Value, token: &str) -> &'static str {
        let set = json!({ "keys": [jwk] });
        let Some(set) = set.as_object().and_then(|set| KeySet::from_members(set).ok()) else {
            return "no key";
        };
        let Ok(jws) = Jws::parse(token) else { return "no JWS" };
        match set.verify(&jws, 0) {
            Verdict::Holds(_) => "holds",
            Verdict::Bad(_) => "bad",
            Verdict::Unknown => "unknown",
        }
    }

    #[test]
    fn the_example_of_rfc7515_a_4() {
        let jwk = json!({ "kty": "EC", "crv": "P-521", "x": X, "y": Y });
        let token = format!("{HEAD}.{SIGNATURE}");
        assert_eq!(verdict(jwk.clone(), &token), "holds");
        for (own, expected) in [("ES512", "holds"), ("ES384", "no key"), ("ECDH-ES", "no key")] {
            let mut jwk = jwk.clone();
            jwk["alg"] = json!(own);
            assert_eq!(verdict(jwk, &token), expected, "{own}");
        }
        for (bad, token) in [
            ("signed", format!("{}B.{SIGNATURE}", &HEAD[..HEAD.len() - 1])),
            ("cut", format!("{HEAD}.{}", &SIGNATURE[..SIGNATURE.len() - 4])),
            ("longer", format!("{HEAD}.{SIGNATURE}AAAA")),
            ("changed", format!("{HEAD}.B{}", &SIGNATURE[1..])),
            ("zeros", format!("{HEAD}.{}", "A".repeat(176))),
            ("empty", format!("{HEAD}.")),
            // by the same key, for another algorithm
            ("ES256", format!("eyJhbGciOiJFUzI1NiJ9.UGF5bG9hZA.{SIGNATURE}")),
        ] {
            assert_ne!(verdict(jwk.clone(), &token), "holds", "{bad}");
        }
    }

    /// Points that are not on the curve, or of another length.
    #[test]
    fn points_that_are_none_verify_nothing() {
        let token = format!("{HEAD}.{SIGNATURE}");
        for (x, y) in [(Y, X), (X, X), ("AA", "AA"), (&X[4..], Y), (X, "")] {
            let jwk = json!({ "kty": "EC", "crv": "P-521", "x": x, "y": y });
            assert_ne!(verdict(jwk, &token), "holds", "{x} {y}");
        }
        let other_curve = json!({ "kty": "EC", "crv": "P-384", "x": X, "y": Y });
        assert_ne!(verdict(other_curve, &token), "holds");
    }

    #[test]
    fn names() {
        for (algorithm, name, known) in Algorithm::ALL {
            assert_eq!(name.parse(), Ok(algorithm));
            assert_eq!((algorithm.name(), format!("{algorithm:?}")), (name, name.to_owned()));
            assert_eq!(known.map(|known| format!("{known:?}")).unwrap_or(name.into()), name);
        }
        for none in ["none", "es512", "ES512 ", "ES256K", ""] {
            assert_eq!(none.parse::<Algorithm>(), Err(()), "{none}");
        }
    }
}
