//! What the configuration says about one upstream.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// `upstreams.NAME`, or a URL that a route wrote in place of a name.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamSettings {
    /// The configured name, or the URL.
    pub name: Arc<str>,
    /// At least one.
    pub servers: Vec<ServerAddress>,
    pub balance: Balance,
    pub connect_timeout: Duration,
    pub read_timeout: Duration,
    pub write_timeout: Duration,
    pub idle_timeout: Duration,
    /// Further servers tried after a connection failure.
    pub retries: u32,
    /// Forward the client's `Host`; else the server's own.
    pub preserve_host: bool,
    /// Name for SNI and certificate verification, instead of the URL's host.
    pub server_name: Option<String>,
}

/// Where a route leads: `upstream`, `rewrite` and `timeout` of a route.
#[derive(Clone, Debug)]
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    RoundRobin,
    Random,
}
