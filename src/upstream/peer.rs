//! From an upstream to a pingora peer.

use super::balance::Turns;
use super::resolve::Addresses;
use super::{Endpoint, ServerAddress, UpstreamSettings};
use crate::telemetry::Occasionally;
use pingora_core::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use std::sync::Arc;
use std::time::Duration;

/// One upstream, made ready.
pub struct Upstream {
    pub settings: UpstreamSettings,
    pub log: Occasionally,
    turns: Turns,
    servers: Vec<Server>,
}

struct Server {
    address: ServerAddress,
    addresses: Addresses,
    /// What the server is called where the client's `Host` is not forwarded.
    host: Arc<str>,
}

/// One attempt to reach an upstream.
pub struct Attempt {
    pub peer: Box<HttpPeer>,
    pub server: Arc<str>,
    pub host: Arc<str>,
}

impl Upstream {
    pub fn new(settings: UpstreamSettings) -> Self {
        let server = |address: &ServerAddress| Server {
            addresses: Addresses::of(&address.at),
            host: authority(&address.at).into(),
            address: address.clone(),
        };
        Self {
            turns: Turns::new(&settings),
            servers: settings.servers.iter().map(server).collect(),
            log: Occasionally::default(),
            settings,
        }
    }

    /// A place in the order of servers, for all attempts of one request.
    pub fn take_turn(&self) -> usize {
        self.turns.take()
    }

    /// The server for the given attempt (0 is the first) of the request with that turn. `None`
    /// when it has no address at the moment. `budget` bounds connecting and each wait for data.
    pub fn attempt(&self, turn: usize, attempt: usize, budget: Duration) -> Option<Attempt> {
        self.connection(self.turns.from(turn).nth(attempt % self.servers.len().max(1))?, attempt, budget)
    }

    /// The way to the server at that place of the list.
    pub fn connection(&self, place: usize, attempt: usize, budget: Duration) -> Option<Attempt> {
        let server = self.servers.get(place)?;
        let sni = match (&self.settings.server_name, &server.address.at) {
            (_, Endpoint::Tcp { tls: false, .. } | Endpoint::Unix(_)) => String::new(),
            (Some(name), _) => name.clone(),
            (None, Endpoint::Tcp { host, .. }) => host.clone(),
        };
        let mut peer = match &server.address.at {
            Endpoint::Tcp { tls, .. } => HttpPeer::new(server.addresses.pick(attempt)?, *tls, sni),
            Endpoint::Unix(path) => HttpPeer::new_uds(path.to_str()?, false, sni).ok()?,
        };
        let options = &mut peer.options;
        options.connection_timeout = Some(self.settings.connect_timeout.min(budget));
        options.total_connection_timeout = Some(self.settings.connect_timeout.min(budget));
        options.read_timeout = Some(self.settings.read_timeout);
        options.write_timeout = Some(self.settings.write_timeout);
        options.idle_timeout = Some(self.settings.idle_timeout);
        options.http_upstream_request_policy = HttpUpstreamRequestPolicy::standard();
        Some(Attempt { peer: Box::new(peer), server: server.address.label.clone(), host: server.host.clone() })
    }

    /// Looks up the addresses of servers that are known by name.
    pub async fn resolve(&self) {
        for server in &self.servers {
            server.addresses.resolve(&self.settings.name).await;
        }
    }
}

/// `host:port` as in a `Host` header: the scheme's own port is left out.
fn authority(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Unix(_) => "localhost".to_owned(),
        Endpoint::Tcp { host, port, tls } => {
            let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
            if *port == if *tls { 443 } else { 80 } { host } else { format!("{host}:{port}") }
        }
    }
}
