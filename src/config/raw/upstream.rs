//! `upstreams`.

use super::Period;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::Duration;

/// `upstreams.NAME`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["servers"]))]
pub struct Upstream {
    /// URLs (`http://`, `https://` or `unix:/path`), or `{ url, weight }`.
    #[schemars(length(min = 1))]
    pub servers: Vec<UpstreamServer>,
    /// How a server is chosen: `round_robin`, `random`, `least_connections`, or by a hash that keeps
    /// a subject (`hash:sub`; without one its address) or an address (`hash:client_ip`) at its
    /// server.
    #[schemars(extend("enum" = ["round_robin", "random", "least_connections", "hash:sub", "hash:client_ip"]))]
    pub balance: String,
    /// HTTP/1.1 (`h1`), HTTP/2 over TLS (`h2`), or HTTP/2 in plaintext (`h2c`).
    pub protocol: Protocol,
    /// TLS to servers with `https://` URLs.
    pub tls: UpstreamTls,
    /// Active health checks; off unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// How long a connection may take.
    pub connect_timeout: Period,
    /// How long the upstream may be silent.
    pub read_timeout: Period,
    /// How long a write to it may take.
    pub write_timeout: Period,
    /// How long an unused connection is kept.
    pub idle_timeout: Period,
    /// Further servers tried after a connection failure.
    #[schemars(range(min = 0, max = 10))]
    pub retries: u32,
    /// Whether the client's `Host` is forwarded; else the server's own.
    pub preserve_host: bool,
}

impl Default for Upstream {
    fn default() -> Self {
        let minute = Period(Duration::from_secs(60));
        Self {
            servers: Vec::new(),
            balance: "round_robin".into(),
            protocol: Protocol::H1,
            tls: UpstreamTls::default(),
            health_check: None,
            connect_timeout: Period(Duration::from_secs(2)),
            read_timeout: minute,
            write_timeout: minute,
            idle_timeout: minute,
            retries: 1,
            preserve_host: true,
        }
    }
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    #[default]
    H1,
    H2,
    H2c,
}

/// A URL, or a URL with a weight.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
pub enum UpstreamServer {
    Url(String),
    Weighted(Weighted),
}

impl UpstreamServer {
    pub fn url(&self) -> &str {
        match self {
            Self::Url(url) => url,
            Self::Weighted(weighted) => &weighted.url,
        }
    }

    pub fn weight(&self) -> u32 {
        match self {
            Self::Url(_) => 1,
            Self::Weighted(weighted) => weighted.weight,
        }
    }
}

impl JsonSchema for UpstreamServer {
    fn schema_name() -> Cow<'static, str> {
        "UpstreamServer".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Weighted::json_schema(generator);
        schema.insert("type".into(), ["string", "object"].as_slice().into());
        schema.insert("title".into(), "a URL or `{ url: …, weight: … }`".into());
        schema
    }
}

/// One of `servers`, with its share.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["url"]))]
pub struct Weighted {
    /// `http://`, `https://` or `unix:/path`.
    pub url: String,
    /// Its share of the requests, against the other servers' weights.
    #[schemars(range(min = 1, max = 1000))]
    pub weight: u32,
}

impl Default for Weighted {
    fn default() -> Self {
        Self { url: String::new(), weight: 1 }
    }
}

/// `upstreams.NAME.tls`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamTls {
    /// File with the trust roots (PEM) in place of the system's.
    pub ca: String,
    /// The name that is asked for and verified, in place of the URL's host.
    pub server_name: String,
    /// File with the gateway's own certificate and those between it and its root (PEM).
    pub certificate: String,
    /// File with the private key of `certificate` (PEM).
    pub private_key: String,
}

/// `upstreams.NAME.health_check`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HealthCheck {
    /// The target of a GET request, which an answer of 2xx passes; empty: a connection is enough.
    pub path: String,
    /// How often.
    pub interval: Period,
    /// How long an answer may take.
    pub timeout: Period,
    /// Good answers in a row that make a server healthy.
    #[schemars(range(min = 1, max = 1000))]
    pub healthy: u32,
    /// Failures in a row that make it unhealthy.
    #[schemars(range(min = 1, max = 1000))]
    pub unhealthy: u32,
}

impl Default for HealthCheck {
    fn default() -> Self {
        let (interval, timeout) = (Period(Duration::from_secs(5)), Period(Duration::from_secs(1)));
        Self { path: "/healthz".into(), interval, timeout, healthy: 1, unhealthy: 3 }
    }
}
