//! Names to addresses. A request never waits for a look-up, but for one case: when every known
//! address of its server refused the connection, the name is looked up at once.
//!
//! Addresses are looked up at load, again when their time to live ends, and after connections
//! failed. The last known ones stay in use while a name server fails.

use super::{Endpoint, Upstream};
use arc_swap::ArcSwap;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use hickory_resolver::net::NetError;
use parking_lot::Mutex;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// A look-up takes no longer.
const LOOK_UP: Duration = Duration::from_secs(2);

/// Bounds of the time to live: entries of a hosts file have none, and a zone may say zero.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

/// A look-up that ended so shortly ago is as good as a new one.
const RECENT: Duration = Duration::from_millis(100);

/// How often the ends of times to live are looked for.
const TICK: Duration = Duration::from_millis(250);

pub struct Addresses {
    /// The name and the port. `None` when the address is fixed.
    name: Option<(String, u16)>,
    known: ArcSwap<Vec<SocketAddr>>,
    /// Counts the changes of `known`.
    generation: AtomicU64,
    /// When the name is looked up next.
    due: Mutex<Instant>,
    /// Held during a look-up, with the end of the last one.
    looking: tokio::sync::Mutex<Option<Instant>>,
}

impl Addresses {
    pub fn for_endpoint(endpoint: &Endpoint) -> Self {
        let (name, known) = match endpoint {
            Endpoint::Unix(_) => (None, Vec::new()),
            Endpoint::Tcp { host, port, .. } => match host.parse::<IpAddr>() {
                Ok(address) => (None, vec![SocketAddr::new(address, *port)]),
                Err(_) => (Some((host.clone(), *port)), Vec::new()),
            },
        };
        Self {
            name,
            known: ArcSwap::from_pointee(known),
            generation: AtomicU64::new(0),
            due: Mutex::new(Instant::now()),
            looking: tokio::sync::Mutex::default(),
        }
    }

    /// One of the addresses; further attempts get further ones.
    pub fn pick(&self, attempt: usize) -> Option<SocketAddr> {
        let known = self.known.load();
        known.get(attempt % known.len().max(1)).copied()
    }

    /// A number that changes whenever the addresses do.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// All of them, and how long until they are looked up again (`None`: fixed).
    pub fn known(&self) -> (Arc<Vec<SocketAddr>>, Option<Duration>) {
        let again = self.name.as_ref().map(|_| self.due.lock().duration_since(Instant::now()));
        (self.known.load_full(), again)
    }

    /// A connection to one of them failed: they may be out of date.
    pub fn doubt(&self) {
        if self.name.is_some() {
            *self.due.lock() = Instant::now();
        }
    }

    /// Looks the name up, unless a look-up ended within [`RECENT`]. Those that come during a look-up
    /// wait for its end.
    pub async fn renew(&self, upstream: &str) {
        let Some((host, port)) = &self.name else { return };
        let mut last = self.looking.lock().await;
        if last.is_some_and(|last| last.elapsed() < RECENT) {
            return;
        }
        let lifetime = match timeout(LOOK_UP, look_up(host)).await {
            Ok(Ok((found, lifetime))) => {
                self.replace(found, *port);
                lifetime.clamp(SHORTEST, LONGEST)
            }
            Ok(Err(error)) => {
                tracing::warn!(upstream, host, %error, "the name of an upstream cannot be resolved");
                SHORTEST
            }
            Err(_) => {
                tracing::warn!(upstream, host, "the name of an upstream was not resolved in time");
                SHORTEST
            }
        };
        let now = Instant::now();
        *self.due.lock() = now + lifetime;
        *last = Some(now);
    }

