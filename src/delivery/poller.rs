//! Fetches the events of one authorization server (RFC 8936).

use super::backoff::Backoff;
use super::poll::{self, Batch, MAX_EVENTS};
use super::take::{Settled, take_all};
use crate::introspect::{Failure, FailureKind};
use crate::runtime::{CarriedOver, Process, Runtime};
use crate::security_events::Subscription;
use crate::telemetry::Polled;
use http::Method;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};
use url::Url;

pub struct Poller<'p> {
    pub process: &'p Process,
    pub runtime: &'p Runtime,
    pub subscription: &'p Subscription,
}

/// Asks the poll endpoint for nothing: whether it answers and accepts the gateway.
pub async fn try_poll(subscription: &Subscription, endpoint: &Url) -> Result<(), Failure> {
    let client = &subscription.client;
    // RFC 8936 §2.2: no event comes, and none is acknowledged
    let request = poll::request(&Settled::default(), true, 0);
    let response = client.call(Method::POST, endpoint, Some(&request), client.timeout).await?;
    let bad = |why: String| Failure::new(FailureKind::BadResponse, why);
    if !response.status.is_success() {
        let status = response.status;
        return Err(bad(format!("status {status} of the poll endpoint: there is no such stream")));
    }
    let not_a_batch = |why| bad(format!("the response to a poll {why}; is this a poll endpoint?"));
    poll::read_batch(response.status, &response.body).map(drop).map_err(not_a_batch)
}

enum NoAnswer {
    /// The transmitter does not know the stream.
    Gone(Failure),
    Failed(Failure),
}

impl From<Failure> for NoAnswer {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// How long a transmitter may hold a poll. A longer one is given up, since a transmitter that hangs
/// looks the same; the next poll asks for an answer at once.
const HELD: Duration = Duration::from_secs(60);

/// The shortest pause between two polls that bring nothing new.
const SHORTEST: Duration = Duration::from_millis(100);

impl Poller<'_> {
    /// Polls this endpoint. With `managed` it ends when the transmitter does not know the endpoint
    /// any more.
    pub async fn follow(&self, endpoint: &Url, interval: Duration, managed: bool) {
        let mut backoff = Backoff::new(interval);
        let mut settled = Settled::default();
        // the first answer shows whether the transmitter is reachable
        let mut at_once = true;
        let mut max_events = MAX_EVENTS;
        loop {
            let started = Instant::now();
            let failure = match self.poll(endpoint, &settled, at_once, max_events).await {
                Ok(batch) => {
                    backoff.reset();
                    let empty = batch.sets.is_empty();
                    settled = self.take(&batch).await;
                    let pause = match settled.new {
                        // a poll that is held follows the one that was not
                        0 if empty && at_once => Duration::ZERO,
                        0 if batch.more && !empty => SHORTEST,
                        0 => interval.max(SHORTEST),
                        _ => Duration::ZERO,
                    };
                    at_once = false;
                    if empty {
                        max_events = MAX_EVENTS;
                    }
                    sleep_until(started + pause).await;
                    continue;
                }
                Err(NoAnswer::Gone(failure)) if managed => return self.failed(&failure),
                Err(NoAnswer::Gone(failure) | NoAnswer::Failed(failure)) => failure,
            };
            // nothing happened for that long, or the transmitter hangs: the next answer decides
            if failure.kind == FailureKind::Timeout && !at_once {
                at_once = true;
                continue;
            }
            if failure.kind == FailureKind::BadResponse {
                // it may be larger than the limit
                max_events = (max_events / 4).max(1);
            }
            at_once = true;
            self.failed(&failure);
            sleep(backoff.pause(failure.pause())).await;
        }
    }

    async fn poll(
        &self,
        endpoint: &Url,
        settled: &Settled,
        at_once: bool,
        max_events: usize,
    ) -> Result<Batch, NoAnswer> {
        let Subscription { client, server, state, .. } = self.subscription;
        let limit = if at_once { client.timeout } else { HELD };
        let request = poll::request(settled, at_once, max_events);
        let response = client.call(Method::POST, endpoint, Some(&request), limit).await?;
        let bad = |why: String| Failure::new(FailureKind::BadResponse, why);
        if !response.status.is_success() {
            let status = response.status;
            return Err(NoAnswer::Gone(bad(format!(
                "status {status}: there is no such stream; is this the poll endpoint of this gateway's stream?"
            ))));
        }
        let not_a_batch =
            |why| bad(format!("the response to a poll {why}; is this a poll endpoint?"));
        let batch = poll::read_batch(response.status, &response.body).map_err(not_a_batch)?;
        state.polled(self.process.parts.clock.now());
        let result = if batch.sets.is_empty() { "empty" } else { "events" };
        let CarriedOver { metrics, clock, .. } = &self.process.parts;
        let now = clock.now().mono;
        Polled { server: &server.name, result, outcome: Ok(()), now }
            .emit(metrics, &self.subscription.log);
        Ok(batch)
    }

    async fn take(&self, batch: &Batch) -> Settled {
        let server = &self.subscription.server.name;
        take_all(self.process, self.runtime, server, &batch.sets).await
    }

    /// A poll failed.
    fn failed(&self, failure: &Failure) {
        let Subscription { server, state, log, .. } = self.subscription;
        let CarriedOver { metrics, clock, .. } = &self.process.parts;
        let now = clock.now();
        state.failed(failure.detail.clone(), now);
        let (result, outcome) = (failure.kind.label(), Err(&*failure.detail));
        Polled { server: &server.name, result, outcome, now: now.mono }.emit(metrics, log);
    }
}
