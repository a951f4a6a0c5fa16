//! A document that is fetched when it is first needed, kept, and fetched again from time to time:
//! by one call at a time, and never sooner than a pause after the last one, successful or not.

use super::retry::retried;
use super::{Failure, FailureKind};
use crate::clock::{Clock, Mono};
use crate::telemetry::{LazyCounter, Metrics, Occasionally};
use async_trait::async_trait;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Where a document comes from.
#[async_trait]
pub trait Fetch: Send + Sync + 'static {
    type Document: Send + Sync;

    async fn fetch(&self) -> Result<Self::Document, Failure>;
}

#[derive(Clone, Debug)]
pub struct FetchSettings {
    /// The authorization server's name.
    pub server: Arc<str>,
    /// The kind of document: the label in `cache_requests_total{cache}`.
    pub what: &'static str,
    /// After this long it is fetched again; the old one serves until a new one is there.
    pub refresh: Duration,
    /// Between the end of one call and the start of the next.
    pub pause: Duration,
    /// One call, repetitions included.
    pub timeout: Duration,
    /// Repetitions after failures that may pass at once.
    pub retries: u32,
}

/// A document that could not be fetched again for this long is not believed any more.
const OLDEST: Duration = Duration::from_secs(24 * 60 * 60);

pub struct Fetched<F: Fetch> {
    source: F,
    settings: FetchSettings,
    held: Mutex<KeptDocument<F::Document>>,
    clock: Clock,
    counters: FetchCounters,
    log: Occasionally,
}

struct KeptDocument<D> {
    document: Option<Arc<D>>,
    /// When it came.
    since: Mono,
    /// The failure of the last call, if it failed.
    failure: Option<Failure>,
    /// No call before.
    not_before: Mono,
    /// Changes hands until the call under way ends; its sender is dropped then.
    under_way: Option<watch::Receiver<()>>,
}

struct FetchCounters {
    hit: LazyCounter,
    miss: LazyCounter,
    expired: LazyCounter,
    error: LazyCounter,
}

impl<F: Fetch> Fetched<F> {
    pub fn new(source: F, settings: FetchSettings, clock: Clock, metrics: &Metrics) -> Arc<Self> {
        let requests = |result| LazyCounter::new(&metrics.cache_requests, &[settings.what, result]);
        let counters = FetchCounters {
            hit: requests("hit"),
            miss: requests("miss"),
            expired: requests("expired"),
            error: requests("error"),
        };
        let held = KeptDocument {
            document: None,
            since: Mono::ZERO,
            failure: None,
            not_before: Mono::ZERO,
            under_way: None,
        };
        Arc::new(Self {
            source,
            settings,
            held: Mutex::new(held),
            clock,
            counters,
            log: Occasionally::default(),
        })
    }

    /// The document, from memory where there is one.
    pub async fn get(self: &Arc<Self>) -> Result<Arc<F::Document>, Failure> {
        let now = self.clock.now().mono;
        let landing = {
            let mut held = self.held.lock();
            match held.believed(now) {
                Some(document) if now - held.since < self.settings.refresh => {
                    self.counters.hit.inc();
                    return Ok(document);
                }
                Some(document) => {
                    self.counters.expired.inc();
                    self.board(&mut held, now);
                    return Ok(document);
                }
                None => self.counters.miss.inc(),
            }
            self.board(&mut held, now)
        };
        landed(landing).await;
        let held = self.held.lock();
        let now = self.clock.now().mono;
        held.believed(now).ok_or_else(|| held.why_not(now))
    }

    /// A document that came after `known`; `None` when it is too soon to ask for one. A failure
    /// means that there may be a newer one.
    pub async fn after(
        self: &Arc<Self>,
        known: &Arc<F::Document>,
    ) -> Result<Option<Arc<F::Document>>, Failure> {
        let newer = |held: &KeptDocument<F::Document>| {
            held.document.clone().filter(|document| !Arc::ptr_eq(document, known))
        };
        let landing = {
            let mut held = self.held.lock();
            if let Some(document) = newer(&held) {
                return Ok(Some(document));
            }
            self.board(&mut held, self.clock.now().mono)
        };
        landed(landing).await;
        let held = self.held.lock();
        match newer(&held) {
            Some(document) => Ok(Some(document)),
            None if held.failure.is_some() => Err(held.why_not(self.clock.now().mono)),
            None => Ok(None),
        }
    }

    /// Joins the call under way, or starts one, unless it is too soon.
    fn board(
        self: &Arc<Self>,
        held: &mut KeptDocument<F::Document>,
        now: Mono,
    ) -> Option<watch::Receiver<()>> {
        // a receiver whose sender is gone belongs to a call that has ended
        if let Some(landing) =
            held.under_way.as_ref().filter(|landing| landing.has_changed().is_ok())
        {
            return Some(landing.clone());
        }
        if now < held.not_before {
            return None;
        }
        let (flight, landing) = watch::channel(());
        held.under_way = Some(landing.clone());
        let this = self.clone();
        tokio::spawn(async move {
            let outcome = this.call().await;
            this.keep(outcome);
            drop(flight);
        });
        Some(landing)
    }

    async fn call(&self) -> Result<F::Document, Failure> {
        let with_retries = retried(self.settings.retries, || (), || self.source.fetch());
        let too_slow = || {
            Failure::new(
                FailureKind::Timeout,
                format!("no answer within timeout ({:?})", self.settings.timeout),
            )
        };
        tokio::time::timeout(self.settings.timeout, with_retries)
            .await
            .unwrap_or_else(|_| Err(too_slow()))
    }

