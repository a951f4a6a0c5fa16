//! `cnf` (RFC 7800 §3.1): the key or the certificate that a token is bound to.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::fmt;

/// The binding of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Confirmation {
    /// A bearer token: any holder may use it.
    #[default]
    None,
    /// Boxed: most tokens have none, and a cache keeps a million of these.
    Bound(Box<BoundKeys>),
    /// `cnf` has a member that this program cannot check, or a malformed one, or none at all.
    Unknown {
        /// It names a certificate, and no DPoP key.
        certificate: bool,
    },
}

/// At least one of the two; a token with both needs both proofs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BoundKeys {
    /// `jkt` (RFC 9449 §6.1): the thumbprint of a DPoP key.
    pub key: Option<Thumbprint>,
    /// `x5t#S256` (RFC 8705 §3.1): the thumbprint of a client certificate.
    pub certificate: Option<Thumbprint>,
}

impl Confirmation {
    /// Reads the member `cnf`. A member of it that is not understood makes it unknown as a whole:
    /// part of a binding is not a binding. Keycloak 26.7 names the use of `jkt` in `kc-jkt-type`.
    pub fn from_claim(cnf: Option<&Value>) -> Self {
        let methods = match cnf {
            None | Some(Value::Null) => return Self::None,
            Some(Value::Object(methods)) if !methods.is_empty() => methods,
            Some(_) => return Self::Unknown { certificate: false },
        };
        let certificate = methods.contains_key("x5t#S256") && !methods.contains_key("jkt");
        let mut bound = BoundKeys::default();
        for (name, value) in methods {
            let thumbprint = value.as_str().and_then(Thumbprint::parse);
            match (name.as_str(), thumbprint) {
                ("jkt", Some(thumbprint)) => bound.key = Some(thumbprint),
                ("x5t#S256", Some(thumbprint)) => bound.certificate = Some(thumbprint),
                ("kc-jkt-type", _) if value == "DPoP" && methods.contains_key("jkt") => {}
                _ => return Self::Unknown { certificate },
            }
        }
        Self::Bound(Box::new(bound))
    }
}

/// A SHA-256 digest of a public key (RFC 7638) or of a certificate in DER (RFC 8705 §3.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// 43 characters of base64url without padding, in the one canonical form.
    pub fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// The digest of `bytes`.
    pub fn hash(bytes: &[u8]) -> Self {
        let mut thumbprint = [0; 32];
        thumbprint.copy_from_slice(digest(&SHA256, bytes).as_ref());
        Self(thumbprint)
    }

    /// The digest itself.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Thumbprint {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const JKT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

    #[test]
    fn known_bindings_are_read() {
        let thumbprint = Thumbprint::parse(JKT);
        assert!(thumbprint.is_some_and(|thumbprint| thumbprint.to_string() == JKT));
        for (cnf, key, certificate) in [
            (json!({ "jkt": JKT }), thumbprint, None),
            (json!({ "x5t#S256": JKT }), None, thumbprint),
            (json!({ "x5t#S256": JKT, "jkt": JKT }), thumbprint, thumbprint),
            (json!({ "jkt": JKT, "kc-jkt-type": "DPoP" }), thumbprint, None),
        ] {
            let bound = Confirmation::Bound(Box::new(BoundKeys { key, certificate }));
            assert_eq!(Confirmation::from_claim(Some(&cnf)), bound, "{cnf}");
        }
        assert_eq!(Confirmation::from_claim(None), Confirmation::None);
        assert_eq!(Confirmation::from_claim(Some(&Value::Null)), Confirmation::None);
    }

    #[test]
    fn a_binding_that_cannot_be_checked_is_unknown() {
        for cnf in [
            json!({}),
            json!([]),
            json!("text"),
            json!(1),
            json!(false),
            json!({ "jwk": { "kty": "EC" } }),
            json!({ "kid": "1" }),
            json!({ "jkt": JKT, "kid": "1" }),
            json!({ "jkt": null }),
            json!({ "jkt": JKT, "kc-jkt-type": "other" }),
            json!({ "jkt": JKT, "kc-jkt-type": null }),
            json!({ "kc-jkt-type": "DPoP" }),
            json!({ "jkt": 1 }),
            json!({ "jkt": "" }),
            json!({ "jkt": [JKT] }),
            json!({ "jkt": &JKT[1..] }),
            json!({ "jkt": format!("{JKT}=") }),
            json!({ "jkt": "x".repeat(100_000) }),
            json!({ "JKT": JKT }),
            json!({ "x5t": JKT }),
            json!({ "x5t#S256": JKT, "jkt": "x" }),
        ] {
            let unknown = Confirmation::Unknown { certificate: false };
            assert_eq!(Confirmation::from_claim(Some(&cnf)), unknown, "{cnf}");
        }
        let cnf = json!({ "x5t#S256": "x" });
        let unknown = Confirmation::Unknown { certificate: true };
        assert_eq!(Confirmation::from_claim(Some(&cnf)), unknown);
    }
}
