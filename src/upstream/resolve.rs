//! Names to addresses: looked up at load and again every few seconds, so that a request never
//! waits for it. The last known addresses stay in use while a name server fails.

use super::{Endpoint, Upstream};
use arc_swap::ArcSwap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

pub struct Addresses {
    /// What to look up; `None` when the address is fixed.
    name: Option<(String, u16)>,
    known: ArcSwap<Vec<SocketAddr>>,
}

impl Addresses {
    pub fn of(endpoint: &Endpoint) -> Self {
        let (name, known) = match endpoint {
            Endpoint::Unix(_) => (None, Vec::new()),
            Endpoint::Tcp { host, port, .. } => match host.parse::<IpAddr>() {
                Ok(address) => (None, vec![SocketAddr::new(address, *port)]),
                Err(_) => (Some((host.clone(), *port)), Vec::new()),
            },
        };
        Self { name, known: ArcSwap::from_pointee(known) }
    }

    /// One of the addresses; further attempts get further ones.
    pub fn pick(&self, attempt: usize) -> Option<SocketAddr> {
        let known = self.known.load();
        known.get(attempt % known.len().max(1)).copied()
    }

    pub async fn resolve(&self, upstream: &str) {
        let Some((host, port)) = &self.name else { return };
        match tokio::time::timeout(LOOK_UP, tokio::net::lookup_host((host.as_str(), *port))).await {
            Ok(Ok(found)) => {
                let mut found: Vec<SocketAddr> = found.collect();
                // IPv4 first: an address family that does not work here must not cost the first
                // attempt
                found.sort_by_key(SocketAddr::is_ipv6);
                if !found.is_empty() {
                    self.known.store(Arc::new(found));
                }
            }
            Ok(Err(error)) => {
                tracing::warn!(upstream, host, %error, "an upstream's name cannot be resolved")
            }
            Err(_) => tracing::warn!(upstream, host, "an upstream's name was not resolved in time"),
        }
    }
}

const LOOK_UP: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_secs(10);

/// Looks names up once, for all upstreams at a time.
pub async fn resolve_all(upstreams: &[Arc<Upstream>]) {
    futures::future::join_all(upstreams.iter().map(|upstream| upstream.resolve())).await;
}

/// Looks names up for ever, for the upstreams that are in force each time.
pub async fn keep_resolving(upstreams: impl Fn() -> Vec<Arc<Upstream>>) {
    loop {
        tokio::time::sleep(PAUSE).await;
        resolve_all(&upstreams()).await;
    }
}
