//! The listeners of the configuration in force: opened at start, and opened, closed and changed
//! by every reload.

use super::StartError;
use crate::config::Settings;
use crate::listen::tls::TlsPair;
use crate::listen::{
    Acceptor, Capacity, Listen, Listener, ListenerSettings, PassedSockets, Quota, Socket, accept,
    open,
};
use crate::runtime::Process;
use crate::systemd;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use parking_lot::Mutex;
use pingora_core::apps::ServerApp;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;

/// How often the configuration in force is compared with the open listeners.
const PERIOD: Duration = Duration::from_millis(200);

/// Opens and closes listeners, and accepts their connections for `app`.
pub struct Listeners<A> {
    process: Arc<Process>,
    app: Arc<A>,
    /// For the connections of all listeners together.
    capacity: Arc<Quota>,
    /// Bound before the server starts; taken when it does.
    bound: Mutex<Vec<BoundListener>>,
    passed: PassedSockets,
}

/// A listener whose address is bound, and whose connections are not accepted yet.
struct BoundListener {
    settings: ListenerSettings,
    listener: Listener,
    sockets: Vec<Socket>,
}

/// A listener that accepts connections.
struct OpenListener {
    /// As configured, and as they are in force.
    wanted: ListenerSettings,
    settings: ListenerSettings,
    listener: Arc<ArcSwap<Listener>>,
    quota: Arc<Quota>,
    close: watch::Sender<bool>,
}

impl<A: ServerApp + Send + Sync + 'static> Listeners<A> {
    /// Binds all addresses, so that a mistake ends the program before anything else starts.
    /// `inherited` are the sockets of a process that runs, by the addresses of its listeners.
    pub fn bind(
        process: Arc<Process>,
        app: A,
        mut inherited: Vec<(String, Socket)>,
    ) -> Result<Self, StartError> {
        let settings = process.runtime.load().settings.clone();
        let passed = PassedSockets::take().map_err(StartError::Passed)?;
        let mut bound = Vec::with_capacity(settings.listeners.len());
        for listener in &settings.listeners {
            let address = listener.address.to_string();
            let own = inherited.extract_if(.., |(other, _)| *other == address);
            let own: Vec<Socket> = own.map(|(_, socket)| socket).collect();
            bound.push(BoundListener::new(listener.clone(), &settings, &process, &passed, own)?);
        }
        // a listener that is gone from the configuration
        drop(inherited);
        let Capacity(capacity) = Capacity::of_process();
        for ListenerSettings { address, limits, .. } in &settings.listeners {
            if let Some(wanted) = limits.connections.filter(|&wanted| wanted > capacity) {
                tracing::warn!(
                    listener = %address,
                    wanted,
                    capacity,
                    "the limit of open files leaves room for fewer connections than the listener \
                     may have; raise it (LimitNOFILE= of systemd, ulimit -n)"
                );
            }
        }
        let capacity = Arc::new(Quota::new(capacity));
        Ok(Self { process, app: Arc::new(app), capacity, bound: Mutex::new(bound), passed })
    }

    fn accept(&self, bound: BoundListener, shutdown: &ShutdownWatch) -> OpenListener {
        let BoundListener { settings, listener, sockets } = bound;
        let listener = Arc::new(ArcSwap::from_pointee(listener));
        let quota = Arc::new(Quota::new(most(&settings)));
        let (close, closing) = watch::channel(*shutdown.borrow());
        self.process.sockets.opened(&settings.address, &sockets);
        for socket in sockets {
            let acceptor = Acceptor {
                app: self.app.clone(),
                listener: listener.clone(),
                quotas: vec![quota.clone(), self.capacity.clone()],
                closing: closing.clone(),
            };
            let name = settings.address.to_string();
            tokio::spawn(async move {
                if let Err(error) = accept(acceptor, socket).await {
                    tracing::error!(listener = name, %error, "connections cannot be accepted");
                }
            });
        }
        self.show_certificates(&settings);
        OpenListener { wanted: settings.clone(), settings, listener, quota, close }
    }

    /// Makes the open listeners those of the configuration. `failed` holds addresses that could not
    /// be opened, so that each is logged once.
    fn follow(
        &self,
        open: &mut Vec<OpenListener>,
        failed: &mut Vec<Listen>,
        shutdown: &ShutdownWatch,
    ) {
        let settings = self.process.runtime.load().settings.clone();
        let wanted = |address: &Listen| {
            settings.listeners.iter().find(|settings| settings.address == *address)
        };
        // first, since an address may be in the way of another one
        open.retain(|listener| {
            let kept = wanted(&listener.settings.address).is_some();
            if !kept {
                listener.close.send_replace(true);
                self.process.sockets.closed(&listener.settings.address);
                self.forget_certificates(&listener.settings);
                tracing::info!(listener = %listener.settings.address, "closed");
            }
            kept
        });
        failed.retain(|address| wanted(address).is_some());
        for listener in &settings.listeners {
            let address = &listener.address;
            if let Some(open) = open.iter_mut().find(|open| open.settings.address == *address) {
                self.change(open, listener, &settings);
                continue;
            }
            match BoundListener::new(
                listener.clone(),
                &settings,
                &self.process,
                &self.passed,
                Vec::new(),
            ) {
                Ok(bound) => {
                    failed.retain(|failed| failed != address);
                    open.push(self.accept(bound, shutdown));
                    tracing::info!(listener = %address, "opened");
                }
                Err(error) => {
                    if !failed.contains(address) {
                        tracing::error!("{error}");
                        failed.push(address.clone());
                    }
                }
            }
        }
    }

    /// Connections that are open keep the settings that they came in with.
    fn change(&self, open: &mut OpenListener, wanted: &ListenerSettings, settings: &Settings) {
        let trusted = Some(&settings.trusted_proxies);
        let proxies = open.listener.load().proxies.clone();
        let same_proxies = !wanted.proxy_protocol || proxies.as_ref() == trusted;
        if open.wanted == *wanted && same_proxies {
            return;
        }
        let metrics = &self.process.parts.metrics;
        let now = self.process.parts.clock.now().unix_seconds();
        let mut taken = wanted.clone();
        keep_the_better(&mut taken, &open.settings, now);
        open.wanted = wanted.clone();
        match Listener::new(&taken, &settings.trusted_proxies, metrics) {
            Ok(listener) => {
                open.listener.store(Arc::new(listener));
                open.quota.set(most(&taken));
                self.forget_certificates(&open.settings);
                self.show_certificates(&taken);
                tracing::info!(listener = %taken.address, "changed");
                open.settings = taken;
            }
            Err(error) => {
                tracing::error!(listener = %taken.address, %error, "the listener stays as it was");
            }
        }
    }

    fn show_certificates(&self, settings: &ListenerSettings) {
        let now = self.process.parts.clock.now().unix_seconds();
        let listener = settings.address.to_string();
        let pairs = settings.tls.as_ref().map_or(&[][..], |tls| &tls.pairs);
        self.process.certificates.set(&listener, pairs);
        for pair in pairs {
            let metric = &self.process.parts.metrics.certificate_expiry;
            metric.with_label_values(&[&*listener, &pair.name]).set(pair.ends());
            if pair.ends() <= now {
                tracing::error!(listener, certificate = pair.name, "the certificate has expired");
            }
        }
    }

    fn forget_certificates(&self, settings: &ListenerSettings) {
        let listener = settings.address.to_string();
        self.process.certificates.set(&listener, &[]);
        for pair in settings.tls.iter().flat_map(|tls| &tls.pairs) {
            let metric = &self.process.parts.metrics.certificate_expiry;
            let _ = metric.remove_label_values(&[&*listener, &pair.name]);
        }
    }
}

