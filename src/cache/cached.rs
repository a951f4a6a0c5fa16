//! The cache around an introspector: hit, or one shared question.

use super::fleet::AcceptedAnswers;
use super::flight::{Boarding, Landed, Lead, Outcome};
use super::recorded::Recorded;
use super::redis::{IntrospectionTurn, Shared};
use super::store::Active;
use super::told_host::ToldHosts;
use super::ttl::Lifetime;
use super::{CacheSettings, Entry, Purge, Store};
use crate::clock::{Clock, Mono, Now};
use crate::deny::{Denial, Reason};
use crate::introspect::{Failure, Inquiry, Introspector};
use crate::per_thread::{Handle, Spread};
use crate::request::Forwarded;
use crate::telemetry::{Cache, LazyCounter, Metrics, Recorder, SpanContext};
use crate::token::{AccessToken, DigestKey, Facts, RefusedLocally, TokenDigest};
use futures::FutureExt;
use std::sync::Arc;
use std::time::Duration;

/// Knowledge about a token.
#[derive(Clone, Debug)]
pub enum Known {
    Active(Arc<Entry>),
    Inactive,
    Refused(RefusedLocally),
}

/// Why nothing is known about a token.
#[derive(Clone, Debug)]
pub enum Unknown {
    /// The server could not say.
    Failed(Failure),
    /// The server was not asked because of `cache.guard`. The duration after which to retry.
    Guarded(Duration),
}

/// The cached state of a token, in view of one request.
enum CachedState {
    /// Usable for this request.
    Known(Known),
    /// An answer that is too old for this request.
    Old,
    /// The token was active until its last answer came to its end just now.
    Ended,
    NeverSeen,
}

/// The outcome for one request, and how it came about.
#[derive(Debug)]
pub struct CachedFacts {
    pub outcome: Result<Known, Unknown>,
    pub cache: Cache,
    pub digest: TokenDigest,
    /// How long the request waited for an introspection.
    pub waited: Option<Duration>,
    /// When it was known.
    pub at: Now,
    /// The introspection that the request waited for, which another one caused.
    pub awaited: Option<SpanContext>,
}

/// The answer to a question, and how the cache took part.
pub(super) struct Asked {
    pub outcome: Result<Known, Unknown>,
    pub cache: Cache,
    pub awaited: Option<SpanContext>,
}

/// One authorization server behind the cache.
pub struct Cached {
    pub(super) source: FactsSource,
    pub(super) settings: CacheSettings,
    pub(super) store: Arc<Store>,
    /// Answers of other gateways.
    pub(super) shared: Option<Arc<Shared>>,
    pub(super) clock: Clock,
    counters: CacheCounters,
    shown_name: Spread<Box<str>>,
}

/// The name of an authorization server, for the log.
pub type ServerName = Handle<Box<str>>;

/// Where answers come from.
pub struct FactsSource {
    /// The authorization server's configured name.
    pub server: Arc<str>,
    /// Covers everything of the server's settings that can change its answers.
    pub key: DigestKey,
    /// The hosts that the server may learn, if it receives the host of the client's request and may
    /// answer by it.
    pub told_hosts: Option<Arc<ToldHosts>>,
    /// Host and port of its first endpoint, for traces.
    pub address: Option<(String, u16)>,
    /// The guarded introspector that a miss calls.
    pub introspector: Arc<dyn Introspector>,
}

struct CacheCounters {
    hit: LazyCounter,
    miss: LazyCounter,
    expired: LazyCounter,
    stale: LazyCounter,
    inactive_hit: LazyCounter,
    coalesced: LazyCounter,
}

impl Cached {
    /// A cache in front of `source`. Answers are kept in `store`, which all servers share.
    pub fn new(
        source: FactsSource,
        settings: CacheSettings,
        store: Arc<Store>,
        clock: Clock,
        metrics: &Metrics,
    ) -> Self {
        let requests = |cache, result| LazyCounter::new(&metrics.cache_requests, &[cache, result]);
        let counters = CacheCounters {
            hit: requests("active", "hit"),
            miss: requests("active", "miss"),
            expired: requests("active", "expired"),
            stale: requests("active", "stale"),
            inactive_hit: requests("inactive", "hit"),
            coalesced: LazyCounter::new(&metrics.introspections_coalesced, &[&source.server]),
        };
        let shown_name = Spread::new(Arc::new(Box::from(&*source.server)));
        Self { source, settings, store, shared: None, clock, counters, shown_name }
    }

