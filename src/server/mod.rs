//! The pingora server: listeners, services, shutdown.

mod listeners;

use crate::admin::Admin;
use crate::listen::raise_limit;
use crate::listen::tls::Unusable;
use crate::proxy::Serve;
use crate::reload::Reload;
use crate::runtime::Process;
use crate::systemd;
use crate::telemetry::HISTORY_INTERVAL;
use crate::upstream::{Upstream, keep_checking, keep_resolving, keep_sweeping};
use async_trait::async_trait;
use listeners::Listeners;
use pingora_core::server::configuration::ServerConf;
use pingora_core::server::{RunArgs, Server, ShutdownWatch};
use pingora_core::services::background::{BackgroundService, background_service};
use pingora_core::services::listening::Service;
use std::io;
use std::net::{SocketAddr, TcpListener};
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
    Tls { address: String, source: Unusable },
    #[error(
        "a socket that systemd passed cannot be used: {0}; it must be a stream socket (ListenStream=)"
    )]
    Passed(#[source] io::Error),
    #[error(
        "$SSL_CERT_FILE names {path}, which cannot be read: {source}; correct it, or unset it to use the system's CA certificates"
    )]
    Roots { path: String, source: io::Error },
}

/// Runs until it is told to stop. `reload` is absent in the demo.
pub fn run(
    process: Arc<Process>,
    reload: Option<Reload>,
    more: Vec<Box<dyn pingora_core::services::ServiceWithDependents>>,
) -> Result<(), StartError> {
    let settings = process.runtime.load().settings.clone();
    try_trust_roots()?;
    raise_limit();
    try_admin(settings.admin.address)?;

    let seconds = settings.shutdown_timeout.as_secs() + 1;
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
    let mut proxy = background_service("proxy", Listeners::bind(process.clone(), app)?);
    proxy.threads = Some(settings.threads);
    server.add_service(proxy);
    if let Some(address) = settings.admin.address {
        let mut admin = Service::new("admin".to_owned(), Admin::new(process.clone()));
        admin.threads = Some(1);
        admin.add_tcp(&address.to_string());
        server.add_service(admin);
    }
    match reload {
        Some(reload) => {
            server.add_service(background_service("reload", reload));
        }
        None => process.watching.store(true, Ordering::SeqCst),
    }
    server.add_services(more);
    server.add_service(background_service("names", Names(process.clone())));
    server.add_service(background_service("history", Recorder(process.clone())));
    server.add_service(background_service("shared cache", Fleet(process.clone())));
    server.add_service(background_service("watchdog", Watchdog));
    server.add_service(background_service("drain", Drain(process)));
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

/// Finds out before anything starts, and in words, what would fail inside the server.
fn try_admin(address: Option<SocketAddr>) -> Result<(), StartError> {
    let Some(address) = address else { return Ok(()) };
    TcpListener::bind(address)
        .map(drop)
        .map_err(|source| StartError::Listen { address: address.to_string(), source })
}

/// Keeps the names of upstreams resolved, their idle connections few, their health known.
struct Names(Arc<Process>);

#[async_trait]
impl BackgroundService for Names {
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

/// Tells the service manager that the process is alive.
struct Watchdog;

#[async_trait]
impl BackgroundService for Watchdog {
    async fn start(&self, shutdown: ShutdownWatch) {
        systemd::keep_alive(shutdown).await;
    }
}

/// Records what the metrics counted, for the status page.
struct Recorder(Arc<Process>);

#[async_trait]
impl BackgroundService for Recorder {
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

/// Ends the process as soon as no request is in flight, and after `shutdown_timeout` at the latest.
struct Drain(Arc<Process>);

#[async_trait]
impl BackgroundService for Drain {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        if shutdown.changed().await.is_err() {
            return;
        }
        let limit = self.0.runtime.load().settings.shutdown_timeout;
        systemd::stopping("requests in flight may finish");
        tracing::info!(
            in_flight = self.0.in_flight.load(Ordering::SeqCst),
            ?limit,
            "stopping: requests in flight may finish"
        );
        let drained = tokio::time::timeout(limit, self.idle()).await.is_ok();
        let left = self.0.in_flight.load(Ordering::SeqCst);
        if drained {
            tracing::info!("stopped");
        } else {
            tracing::warn!(
                in_flight = left,
                "stopped at shutdown_timeout; requests in flight were cut off"
            );
        }
        self.0.access_log.finish();
        std::process::exit(0);
    }
}

impl Drain {
    /// Nothing in flight and no connection that may bring a last request, twice in a row: a
    /// connection that was accepted just now gets its turn.
    async fn idle(&self) {
        let Process { in_flight, connections, .. } = &*self.0;
        let mut quiet = 0;
        while quiet < 2 {
            tokio::time::sleep(Duration::from_millis(25)).await;
            let left = in_flight.load(Ordering::SeqCst) + connections.load(Ordering::SeqCst);
            quiet = if left == 0 { quiet + 1 } else { 0 };
        }
    }
}
