//! The whole configuration after it was checked: everything here is valid, alone and together.

use crate::cache::{CacheSettings, RedisSettings};
use crate::extract::TokenSettings;
use crate::gate::{LimitSettings, RouteSettings};
use crate::identity::IdentitySettings;
use crate::introspect::ServerSettings;
use crate::listen::ListenerSettings;
use crate::policy::PolicySettings;
use crate::proof::dpop::DpopSettings;
use crate::resource::ResourceId;
use crate::secret::Secret;
use crate::telemetry::{LogSettings, TraceSettings};
use crate::upstream::{DestinationSettings, UpstreamSettings};
use ipnet::IpNet;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
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

/// Values among which an equal one is searched for: routes with the same keys mostly follow each
/// other.
const COMPARED: usize = 8;

impl Settings {
    /// A copy whose routes are in memory of their own, and share equal parts. Loading allocates much
    /// more than it leaves behind, in between: without a copy, each block that is kept would keep
    /// the page around it.
    pub fn compact(&self) -> Self {
        let mut copy = self.clone();
        let mut names: HashSet<Arc<str>> = HashSet::new();
        let mut shared = |name: &mut Arc<str>| match names.get(name) {
            Some(known) => *name = known.clone(),
            None => {
                *name = Arc::from(&**name);
                names.insert(name.clone());
            }
        };
        let mut policies: Vec<Arc<PolicySettings>> = Vec::new();
        let mut destinations: Vec<Arc<DestinationSettings>> = Vec::new();
        let mut limits: Vec<Arc<LimitSettings>> = Vec::new();
        for route in &mut copy.routes {
            route.name = Arc::from(&*route.name);
            route.reach.paths = route.reach.paths.iter().cloned().collect();
            route.demands.authorization_servers.iter_mut().for_each(&mut shared);
            let mut destination = (*route.destination).clone();
            shared(&mut destination.upstream);
            route.destination = one_of(&mut destinations, destination, PartialEq::eq);
            let policy = (*route.demands.policy).clone();
            route.demands.policy = one_of(&mut policies, policy, PolicySettings::is_same);
            route.limits = one_of(&mut limits, (*route.limits).clone(), PartialEq::eq);
        }
        copy
    }
}

/// The same value among the last of those that are `known`, or this one, which is known then.
fn one_of<T>(known: &mut Vec<Arc<T>>, value: T, same: fn(&T, &T) -> bool) -> Arc<T> {
    let last = known.iter().rev().take(COMPARED).find(|known| same(known, &value));
    if let Some(last) = last {
        return last.clone();
    }
    let value = Arc::new(value);
    known.push(value.clone());
    value
}

#[derive(Clone, Debug, PartialEq)]
pub struct AdminSettings {
    /// `None`: off.
    pub address: Option<SocketAddr>,
    pub token: Option<Secret>,
    /// Names by which it may be called, in lower case, without port and final dot.
    pub hosts: Vec<String>,
}