    /// Also exchanges answers with other gateways.
    pub fn sharing(self, shared: Option<Arc<Shared>>) -> Self {
        Self { shared, ..self }
    }

    /// The authorization server's configured name.
    pub fn name(&self) -> &Arc<str> {
        &self.source.server
    }

    /// The same for each request.
    pub fn shown_name(&self) -> ServerName {
        self.shown_name.handle()
    }

    /// The answer about `token`, from an answer no older than `max_age`, or from the server. `now`:
    /// a reading of the clock that was just made. `recorder`: of the request, if it is recorded.
    pub async fn find(
        self: &Arc<Self>,
        token: AccessToken<'_>,
        forwarded: &Forwarded,
        max_age: Option<Duration>,
        now: Now,
        recorder: Option<&Recorder>,
    ) -> CachedFacts {
        let told = self.source.told_hosts.as_ref().map(|hosts| hosts.told(forwarded));
        let forwarded = told.as_ref().unwrap_or(forwarded);
        let digest = self.digest(token, forwarded);
        let found = |outcome, cache, waited: Option<Duration>| {
            let at = now.later(waited.unwrap_or_default());
            CachedFacts { outcome, cache, digest, waited, at, awaited: None }
        };
        // an entry from before a reload may have been given a longer life than the ttl is now
        let oldest = max_age.map_or(self.settings.ttl, |max_age| max_age.min(self.settings.ttl));

        let held = self.held(&digest, now, oldest);
        match held {
            CachedState::Known(Known::Active(entry)) => {
                self.counters.hit.inc();
                if entry.take_refresh(now) {
                    self.refresh(digest, inquiry(token, forwarded), recorder);
                }
                return found(Ok(Known::Active(entry)), Cache::Hit, None);
            }
            CachedState::Known(known) => {
                self.counters.inactive_hit.inc();
                return found(Ok(known), Cache::Inactive, None);
            }
            CachedState::Old => self.counters.expired.inc(),
            CachedState::Ended | CachedState::NeverSeen => self.counters.miss.inc(),
        }
        // whose token was active until now does not guess
        let guard = self.settings.guard.filter(|_| matches!(held, CachedState::NeverSeen));
        let may_ask = || {
            guard.map_or(Ok(()), |guard| self.store.guard.admit(forwarded.client, guard, now.mono))
        };

        let wanted = AcceptedAnswers { oldest, refresh: false };
        let asking = || (inquiry(token, forwarded), recorder.cloned());
        // in a box: a hit would pay for the room
        let Asked { outcome, cache, awaited } =
            self.ask(digest, now, wanted, may_ask, asking).boxed().await;
        let landed = self.clock.now();
        let waited = Some(landed.since(now));
        let answer = match outcome {
            Err(Unknown::Failed(failure)) => match self.stale(&digest, landed, max_age) {
                Some(entry) => found(Ok(Known::Active(entry)), Cache::Stale, waited),
                None => found(Err(Unknown::Failed(failure)), cache, waited),
            },
            Err(Unknown::Guarded(wait)) => {
                self.store.guard.tell(&self.source.server, forwarded.client, now.mono);
                found(Err(Unknown::Guarded(wait)), cache, None)
            }
            known => found(known, cache, waited),
        };
        CachedFacts { awaited, ..answer }
    }

    /// The cached knowledge that may be used.
    fn held(&self, digest: &TokenDigest, now: Now, oldest: Duration) -> CachedState {
        let inactive = || self.store.inactive(digest, now).map(CachedState::Known);
        match self.store.active(digest, now) {
            Active::Alive(entry) if entry.life.is_fresh(now) && entry.life.age(now) < oldest => {
                CachedState::Known(Known::Active(entry))
            }
            Active::Alive(_) => CachedState::Old,
            Active::Dead => inactive().unwrap_or(CachedState::Ended),
            Active::None => inactive().unwrap_or(CachedState::NeverSeen),
        }
    }

