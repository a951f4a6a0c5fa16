//! The cache around an introspector: hit, or one shared question.

use super::fleet::Wanted;
use super::flight::{Boarding, Lead, Outcome};
use super::shared::{Shared, Turn};
use super::ttl::Lifetime;
use super::{CacheSettings, Entry, Store};
use crate::clock::{Clock, Now, micros};
use crate::introspect::{Failure, Inquiry, Introspector};
use crate::request::Forwarded;
use crate::telemetry::{Cache, Metrics};
use crate::token::{AccessToken, DigestKey, Facts, Refused, TokenDigest};
use prometheus::IntCounter;
use std::sync::Arc;
use std::time::Duration;

/// What is known about a token.
#[derive(Clone, Debug)]
pub enum Known {
    Active(Arc<Entry>),
    Inactive,
    Refused(Refused),
}

/// The outcome for one request, and how it came about.
#[derive(Debug)]
pub struct Found {
    pub outcome: Outcome,
    pub cache: Cache,
    pub digest: TokenDigest,
    /// How long the request waited for an introspection.
    pub waited: Option<Duration>,
    /// When it was known.
    pub at: Now,
}

/// One authorization server behind the cache.
pub struct Cached {
    pub(super) source: Source,
    pub(super) settings: CacheSettings,
    pub(super) store: Arc<Store>,
    /// What other gateways know.
    pub(super) shared: Option<Arc<Shared>>,
    pub(super) clock: Clock,
    counters: Counters,
}

/// Where answers come from.
pub struct Source {
    /// The authorization server's configured name.
    pub server: Arc<str>,
    /// Covers everything of the server's settings that can change its answers.
    pub key: DigestKey,
    /// The server also gets the host that the client asked for, and may answer by it.
    pub keyed_by_host: bool,
    pub introspector: Arc<dyn Introspector>,
}

struct Counters {
    hit: IntCounter,
    miss: IntCounter,
    expired: IntCounter,
    stale: IntCounter,
    inactive_hit: IntCounter,
    coalesced: IntCounter,
}

impl Cached {
    pub fn new(source: Source, settings: CacheSettings, store: Arc<Store>, clock: Clock, metrics: &Metrics) -> Self {
        let requests = |cache, result| metrics.cache_requests.with_label_values(&[cache, result]);
        let counters = Counters {
            hit: requests("active", "hit"),
            miss: requests("active", "miss"),
            expired: requests("active", "expired"),
            stale: requests("active", "stale"),
            inactive_hit: requests("inactive", "hit"),
            coalesced: metrics.introspections_coalesced.with_label_values(&[&source.server]),
        };
        Self { source, settings, store, shared: None, clock, counters }
    }

    /// Also asks, and tells, other gateways.
    pub fn sharing(self, shared: Option<Arc<Shared>>) -> Self {
        Self { shared, ..self }
    }

    /// The authorization server's configured name.
    pub fn name(&self) -> &Arc<str> {
        &self.source.server
    }

    /// What is known about `token`, from an answer no older than `max_age`, or from the server.
    pub async fn find(self: &Arc<Self>, token: AccessToken<'_>, forwarded: &Forwarded, max_age: Option<Duration>) -> Found {
        let digest = self.digest(token, forwarded);
        let now = self.clock.now();
        let found = |outcome, cache, waited: Option<Duration>| {
            let at = now.later(waited.unwrap_or_default());
            Found { outcome, cache, digest, waited, at }
        };
        // an entry from before a reload may have been given a longer life than the ttl is now
        let oldest = max_age.map_or(self.settings.ttl, |max_age| max_age.min(self.settings.ttl));

        match self.held(&digest, now, oldest) {
            Some(Known::Active(entry)) => {
                self.counters.hit.inc();
                if entry.take_refresh(now) {
                    self.refresh(digest, inquiry(token, forwarded));
                }
                return found(Ok(Known::Active(entry)), Cache::Hit, None);
            }
            Some(known @ (Known::Inactive | Known::Refused(_))) => {
                self.counters.inactive_hit.inc();
                return found(Ok(known), Cache::Inactive, None);
            }
            None if self.store.active(&digest, now).is_some() => self.counters.expired.inc(),
            None => self.counters.miss.inc(),
        }

        let wanted = Wanted { oldest, refresh: false };
        let (outcome, cache) = self.ask(digest, now, wanted, || inquiry(token, forwarded)).await;
        let landed = self.clock.now();
        let waited = Some(landed.since(now));
        match outcome {
            Err(failure) => match self.stale(&digest, landed, max_age) {
                Some(entry) => found(Ok(Known::Active(entry)), Cache::Stale, waited),
                None => found(Err(failure), cache, waited),
            },
            known => found(known, cache, waited),
        }
    }

    /// What the cache knows and may say.
    fn held(&self, digest: &TokenDigest, now: Now, oldest: Duration) -> Option<Known> {
        match self.store.active(digest, now) {
            Some(entry) => {
                let usable = entry.life.is_fresh(now) && entry.life.age(now) < micros(oldest);
                usable.then_some(Known::Active(entry))
            }
            None => self.store.inactive(digest, now).map(|refused| refused.map_or(Known::Inactive, Known::Refused)),
        }
    }