/// A certificate that has expired never takes the place of one that has not.
fn keep_the_better(wanted: &mut ListenerSettings, before: &ListenerSettings, now: i64) {
    let (Some(wanted_tls), Some(before)) = (&mut wanted.tls, &before.tls) else { return };
    for pair in wanted_tls.pairs.iter_mut().filter(|pair| pair.ends() <= now) {
        let better = |other: &&TlsPair| other.name == pair.name && other.ends() > now;
        if let Some(better) = before.pairs.iter().find(better) {
            tracing::error!(
                listener = %wanted.address,
                certificate = pair.name,
                "the new certificate has expired; the old one stays"
            );
            *pair = better.clone();
        }
    }
}

impl BoundListener {
    fn new(
        listener: ListenerSettings,
        settings: &Settings,
        process: &Process,
        passed: &PassedSockets,
        inherited: Vec<Socket>,
    ) -> Result<Self, StartError> {
        let address = || listener.address.to_string();
        let made = Listener::new(&listener, &settings.trusted_proxies, &process.parts.metrics)
            .map_err(|source| StartError::Tls { address: address(), source })?;
        let sockets = if inherited.is_empty() {
            open(&listener.address, passed)
                .map_err(|source| StartError::Listen { address: address(), source })?
        } else {
            inherited
        };
        Ok(Self { settings: listener, listener: made, sockets })
    }
}

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> BackgroundService for Listeners<A> {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let bound = std::mem::take(&mut *self.bound.lock());
        let mut open: Vec<OpenListener> =
            bound.into_iter().map(|bound| self.accept(bound, &shutdown)).collect();
        while !self.process.watching.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.process.ready.store(true, Ordering::SeqCst);
        let settings = self.process.runtime.load().settings.clone();
        let addresses: Vec<String> =
            settings.listeners.iter().map(|listener| listener.address.to_string()).collect();
        tracing::info!(listeners = ?addresses, admin = ?settings.admin.address, version = env!("CARGO_PKG_VERSION"), "ready");
        systemd::ready(&format!("{} listeners are open", addresses.len()));

        let mut failed = Vec::new();
        while tokio::time::timeout(PERIOD, shutdown.wait_for(|stop| *stop)).await.is_err() {
            self.follow(&mut open, &mut failed, &shutdown);
        }
        self.process.ready.store(false, Ordering::SeqCst);
        for listener in &open {
            listener.close.send_replace(true);
        }
        self.app.cleanup().await;
    }
}

/// Connections at once, where only the listener's own limit counts.
fn most(settings: &ListenerSettings) -> usize {
    settings.limits.connections.unwrap_or(usize::MAX)
}