    /// Asks, or waits for somebody who is asking already. A request that only waited and heard of a
    /// failure has not had its own try yet: it gets one, again shared with all others. `may_ask` is
    /// called before each question, and not where somebody else asks. `inquiry` makes the question,
    /// and gives the recorder of the request that asks it.
    pub(super) async fn ask(
        self: &Arc<Self>,
        digest: TokenDigest,
        since: Now,
        wanted: AcceptedAnswers,
        may_ask: impl Fn() -> Result<(), Duration>,
        inquiry: impl Fn() -> (Inquiry, Option<Recorder>),
    ) -> Asked {
        let asked = |outcome, cache, awaited| Asked { outcome, cache, awaited };
        let mut first = true;
        loop {
            match self.store.flights.board(digest, &may_ask) {
                Boarding::Refused(wait) => {
                    return asked(Err(Unknown::Guarded(wait)), Cache::Miss, None);
                }
                Boarding::Lead(lead, passenger) => {
                    // another one may have landed since this request looked
                    if let CachedState::Known(known) =
                        self.held(&digest, self.clock.now(), wanted.oldest)
                    {
                        lead.land(Ok(known.clone()), None);
                        return asked(Ok(known), Cache::Coalesced, None);
                    }
                    let (inquiry, recorder) = inquiry();
                    self.depart(digest, wanted, inquiry, lead, recorder);
                    let outcome = passenger.landed().await.outcome;
                    return asked(outcome.map_err(Unknown::Failed), Cache::Miss, None);
                }
                Boarding::Join(passenger) => {
                    self.counters.coalesced.inc();
                    let Landed { outcome, span } = passenger.landed().await;
                    match outcome {
                        Err(failure) if first && failure.may_pass() => first = false,
                        // received by another gateway, for a route that takes older answers than
                        // this one
                        Ok(Known::Active(entry))
                            if entry.life.stored < since.mono
                                && !wanted.takes(entry.life.age(self.clock.now())) => {}
                        outcome => {
                            return asked(outcome.map_err(Unknown::Failed), Cache::Coalesced, span);
                        }
                    }
                }
            }
        }
    }

    /// The digest under which `token` is held, for a purge; `None` where it also depends on the
    /// host that a client asked for.
    pub fn digest_for_purge(&self, token: AccessToken<'_>) -> Option<TokenDigest> {
        let by_host = self.source.told_hosts.is_some();
        (!by_host).then(|| self.source.key.digest(token.expose()))
    }

    fn digest(&self, token: AccessToken<'_>, forwarded: &Forwarded) -> TokenDigest {
        if self.source.told_hosts.is_some() {
            self.source.key.derive([&forwarded.host, &forwarded.proto]).digest(token.expose())
        } else {
            self.source.key.digest(token.expose())
        }
    }

    /// An answer past its ttl, while the server fails. A route's own limit on age still holds.
    fn stale(
        &self,
        digest: &TokenDigest,
        now: Now,
        max_age: Option<Duration>,
    ) -> Option<Arc<Entry>> {
        let limit = self.settings.ttl + self.settings.stale_if_error;
        let oldest = max_age.map_or(limit, |max_age| max_age.min(limit));
        match self.store.active(digest, now) {
            Active::Alive(entry) if entry.life.age(now) < oldest => {
                self.counters.stale.inc();
                Some(entry)
            }
            _ => None,
        }
    }

    /// Asks in the background; a failure changes nothing.
    fn refresh(
        self: &Arc<Self>,
        digest: TokenDigest,
        inquiry: Inquiry,
        recorder: Option<&Recorder>,
    ) {
        if let Boarding::Lead(lead, _) = self.store.flights.board(digest, || Ok(())) {
            let wanted = AcceptedAnswers { oldest: self.settings.ttl, refresh: true };
            self.depart(digest, wanted, inquiry, lead, recorder.cloned());
        }
    }

    /// The question is a task of its own: if the first request is cancelled, the others still get
    /// their answer.
    fn depart(
        self: &Arc<Self>,
        digest: TokenDigest,
        wanted: AcceptedAnswers,
        inquiry: Inquiry,
        lead: Lead,
        recorder: Option<Recorder>,
    ) {
        let this = self.clone();
        tokio::spawn(async move {
            let asked = this.store.purges();
            let turn = match this.elsewhere(digest, wanted, asked).await {
                Some(IntrospectionTurn::Known(known)) => return lead.land(Ok(known), None),
                Some(IntrospectionTurn::Ask(turn)) => Some(turn),
                None => None,
            };
            let recorded = recorder.map(|recorder| Recorded::begin(recorder, this.clock.now()));
            let outcome = this.source.introspector.introspect(&inquiry).await;
            let now = this.clock.now();
            let span = recorded.map(|recorded| recorded.end(&this.source, &outcome, now));
            let was_active = matches!(this.store.active(&digest, now), Active::Alive(_));
            let outcome = this.keep(digest, outcome, asked, now);
            lead.land(outcome.clone(), span);
            let ended = was_active && matches!(outcome, Ok(Known::Inactive | Known::Refused(_)));
            if let Some(turn) = turn {
                this.pass_on(turn, &outcome, now);
            }
            // other gateways may have the answer that has just ended
            if let Some(shared) = this.shared.as_ref().filter(|_| ended) {
                shared.announce(&Purge::Tokens(vec![digest])).await;
            }
        });
    }

