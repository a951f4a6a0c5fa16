//! The configuration of one upstream.

use super::tls::UpstreamTlsSettings;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// `upstreams.NAME`, or a URL that a route has in place of a name.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamSettings {
    /// The configured name, or the URL.
    pub name: Arc<str>,
    /// At least one, but for routes that forward nothing.
    pub servers: Vec<ServerAddress>,
    pub balance: Balance,
    pub protocol: UpstreamProtocol,
    pub tls: UpstreamTlsSettings,
    /// `None`: servers are not asked for their health.
    pub health_check: Option<HealthCheck>,
    pub connect_timeout: Duration,
    pub read_timeout: Duration,
    pub write_timeout: Duration,
    pub idle_timeout: Duration,
    /// Further servers tried after a connection failure.
    pub retries: u32,
    /// Forward the client's `Host`; else the server's own.
    pub preserve_host: bool,
}

impl UpstreamSettings {
    /// Whether it speaks HTTP/2 over TLS, and its certificate is verified by the system's trust roots.
    pub fn needs_roots_for_http2(&self) -> bool {
        let over_tls =
            |server: &ServerAddress| matches!(server.at, Endpoint::Tcp { tls: true, .. });
        self.protocol == UpstreamProtocol::H2
            && self.tls.roots.is_none()
            && self.servers.iter().any(over_tls)
    }
}

/// Where a route leads: `upstream`, `rewrite` and `timeout` of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationSettings {
    /// Names one of the upstreams.
    pub upstream: Arc<str>,
    /// Taken off the beginning of the path; whole segments, in the form that routes are matched by.
    pub strip_prefix: Option<String>,
    /// Put in front of the path then.
    pub add_prefix: Option<String>,
    /// How long the upstream may take until its response header is here, attempts included.
    pub timeout: Duration,
}

/// One server of an upstream.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerAddress {
    pub at: Endpoint,
    /// At least 1.
    pub weight: u32,
    /// As written, for logs and labels.
    pub label: Arc<str>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Endpoint {
    /// Host name or address, port, and whether TLS is spoken.
    Tcp {
        host: String,
        port: u16,
        tls: bool,
    },
    Unix(PathBuf),
}

/// How a server is chosen for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    RoundRobin,
    Random,
    /// The fewest requests in flight for its weight.
    LeastConnections,
    /// Rendezvous hashing: requests with the same key go to the same server, and a server that
    /// comes or goes moves only its own share.
    Hash(HashKey),
}

/// The key of [`Balance::Hash`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashKey {
    /// The token's subject; the client's address where there is none.
    Subject,
    ClientAddress,
}

/// The HTTP version that is spoken to servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamProtocol {
    H1,
    /// HTTP/2: by ALPN over TLS, by prior knowledge without (`h2c`).
    H2,
}

/// `health_check`: the gateway asks every server on its own account.
#[derive(Clone, Debug, PartialEq)]
pub struct HealthCheck {
    /// The target of a GET request, which an answer of 2xx passes. `None`: a connection is enough.
    pub path: Option<String>,
    pub interval: Duration,
    /// For connection and answer together.
    pub timeout: Duration,
    /// Passed checks in a row after which a server is healthy; at least 1.
    pub healthy: u32,
    /// Failed checks in a row after which it is unhealthy; at least 1.
    pub unhealthy: u32,
}
