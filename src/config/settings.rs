//! The whole configuration after it was checked: everything here is valid, alone and together.

use crate::cache::{CacheSettings, RedisSettings};
use crate::extract::TokenSettings;
use crate::gate::RouteSettings;
use crate::identity::IdentitySettings;
use crate::introspect::ServerSettings;
use crate::listen::ListenerSettings;
use crate::proof::dpop::DpopSettings;
use crate::resource::ResourceId;
use crate::secret::Secret;
use crate::telemetry::{LogSettings, TraceSettings};
use crate::upstream::UpstreamSettings;
use ipnet::IpNet;
use std::net::SocketAddr;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Settings {
    /// Worker threads, at least 1; `auto` is already resolved.
    pub threads: usize,
    pub shutdown_timeout: Duration,
    /// Plain requests go past the general proxy code.
    pub fast_path: bool,
    /// At least one.
    pub listeners: Vec<ListenerSettings>,
    pub admin: AdminSettings,
    pub trusted_proxies: Vec<IpNet>,
    pub realm: String,
    /// Scheme and host that clients call, without a final slash.
    pub public_url: Option<String>,
    /// The identifier under which metadata is served.
    pub protected_resource: Option<ResourceId>,
    pub dpop: DpopSettings,
    pub servers: Vec<ServerSettings>,
    pub cache: CacheSettings,
    pub redis: Option<RedisSettings>,
    pub token: TokenSettings,
    pub identity: IdentitySettings,
    /// The named ones, then one for each URL that a route wrote.
    pub upstreams: Vec<UpstreamSettings>,
    pub routes: Vec<RouteSettings>,
    pub log: LogSettings,
    /// `None`: off.
    pub traces: Option<TraceSettings>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct AdminSettings {
    /// `None`: off.
    pub address: Option<SocketAddr>,
    pub token: Option<Secret>,
    /// Names by which it may be called, in lower case, without port and final dot.
    pub hosts: Vec<String>,
}
