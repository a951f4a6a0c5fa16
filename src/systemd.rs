//! Notifications to the service manager (`Type=notify-reload` of systemd). They go to the socket
//! that `NOTIFY_SOCKET` names; without it nothing happens.

use pingora_core::server::ShutdownWatch;
use sd_notify::NotifyState;
use std::time::Duration;

/// The listeners take connections; after [`reloading`], the reload has ended.
pub fn ready(status: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A reload begins. systemd compares the time with that of its own request for a reload.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "the monotonic clock cannot be read"),
    }
}

/// This process takes the place of the one that the service manager started.
pub fn main_process() {
    notify(&[NotifyState::MainPid(std::process::id())]);
}

/// The end has begun.
pub fn stopping(status: &str) {
    notify(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

/// With `WatchdogSec=`, reports twice in each of its periods that the process is alive, until the
/// process ends: requests in flight may take longer than a period when the gateway stops.
pub async fn keep_alive(_: ShutdownWatch) {
    let Some(period) = sd_notify::watchdog_enabled() else { return };
    let pause = (period / 2).max(Duration::from_millis(1));
    loop {
        notify(&[NotifyState::Watchdog]);
        tokio::time::sleep(pause).await;
    }
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager cannot be notified: look at NOTIFY_SOCKET");
    }
}