    fn replace(&self, found: Vec<IpAddr>, port: u16) {
        let mut found: Vec<_> = found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
        // IPv4 first: an address family that does not work here must not cost the first attempt
        found.sort_by_key(|address| (address.is_ipv6(), *address));
        found.dedup();
        if !found.is_empty() && **self.known.load() != found {
            self.known.store(Arc::new(found));
            self.generation.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_due(&self) -> bool {
        self.name.is_some() && *self.due.lock() <= Instant::now()
    }
}

/// The addresses of a host and their time to live: by DNS with the system's configuration and
/// hosts file, which is read anew each time; where that finds nothing by the system's own resolver,
/// which may have other sources.
async fn look_up(host: &str) -> io::Result<(Vec<IpAddr>, Duration)> {
    if let Ok(found) = by_dns(host).await {
        return Ok(found);
    }
    let found: Vec<IpAddr> =
        tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect();
    Ok((found, LONGEST))
}

async fn by_dns(host: &str) -> Result<(Vec<IpAddr>, Duration), NetError> {
    let mut builder = TokioResolver::builder_tokio()?;
    let options = builder.options_mut();
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.cache_size = 0;
    ask(&builder.build()?, host).await
}

async fn ask(resolver: &TokioResolver, host: &str) -> Result<(Vec<IpAddr>, Duration), NetError> {
    let found = resolver.lookup_ip(host).await?;
    let lifetime = found.valid_until().saturating_duration_since(std::time::Instant::now());
    Ok((found.iter().collect(), lifetime))
}

/// Looks names up once, for all upstreams at a time.
pub async fn resolve_all(upstreams: &[Arc<Upstream>]) {
    futures::future::join_all(upstreams.iter().map(|upstream| upstream.resolve(|_| true))).await;
}

/// Looks names up whenever they are due, for the upstreams that are in force each time.
pub async fn keep_resolving(upstreams: impl Fn() -> Vec<Arc<Upstream>>) {
    loop {
        sleep(TICK).await;
        let upstreams = upstreams();
        let due = upstreams.iter().map(|upstream| upstream.resolve(Addresses::is_due));
        futures::future::join_all(due).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::config::{NameServerConfig, ResolverConfig};
    use hickory_resolver::net::runtime::TokioRuntimeProvider;
    use std::net::Ipv4Addr;
    use tokio::net::UdpSocket;

    /// A name server that answers every question for an A record with one address.
    async fn name_server(address: Ipv4Addr, lifetime: u32) -> io::Result<SocketAddr> {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let at = socket.local_addr()?;
        tokio::spawn(async move {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question).await {
                let answer = answer(&question[..length], address, lifetime);
                let _ = socket.send_to(&answer, from).await;
            }
        });
        Ok(at)
    }

    /// RFC 1035 §4.1: the question's id and section, and one record for an A question.
    fn answer(question: &[u8], address: Ipv4Addr, lifetime: u32) -> Vec<u8> {
        let end = 12 + question[12..].iter().position(|byte| *byte == 0).unwrap_or(0) + 5;
        let is_a = question[end - 4..end - 2] == [0, 1];
        let mut answer = question[..2].to_vec();
        answer.extend([0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
        answer.extend(&question[12..end]);
        if is_a {
            answer.extend([0xc0, 12, 0, 1, 0, 1]);
            answer.extend(lifetime.to_be_bytes());
            answer.extend([0, 4]);
            answer.extend(address.octets());
        }
        answer
    }

    #[tokio::test]
    async fn a_name_has_the_addresses_and_the_lifetime_of_its_dns_records() -> Result<(), NetError>
    {
        let at = name_server(Ipv4Addr::new(10, 1, 2, 3), 7).await?;
        let mut server = NameServerConfig::udp(at.ip());
        for connection in &mut server.connections {
            connection.port = at.port();
        }
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let resolver =
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build()?;
        let (found, lifetime) = ask(&resolver, "service.test.").await?;
        assert_eq!(found, [IpAddr::from([10, 1, 2, 3])]);
        assert!(lifetime > Duration::from_secs(5) && lifetime <= Duration::from_secs(7));
        Ok(())
    }

    #[tokio::test]
    async fn addresses_change_only_when_others_are_found() {
        let addresses =
            Addresses::for_endpoint(&Endpoint::Tcp { host: "a.test".into(), port: 80, tls: false });
        assert_eq!(addresses.pick(0), None);
        let (v4, v6): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [1, 0, 0, 0, 0, 0, 0, 1].into());
        addresses.replace(vec![v6, v4], 80);
        assert_eq!(
            [0, 1, 2].map(|n| addresses.pick(n).map(|at| at.ip())),
            [Some(v4), Some(v6), Some(v4)]
        );
        let generation = addresses.generation();
        addresses.replace(vec![v4, v6], 80);
        addresses.replace(Vec::new(), 80);
        assert_eq!(addresses.generation(), generation);
        addresses.replace(vec![v4], 80);
        assert_ne!(addresses.generation(), generation);
    }

    #[tokio::test]
    async fn a_name_is_looked_up_after_a_doubt_and_not_twice_at_once() {
        let local = Addresses::for_endpoint(&Endpoint::Tcp {
            host: "localhost".into(),
            port: 80,
            tls: false,
        });
        assert!(local.is_due());
        local.renew("api").await;
        assert!(local.pick(0).is_some_and(|at| at.ip().is_loopback()));
        assert!(!local.is_due());
        local.doubt();
        assert!(local.is_due());
        let before = *local.looking.lock().await;
        local.renew("api").await;
        assert_eq!(*local.looking.lock().await, before, "it was looked up just now");
        let fixed =
            Addresses::for_endpoint(&Endpoint::Tcp { host: "::1".into(), port: 80, tls: false });
        fixed.doubt();
        assert!(!fixed.is_due());
    }
}
