//! From an upstream to a pingora peer.

use super::balance::{FirstServer, Turns};
use super::health::ServerHealth;
use super::idle::Idle;
use super::resolve::Addresses;
use super::tls::Tls;
use super::{
    Balance, Endpoint, HashKey, HealthCheck, ServerAddress, UpstreamProtocol, UpstreamSettings,
};
use crate::clock::Mono;
use crate::telemetry::Occasionally;
use pingora_core::protocols::Stream;
use pingora_core::protocols::tls::ALPN;
use pingora_core::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// HTTP/2 streams that share a connection.
const STREAMS: usize = 100;

/// One upstream, made ready.
pub struct Upstream {
    pub settings: UpstreamSettings,
    pub log: Occasionally,
    turns: Turns,
    tls: Tls,
    servers: Vec<PeerServer>,
}

pub struct PeerServer {
    address: ServerAddress,
    addresses: Addresses,
    /// The server's own name, for where the client's `Host` is not forwarded.
    pub host: Arc<str>,
    pub health: ServerHealth,
    idle: Idle,
    /// Requests in flight; counted only where servers are chosen by it.
    load: Arc<AtomicUsize>,
}

impl PeerServer {
    /// As written in the configuration, for logs and labels.
    pub fn label(&self) -> &Arc<str> {
        &self.address.label
    }

    /// Where it is, as configured.
    pub fn endpoint(&self) -> &Endpoint {
        &self.address.at
    }

    /// The addresses in use, and how long until the name is looked up again (`None`: fixed).
    pub fn addresses(&self) -> (Arc<Vec<SocketAddr>>, Option<Duration>) {
        self.addresses.known()
    }
}

/// Where an attempt to reach an upstream goes: to one of its servers, at one of its addresses.
#[derive(Clone, Copy, Debug)]
pub struct Aim {
    place: usize,
    /// `None` for a Unix socket.
    address: Option<SocketAddr>,
    /// Of the server's addresses.
    generation: u64,
}

/// The attempts of one request: where it began, and which servers it has tried.
#[derive(Debug, Default)]
pub struct Attempts {
    turn: FirstServer,
    /// The server of the last attempt, and those before it.
    last: Option<usize>,
    tried: Vec<usize>,
    made: usize,
    /// A name was looked up for this request already.
    looked_up: bool,
    /// Counts the request as one in flight at the server of the last attempt.
    load: Option<Load>,
}

impl Attempts {
    /// How many there were.
    pub fn made(&self) -> usize {
        self.made
    }
}

/// One request in flight.
#[derive(Debug)]
struct Load(Arc<AtomicUsize>);

