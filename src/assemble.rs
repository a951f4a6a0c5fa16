//! From a configuration to what runs: the only place that picks implementations.

use crate::cache::{Cached, FactsSource, RedisSettings, Shared, Store, ToldHosts};
use crate::clock::Clock;
use crate::config::Settings;
use crate::deny::{Challenge, DpopDemand};
use crate::gate::{Gate, Limiter, Proofs, Route, RouteServer, RouteSettings, Servers};
use crate::identity::Identity;
use crate::introspect::jwt::Then;
use crate::introspect::{
    BuildParts, Documents, Guarded, Introspector, ServerSettings, SettingsFingerprint,
    UnusableSettings,
};
use crate::listen::Listen;
use crate::policy::{AuthMode, Policy, PolicySettings};
use crate::proof::dpop::{Dpop, DpopSettings};
use crate::resource::{Coverage, ResourceMetadata, Sources};
use crate::route::{HostPattern, Reach, RouteTable};
use crate::runtime::{AuthorizationServer, CarriedOver, Runtime};
use crate::security_events::{Events, Subscription};
use crate::telemetry::{Metrics, Occasionally, RouteMetrics};
use crate::token::DigestKey;
use crate::upstream::{Destination, Upstream, UpstreamSettings};
use std::collections::HashMap;
use std::sync::Arc;
use thiserror::Error;

/// Token buckets of all routes together, in even shares: 45 MB when all are in use.
const RATE_LIMIT_BUCKETS: usize = 1 << 20;

/// The share of a route, however many there are.
const FEWEST_BUCKETS: usize = 4096;

