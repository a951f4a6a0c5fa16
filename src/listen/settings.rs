//! One listener's settings.

use super::tls::ListenerTlsSettings;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq)]
pub struct ListenerSettings {
    pub address: Listen,
    pub serves: Serves,
    pub protocols: Protocols,
    /// Connections begin with a PROXY protocol header.
    pub proxy_protocol: bool,
    pub tls: Option<ListenerTlsSettings>,
    pub limits: Limits,
}

/// The work of a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Serves {
    /// It forwards requests.
    #[default]
    Proxy,
    /// It answers other proxies that ask whether a request may pass.
    ForwardAuth {
        /// Taken off the path where the request itself is meant.
        path_prefix: Option<String>,
    },
    /// It answers Envoy, by gRPC.
    ExtAuthz,
}

/// `listeners[].protocols`: the permitted protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocols {
    pub h1: bool,
    /// By ALPN in a TLS handshake.
    pub h2: bool,
    /// Without TLS, by prior knowledge.
    pub h2c: bool,
}

impl Default for Protocols {
    fn default() -> Self {
        Self { h1: true, h2: false, h2c: false }
    }
}

/// Where a listener accepts connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Listen {
    Tcp(SocketAddr),
    /// An absolute path.
    Unix(PathBuf),
    /// A socket that systemd passes, by its name (`FileDescriptorName=`).
    Systemd(String),
}

/// As it is written in `listeners[].address`; also the `listener` label of metrics.
impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd(name) => write!(f, "systemd:{name}"),
        }
    }
}

/// `listeners[].limits`: how much of the gateway one client may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For a whole header section, counted from its first byte.
    pub header_timeout: Duration,
    /// Between two requests.
    pub idle_timeout: Duration,
    /// A client that takes nothing for so long is disconnected.
    pub write_timeout: Duration,
    /// Bytes of a header section.
    pub header_size: usize,
    /// Lines of a header section, the request line aside.
    pub headers: usize,
    /// Bytes of a request's body.
    pub body_size: Option<u64>,
    /// Connections at once. `None`: as many as there are descriptors for.
    pub connections: Option<usize>,
    /// HTTP/2 streams at once on a connection.
    pub streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(60),
            header_size: 64 * 1024,
            headers: 100,
            body_size: None,
            connections: None,
            streams: 128,
        }
    }
}