impl Load {
    fn begin(counter: &Arc<AtomicUsize>) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter.clone())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Upstream {
    pub fn new(settings: UpstreamSettings) -> Self {
        let server = |address: &ServerAddress| PeerServer {
            addresses: Addresses::for_endpoint(&address.at),
            host: authority(&address.at).into(),
            address: address.clone(),
            health: ServerHealth::default(),
            idle: Idle::default(),
            load: Arc::default(),
        };
        Self {
            turns: Turns::new(&settings),
            tls: Tls::new(&settings.tls),
            servers: settings.servers.iter().map(server).collect(),
            log: Occasionally::default(),
            settings,
        }
    }

    /// The key of [`Balance::Hash`], if it is in use.
    pub fn hash_key(&self) -> Option<HashKey> {
        match self.settings.balance {
            Balance::Hash(key) => Some(key),
            _ => None,
        }
    }

    /// Where the next attempt goes. `key` is the request's own for [`Balance::Hash`]. Servers that
    /// are in bad health are chosen only when there is no other one that was not tried. `None`: the
    /// server has no address at the moment.
    pub fn aim<'k>(
        &self,
        attempts: &mut Attempts,
        now: Mono,
        key: impl FnOnce() -> &'k [u8],
    ) -> Option<Aim> {
        if attempts.made == 0 {
            attempts.turn = self.turns.take(key);
        }
        attempts.tried.extend(attempts.last.take());
        let place = self.choose(attempts, now)?;
        attempts.made += 1;
        attempts.last = Some(place);
        if self.settings.balance == Balance::LeastConnections {
            attempts.load = self.servers.get(place).map(|server| Load::begin(&server.load));
        }
        self.aim_at(place, attempts.made - 1)
    }

    fn choose(&self, attempts: &Attempts, now: Mono) -> Option<usize> {
        let load = |place: usize| {
            self.servers.get(place).map_or(0, |server| server.load.load(Ordering::Relaxed))
        };
        let is_new = |place: usize| !attempts.tried.contains(&place);
        let is_good =
            |place: usize| self.servers.get(place).is_some_and(|server| server.health.is_good(now));
        let choose = |fits: &dyn Fn(usize) -> bool| self.turns.choose(attempts.turn, fits, load);
        choose(&|place| is_new(place) && is_good(place))
            .or_else(|| choose(&is_new))
            .or_else(|| choose(&|_| true))
    }

    /// One address of the server at that place of the list.
    pub fn aim_at(&self, place: usize, attempt: usize) -> Option<Aim> {
        let server = self.servers.get(place)?;
        let address = match &server.address.at {
            Endpoint::Tcp { .. } => Some(server.addresses.pick(attempt)?),
            Endpoint::Unix(_) => None,
        };
        Some(Aim { place, address, generation: server.addresses.generation() })
    }

    /// Whether another attempt may follow one whose connection failed: on another server up to
    /// `retries` times, then once after the name was looked up again.
    pub fn may_try_again(&self, attempts: &Attempts) -> bool {
        let named = || self.servers.iter().any(|server| server.addresses().1.is_some());
        attempts.made <= self.settings.retries as usize || (!attempts.looked_up && named())
    }

    /// To be called before an attempt that follows a failed one. Beyond `retries`, the name of the
    /// server is looked up; false when its addresses are still the same, so that another attempt
    /// would fail as well.
    pub async fn prepare_another(&self, attempts: &mut Attempts, failed: Aim) -> bool {
        if attempts.made <= self.settings.retries as usize {
            return true;
        }
        if std::mem::replace(&mut attempts.looked_up, true) {
            return false;
        }
        let Some(server) = self.servers.get(failed.place) else { return false };
        if server.addresses.generation() == failed.generation {
            server.addresses.renew(&self.settings.name).await;
        }
        // every server may be tried again
        attempts.tried.clear();
        attempts.last = None;
        server.addresses.generation() != failed.generation
    }

    /// A connection was made there. True when the server was left out before.
    pub fn connected(&self, aim: Aim) -> bool {
        self.server(aim).is_some_and(|server| server.health.connected())
    }

    /// A connection there failed. True when the server is left out from now on.
    pub fn connection_failed(&self, aim: Aim, now: Mono) -> bool {
        let Some(server) = self.server(aim) else { return false };
        server.addresses.doubt();
        server.health.failed(now)
    }

    pub fn servers(&self) -> &[PeerServer] {
        &self.servers
    }

    pub fn server(&self, aim: Aim) -> Option<&PeerServer> {
        self.servers.get(aim.place)
    }

    /// The way there. `budget` bounds connecting.
    pub fn peer(&self, aim: Aim, budget: Duration) -> Option<Box<HttpPeer>> {
        let server = self.server(aim)?;
        let sni = match (&self.settings.tls.server_name, &server.address.at) {
            (_, Endpoint::Tcp { tls: false, .. } | Endpoint::Unix(_)) => String::new(),
            (Some(name), _) => name.clone(),
            (None, Endpoint::Tcp { host, .. }) => host.clone(),
        };
        let mut peer = match &server.address.at {
            Endpoint::Tcp { tls, .. } => HttpPeer::new(aim.address?, *tls, sni),
            Endpoint::Unix(path) => HttpPeer::new_uds(path.to_str()?, false, sni).ok()?,
        };
        peer.client_cert_key = self.tls.certificate.clone();
        peer.group_key = self.tls.group;
        let options = &mut peer.options;
        options.ca = self.tls.roots.clone();
        options.connection_timeout = Some(self.settings.connect_timeout.min(budget));
        options.total_connection_timeout = Some(self.settings.connect_timeout.min(budget));
        options.read_timeout = Some(self.settings.read_timeout);
        options.write_timeout = Some(self.settings.write_timeout);
        options.idle_timeout = Some(self.settings.idle_timeout);
        options.http_upstream_request_policy = HttpUpstreamRequestPolicy::standard();
        if self.settings.protocol == UpstreamProtocol::H2 {
            options.alpn = ALPN::H2;
            options.max_h2_streams = STREAMS;
        }
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

    /// Closes kept connections that no request used for too long, or that the server has closed.
    pub fn sweep(&self) {
        for server in &self.servers {
            server.idle.sweep(self.settings.idle_timeout);
        }
    }

    /// Looks up the addresses of servers that are known by name, where `wanted`.
    pub async fn resolve(&self, wanted: impl Fn(&Addresses) -> bool) {
        for server in self.servers.iter().filter(|server| wanted(&server.addresses)) {
            server.addresses.renew(&self.settings.name).await;
        }
    }

    /// The check of its servers' health, where there is one.
    pub fn health_check(&self) -> Option<&HealthCheck> {
        self.settings.health_check.as_ref()
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
