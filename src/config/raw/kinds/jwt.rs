//! `type: jwt`.

use crate::config::raw::Period;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Signed tokens that the gateway verifies itself.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct Jwt {
    /// The names of this service in `aud` of tokens; required unless every route demands one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<Vec<String>>,
    /// The URL of its public keys; default: found by `issuer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// Files with public keys or certificates (PEM) or a JWK set, in place of published keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<String>>,
    /// With `{tenantid}` in `issuer`: the ids of the tenants whose tokens are good here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenants: Option<Vec<String>>,
    /// Allowed signature algorithms; default: RS256, ES256 and EdDSA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithms: Option<Vec<String>>,
    /// Allowed values of the header's `typ`; `at+jwt` alone demands the profile of RFC 9068.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typ: Option<Vec<String>>,
    /// Files with the gateway's private keys for encrypted tokens (JWE): PEM, a JWK or a JWK set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decryption_keys: Option<Vec<String>>,
    /// How far clocks may differ; default: 10s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leeway: Option<Period>,
    /// The server that is asked as well when the signature is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub then: Option<String>,
}
