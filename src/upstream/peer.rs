//! From an upstream to a pingora peer.

use super::balance::Turns;
use super::idle::Idle;
use super::resolve::Addresses;
use super::{Endpoint, ServerAddress, UpstreamSettings};
use crate::telemetry::Occasionally;
use pingora_core::protocols::Stream;
use pingora_core::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// One upstream, made ready.
pub struct Upstream {
    pub settings: UpstreamSettings,
    pub log: Occasionally,
    turns: Turns,
    servers: Vec<Server>,
}

pub struct Server {
    address: ServerAddress,
    addresses: Addresses,
    /// What the server is called where the client's `Host` is not forwarded.
    pub host: Arc<str>,
    idle: Idle,
}

impl Server {
    /// As written in the configuration, for logs and labels.
    pub fn label(&self) -> &Arc<str> {
        &self.address.label
    }
}

/// Where an attempt to reach an upstream goes: to one of its servers, at one of its addresses.
#[derive(Clone, Copy, Debug)]
pub struct Aim {
    place: usize,
    /// `None` for a Unix socket.
    address: Option<SocketAddr>,
}

impl Upstream {
    pub fn new(settings: UpstreamSettings) -> Self {
        let server = |address: &ServerAddress| Server {
            addresses: Addresses::of(&address.at),
            host: authority(&address.at).into(),
            address: address.clone(),
            idle: Idle::default(),
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

    /// Where the given attempt (0 is the first) of the request with that turn goes. `None` when the
    /// server has no address at the moment.
    pub fn aim(&self, turn: usize, attempt: usize) -> Option<Aim> {
        self.aim_at(self.turns.from(turn).nth(attempt % self.servers.len().max(1))?, attempt)
    }

    /// The same for the server at that place of the list.
    pub fn aim_at(&self, place: usize, attempt: usize) -> Option<Aim> {
        let server = self.servers.get(place)?;
        let address = match &server.address.at {
            Endpoint::Tcp { .. } => Some(server.addresses.pick(attempt)?),
            Endpoint::Unix(_) => None,
        };
        Some(Aim { place, address })
    }

    pub fn server(&self, aim: Aim) -> Option<&Server> {
        self.servers.get(aim.place)
    }

    /// The way there. `budget` bounds connecting.
    pub fn peer(&self, aim: Aim, budget: Duration) -> Option<Box<HttpPeer>> {
        let server = self.server(aim)?;
        let sni = match (&self.settings.server_name, &server.address.at) {
            (_, Endpoint::Tcp { tls: false, .. } | Endpoint::Unix(_)) => String::new(),
            (Some(name), _) => name.clone(),
            (None, Endpoint::Tcp { host, .. }) => host.clone(),
        };
        let mut peer = match &server.address.at {
            Endpoint::Tcp { tls, .. } => HttpPeer::new(aim.address?, *tls, sni),
            Endpoint::Unix(path) => HttpPeer::new_uds(path.to_str()?, false, sni).ok()?,
        };
        let options = &mut peer.options;
        options.connection_timeout = Some(self.settings.connect_timeout.min(budget));
        options.total_connection_timeout = Some(self.settings.connect_timeout.min(budget));
        options.read_timeout = Some(self.settings.read_timeout);
        options.write_timeout = Some(self.settings.write_timeout);
        options.idle_timeout = Some(self.settings.idle_timeout);
        options.http_upstream_request_policy = HttpUpstreamRequestPolicy::standard();
        Some(Box::new(peer))
    }

    /// A connection there that is open already and has nothing to do.
    pub fn idle(&self, aim: Aim) -> Option<Stream> {
        self.server(aim)?.idle.take(aim.address, self.settings.idle_timeout)
    }

    /// Keeps a connection for the next request. It was made for this very `aim`.
    pub fn keep(&self, aim: Aim, connection: Stream) {
        if let Some(server) = self.server(aim) {
            server.idle.put(aim.address, connection);
        }
    }

    /// Closes kept connections that nobody needed for too long, or that the server has closed.
    pub fn sweep(&self) {
        for server in &self.servers {
            server.idle.sweep(self.settings.idle_timeout);
        }
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
