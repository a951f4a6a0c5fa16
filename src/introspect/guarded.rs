//! The guard around every introspector: a place in the queue, a time limit for everything together,
//! a circuit breaker, retries; and the metrics and log lines of all of it.

use super::event::Introspected;
use super::retry::retried;
use super::{Breaker, CircuitState, Failure, FailureKind, Inquiry, Introspector, ServerSettings};
use crate::clock::{AtomicMono, Clock, Mono};
use crate::telemetry::{Metrics, Occasionally, ServerMetrics};
use crate::token::Facts;
use async_trait::async_trait;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// A decorator over any introspector.
pub struct Guarded<I> {
    inner: I,
    name: Arc<str>,
    timeout: Duration,
    retries: u32,
    turns: Semaphore,
    breaker: Breaker,
    /// Until when the server asked to be left alone (429 with `Retry-After`).
    quiet_until: AtomicMono,
    last_error: Mutex<Option<LastError>>,
    log: Occasionally,
    clock: Clock,
    metrics: ServerMetrics,
}

/// For the status endpoint.
#[derive(Clone, Debug)]
pub struct LastError {
    pub kind: FailureKind,
    pub detail: Arc<str>,
    /// Seconds since the Unix epoch.
    pub at: i64,
}

impl<I: Introspector> Guarded<I> {
    pub fn new(inner: I, settings: &ServerSettings, clock: Clock, metrics: &Metrics) -> Self {
        let guarded = Self {
            inner,
            name: settings.name.clone(),
            timeout: settings.timeout,
            retries: settings.retries,
            turns: Semaphore::new(settings.max_concurrent),
            breaker: Breaker::new(settings.circuit_breaker),
            quiet_until: AtomicMono::new(Mono::ZERO),
            last_error: Mutex::new(None),
            log: Occasionally::default(),
            clock,
            metrics: ServerMetrics::new(metrics, &settings.name),
        };
        guarded.show_circuit();
        guarded
    }

    pub fn circuit(&self) -> CircuitState {
        self.breaker.state()
    }

    /// Calls that wait for an answer or for their turn.
    pub fn in_flight(&self) -> i64 {
        self.metrics.in_flight.get()
    }

    pub fn last_error(&self) -> Option<LastError> {
        self.last_error.lock().clone()
    }

    async fn in_turn(&self, inquiry: &Inquiry) -> Result<Facts, Failure> {
        self.left_alone()?;
        let started = self.clock.now().mono;
        // mostly there is one; who waits already comes first
        let turn = match self.turns.try_acquire() {
            Ok(turn) => turn,
            Err(_) => match tokio::time::timeout(self.timeout, self.turns.acquire()).await {
                Ok(Ok(turn)) => turn,
                _ => {
                    return Err(Failure::new(
                        FailureKind::Overloaded,
                        "max_concurrent calls are under way, and none ended in time",
                    ));
                }
            },
        };
        let now = self.clock.now().mono;
        self.breaker.admit(now).map_err(|after| Failure {
            retry_after: Some(after),
            ..Failure::new(FailureKind::CircuitOpen, "the circuit is open after repeated failures")
        })?;
        self.show_circuit();
        let left = self.timeout.saturating_sub(now - started);
        let outcome = match tokio::time::timeout(left, self.with_retries(inquiry)).await {
            Ok(outcome) => outcome,
            // most of the time was spent waiting for a turn: the server is not at fault
            Err(_) if left < self.timeout / 2 => {
                return Err(Failure::new(
                    FailureKind::Overloaded,
                    "max_concurrent calls were under way, and the turn came too late",
                ));
            }
            Err(_) => Err(Failure::new(
                FailureKind::Timeout,
                format!("no answer within timeout ({:?})", self.timeout),
            )),
        };
        drop(turn);
        self.learn(&outcome);
        outcome
    }

    /// A server that asked for a pause gets it.
    fn left_alone(&self) -> Result<(), Failure> {
        let (now, until) = (self.clock.now().mono, self.quiet_until.load());
        if now >= until {
            return Ok(());
        }
        let retry_after = Some(until - now);
        Err(Failure {
            retry_after,
            ..Failure::new(
                FailureKind::Throttled,
                "the server asked for a pause, and it is not over",
            )
        })
    }

    async fn with_retries(&self, inquiry: &Inquiry) -> Result<Facts, Failure> {
        let count = || self.metrics.retries.inc();
        retried(self.retries, count, || self.inner.introspect(inquiry)).await
    }

    fn learn(&self, outcome: &Result<Facts, Failure>) {
        let now = self.clock.now().mono;
        match outcome {
            Err(failure) if failure.counts_for_breaker() => {
                self.breaker.failed(now);
                if failure.kind == FailureKind::Throttled && failure.retry_after.is_some() {
                    self.quiet_until.store(now + failure.pause());
                }
            }
            _ => self.breaker.succeeded(),
        }
        self.show_circuit();
    }

    fn show_circuit(&self) {
        self.metrics.circuit.set(self.breaker.state().gauge());
    }
}