/// A checked configuration that cannot be made to run.
#[derive(Debug, Error)]
pub enum AssembleError {
    #[error(transparent)]
    Server(#[from] UnusableSettings),
    #[error("route `{route}`: there is no {what} `{name}`")]
    Missing { route: String, what: &'static str, name: String },
    #[error("two routes tie: {0}")]
    Tie(String),
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

impl CarriedOver {
    pub fn new(settings: &Settings) -> Result<Self, AssembleError> {
        let metrics = Arc::new(Metrics::new()?);
        let store = Arc::new(Store::new(&settings.cache, metrics.clone()));
        let clock = Clock::system();
        let documents = Arc::new(Documents::new(clock.clone(), metrics.clone()));
        Ok(Self {
            clock,
            metrics,
            store,
            documents,
            taken: Arc::default(),
            event_log: Arc::default(),
            strangers: Arc::default(),
            streams: Arc::default(),
            seen_proofs: Arc::default(),
            rate_limits: Arc::default(),
            assertion_keys: Arc::default(),
            shared: Arc::default(),
            traces: Arc::default(),
            upstreams: Arc::default(),
            digest_key: DigestKey::random(),
        })
    }

    /// Makes a runtime. Answers that earlier runtimes cached are found again by it wherever the
    /// authorization server's settings are the same. `shown`: the effective configuration with its
    /// secrets blacked out, as compact JSON.
    pub fn assemble(&self, settings: Settings, shown: Box<str>) -> Result<Runtime, AssembleError> {
        let shared = settings.redis.as_ref().map(|redis| self.shared(redis));
        let mut servers = HashMap::new();
        // those that are asked by others come first
        let (last, first): (Vec<_>, Vec<_>) =
            settings.servers.iter().partition(|server| server.profile().then.is_some());
        for server in first.into_iter().chain(last) {
            servers.insert(
                server.name.clone(),
                Arc::new(self.server(server, &settings, &servers, shared.as_ref())?),
            );
        }
        let upstreams: HashMap<_, _> = settings
            .upstreams
            .iter()
            .map(|upstream| (upstream.name.clone(), self.upstream(upstream)))
            .collect();
        let asked: HashMap<_, _> = settings
            .servers
            .iter()
            .filter_map(|server| {
                let cached = servers.get(&server.name)?.cached.clone();
                let (tokens, demands) = (server.tokens.clone(), server.demands());
                Some((server.name.clone(), Arc::new(RouteServer { cached, tokens, demands })))
            })
            .collect();
        let proofs = self.proofs(&settings.dpop, shared.as_ref());
        let mut rate_limits = self.rate_limits(&settings, shared.as_ref());
        let coverage = settings
            .protected_resource
            .as_ref()
            .map(|configured| Coverage::new(configured, &settings.routes));
        let resource_metadata = coverage.as_ref().map(|coverage| {
            ResourceMetadata::new(coverage, &resource_sources(&settings), &self.metrics)
        });
        let covered = coverage.as_ref().map(Coverage::of_configured).unwrap_or_default();
        let metadata_url = |i: usize, route: &RouteSettings| {
            let coverage = coverage.as_ref().filter(|_| covered.contains(&i))?;
            let identifier = coverage.identifier_of(route);
            Some(identifier.metadata_url(settings.public_url.as_deref()))
        };
        let mut challenges = Challenges::new(&settings.realm, &proofs.dpop);
        let routes = settings
            .routes
            .iter()
            .enumerate()
            .map(|(i, route)| {
                let extras = RouteExtras {
                    rate_limit: rate_limits.remove(&route.name).map(Box::new),
                    challenge: challenges.of(route, metadata_url(i, route)),
                };
                self.route(route, &asked, &upstreams, &proofs.dpop, extras)
            })
            .collect::<Result<_, _>>()?;
        let reaches: Vec<&Reach> = settings.routes.iter().map(|route| &route.reach).collect();
        let table = RouteTable::build(&reaches).map_err(|ties| {
            AssembleError::Tie(ties.into_iter().map(|tie| tie.at).collect::<Vec<_>>().join("; "))
        })?;
        let in_order: Vec<_> = settings
            .upstreams
            .iter()
            .filter_map(|upstream| upstreams.get(&upstream.name).cloned())
            .collect();
        self.upstreams.lock().clone_from(&in_order);
        let assertion = settings.identity.assertion.as_ref();
        self.assertion_keys.lock().replace(assertion, self.clock.now().mono);
        Ok(Runtime {
            gate: Gate { table, routes, token: settings.token.clone(), proofs },
            http2_over_tls: in_order
                .iter()
                .any(|upstream| upstream.settings.needs_roots_for_http2()),
            identity: Identity::new(settings.identity.clone()),
            trusted_proxies: settings.trusted_proxies.clone(),
            log: settings.log.clone(),
            challenge: Challenge::new(&settings.realm, []),
            resource_metadata,
            unrouted: RouteMetrics::of_none(&self.metrics),
            servers: settings
                .servers
                .iter()
                .filter_map(|server| servers.get(&server.name).cloned())
                .collect(),
            upstreams: in_order,
            subscriptions: Subscription::all(&settings.servers, &self.documents, &self.streams)?,
            events: Events::new(&settings.servers, &self.documents, self.clock.clone())?,
            shared,
            tracer: self.traces.tracer(settings.traces.as_ref(), &self.metrics),
            loaded_at: self.clock.now().unix_seconds(),
            settings: Arc::new(settings),
            shown,
        })
    }

    /// The upstream with these settings: the one there is, or a new one.
    fn upstream(&self, settings: &UpstreamSettings) -> Arc<Upstream> {
        let held = self.upstreams.lock();
        let same = held.iter().find(|upstream| upstream.settings == *settings);
        same.cloned().unwrap_or_else(|| Arc::new(Upstream::new(settings.clone())))
    }

    fn proofs(&self, settings: &DpopSettings, shared: Option<&Arc<Shared>>) -> Proofs {
        let key = shared.map_or(&self.digest_key, |shared| shared.digest_key());
        Proofs {
            dpop: Arc::new(Dpop::new(settings.clone(), key)),
            seen: self.seen_proofs.clone(),
            shared: shared.cloned(),
        }
    }

    /// The limits of the routes by name. A route whose name and limit are the same as before keeps
    /// its buckets.
    fn rate_limits(
        &self,
        settings: &Settings,
        shared: Option<&Arc<Shared>>,
    ) -> HashMap<Arc<str>, Limiter> {
        let limited: Vec<_> = settings
            .routes
            .iter()
            .filter_map(|route| Some((route.name.clone(), route.limits.rate_limit?)))
            .collect();
        let capacity = (RATE_LIMIT_BUCKETS / limited.len().max(1)).max(FEWEST_BUCKETS);
        let key = shared.map_or(&self.digest_key, |shared| shared.digest_key());
        let mut held = self.rate_limits.lock();
        let before = std::mem::take(&mut *held);
        let mut limiters = HashMap::new();
        for (name, limit) in limited {
            let id = (name.clone(), limit);
            let buckets = before.get(&id).cloned().unwrap_or_default();
            held.insert(id, buckets.clone());
            let (clock, shared) = (self.clock.clone(), shared.cloned());
            let limiter = Limiter::new(&name, limit, key, (buckets, capacity), clock, shared);
            limiters.insert(name, limiter);
        }
        limiters
    }

    /// The Redis with these settings: the one there is, or a new one.
    pub fn shared(&self, redis: &RedisSettings) -> Arc<Shared> {
        let mut held = self.shared.lock();
        match &*held {
            Some(shared) if shared.settings() == redis => shared.clone(),
            _ => {
                let shared = Arc::new(Shared::new(
                    redis.clone(),
                    self.store.clone(),
                    self.clock.clone(),
                    &self.metrics,
                ));
                *held = Some(shared.clone());
                shared
            }
        }
    }

    /// Cache around guards around the kind of server. `servers` are those made so far.
    fn server(
        &self,
        server: &ServerSettings,
        settings: &Settings,
        servers: &HashMap<Arc<str>, Arc<AuthorizationServer>>,
        shared: Option<&Arc<Shared>>,
    ) -> Result<AuthorizationServer, AssembleError> {
        let profile = server.profile();
        let then = profile.then.and_then(|name| {
            let asked = settings.servers.iter().find(|server| server.name == *name);
            servers.get(name).zip(asked)
        });
        let guarded = Arc::new(Guarded::new(
            self.introspector(server, then)?,
            server,
            self.clock.clone(),
            &self.metrics,
        ));
        let fingerprints = [Some(server.fingerprint()), then.map(|(_, asked)| asked.fingerprint())];
        let texts = fingerprints.iter().flatten().flat_map(SettingsFingerprint::texts);
        let key = shared
            .map_or(&self.digest_key, |shared| shared.digest_key())
            .derive(std::iter::once(&*server.name).chain(texts));
        let is_told_host =
            profile.forward_host || then.is_some_and(|(_, asked)| asked.profile().forward_host);
        let told_hosts = is_told_host.then(|| Arc::new(told_hosts(settings)));
        let source = FactsSource {
            server: server.name.clone(),
            key,
            told_hosts,
            address: address(server),
            introspector: guarded.clone(),
        };
        // what is found out here without asking anybody is found out sooner than looked up
        let local = profile.verification.is_some() && then.is_none();
        let cached = Cached::new(
            source,
            settings.cache,
            self.store.clone(),
            self.clock.clone(),
            &self.metrics,
        )
        .sharing(shared.filter(|_| !local).cloned());
        Ok(AuthorizationServer { name: server.name.clone(), cached: Arc::new(cached), guarded })
    }

    /// The kind of server itself, without guards and cache. `then`: the server that is asked as
    /// well, and its settings.
    pub fn introspector(
        &self,
        server: &ServerSettings,
        then: Option<(&Arc<AuthorizationServer>, &ServerSettings)>,
    ) -> Result<Box<dyn Introspector>, UnusableSettings> {
        let then = then.map(|(made, asked)| Then {
            server: made.guarded.clone(),
            issuer: asked.issuer.clone(),
            require_issuer: asked.require_issuer,
        });
        let (clock, documents) = (self.clock.clone(), &*self.documents);
        server.kind.build(server, BuildParts { clock, documents, then })
    }

    fn route(
        &self,
        route: &RouteSettings,
        servers: &HashMap<Arc<str>, Arc<RouteServer>>,
        upstreams: &HashMap<Arc<str>, Arc<Upstream>>,
        dpop: &Arc<Dpop>,
        extras: RouteExtras,
    ) -> Result<Arc<Route<Destination>>, AssembleError> {
        let missing = |what, name: &str| AssembleError::Missing {
            route: route.name.to_string(),
            what,
            name: name.to_owned(),
        };
        let RouteSettings { name, demands: demanded, destination, limits, .. } = route;
        let asked = demanded.authorization_servers.iter().map(|name| {
            servers.get(name).cloned().ok_or_else(|| missing("authorization server", name))
        });
        let policy = Policy::new(demanded.auth, demanded.policy.clone(), dpop.clone());
        Ok(Arc::new(Route {
            name: name.clone(),
            challenge: extras.challenge,
            policy,
            servers: Servers::new(asked.collect::<Result<_, AssembleError>>()?),
            limits: limits.clone(),
            rate_limit: extras.rate_limit,
            preflight_pass: demanded.preflight_pass,
            log: Occasionally::default(),
            leads_to: Destination {
                upstream: upstreams
                    .get(&destination.upstream)
                    .ok_or_else(|| missing("upstream", &destination.upstream))?
                    .clone(),
                metrics: RouteMetrics::new(&self.metrics, name, &destination.upstream),
                settings: destination.clone(),
                paths: route.reach.paths.clone(),
            },
        }))
    }
}

/// The parts of one route that are made beside its settings.
struct RouteExtras {
    rate_limit: Option<Box<Limiter>>,
    challenge: Arc<Challenge>,
}

/// Makes the challenges of routes. Routes with the same demands, which mostly follow each other,
/// share one.
struct Challenges<'s> {
    realm: &'s str,
    dpop: &'s Arc<Dpop>,
    last: Option<(MadeFor, Arc<Challenge>)>,
}

/// Everything that a challenge depends on.
struct MadeFor {
    auth: AuthMode,
    policy: Arc<PolicySettings>,
    /// The URL of the route's metadata (RFC 9728 §5.1).
    metadata_url: Option<String>,
}

impl<'s> Challenges<'s> {
    fn new(realm: &'s str, dpop: &'s Arc<Dpop>) -> Self {
        Self { realm, dpop, last: None }
    }

    fn of(&mut self, route: &RouteSettings, metadata_url: Option<String>) -> Arc<Challenge> {
        let made_for = MadeFor {
            auth: route.demands.auth,
            policy: route.demands.policy.clone(),
            metadata_url,
        };
        if let Some((last, challenge)) = &self.last
            && last.is_same(&made_for)
        {
            return challenge.clone();
        }
        let challenge = Arc::new(self.make(&made_for));
        self.last = Some((made_for, challenge.clone()));
        challenge
    }

    fn make(&self, MadeFor { auth, policy: demands, metadata_url }: &MadeFor) -> Challenge {
        let policy = Policy::new(*auth, demands.clone(), self.dpop.clone());
        Challenge::new(self.realm, policy.wanted_scopes())
            .with_login(&demands.login)
            .with_dpop(DpopDemand {
                algorithms: self.dpop.algorithms().clone(),
                accepted: policy.takes_dpop(),
                required: policy.requires_dpop(),
            })
            .with_resource_metadata(metadata_url.as_deref().unwrap_or_default())
    }
}

impl MadeFor {
    fn is_same(&self, other: &Self) -> bool {
        self.auth == other.auth
            && Arc::ptr_eq(&self.policy, &other.policy)
            && self.metadata_url == other.metadata_url
    }
}

fn resource_sources(settings: &Settings) -> Sources<'_> {
    Sources {
        servers: &settings.servers,
        token: &settings.token,
        dpop: &settings.dpop,
        asks_for_certificates: settings
            .listeners
            .iter()
            .any(|listener| listener.tls.as_ref().is_some_and(|tls| tls.clients.are_asked_for())),
    }
}

/// Host and port of the first URL that is called.
fn address(server: &ServerSettings) -> Option<(String, u16)> {
    let first = server.origins().into_iter().next()?;
    Some((first.host_str()?.to_owned(), first.port_or_known_default()?))
}

/// The hosts that routes name without `*`, and the ports of the listeners.
fn told_hosts(settings: &Settings) -> ToldHosts {
    let hosts = settings.routes.iter().flat_map(|route| &route.reach.hosts);
    let names = hosts.filter_map(|host| match host {
        HostPattern::Exact(name) => Some(name.clone()),
        HostPattern::Below(_) => None,
    });
    let ports = settings.listeners.iter().filter_map(|listener| match &listener.address {
        Listen::Tcp(address) => Some(address.port()),
        Listen::Unix(_) | Listen::Systemd(_) => None,
    });
    ToldHosts::new(names, ports)
}
