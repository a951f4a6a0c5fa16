//! The listeners of the configuration in force: opened at start, and opened, closed and changed
//! by every reload.

use super::StartError;
use crate::listen::{
    Acceptor, Capacity, Listen, Listener, ListenerSettings, Quota, Socket, accept, open,
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
    bound: Mutex<Vec<Bound>>,
}

/// A listener whose address is bound, and whose connections are not accepted yet.
struct Bound {
    settings: ListenerSettings,
    socket: Socket,
}

/// A listener that accepts connections.
struct Open {
    settings: ListenerSettings,
    listener: Arc<ArcSwap<Listener>>,
    quota: Arc<Quota>,
    close: watch::Sender<bool>,
}

impl<A: ServerApp + Send + Sync + 'static> Listeners<A> {
    /// Binds all addresses, so that a mistake ends the program before anything else starts.
    pub fn bind(process: Arc<Process>, app: A) -> Result<Self, StartError> {
        let settings = process.runtime.load().settings.clone();
        let mut bound = Vec::with_capacity(settings.listeners.len());
        for settings in &settings.listeners {
            bound.push(Bound { socket: bind(&settings.address)?, settings: settings.clone() });
        }
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
        Ok(Self { process, app: Arc::new(app), capacity, bound: Mutex::new(bound) })
    }

    fn accept(&self, Bound { settings, socket }: Bound, shutdown: &ShutdownWatch) -> Open {
        let name = settings.address.to_string();
        let listener = Listener::new(&settings, &self.process.parts.metrics);
        let listener = Arc::new(ArcSwap::from_pointee(listener));
        let quota = Arc::new(Quota::new(most(&settings)));
        let (close, closing) = watch::channel(*shutdown.borrow());
        let acceptor = Acceptor {
            app: self.app.clone(),
            listener: listener.clone(),
            quotas: vec![quota.clone(), self.capacity.clone()],
            closing,
        };
        tokio::spawn(async move {
            if let Err(error) = accept(acceptor, socket).await {
                tracing::error!(listener = name, %error, "connections cannot be accepted");
            }
        });
        Open { settings, listener, quota, close }
    }

    /// Makes the open listeners those of the configuration. `failed` holds addresses that could not
    /// be opened, so that each is logged once.
    fn follow(&self, open: &mut Vec<Open>, failed: &mut Vec<Listen>, shutdown: &ShutdownWatch) {
        let settings = self.process.runtime.load().settings.clone();
        let wanted = |address: &Listen| {
            settings.listeners.iter().find(|settings| settings.address == *address)
        };
        // first, since an address may be in the way of another one
        open.retain(|listener| {
            let kept = wanted(&listener.settings.address).is_some();
            if !kept {
                listener.close.send_replace(true);
                tracing::info!(listener = %listener.settings.address, "closed");
            }
            kept
        });
        failed.retain(|address| wanted(address).is_some());
        for settings in &settings.listeners {
            let address = &settings.address;
            match open.iter_mut().find(|listener| listener.settings.address == *address) {
                Some(listener) if listener.settings == *settings => {}
                Some(listener) => self.change(listener, settings),
                None => match bind(address) {
                    Ok(socket) => {
                        failed.retain(|failed| failed != address);
                        open.push(
                            self.accept(Bound { settings: settings.clone(), socket }, shutdown),
                        );
                        tracing::info!(listener = %address, "opened");
                    }
                    Err(error) => {
                        if !failed.contains(address) {
                            tracing::error!("{error}");
                            failed.push(address.clone());
                        }
                    }
                },
            }
        }
    }

    /// Connections that are open keep the limits that they came in with.
    fn change(&self, open: &mut Open, settings: &ListenerSettings) {
        let name = settings.address.to_string();
        let metrics = &self.process.parts.metrics;
        open.listener.store(Arc::new(Listener::new(settings, metrics)));
        open.quota.set(most(settings));
        open.settings = settings.clone();
        tracing::info!(listener = name, "changed");
    }
}

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> BackgroundService for Listeners<A> {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let bound = std::mem::take(&mut *self.bound.lock());
        let mut open: Vec<Open> =
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

fn bind(address: &Listen) -> Result<Socket, StartError> {
    open(address).map_err(|source| StartError::Listen { address: address.to_string(), source })
}