    fn keep(
        &self,
        digest: TokenDigest,
        outcome: Result<Facts, Failure>,
        asked: u64,
        now: Now,
    ) -> Outcome {
        match outcome? {
            Facts::Active(facts) => {
                let life =
                    Lifetime::of_active(now, facts.expires_at, &self.settings, rand::random());
                let entry = Arc::new(Entry::new(*facts, self.source.server.clone(), life, asked));
                self.store.keep_active(digest, entry.clone(), now);
                Ok(Known::Active(entry))
            }
            Facts::Inactive => {
                self.keep_inactive(digest, None, now, asked);
                Ok(Known::Inactive)
            }
            Facts::Refused(refused) => {
                self.keep_inactive(digest, Some(refused), now, asked);
                Ok(Known::Refused(refused))
            }
        }
    }

    /// A failure that may heal by itself is not cached. It still removes an active answer.
    fn keep_inactive(
        &self,
        digest: TokenDigest,
        refused: Option<RefusedLocally>,
        now: Now,
        asked: u64,
    ) {
        let lasting = refused.is_none_or(RefusedLocally::is_lasting);
        let until = if lasting { now.mono + self.settings.inactive_ttl } else { Mono::ZERO };
        self.store.keep_inactive(digest, refused, until, now, asked);
    }
}

const GUARDED: &str =
    "Too many access tokens that were never seen here come from this address at the moment.";

impl From<Unknown> for Denial {
    fn from(unknown: Unknown) -> Self {
        match unknown {
            Unknown::Failed(failure) => failure.into(),
            Unknown::Guarded(wait) => {
                Self { retry_after: Some(wait), ..Self::with_detail(Reason::RateLimited, GUARDED) }
            }
        }
    }
}