#[async_trait]
impl<I: Introspector> Introspector for Guarded<I> {
    async fn introspect(&self, inquiry: &Inquiry) -> Result<Facts, Failure> {
        self.metrics.in_flight.inc();
        let started = self.clock.now().mono;
        let outcome = self.in_turn(inquiry).await;
        self.metrics.in_flight.dec();
        let now = self.clock.now();
        // an open circuit is a consequence: the error that opened it stays the last one
        if let Err(failure) = &outcome
            && failure.kind != FailureKind::CircuitOpen
        {
            *self.last_error.lock() = Some(LastError {
                kind: failure.kind,
                detail: failure.detail.clone(),
                at: now.unix_seconds(),
            });
        }
        Introspected {
            server: &self.name,
            outcome: &outcome,
            took: now.mono - started,
            now: now.mono,
        }
        .emit(&self.metrics, &self.log);
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::introspect::{BreakerSettings, GoogleSettings, ProxySettings, TokenSelector};
    use crate::secret::Secret;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Answers by its script; the last entry repeats for ever.
    struct Scripted(Mutex<Vec<Result<(), Failure>>>, AtomicU64);

    #[async_trait]
    impl Introspector for Scripted {
        async fn introspect(&self, _: &Inquiry) -> Result<Facts, Failure> {
            self.1.fetch_add(1, Ordering::SeqCst);
            let mut script = self.0.lock();
            let outcome = if script.len() > 1 { script.remove(0) } else { script[0].clone() };
            outcome.map(|()| Facts::Inactive)
        }
    }

    fn guarded(
        script: Vec<Result<(), Failure>>,
        retries: u32,
    ) -> Option<(Guarded<Scripted>, Arc<ManualClock>)> {
        let endpoint = url::Url::parse("http://localhost/").ok()?;
        let settings = ServerSettings {
            implications: Default::default(),
            name: "main".into(),
            kind: Arc::new(GoogleSettings { endpoint, audience: Vec::new() }),
            tokens: TokenSelector::default(),
            issuer: None,
            require_issuer: false,
            timeout: Duration::from_millis(200),
            connect_timeout: Duration::from_millis(100),
            max_response_size: 1000,
            max_concurrent: 1,
            retries,
            circuit_breaker: BreakerSettings { failures: 2, open_for: Duration::from_secs(5) },
            extra_roots: None,
            events: None,
            server_name: None,
            proxy: ProxySettings::default(),
            fast_path: true,
        };
        let clock = ManualClock::at(1_000_000);
        let scripted = Scripted(Mutex::new(script), AtomicU64::new(0));
        Some((
            Guarded::new(scripted, &settings, Clock::Manual(clock.clone()), &Metrics::new().ok()?),
            clock,
        ))
    }

    async fn ask(guarded: &Guarded<Scripted>) -> Option<FailureKind> {
        let inquiry = Inquiry { token: Secret::new("t"), forwarded: None };
        guarded.introspect(&inquiry).await.err().map(|failure| failure.kind)
    }

    fn failure(kind: FailureKind, transient: bool) -> Result<(), Failure> {
        Err(Failure { transient, ..Failure::new(kind, "scripted") })
    }

    #[tokio::test]
    async fn only_transient_failures_are_tried_again() {
        let script = vec![failure(FailureKind::Unavailable, true), Ok(())];
        let Some((server, _)) = guarded(script, 1) else { panic!("no metrics") };
        assert_eq!((ask(&server).await, server.inner.1.load(Ordering::SeqCst)), (None, 2));
        for kind in [FailureKind::BadResponse, FailureKind::RejectedUs, FailureKind::Throttled] {
            let Some((server, _)) = guarded(vec![failure(kind, false)], 3) else {
                panic!("no metrics")
            };
            assert_eq!(
                (ask(&server).await, server.inner.1.load(Ordering::SeqCst)),
                (Some(kind), 1)
            );
        }
    }

    #[tokio::test]
    async fn the_circuit_opens_and_a_probe_closes_it() {
        let script = vec![
            failure(FailureKind::Unavailable, false),
            failure(FailureKind::Timeout, false),
            Ok(()),
        ];
        let Some((server, clock)) = guarded(script, 0) else { panic!("no metrics") };
        assert_eq!(ask(&server).await, Some(FailureKind::Unavailable));
        assert_eq!(ask(&server).await, Some(FailureKind::Timeout));
        assert_eq!(ask(&server).await, Some(FailureKind::CircuitOpen));
        assert_eq!(server.inner.1.load(Ordering::SeqCst), 2, "an open circuit makes no call");
        clock.advance(Duration::from_secs(5));
        assert_eq!(ask(&server).await, None);
        assert_eq!(server.circuit(), CircuitState::Closed);
    }

    #[tokio::test]
    async fn a_client_cannot_open_the_circuit() {
        let Some((server, _)) = guarded(vec![failure(FailureKind::BadResponse, false)], 0) else {
            panic!("no metrics")
        };
        for _ in 0..10 {
            assert_eq!(ask(&server).await, Some(FailureKind::BadResponse));
        }
    }

    #[tokio::test]
    async fn a_pause_that_the_server_asks_for_is_kept() {
        let throttled = Err(Failure {
            retry_after: Some(Duration::from_secs(3)),
            ..Failure::new(FailureKind::Throttled, "scripted")
        });
        let Some((server, clock)) = guarded(vec![throttled, Ok(())], 0) else {
            panic!("no metrics")
        };
        assert_eq!(ask(&server).await, Some(FailureKind::Throttled));
        assert_eq!(ask(&server).await, Some(FailureKind::Throttled));
        assert_eq!(server.inner.1.load(Ordering::SeqCst), 1, "not asked during the pause");
        clock.advance(Duration::from_secs(3));
        assert_eq!(ask(&server).await, None);
    }
}
