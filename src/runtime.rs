//! The parts that run: the process, and the immutable snapshot that one configuration became. `assemble`
//! makes them; `proxy`, `admin` and `server` use them.

use crate::cache::{Cached, Purge, Shared, Store, StreamEnd};
use crate::clock::Clock;
use crate::config::Settings;
use crate::deny::Challenge;
use crate::gate::{Gate, Route};
use crate::identity::{Identity, PublishedKeys};
use crate::introspect::{Documents, Guarded, Introspector};
use crate::listen::OpenSockets;
use crate::listen::tls::LoadedCertificates;
use crate::per_thread::{Handle, Living, Spread};
use crate::proof::dpop::Seen;
use crate::rate_limit::RouteBuckets;
use crate::resource::ResourceMetadata;
use crate::security_events::{EventStreams, Events, Subscription, TakenEvents};
use crate::telemetry::{
    AccessLogger, Decisions, History, LogSettings, Metrics, Occasionally, RouteMetrics, Tracer,
    Traces,
};
use crate::token::DigestKey;
use crate::upstream::{Destination, Upstream};
use arc_swap::ArcSwap;
use ipnet::IpNet;
use parking_lot::Mutex;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::watch;

/// Everything that lives as long as the process, through all reloads.
pub struct Process {
    pub runtime: ArcSwap<Spread<Runtime>>,
    pub parts: CarriedOver,
    pub access_log: AccessLogger,
    /// The last decisions.
    pub decisions: Decisions,
    /// The last hour.
    pub history: Mutex<History>,
    /// The outcome of the last reload; `None`: there was none since the start.
    pub last_reload: Mutex<Option<LastReload>>,
    /// Requests in flight.
    pub in_flight: Living,
    /// Upgraded connections that are open.
    pub upgraded: Living,
    /// True when `shutdown_timeout` is over.
    pub cutting_off: watch::Sender<bool>,
    /// Clients' HTTP/1 connections that are open.
    pub connections: Living,
    /// Configuration loaded, listeners open, not stopping.
    pub ready: AtomicBool,
    /// The sockets of the open listeners.
    pub sockets: OpenSockets,
    /// The certificates of the open listeners.
    pub certificates: LoadedCertificates,
    /// Another process has taken over.
    pub replaced: AtomicBool,
    /// A reload can be asked for, or the configuration cannot be reloaded.
    pub watching: AtomicBool,
}

/// The outcome of a reload, for the status.
#[derive(Clone, Debug)]
pub struct LastReload {
    /// Seconds since the Unix epoch.
    pub at: i64,
    /// Errors, because of which the old configuration stays in force; empty when there are none.
    pub problems: Vec<String>,
}

/// The parts of a process that one runtime hands on to the next.
#[derive(Clone)]
pub struct CarriedOver {
    pub clock: Clock,
    pub metrics: Arc<Metrics>,
    pub store: Arc<Store>,
    pub documents: Arc<Documents>,
    /// The spans on their way to the collector.
    pub traces: Arc<Traces>,
    /// Events that came, so that none counts twice; and refused ones, for the log.
    pub taken: Arc<TakenEvents>,
    pub event_log: Arc<Occasionally>,
    /// Peers that asked for a decision and may not, for the log.
    pub strangers: Arc<Occasionally>,
    /// The state of event streams.
    pub streams: Arc<EventStreams>,
    /// Proofs of possession that were used.
    pub seen_proofs: Arc<Seen>,
    /// The buckets of rate limits, those of the last runtime.
    pub rate_limits: Arc<Mutex<RouteBuckets>>,
    /// The public keys of assertions.
    pub assertion_keys: Arc<Mutex<PublishedKeys>>,
    /// The Redis of the last runtime that had one.
    pub shared: Arc<Mutex<Option<Arc<Shared>>>>,
    /// Those of the last runtime: one whose settings are the same goes on as it is, with its
    /// connections, addresses and health.
    pub upstreams: Arc<Mutex<Vec<Arc<Upstream>>>>,
    /// Random: digests mean nothing outside this process. With Redis, the fleet's takes its place.
    pub digest_key: DigestKey,
}