fn inquiry(token: AccessToken<'_>, forwarded: &Forwarded) -> Inquiry {
    Inquiry { token: token.to_secret(), forwarded: Some(forwarded.clone()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::GuardSettings;
    use crate::clock::ManualClock;
    use crate::introspect::{FailureKind, read_answer};
    use async_trait::async_trait;
    use parking_lot::Mutex;

    /// `good…` is active, `down…` cannot be asked about, everything else is inactive.
    #[derive(Default)]
    struct Server(Mutex<Vec<String>>);

    #[async_trait]
    impl Introspector for Server {
        async fn introspect(&self, inquiry: &Inquiry) -> Result<Facts, Failure> {
            let token = inquiry.token.expose();
            self.0.lock().push(token.to_owned());
            tokio::task::yield_now().await;
            if token.starts_with("down") {
                return Err(Failure::new(FailureKind::Unavailable, "scripted"));
            }
            let answer = if token.starts_with("good") {
                r#"{"active":true}"#
            } else {
                r#"{"active":false}"#
            };
            read_answer(answer.as_bytes())
                .map_err(|error| Failure::new(FailureKind::BadResponse, error.to_string()))
        }
    }

    struct Fixture {
        cached: Arc<Cached>,
        server: Arc<Server>,
        hand: Arc<ManualClock>,
    }

    /// 3 misses within 60 seconds; active answers live for 10 seconds, inactive ones for 5.
    fn fixture(ttl: u64) -> Fixture {
        let settings = CacheSettings {
            max_entries: 100,
            ttl: Duration::from_secs(ttl),
            inactive_ttl: Duration::from_secs(5),
            inactive_max_entries: 100,
            refresh_ahead: 0.5,
            stale_if_error: Duration::ZERO,
            guard: Some(GuardSettings { misses: 3, window: Duration::from_secs(60) }),
        };
        let hand = ManualClock::at(1_700_000_000);
        let clock = Clock::Manual(hand.clone());
        let metrics = Arc::new(Metrics::new().unwrap_or_else(|error| panic!("{error}")));
        let store = Arc::new(Store::new(&settings, metrics.clone()));
        let server = Arc::new(Server::default());
        let source = FactsSource {
            server: "main".into(),
            key: DigestKey::random(),
            told_hosts: None,
            address: None,
            introspector: server.clone(),
        };
        Fixture {
            cached: Arc::new(Cached::new(source, settings, store, clock, &metrics)),
            server,
            hand,
        }
    }

    impl Fixture {
        async fn ask_from(&self, client: &str, token: &str) -> &'static str {
            let forwarded = Forwarded { client: client.parse().ok(), ..Forwarded::default() };
            let Ok(token) = AccessToken::parse(token.as_bytes(), 99) else { return "not a token" };
            let now = self.cached.clock.now();
            match self.cached.find(token, &forwarded, None, now, None).await.outcome {
                Ok(Known::Active(_)) => "active",
                Ok(Known::Inactive | Known::Refused(_)) => "inactive",
                Err(Unknown::Failed(_)) => "failed",
                Err(Unknown::Guarded(_)) => "guarded",
            }
        }

        async fn ask(&self, token: &str) -> &'static str {
            self.ask_from("192.0.2.1", token).await
        }

        fn asked(&self) -> usize {
            self.server.0.lock().len()
        }
    }

    #[tokio::test]
    async fn only_unknown_tokens_are_limited_with_any_outcome() {
        let fixture = fixture(10);
        assert_eq!(
            (fixture.ask("good").await, fixture.ask("bad").await, fixture.ask("down").await),
            ("active", "inactive", "failed")
        );
        assert_eq!(
            (fixture.ask("good-2").await, fixture.ask("bad-2").await, fixture.ask("down").await),
            ("guarded", "guarded", "guarded")
        );
        assert_eq!(
            (fixture.ask("good").await, fixture.ask("bad").await),
            ("active", "inactive"),
            "cached answers cost nothing"
        );
        assert_eq!(
            (fixture.ask_from("192.0.2.2", "good-2").await, fixture.ask("good-2").await),
            ("active", "active")
        );
        assert_eq!(fixture.asked(), 4);
        fixture.hand.advance(Duration::from_secs(6));
        assert_eq!(
            fixture.ask("bad").await,
            "guarded",
            "a bad token that was forgotten is a guess again"
        );
        fixture.hand.advance(Duration::from_secs(54));
        assert_eq!(fixture.ask("bad").await, "inactive");
    }

    #[tokio::test]
    async fn a_token_that_was_active_until_now_is_renewed_without_being_counted() {
        let fixture = fixture(10);
        for bad in ["good", "bad-1", "bad-2"] {
            fixture.ask(bad).await;
        }
        for _ in 0..5 {
            // past its life; and again, in the part of it that asks ahead
            fixture.hand.advance(Duration::from_secs(11));
            assert_eq!(
                (fixture.ask("good").await, fixture.ask("bad-3").await),
                ("active", "guarded")
            );
            fixture.hand.advance(Duration::from_millis(1));
        }
        assert_eq!(fixture.asked(), 8);
    }

    #[tokio::test]
    async fn simultaneous_requests_with_one_token_count_once() {
        let fixture = fixture(10);
        let all = futures::future::join_all((0..50).map(|_| fixture.ask("good"))).await;
        assert!(all.iter().all(|outcome| *outcome == "active"), "{all:?}");
        assert_eq!(
            (fixture.asked(), fixture.ask("bad-1").await, fixture.ask("bad-2").await),
            (1, "inactive", "inactive")
        );
        assert_eq!(fixture.ask("bad-3").await, "guarded");
    }

    #[tokio::test]
    async fn who_is_over_the_limit_may_still_wait_for_somebody_elses_question() {
        let fixture = fixture(10);
        for bad in ["bad-1", "bad-2", "bad-3"] {
            fixture.ask(bad).await;
        }
        let both =
            futures::future::join(fixture.ask_from("192.0.2.2", "good"), fixture.ask("good")).await;
        assert_eq!(both, ("active", "active"));
    }

    #[tokio::test]
    async fn a_wall_clock_that_jumps_changes_no_ages() {
        for jump in [-3600, 3600] {
            let fixture = fixture(10);
            assert_eq!(
                (fixture.ask("good").await, fixture.ask("bad").await, fixture.asked()),
                ("active", "inactive", 2)
            );
            fixture.hand.set_wall(jump);
            assert_eq!(
                (fixture.ask("good").await, fixture.ask("bad").await, fixture.asked()),
                ("active", "inactive", 2),
                "{jump}"
            );
            fixture.hand.advance(Duration::from_secs(10));
            assert_eq!(
                (fixture.ask("good").await, fixture.ask("bad").await, fixture.asked()),
                ("active", "inactive", 4),
                "{jump}"
            );
        }
    }
}
