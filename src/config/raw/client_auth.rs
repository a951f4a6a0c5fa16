//! `authorization_servers.NAME.client_auth`.

use super::SecretText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `client_auth`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClientAuth {
    /// Exactly one.
    pub method: Method,
    /// For `bearer`: the gateway's own token.
    pub token: SecretText,
    /// For `bearer`: file with the gateway's own token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<String>,
    /// For `client_credentials`: where the gateway fetches its own token; found by `issuer` unless
    /// written.
    pub token_endpoint: String,
    /// For `client_credentials`: how the gateway authenticates to the token endpoint. Unless
    /// written: `tls_client_auth` with `certificate`, `private_key_jwt` with `private_key` alone,
    /// else `client_secret_basic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_method: Option<TokenEndpointAuth>,
    /// For `client_credentials`: the scope to ask for.
    pub scope: String,
    /// For `client_assertion`: file with a JWT that the platform keeps fresh, such as a projected
    /// Kubernetes service account token or a SPIFFE JWT-SVID. It is read again while it is used.
    pub assertion_file: String,
    /// The gateway's client id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretText,
    /// File with its secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret_file: Option<String>,
    /// For `private_key_jwt`: file with the private key (PEM or JWK); for `tls_client_auth` and
    /// `self_signed_tls_client_auth`: the certificate's key (PEM).
    pub private_key: String,
    /// For `private_key_jwt`: the `kid` of assertions; a JWK's own unless written.
    pub key_id: String,
    /// For `private_key_jwt` and `client_secret_jwt`: how assertions are signed; by the key's type
    /// unless written, RS256 for RSA, HS256 for a secret.
    pub algorithm: String,
    /// For `private_key_jwt` and `client_secret_jwt`: `aud` of assertions; unless written the
    /// server's `issuer`, or, without one, the endpoint that is called.
    pub audience: String,
    /// For `tls_client_auth` and `self_signed_tls_client_auth`: file with the certificate, and
    /// those between it and its root (PEM).
    pub certificate: String,
    /// For `client_secret_basic` and `client_credentials`: whether id and secret are form-encoded
    /// first (RFC 6749 §2.3.1);
    /// `false` for servers that do not decode.
    pub form_encode: bool,
}

impl Default for ClientAuth {
    fn default() -> Self {
        Self {
            method: Method::None,
            token: SecretText::default(),
            token_file: None,
            token_endpoint: String::new(),
            token_endpoint_auth_method: None,
            scope: String::new(),
            assertion_file: String::new(),
            client_id: String::new(),
            client_secret: SecretText::default(),
            client_secret_file: None,
            private_key: String::new(),
            key_id: String::new(),
            algorithm: String::new(),
            audience: String::new(),
            certificate: String::new(),
            form_encode: true,
        }
    }
}

/// `client_auth.token_endpoint_auth_method`.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokenEndpointAuth {
    ClientSecretBasic,
    ClientSecretPost,
    PrivateKeyJwt,
    TlsClientAuth,
}

impl TokenEndpointAuth {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::TlsClientAuth => "tls_client_auth",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    None,
    Bearer,
    ClientSecretBasic,
    ClientSecretPost,
    ClientSecretJwt,
    PrivateKeyJwt,
    ClientAssertion,
    TlsClientAuth,
    SelfSignedTlsClientAuth,
    ClientCredentials,
}

impl Method {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Bearer => "bearer",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::ClientSecretJwt => "client_secret_jwt",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::ClientAssertion => "client_assertion",
            Self::TlsClientAuth => "tls_client_auth",
            Self::SelfSignedTlsClientAuth => "self_signed_tls_client_auth",
            Self::ClientCredentials => "client_credentials",
        }
    }
}
