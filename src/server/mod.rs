//! The pingora server: listeners, services, shutdown.

mod listeners;

use crate::admin::Admin;
use crate::cache::LeaseHolder;
use crate::delivery;
use crate::handover::{self, HandedOver};
use crate::listen::raise_limit;
use crate::listen::tls::UnusableTls;
use crate::proxy::Serve;
use crate::reload::Reload;
use crate::runtime::Process;
use crate::systemd;
use crate::telemetry::HISTORY_INTERVAL;
use crate::upstream::{Upstream, keep_checking, keep_resolving, keep_sweeping};
use async_trait::async_trait;
use listeners::Listeners;
use parking_lot::Mutex;
use pingora_core::listeners::TcpSocketOptions;
use pingora_core::server::configuration::ServerConf;
use pingora_core::server::{RunArgs, Server, ShutdownWatch};
use pingora_core::services::background::{BackgroundService, background_service};
use pingora_core::services::listening::Service;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum StartError {
    #[error(
        "cannot listen on {address}: {source}; another program may hold it, or it needs a permission"
    )]
    Listen { address: String, source: io::Error },
    #[error("the listener {address} cannot be opened: {source}")]
    Tls { address: String, source: UnusableTls },
    #[error(
        "a socket that systemd passed cannot be used: {0}; it must be a stream socket (ListenStream=)"
    )]
    Passed(#[source] io::Error),
    #[error(
        "$SSL_CERT_FILE names {path}, which cannot be read: {source}; correct it, or unset it to use the system's CA certificates"
    )]
    Roots { path: String, source: io::Error },
}

/// Parts of a process besides its configuration.
#[derive(Default)]
pub struct Extras {
    /// Absent in the demo.
    pub reload: Option<Reload>,
    /// Services of the demo.
    pub services: Vec<Box<dyn pingora_core::services::ServiceWithDependents>>,
    /// Where a later process may take over.
    pub upgrade_socket: Option<PathBuf>,
    /// The parts that an older process has handed over.
    pub taken: Option<HandedOver>,
}