    fn keep(&self, outcome: Result<F::Document, Failure>) {
        let now = self.clock.now().mono;
        let mut held = self.held.lock();
        let asked_for = outcome.as_ref().err().map(Failure::pause).unwrap_or_default();
        held.not_before = now + self.settings.pause.max(asked_for);
        let (server, what) = (&*self.settings.server, self.settings.what);
        match outcome {
            Ok(document) => {
                held.document = Some(Arc::new(document));
                held.since = now;
                held.failure = None;
                if self.log.over() {
                    tracing::info!(server, document = what, "fetched again");
                }
            }
            Err(failure) => {
                self.counters.error.inc();
                if self.log.now(failure.kind.label(), now).is_some() {
                    let (reason, still) = (failure.kind.reason().as_str(), held.document.is_some());
                    tracing::warn!(
                        server,
                        document = what,
                        reason,
                        detail = &*failure.detail,
                        old_one_still_serves = still,
                        "not fetched"
                    );
                }
                // a failed call for a document does not affect the calls for tokens
                held.failure = Some(Failure { transient: false, isolated: true, ..failure });
            }
        }
    }
}

impl<D> KeptDocument<D> {
    fn believed(&self, now: Mono) -> Option<Arc<D>> {
        self.document.clone().filter(|_| now - self.since < OLDEST)
    }

    fn why_not(&self, now: Mono) -> Failure {
        let lost = || {
            Failure::new(
                FailureKind::Unavailable,
                "the call ended without an outcome; this is a defect of the gateway",
            )
        };
        let retry_after = Some(self.not_before - now);
        Failure { retry_after, isolated: true, ..self.failure.clone().unwrap_or_else(lost) }
    }
}

async fn landed(landing: Option<watch::Receiver<()>>) {
    if let Some(mut landing) = landing {
        // nothing is ever sent: this ends when the call does
        let _ = landing.changed().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Fails while `down` is set, else counts.
    struct Scripted {
        calls: AtomicU32,
        down: Arc<Mutex<bool>>,
    }

    #[async_trait]
    impl Fetch for Scripted {
        type Document = u32;

        async fn fetch(&self) -> Result<u32, Failure> {
            let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
            tokio::task::yield_now().await;
            if *self.down.lock() {
                Err(Failure::new(FailureKind::Unavailable, "scripted"))
            } else {
                Ok(call)
            }
        }
    }

    struct Setup {
        fetched: Arc<Fetched<Scripted>>,
        clock: Arc<ManualClock>,
        down: Arc<Mutex<bool>>,
    }

    impl Setup {
        fn new() -> Self {
            let (clock, down) = (ManualClock::at(1_000_000), Arc::new(Mutex::new(false)));
            let settings = FetchSettings {
                server: "main".into(),
                what: "jwks",
                refresh: Duration::from_secs(100),
                pause: Duration::from_secs(5),
                timeout: Duration::from_secs(1),
                retries: 0,
            };
            let metrics = Metrics::new().unwrap_or_else(|error| panic!("{error}"));
            let source = Scripted { calls: AtomicU32::new(0), down: down.clone() };
            Self {
                fetched: Fetched::new(source, settings, Clock::Manual(clock.clone()), &metrics),
                clock,
                down,
            }
        }

        fn calls(&self) -> u32 {
            self.fetched.source.calls.load(Ordering::SeqCst)
        }

        async fn get(&self) -> Option<u32> {
            self.fetched.get().await.ok().map(|document| *document)
        }
    }

    #[tokio::test]
    async fn many_wait_for_one_call() {
        let setup = Setup::new();
        let all = futures::future::join_all((0..20).map(|_| setup.get())).await;
        assert!(all.iter().all(|document| *document == Some(1)));
        assert_eq!((setup.get().await, setup.calls()), (Some(1), 1));
    }

    #[tokio::test]
    async fn a_failure_is_not_repeated_before_the_pause_is_over() {
        let setup = Setup::new();
        *setup.down.lock() = true;
        for _ in 0..10 {
            let failure = setup.fetched.get().await.err();
            assert!(
                failure.is_some_and(|failure| failure.isolated
                    && failure.retry_after == Some(Duration::from_secs(5)))
            );
        }
        assert_eq!(setup.calls(), 1);
        *setup.down.lock() = false;
        setup.clock.advance(Duration::from_secs(5));
        assert_eq!((setup.get().await, setup.calls()), (Some(2), 2));
    }

    #[tokio::test]
    async fn an_old_one_serves_while_a_new_one_is_fetched_and_not_for_ever() {
        let setup = Setup::new();
        assert_eq!(setup.get().await, Some(1));
        *setup.down.lock() = true;
        setup.clock.advance(Duration::from_secs(100));
        assert_eq!(setup.get().await, Some(1));
        let known = setup.fetched.get().await.unwrap_or_default();
        assert!(setup.fetched.after(&known).await.is_err(), "the call under way fails");
        assert_eq!((setup.get().await, setup.calls()), (Some(1), 2));
        setup.clock.advance(OLDEST);
        assert_eq!(setup.get().await, None);
    }

    #[tokio::test]
    async fn a_newer_one_is_asked_for_once_a_pause() {
        let setup = Setup::new();
        let first = setup.fetched.get().await.unwrap_or_default();
        for _ in 0..10 {
            assert!(
                setup.fetched.after(&first).await.is_ok_and(|newer| newer.is_none()),
                "too soon"
            );
        }
        setup.clock.advance(Duration::from_secs(5));
        let all = futures::future::join_all((0..10).map(|_| setup.fetched.after(&first))).await;
        assert!(
            all.iter().all(|newer| newer.as_ref().is_ok_and(|newer| newer.as_deref() == Some(&2)))
        );
        assert_eq!(setup.calls(), 2);
    }
}
