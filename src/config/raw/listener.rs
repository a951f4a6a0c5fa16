//! `listeners` and `admin`.

use super::upstream::Protocol;
use super::{Period, SecretText, Size, SizeLimit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One of `listeners`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Listener {
    /// Address and port; `unix:/path`; or `systemd:NAME` for a socket that systemd passes.
    pub address: String,
    /// `proxy` forwards requests; `forward_auth` answers other proxies that ask whether a request
    /// may pass (nginx `auth_request`, Traefik, Caddy, HAProxy); `ext_authz` answers Envoy by gRPC, over HTTP/2 whatever `protocols` says.
    pub serves: Serves,
    /// For `forward_auth`: taken off the path where a proxy does not describe the request in
    /// question and the request itself is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_prefix: Option<String>,
    /// `h1`, `h2` (over TLS, by ALPN), `h2c` (plaintext, by prior knowledge).
    #[schemars(length(min = 1))]
    pub protocols: Vec<Protocol>,
    /// Connections begin with a PROXY protocol header, version 1 or 2. It is believed only from
    /// `trusted_proxies`; connections of others are closed.
    pub proxy_protocol: bool,
    /// TLS to clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ListenerTls>,
    /// How much of the gateway one client may take.
    pub limits: ListenerLimits,
}

impl Default for Listener {
    fn default() -> Self {
        Self {
            address: "0.0.0.0:8080".into(),
            serves: Serves::Proxy,
            path_prefix: None,
            protocols: vec![Protocol::H1],
            proxy_protocol: false,
            tls: None,
            limits: ListenerLimits::default(),
        }
    }
}

/// `listeners[].serves`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Serves {
    #[default]
    Proxy,
    ForwardAuth,
    ExtAuthz,
}

/// `listeners[].tls`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["certificate", "private_key"]))]
pub struct ListenerTls {
    /// File with the certificate chain (PEM), the listener's own first. Read again when it changes.
    pub certificate: String,
    /// File with its private key (PEM).
    pub private_key: String,
    /// Further pairs, chosen by the name that the client asks for (SNI). `certificate` serves where
    /// no name fits.
    pub certificates: Vec<TlsPair>,
    /// The oldest version of TLS that is spoken.
    pub min_version: TlsVersion,
    /// File with the certificates (PEM) of the authorities that certify clients.
    pub client_ca: String,
    /// Whether clients show a certificate.
    pub client_certificates: ClientCertificates,
}

/// One of `listeners[].tls.certificates`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsPair {
    /// File with the certificate chain (PEM), the listener's own first.
    pub certificate: String,
    /// File with its private key (PEM).
    pub private_key: String,
}

#[derive(Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
pub enum TlsVersion {
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    #[serde(rename = "1.3")]
    Tls13,
}

#[derive(Clone, Copy, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    #[default]
    None,
    Optional,
    Required,
}

/// `listeners[].limits`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListenerLimits {
    /// For a whole header section, counted from its first byte; then 408.
    pub header_timeout: Period,
    /// Between two requests.
    pub idle_timeout: Period,
    /// A client that takes nothing for so long is disconnected.
    pub write_timeout: Period,
    /// A whole header section; more is 431.
    pub header_size: Size,
    /// Header lines; more is 431.
    #[schemars(range(min = 1, max = 256))]
    pub headers: u16,
    /// Bytes of a request's body; more is 413. 0: no limit.
    pub body_size: SizeLimit,
    /// Connections at once; more wait to be accepted. 0: as many as the limit of open files leaves
    /// room for, with a reserve for upstreams and the admin listener.
    #[schemars(range(min = 0, max = 10_000_000))]
    pub connections: u32,
    /// HTTP/2 streams at once on a connection.
    #[schemars(range(min = 1, max = 10_000))]
    pub streams: u32,
}

impl Default for ListenerLimits {
    fn default() -> Self {
        let limits = crate::listen::Limits::default();
        Self {
            header_timeout: Period(limits.header_timeout),
            idle_timeout: Period(limits.idle_timeout),
            write_timeout: Period(limits.write_timeout),
            header_size: Size(limits.header_size),
            headers: u16::try_from(limits.headers).unwrap_or(u16::MAX),
            body_size: SizeLimit(0),
            connections: 0,
            streams: limits.streams,
        }
    }
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
    /// Host names by which the listener may be called, without port, besides IP addresses and
    /// `localhost`. A request with another `Host` gets 421, but for `/livez`, `/readyz` and
    /// `/metrics`.
    pub hosts: Vec<String>,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:9901".into(),
            token: SecretText::default(),
            token_file: None,
            hosts: Vec::new(),
        }
    }
}
