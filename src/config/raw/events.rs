//! `authorization_servers.NAME.events`.

use super::{ClientAuth, Period};
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
    /// How long ago an event may have been issued when it is pushed.
    pub max_age: Period,
    /// How events come: the transmitter sends each to `POST /api/events` of the admin listener
    /// (RFC 8935), or the gateway fetches them (RFC 8936).
    pub delivery: Delivery,
    /// The issuer of a transmitter (OpenID Shared Signals Framework 1.0): its configuration, keys
    /// and poll endpoint are found by it, and the stream of this gateway's `audience` is created or
    /// updated at the start.
    pub transmitter: String,
    /// For `delivery: poll`: where events are fetched; found by `transmitter` unless written.
    pub poll_endpoint: String,
    /// For `delivery: poll`: the time between two polls that the transmitter answers at once, and
    /// the longest pause after a failure. A transmitter that holds a poll until there is an event
    /// is asked again at once.
    pub poll_interval: Period,
    /// How the gateway authenticates at the transmitter: `none`, `bearer`, `client_secret_basic`,
    /// `tls_client_auth`, `self_signed_tls_client_auth` or `client_credentials`; default: the
    /// server's own `client_auth`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_auth: Option<ClientAuth>,
    /// With `transmitter`: how often a verification event is asked for. When none comes within a
    /// minute, the log, the status page and a metric report it.
    pub verify_every: Period,
}

/// `events.delivery`.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    Push,
    Poll,
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
            delivery: Delivery::Push,
            transmitter: String::new(),
            poll_endpoint: String::new(),
            poll_interval: Period(Duration::from_secs(5)),
            client_auth: None,
            verify_every: Period(Duration::from_secs(600)),
        }
    }
}