/// Runs until a signal stops the process.
pub fn run(process: Arc<Process>, extras: Extras) -> Result<(), StartError> {
    let Extras { reload, services: more, upgrade_socket, mut taken } = extras;
    let settings = process.runtime.load().settings.clone();
    try_trust_roots()?;
    raise_limit();
    if taken.is_none() {
        try_admin(settings.admin.address)?;
    }
    let inherited = taken.as_mut().map(|taken| std::mem::take(&mut taken.sockets));

    let seconds = settings.shutdown_timeout.as_secs() + LAST_SPANS.as_secs() + 1;
    let conf = ServerConf {
        threads: settings.threads,
        // a bound for the case that the drain below does not end the process first
        grace_period_seconds: Some(seconds),
        graceful_shutdown_timeout_seconds: Some(0),
        upstream_keepalive_pool_size: 1024,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();

    let app = Serve::new(process.clone(), &server.configuration);
    let mut proxy = background_service(
        "proxy",
        Listeners::bind(process.clone(), app, inherited.unwrap_or_default())?,
    );
    proxy.threads = Some(settings.threads);
    server.add_service(proxy);
    if let Some(address) = settings.admin.address {
        let mut admin = Service::new("admin".to_owned(), Admin::new(process.clone()));
        admin.threads = Some(1);
        // during an upgrade, two processes listen
        let mut shared = TcpSocketOptions::default();
        shared.so_reuseport = Some(true);
        admin.add_tcp_with_settings(&address.to_string(), shared);
        server.add_service(admin);
    }
    match reload {
        Some(reload) => {
            server.add_service(background_service("reload", reload));
        }
        None => process.watching.store(true, Ordering::SeqCst),
    }
    server.add_services(more);
    let upgrade =
        Upgrade { process: process.clone(), path: upgrade_socket, taken: Mutex::new(taken) };
    server.add_service(background_service("shared cache", Fleet(process.clone())));
    server.add_service(background_service("traces", TraceExport(process.clone())));
    let upkeep = Upkeep(vec![
        Arc::new(upgrade),
        Arc::new(UpstreamCare(process.clone())),
        Arc::new(HistoryRecorder(process.clone())),
        Arc::new(EventDelivery(process.clone())),
        Arc::new(Watchdog),
        Arc::new(Drain(process)),
    ]);
    server.add_service(background_service("upkeep", upkeep));
    server.run(RunArgs::default());
    Ok(())
}

/// The TLS client for upstreams is made with the server, and would bring it down.
pub fn try_trust_roots() -> Result<(), StartError> {
    match std::env::var_os("SSL_CERT_FILE") {
        Some(path) => std::fs::File::open(&path).map(drop).map_err(|source| StartError::Roots {
            path: path.to_string_lossy().into_owned(),
            source,
        }),
        None => Ok(()),
    }
}

/// Finds errors before anything starts, with a clear message, that would occur inside the server.
fn try_admin(address: Option<SocketAddr>) -> Result<(), StartError> {
    let Some(address) = address else { return Ok(()) };
    TcpListener::bind(address)
        .map(drop)
        .map_err(|source| StartError::Listen { address: address.to_string(), source })
}

/// Services that wait nearly all the time, on one thread: a service of pingora's has a runtime and a
/// thread of its own.
struct Upkeep(Vec<Arc<dyn BackgroundService + Send + Sync>>);

#[async_trait]
impl BackgroundService for Upkeep {
    async fn start(&self, shutdown: ShutdownWatch) {
        // a task each, so that a panic ends one of them only
        let start = |part: &Arc<dyn BackgroundService + Send + Sync>| {
            let (part, shutdown) = (part.clone(), shutdown.clone());
            tokio::spawn(async move { part.start(shutdown).await })
        };
        let tasks: Vec<_> = self.0.iter().map(start).collect();
        for task in tasks {
            // it fails when the task has panicked, which was logged then
            let _ = task.await;
        }
    }
}

/// Takes over from the old process once this one is ready, and offers its own hand-over.
struct Upgrade {
    process: Arc<Process>,
    path: Option<PathBuf>,
    taken: Mutex<Option<HandedOver>>,
}

#[async_trait]
impl BackgroundService for Upgrade {
    async fn start(&self, _: ShutdownWatch) {
        while !self.process.ready.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if let Some(taken) = self.taken.lock().take() {
            systemd::main_process();
            match taken.ready(self.process.parts.store.clone()) {
                Ok(()) => tracing::info!("took over from the old process"),
                Err(error) => tracing::error!(
                    %error,
                    "the old process cannot be stopped; both processes accept connections"
                ),
            }
        }
        if let Some(path) = &self.path {
            handover::offer(self.process.clone(), path.clone());
        }
    }
}

/// Keeps the names of upstreams resolved, their idle connections few, their health known.
struct UpstreamCare(Arc<Process>);

#[async_trait]
impl BackgroundService for UpstreamCare {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let upstreams = || -> Vec<Arc<Upstream>> { self.0.runtime.load().upstreams.clone() };
        tokio::select! {
            _ = shutdown.changed() => {}
            () = keep_resolving(&upstreams) => {}
            () = keep_sweeping(&upstreams) => {}
            () = keep_checking(&upstreams, &self.0.parts.metrics) => {}
        }
    }
}

/// Reports to the service manager that the process is alive.
struct Watchdog;

#[async_trait]
impl BackgroundService for Watchdog {
    async fn start(&self, shutdown: ShutdownWatch) {
        systemd::keep_alive(shutdown).await;
    }
}

/// Records the metrics' values, for the status page.
struct HistoryRecorder(Arc<Process>);

