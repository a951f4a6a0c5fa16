//! Which gateway calls a transmitter. Alone, it is this one. In a fleet that shares a Redis it is
//! the one that holds the lease; the others receive its purges.
//!
//! # When Redis is not available
//!
//! No gateway fetches events then: one that fetched and acknowledged an event could not make it
//! known to the others. Each gateway forgets all answers of the authorization server every
//! `poll_interval` instead, so that no answer is used longer after its end than in normal
//! operation. The transmitter keeps the events meanwhile.

use super::poller::Poller;
use crate::cache::{LeaseHolder, Purge, PurgeSelector, Shared};
use crate::runtime::{Process, Runtime};
use crate::security_events::{Role, Subscription};
use crate::telemetry::StreamRole;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a lease lasts: another gateway takes over after it and one attempt.
const LEASE: Duration = Duration::from_secs(6);
/// Between two renewals, and between two attempts to take over.
const RENEWAL: Duration = Duration::from_secs(1);
/// How soon a reload is noticed.
const LOOK: Duration = Duration::from_millis(200);
/// How soon an unavailable Redis is tried again.
const RETRY: Duration = Duration::from_millis(250);

/// Fetches events and manages streams, by the configuration in force, for as long as it is polled.
pub async fn keep(process: &Process, holder: &LeaseHolder) {
    loop {
        let runtime = process.runtime.load_full();
        let changed = async {
            while Arc::ptr_eq(&process.runtime.load(), &runtime) {
                sleep(LOOK).await;
            }
        };
        let all = runtime.subscriptions.iter().map(|subscription| Duty {
            process,
            runtime: &runtime,
            subscription,
            holder,
            name: name(subscription),
        });
        let all = futures::future::join_all(all.map(Duty::carry_out));
        tokio::select! {
            _ = async { all.await; std::future::pending::<()>().await } => {}
            () = changed => {}
        }
    }
}

/// Lets other gateways take over, at the end of the process.
pub async fn release(process: &Process, holder: &LeaseHolder) {
    let runtime = process.runtime.load_full();
    let Some(shared) = &runtime.shared else { return };
    for subscription in &runtime.subscriptions {
        shared.release_lease(&name(subscription), holder).await;
    }
}

/// Gateways with other settings have duties of their own.
fn name(subscription: &Subscription) -> String {
    let settings = &subscription.settings;
    let poll = settings.poll.as_ref().and_then(|poll| poll.endpoint.as_ref());
    let stream = settings.stream.as_ref().map(|stream| &stream.issuer);
    let (server, audience) = (&subscription.server.name, &settings.audience);
    format!("events {server:?} {audience:?} {poll:?} {stream:?}")
}

struct Duty<'p> {
    process: &'p Process,
    runtime: &'p Runtime,
    subscription: &'p Subscription,
    holder: &'p LeaseHolder,
    name: String,
}

impl Duty<'_> {
    async fn carry_out(self) {
        let Some(shared) = &self.runtime.shared else {
            self.takes(Role::Here);
            return self.poller().run().await;
        };
        loop {
            self.wait_for_lease(shared).await;
            self.takes(Role::Here);
            let poller = self.poller();
            tokio::select! {
                () = poller.run() => {}
                () = self.renew_lease(shared) => {}
            }
        }
    }

    fn poller(&self) -> Poller<'_> {
        Poller { process: self.process, runtime: self.runtime, subscription: self.subscription }
    }

    async fn wait_for_lease(&self, shared: &Shared) {
        let mut undecided: Option<Instant> = None;
        loop {
            match shared.hold_lease(&self.name, self.holder, LEASE).await {
                Some(true) => return,
                Some(false) => {
                    undecided = None;
                    self.takes(Role::Elsewhere);
                    sleep(RENEWAL).await;
                }
                None => {
                    let since = *undecided.get_or_insert_with(Instant::now);
                    self.takes(Role::Undecided);
                    if since.elapsed() >= self.interval() {
                        self.forget();
                        undecided = Some(Instant::now());
                    }
                    sleep(RETRY.min(self.interval())).await;
                }
            }
        }
    }

    /// Ends when the lease is lost, or when Redis cannot say.
    async fn renew_lease(&self, shared: &Shared) {
        loop {
            sleep(RENEWAL).await;
            if shared.hold_lease(&self.name, self.holder, LEASE).await != Some(true) {
                return;
            }
        }
    }

    /// Pushed events reach one gateway and its purges the others as soon as Redis is back, as other
    /// purges do: there is nothing to do meanwhile.
    fn interval(&self) -> Duration {
        self.subscription.settings.poll.as_ref().map_or(Duration::MAX, |poll| poll.interval)
    }

    fn forget(&self) {
        let server = Some(self.subscription.server.name.clone());
        let named = PurgeSelector { server, ..PurgeSelector::default() };
        self.process.parts.store.purge(&Purge::Matching(vec![named]));
    }

    fn takes(&self, role: Role) {
        if self.subscription.state.takes(role) {
            StreamRole { server: &self.subscription.server.name, meaning: role.sentence() }.emit();
        }
    }
}
