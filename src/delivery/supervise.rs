//! Keeps a stream set up, and finds out whether it delivers.

use super::backoff::Backoff;
use super::poller::Poller;
use super::stream::{Stream, set_up};
use crate::introspect::{Failure, FailureKind, StreamSettings};
use crate::security_events::Subscription;
use crate::telemetry::{StreamChanged, StreamFailed, VerificationMissing};
use std::time::Duration;
use tokio::time::sleep;

/// How long a verification event may take.
const IN_TIME: Duration = Duration::from_secs(60);
/// The longest pause before a stream that cannot be set up is tried again, where events are pushed.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl Poller<'_> {
    /// Receives events until it is dropped. Nothing is lost then: an event that was not
    /// acknowledged comes again.
    pub async fn run(&self) {
        let settings = &self.subscription.settings;
        let interval = settings.poll.as_ref().map_or(LONGEST_PAUSE, |poll| poll.interval);
        let Some(wanted) = &settings.stream else {
            let endpoint = settings.poll.as_ref().and_then(|poll| poll.endpoint.as_ref());
            if let Some(endpoint) = endpoint {
                self.follow(endpoint, interval, false).await;
            }
            return std::future::pending().await;
        };
        let mut backoff = Backoff::new(interval);
        loop {
            let clock = &self.process.parts.clock;
            match set_up(self.subscription, wanted, clock).await {
                Ok(stream) => {
                    backoff.reset();
                    self.subscription.state.succeeded();
                    self.subscription.state.is_stream(Some(stream.id.clone()));
                    self.supervise(&stream, wanted, interval).await;
                    self.subscription.state.is_stream(None);
                    sleep(backoff.pause(Duration::ZERO)).await;
                }
                Err(failure) => {
                    self.unmanaged(&failure);
                    sleep(backoff.pause(failure.pause())).await;
                }
            }
        }
    }

    /// Ends when the transmitter does not know the stream any more.
    async fn supervise(&self, stream: &Stream, wanted: &StreamSettings, interval: Duration) {
        let poll = async {
            match &stream.poll_endpoint {
                Some(endpoint) => self.follow(endpoint, interval, true).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = poll => {}
            () = self.verify(stream, wanted.verify_every) => {}
        }
    }

    /// Reads the status and asks for verification events, time after time.
    async fn verify(&self, stream: &Stream, every: Duration) {
        let every = every.max(stream.shortest_verification);
        loop {
            if let Err(failure) = self.read_status(stream).await {
                self.unmanaged(&failure);
            }
            let Some(endpoint) = &stream.verification_endpoint else {
                sleep(every).await;
                continue;
            };
            let Subscription { state, server, .. } = self.subscription;
            let asked = format!("{:032x}", rand::random::<u128>());
            state.awaits(asked.clone());
            let in_time = every.min(IN_TIME);
            let asking = stream.ask_for_verification(self.subscription, endpoint, &asked).await;
            let asked_for = match &asking {
                Ok(()) => Duration::ZERO,
                Err(failure) if failure.kind == FailureKind::Throttled => {
                    // one was asked for a moment ago, perhaps before a restart: none is overdue
                    state.no_longer_awaits();
                    sleep(in_time.max(failure.pause())).await;
                    continue;
                }
                Err(failure) => {
                    self.unmanaged(failure);
                    failure.pause()
                }
            };
            sleep(in_time).await;
            if state.misses(&asked) {
                VerificationMissing { server: &server.name, within: in_time }.emit();
            }
            sleep((every - in_time).max(asked_for)).await;
        }
    }

    async fn read_status(&self, stream: &Stream) -> Result<(), Failure> {
        let Some((status, reason)) = stream.status(self.subscription).await? else {
            return Ok(());
        };
        let Subscription { state, server, .. } = self.subscription;
        if state.is_now(status, reason.clone()) {
            let (word, meaning) = (status.as_str(), status.sentence());
            StreamChanged { server: &server.name, status: word, meaning, reason }.emit();
        }
        Ok(())
    }

    /// A call that is not a poll failed.
    fn unmanaged(&self, failure: &Failure) {
        let Subscription { server, state, log, .. } = self.subscription;
        let now = self.process.parts.clock.now();
        state.failed(failure.detail.clone(), now);
        StreamFailed { server: &server.name, detail: &failure.detail, now: now.mono }.emit(log);
    }
}
