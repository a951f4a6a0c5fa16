//! `listeners` and `admin`.

use super::SecretText;
use super::upstream::Protocol;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One of `listeners`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Listener {
    /// Address and port, or `unix:/path`.
    pub address: String,
    /// `h1`, `h2` (over TLS, by ALPN), `h2c` (plaintext). This version supports `h1`.
    #[schemars(length(min = 1))]
    pub protocols: Vec<Protocol>,
    /// TLS to clients. Not supported in this version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ListenerTls>,
}

impl Default for Listener {
    fn default() -> Self {
        Self { address: "0.0.0.0:8080".into(), protocols: vec![Protocol::H1], tls: None }
    }
}

/// `listeners[].tls`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["certificate", "private_key"]))]
pub struct ListenerTls {
    /// File with the certificate chain (PEM).
    pub certificate: String,
    /// File with its private key (PEM).
    pub private_key: String,
    /// File with the roots of client certificates (PEM).
    pub client_ca: String,
    /// Whether clients show a certificate.
    pub client_certificates: ClientCertificates,
}

#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    #[default]
    None,
    Optional,
    Required,
}

/// `admin`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// Address and port; `off` turns it off.
    pub address: String,
    /// Asked for by everything that changes state when the address is not on loopback.
    pub token: SecretText,
    /// File with the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<String>,
}

impl Default for Admin {
    fn default() -> Self {
        Self { address: "127.0.0.1:9901".into(), token: SecretText::default(), token_file: None }
    }
}
