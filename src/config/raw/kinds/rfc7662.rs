//! `type: rfc7662`.

use crate::config::raw::{ClientAuth, OneOrMany, Period, SecretText};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// OAuth 2.0 Token Introspection.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct Rfc7662 {
    /// One URL, or a list tried in order when one fails; default: found by `issuer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection_endpoint: Option<OneOrMany<String>>,
    /// How the gateway authenticates to it.
    pub client_auth: ClientAuth,
    /// Sent along with the token when set, such as `access_token`.
    pub token_type_hint: String,
    /// Extra form parameters.
    pub parameters: BTreeMap<String, SecretText>,
    /// Extra request headers.
    pub headers: BTreeMap<String, SecretText>,
    /// `true`: `X-Forwarded-Host`, `-Proto` and `-For` of the client's request go to the server
    /// too. Only a host that some route names by `host`, without `*`, is forwarded.
    pub forward_host: bool,
    /// The form of its answers: `json`, or `jwt`, signed by RFC 9701.
    pub response: ResponseKind,
    /// With `response: jwt`: the gateway's name in `aud` of answers. Default: its client id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<Vec<String>>,
    /// With `response: jwt`: the URL of its public keys; default: found by `issuer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// With `response: jwt`: files with public keys or certificates (PEM) or a JWK set, in place of
    /// published keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<String>>,
    /// With `response: jwt`: allowed signature algorithms; default: RS256, ES256 and EdDSA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithms: Option<Vec<String>>,
    /// With `response: jwt`: files with the gateway's private keys for encrypted answers (JWE): PEM,
    /// a JWK or a JWK set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decryption_keys: Option<Vec<String>>,
    /// With `response: jwt`: how far clocks may differ; default: 10s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leeway: Option<Period>,
}

#[derive(Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ResponseKind {
    #[default]
    Json,
    Jwt,
}