#[async_trait]
impl BackgroundService for HistoryRecorder {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        loop {
            let parts = &self.0.parts;
            let uptime = parts.clock.now().uptime().as_secs_f64();
            self.0.history.lock().sample(&parts.metrics, uptime);
            tokio::select! {
                _ = shutdown.changed() => return,
                () = tokio::time::sleep(HISTORY_INTERVAL) => {}
            }
        }
    }
}

/// Fetches security events and manages their streams.
struct EventDelivery(Arc<Process>);

#[async_trait]
impl BackgroundService for EventDelivery {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let holder = LeaseHolder::default();
        tokio::select! {
            _ = shutdown.changed() => {}
            () = delivery::keep(&self.0, &holder) => {}
        }
        // if Redis does not answer, the leases end by themselves
        let _ = tokio::time::timeout(RELEASE, delivery::release(&self.0, &holder)).await;
    }
}

/// How long it may take to give up the duties of this gateway.
const RELEASE: Duration = Duration::from_millis(500);

/// Keeps in touch with Redis, whichever the configuration in force names; until the very end, for
/// the requests that are in flight then.
struct Fleet(Arc<Process>);

#[async_trait]
impl BackgroundService for Fleet {
    async fn start(&self, _: ShutdownWatch) {
        loop {
            let shared = self.0.runtime.load().shared.clone();
            let other = || match (&self.0.runtime.load().shared, &shared) {
                (Some(now), Some(then)) => !Arc::ptr_eq(now, then),
                (now, then) => now.is_some() || then.is_some(),
            };
            let changed = async {
                while !other() {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            };
            match &shared {
                None => changed.await,
                Some(shared) => tokio::select! {
                    _ = shared.run() => {}
                    () = changed => {}
                },
            }
        }
    }
}

/// Exports the spans of all configurations; until the very end, for the last requests.
struct TraceExport(Arc<Process>);

#[async_trait]
impl BackgroundService for TraceExport {
    async fn start(&self, _: ShutdownWatch) {
        loop {
            self.0.parts.traces.start(&self.0.parts.clock);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// How long the last spans may take to the collector when the process stops.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// Ends the process as soon as no request is in flight, and after `shutdown_timeout` at the latest.
struct Drain(Arc<Process>);

#[async_trait]
impl BackgroundService for Drain {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        if shutdown.changed().await.is_err() {
            return;
        }
        let limit = self.0.runtime.load().settings.shutdown_timeout;
        if !self.0.replaced.load(Ordering::SeqCst) {
            systemd::stopping("requests in flight may finish");
        }
        tracing::info!(
            in_flight = self.0.in_flight.now(),
            ?limit,
            "stopping: requests in flight may finish"
        );
        let drained = tokio::time::timeout(limit, self.idle()).await.is_ok();
        let left = self.0.in_flight.now();
        if drained {
            tracing::info!("stopped");
        } else {
            tracing::warn!(
                in_flight = left,
                "stopped at shutdown_timeout; requests in flight were cut off"
            );
            self.0.cutting_off.send_replace(true);
            // it fails when they are not over by then
            let _ = tokio::time::timeout(LAST_FRAMES, self.no_upgraded()).await;
        }
        self.0.access_log.finish();
        self.0.parts.traces.finish(&self.0.parts.clock, LAST_SPANS).await;
        std::process::exit(0);
    }
}

/// How long upgraded connections may take to end. Less than the second that the process has behind
/// `shutdown_timeout`.
const LAST_FRAMES: Duration = Duration::from_millis(500);

impl Drain {
    async fn no_upgraded(&self) {
        while self.0.upgraded.now() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Nothing in flight and no connection that may bring a last request, twice in a row: a
    /// connection that was accepted just now gets its turn.
    async fn idle(&self) {
        let Process { in_flight, connections, .. } = &*self.0;
        let mut quiet = 0;
        while quiet < 2 {
            tokio::time::sleep(Duration::from_millis(25)).await;
            let left = in_flight.now() + connections.now();
            quiet = if left == 0 { quiet + 1 } else { 0 };
        }
    }
}