    /// Asks, or waits for somebody who is asking already. A request that only waited and heard of a
    /// failure has not had its own try yet: it gets one, again shared with all others.
    async fn ask(self: &Arc<Self>, digest: TokenDigest, since: Now, wanted: Wanted, inquiry: impl Fn() -> Inquiry) -> (Outcome, Cache) {
        let mut first = true;
        loop {
            match self.store.flights.board(digest) {
                Boarding::Lead(lead, passenger) => {
                    // another one may have landed since this request looked
                    if let Some(known) = self.held(&digest, self.clock.now(), wanted.oldest) {
                        lead.land(Ok(known.clone()));
                        return (Ok(known), Cache::Coalesced);
                    }
                    self.depart(digest, wanted, inquiry(), lead);
                    return (passenger.outcome().await, Cache::Miss);
                }
                Boarding::Join(passenger) => {
                    self.counters.coalesced.inc();
                    match passenger.outcome().await {
                        Err(failure) if first && failure.may_pass() => first = false,
                        // heard by another gateway, for a route that takes older answers than this one
                        Ok(Known::Active(entry)) if entry.life.stored < since.mono && !wanted.takes(entry.life.age(self.clock.now())) => {}
                        outcome => return (outcome, Cache::Coalesced),
                    }
                }
            }
        }
    }

    /// The digest under which `token` is held, for a purge; `None` where it also depends on the
    /// host that a client asked for.
    pub fn digest_for_purge(&self, token: AccessToken<'_>) -> Option<TokenDigest> {
        (!self.source.keyed_by_host).then(|| self.source.key.digest(token.expose()))
    }

    fn digest(&self, token: AccessToken<'_>, forwarded: &Forwarded) -> TokenDigest {
        if self.source.keyed_by_host {
            self.source.key.derive([&forwarded.host, &forwarded.proto]).digest(token.expose())
        } else {
            self.source.key.digest(token.expose())
        }
    }

    /// An answer past its ttl, while the server fails. A route's own limit on age still holds.
    fn stale(&self, digest: &TokenDigest, now: Now, max_age: Option<Duration>) -> Option<Arc<Entry>> {
        let limit = self.settings.ttl + self.settings.stale_if_error;
        let oldest = max_age.map_or(limit, |max_age| max_age.min(limit));
        let entry = self.store.active(digest, now).filter(|entry| entry.life.age(now) < micros(oldest))?;
        self.counters.stale.inc();
        Some(entry)
    }

    /// Asks in the background; a failure leaves everything as it is.
    fn refresh(self: &Arc<Self>, digest: TokenDigest, inquiry: Inquiry) {
        if let Boarding::Lead(lead, _) = self.store.flights.board(digest) {
            self.depart(digest, Wanted { oldest: self.settings.ttl, refresh: true }, inquiry, lead);
        }
    }

    /// The question is a task of its own: whatever becomes of the request that was first, the
    /// others get their answer.
    fn depart(self: &Arc<Self>, digest: TokenDigest, wanted: Wanted, inquiry: Inquiry, lead: Lead) {
        let this = self.clone();
        tokio::spawn(async move {
            let asked = this.store.purges();
            let turn = match this.elsewhere(digest, wanted, asked).await {
                Some(Turn::Known(known)) => return lead.land(Ok(known)),
                Some(Turn::Ask(turn)) => Some(turn),
                None => None,
            };
            let outcome = this.source.introspector.introspect(&inquiry).await;
            let now = this.clock.now();
            let outcome = this.keep(digest, outcome, asked, now);
            lead.land(outcome.clone());
            if let Some(turn) = turn {
                this.pass_on(turn, &outcome, now);
            }
        });
    }

    fn keep(&self, digest: TokenDigest, outcome: Result<Facts, Failure>, asked: u64, now: Now) -> Outcome {
        match outcome? {
            Facts::Active(facts) => {
                let life = Lifetime::of_active(now, facts.expires_at, &self.settings, rand::random());
                let entry = Arc::new(Entry::new(*facts, self.source.server.clone(), life));
                self.store.keep_active(digest, entry.clone(), now, asked);
                Ok(Known::Active(entry))
            }
            Facts::Inactive => {
                self.keep_inactive(digest, None, now);
                Ok(Known::Inactive)
            }
            Facts::Refused(refused) => {
                self.keep_inactive(digest, Some(refused), now);
                Ok(Known::Refused(refused))
            }
        }
    }

    /// What may heal by itself is not kept, but ends an active answer all the same.
    fn keep_inactive(&self, digest: TokenDigest, refused: Option<Refused>, now: Now) {
        let lasting = refused.is_none_or(Refused::is_lasting);
        let until = if lasting { now.mono.saturating_add(micros(self.settings.inactive_ttl)) } else { 0 };
        self.store.keep_inactive(digest, refused, until, now);
    }
}

fn inquiry(token: AccessToken<'_>, forwarded: &Forwarded) -> Inquiry {
    Inquiry { token: token.to_secret(), forwarded: Some(forwarded.clone()) }
}
