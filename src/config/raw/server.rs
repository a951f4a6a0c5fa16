//! `authorization_servers`: one flat set of keys for all kinds, so that a mistake is told where it
//! stands rather than as a failure of every kind.

use super::server_kinds::{CustomRequest, GithubApi, SoapVersion};
use super::{Events, OneOrMany, Period, SecretText, Size};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// `authorization_servers.NAME`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: ServerKind,
    /// Where an answer carries `iss`, it must be this. Endpoints and keys that are not written are
    /// found by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// `true`: an answer without `iss` is refused.
    pub require_issuer: bool,
    /// One URL, or a list tried in order when one fails; found by `issuer` unless written.
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
    /// too.
    pub forward_host: bool,
    /// The form of its answers: `json`, or `jwt`, signed by RFC 9701.
    pub response: ResponseKind,
    /// How long the whole call may take, all attempts and bodies included.
    pub timeout: Period,
    /// How long a connection may take.
    pub connect_timeout: Period,
    /// Bytes that an answer may have.
    pub max_response_size: Size,
    /// Calls at the same time; further ones wait, at most `timeout`.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_concurrent: u32,
    /// Further attempts after connection failures, 502, 503 and 504, as long as `timeout` allows.
    #[schemars(range(min = 0, max = 10))]
    pub retries: u32,
    /// When to stop asking a server that fails.
    pub circuit_breaker: Breaker,
    /// How the server is verified. Nothing turns verification off.
    pub tls: ServerTls,
    /// Which tokens it is asked about; a token that is meant for no server of its route is shown to
    /// none.
    pub tokens: TokenSelector,
    /// What it tells of its own accord, on the admin listener: security events and back-channel
    /// logout end cached answers. Off unless written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Events>,

    /// For `google` and `amazon`: the client ids whose tokens are accepted, at least one; for
    /// `jwt`: what this service is called in `aud`; for `rfc7662` with `response: jwt`: what the
    /// gateway is called in `aud` of answers, its client id unless written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<Vec<String>>,
    /// For `google`, `amazon`, `github` and `soap`: the URL that is asked; only `soap` has no usual
    /// one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// For `github`: the app's client id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// For `github`: the app's client secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<SecretText>,
    /// For `github`: file with the app's client secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret_file: Option<String>,
    /// For `github`: which of its two interfaces is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<GithubApi>,
    /// For `jwt`, and `rfc7662` with `response: jwt`: where the public keys are; found by `issuer`
    /// unless written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// For the same: files with public keys or certificates (PEM) or a JWK set, in place of
    /// published keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<String>>,
    /// For `jwt` with `{tenantid}` in `issuer`: the ids of the tenants whose tokens are good here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenants: Option<Vec<String>>,
    /// For the same: allowed signature algorithms; RS256, ES256 and EdDSA unless written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithms: Option<Vec<String>>,
    /// For `jwt`: allowed values of the header's `typ`; `at+jwt` alone demands the profile of RFC
    /// 9068.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typ: Option<Vec<String>>,
    /// For `jwt`, and `rfc7662` with `response: jwt`: files with the gateway's private keys for
    /// encrypted tokens and answers (JWE): PEM, a JWK or a JWK set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decryption_keys: Option<Vec<String>>,
    /// For the same: how far clocks may differ; 10s unless written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leeway: Option<Period>,
    /// For `jwt`: the server that is asked as well when the signature is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub then: Option<String>,
    /// For `soap`: `SOAPAction` (1.1), or the action parameter of the content type (1.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// For `soap`: `1.1` unless written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<SoapVersion>,
    /// For `soap`: what stands in the envelope's body; `{token}` is replaced, XML-escaped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<SecretText>,
    /// For `soap`: prefixes of XML namespaces in `answer` and `fault_inactive`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<BTreeMap<String, String>>,
    /// For `custom` (JSON pointers) and `soap` (XPath): where the answer says what. `active`, the
    /// members of RFC 7662,
    /// `expires_in`, or a name of your own. Only `true`, 1 and the text `true` are true; without
    /// `active` any 200 of a
    /// `custom` server is active.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<BTreeMap<String, String>>,
    /// For `soap`: fault codes that mean an inactive token; any other fault is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault_inactive: Option<Vec<String>>,
    /// For `custom`: how the server is asked. `{token}` is replaced in URL, headers and body,
    /// encoded for where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<CustomRequest>,
    /// For `custom`: statuses that mean an inactive token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inactive_status: Option<Vec<u16>>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            kind: ServerKind::Rfc7662,
            issuer: None,
            require_issuer: false,
            introspection_endpoint: None,
            client_auth: ClientAuth::default(),
            token_type_hint: String::new(),
            parameters: BTreeMap::new(),
            headers: BTreeMap::new(),
            forward_host: false,
            response: ResponseKind::Json,
            timeout: Period(Duration::from_secs(5)),
            connect_timeout: Period(Duration::from_millis(500)),
            max_response_size: Size(64 << 10),
            max_concurrent: 256,
            retries: 1,
            circuit_breaker: Breaker::default(),
            tls: ServerTls::default(),
            tokens: TokenSelector::default(),
            events: None,
            audience: None,
            endpoint: None,
            client_id: None,
            client_secret: None,
            client_secret_file: None,
            api: None,
            jwks_uri: None,
            keys: None,
            tenants: None,
            algorithms: None,
            typ: None,
            decryption_keys: None,
            leeway: None,
            then: None,
            action: None,
            version: None,
            body: None,
            namespaces: None,
            answer: None,
            fault_inactive: None,
            request: None,
            inactive_status: None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ServerKind {
    Rfc7662,
    Google,
    Github,
    Amazon,
    Jwt,
    Soap,
    Custom,
}

impl ServerKind {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rfc7662 => "rfc7662",
            Self::Google => "google",
            Self::Github => "github",
            Self::Amazon => "amazon",
            Self::Jwt => "jwt",
            Self::Soap => "soap",
            Self::Custom => "custom",
        }
    }
}

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
    /// For `client_credentials`: the scope to ask for.
    pub scope: String,
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
            scope: String::new(),
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

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    None,
    Bearer,
    ClientSecretBasic,
    ClientSecretPost,
    ClientSecretJwt,
    PrivateKeyJwt,
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
            Self::TlsClientAuth => "tls_client_auth",
            Self::SelfSignedTlsClientAuth => "self_signed_tls_client_auth",
            Self::ClientCredentials => "client_credentials",
        }
    }
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ResponseKind {
    Json,
    Jwt,
}

/// `circuit_breaker`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Breaker {
    /// Failures in a row that open it.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub failures: u32,
    /// How long it stays open.
    pub open_for: Period,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: 5, open_for: Period(Duration::from_secs(5)) }
    }
}

/// `authorization_servers.NAME.tls`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerTls {
    /// File with further trust roots (PEM).
    pub ca: String,
    /// The name to ask for and to verify, in place of the URL's host.
    pub server_name: String,
}

/// `tokens`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenSelector {
    /// What its tokens begin with. Of several prefixes that fit, the longest decides.
    pub prefix: String,
    /// The `iss` of its JWTs, unverified: it only chooses among servers. Decides before any prefix.
    pub jwt_issuer: String,
}
