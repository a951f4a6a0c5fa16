//! `authorization_servers.NAME.events`.

use super::Period;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// `events`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["audience"]))]
pub struct Events {
    /// The names of this gateway in `aud` of events: one of these is required.
    #[schemars(length(min = 1))]
    pub audience: Vec<String>,
    /// The required `iss` of events; default: the server's `issuer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Where the keys are by which events are signed; those of a `jwt` server's tokens, or found by
    /// the issuer, unless written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// Files with public keys or certificates (PEM) or a JWK set, in place of published keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<String>>,
    /// Allowed signature algorithms; default: RS256, ES256 and EdDSA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithms: Option<Vec<String>>,
    /// How long ago an event may have been issued when it comes.
    pub max_age: Period,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            audience: Vec::new(),
            issuer: None,
            jwks_uri: None,
            keys: None,
            algorithms: None,
            max_age: Period(Duration::from_secs(600)),
        }
    }
}
