//! `identity`.

use super::Period;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// `identity`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// The prefix of identity headers; ends in `-`. Headers of such names that a
    /// client sends are removed.
    pub prefix: String,
    /// Members of the answer to forward besides the registered ones; dotted paths reach inside
    /// objects.
    pub claims: Vec<String>,
    /// `true`: `X-Introspected-Claims` carries the whole answer, base64url(JSON).
    pub all_claims: bool,
    /// `X-Introspected-Assertion` carries a signed JWT with the facts, for upstreams that want proof
    /// of where they come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assertion: Option<Assertion>,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            prefix: "X-Introspected-".into(),
            claims: Vec::new(),
            all_claims: false,
            assertion: None,
        }
    }
}

/// `identity.assertion`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["private_key", "audience"]))]
pub struct Assertion {
    /// File with the key that signs (PEM or JWK): RSA, EC (P-256, P-384) or Ed25519. It is read
    /// again when it changes.
    pub private_key: String,
    /// `aud` of the JWT: the upstreams that it is for.
    pub audience: String,
    /// How long a JWT is good, from 1s to 1h; never longer than the token.
    pub ttl: Period,
}

impl Default for Assertion {
    fn default() -> Self {
        Self {
            private_key: String::new(),
            audience: String::new(),
            ttl: Period(Duration::from_secs(60)),
        }
    }
}