/// The immutable snapshot made from one configuration, swapped whole on reload.
pub struct Runtime {
    pub gate: Gate<Destination>,
    pub identity: Identity,
    pub trusted_proxies: Vec<IpNet>,
    pub log: LogSettings,
    /// For requests without a route.
    pub challenge: Challenge,
    /// `protected_resource`: served at its well-known path.
    pub resource_metadata: Option<ResourceMetadata>,
    pub unrouted: RouteMetrics,
    pub servers: Vec<Arc<AuthorizationServer>>,
    pub events: Events,
    /// Transmitters of events that are called.
    pub subscriptions: Vec<Arc<Subscription>>,
    /// The second level of the cache.
    pub shared: Option<Arc<Shared>>,
    /// Records sampled requests; `None`: traces are off.
    pub tracer: Option<Arc<Tracer>>,
    pub upstreams: Vec<Arc<Upstream>>,
    /// An upstream speaks HTTP/2 over TLS, and its certificate is verified by the system's trust
    /// roots.
    pub http2_over_tls: bool,
    /// Shared with users that live longer than this runtime.
    pub settings: Arc<Settings>,
    /// The effective configuration with its secrets blacked out, as compact JSON: a tree of it
    /// would take more memory than everything else of a large configuration.
    pub shown: Box<str>,
    /// Seconds since the Unix epoch.
    pub loaded_at: i64,
}

/// One authorization server, made ready.
pub struct AuthorizationServer {
    pub name: Arc<str>,
    pub cached: Arc<Cached>,
    pub guarded: Arc<Guarded<Box<dyn Introspector>>>,
}

/// A route, kept by the configuration that it is of.
#[derive(Clone)]
pub struct RouteHandle {
    runtime: Handle<Runtime>,
    /// Within its gate's routes.
    place: usize,
}

impl RouteHandle {
    /// `None` where there is no such place.
    pub fn new(runtime: &Handle<Runtime>, place: usize) -> Option<Self> {
        (place < runtime.gate.routes.len()).then(|| Self { runtime: runtime.clone(), place })
    }
}

impl Deref for RouteHandle {
    type Target = Arc<Route<Destination>>;

    #[inline]
    fn deref(&self) -> &Self::Target {
        // the routes of a gate never change
        &self.runtime.gate.routes[self.place]
    }
}

impl Runtime {
    /// The names of the routes in shadow mode.
    pub fn shadow_routes(&self) -> Vec<&str> {
        let routes = self.gate.routes.iter().filter(|route| route.policy.is_shadow());
        routes.map(|route| &*route.name).collect()
    }
}

impl Process {
    pub fn new(parts: CarriedOver, runtime: Runtime) -> Self {
        parts.metrics.config_in_force(runtime.loaded_at);
        Self {
            runtime: ArcSwap::from_pointee(Spread::new(Arc::new(runtime))),
            parts,
            access_log: AccessLogger::to_stdout(),
            decisions: Decisions::default(),
            history: Mutex::default(),
            last_reload: Mutex::default(),
            in_flight: Living::default(),
            upgraded: Living::default(),
            cutting_off: watch::Sender::new(false),
            connections: Living::default(),
            ready: AtomicBool::new(false),
            sockets: OpenSockets::default(),
            certificates: LoadedCertificates::default(),
            replaced: AtomicBool::new(false),
            watching: AtomicBool::new(false),
        }
    }

    /// Ready when requests in flight are cut off.
    pub async fn time_is_up(&self) {
        // the sender lives as long as the process
        let _ = self.cutting_off.subscribe().wait_for(|cut| *cut).await;
    }

    /// Forgets answers, here and in the whole fleet. How many were held here; with Redis, also
    /// whether the others have been told already.
    /// `end` is the reason that responses which depend on them end with here.
    pub async fn purge(&self, purge: &Purge, end: StreamEnd) -> (usize, Option<bool>) {
        let shared = self.runtime.load().shared.clone();
        match shared {
            None => (self.parts.store.purge_because(purge, end), None),
            Some(shared) => {
                let (purged, told) = shared.purge(purge, end).await;
                (purged, Some(told))
            }
        }
    }
}
