//! Where answers are: two bounded stores, so that a flood of bad tokens never pushes out good
//! ones, and the introspections under way. One for the process: it survives every reload.

use super::flight::Flights;
use super::guard::Guard;
use super::purge_selector::{PurgeSelector, has_session};
use super::streams::{StreamEnd, TokenStreams};
use super::{CacheSettings, Entry, Known};
use crate::clock::{Mono, Now};
use crate::telemetry::{LazyCounter, Metrics};
use crate::token::{DigestHasher, RefusedLocally, TokenDigest};
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, UnitWeighter};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

type Bounded<V> = Cache<TokenDigest, V, UnitWeighter, DigestHasher, Evictions>;

/// The answers of all authorization servers, in two bounded stores: active and inactive ones.
pub struct Store {
    active: Bounded<Arc<Entry>>,
    inactive: Bounded<Inactive>,
    pub(super) flights: Flights,
    pub(super) guard: Guard,
    /// Responses that go on.
    pub streams: TokenStreams,
    /// Goes up with every purge: an answer that was asked for before it is not kept.
    purges: AtomicU64,
    /// The observers of purges.
    watching: Mutex<Vec<Sender<Purge>>>,
    metrics: Arc<Metrics>,
}

/// A token that is known to be worth nothing.
#[derive(Clone, Copy)]
struct Inactive {
    until: Mono,
    /// The flaw of the token, if it was found here.
    refused: Option<RefusedLocally>,
}

/// The cached state of a token that was active when it was last asked about.
pub enum Active {
    Alive(Arc<Entry>),
    /// There was an answer until now, and it has come to its end.
    Dead,
    None,
}

/// Which answers a purge forgets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purge {
    Tokens(Vec<TokenDigest>),
    /// The active ones that one of these means.
    Matching(Vec<PurgeSelector>),
    All,
}

impl Store {
    /// An empty store with the budgets of `settings`.
    pub fn new(settings: &CacheSettings, metrics: Arc<Metrics>) -> Self {
        Self {
            active: bounded("active", settings.max_entries, &metrics),
            inactive: bounded("inactive", settings.inactive_max_entries, &metrics),
            flights: Flights::default(),
            guard: Guard::new(),
            streams: TokenStreams::default(),
            purges: AtomicU64::new(0),
            watching: Mutex::default(),
            metrics,
        }
    }

    /// Takes over new bounds; entries over the bounds are evicted.
    pub fn resize(&self, settings: &CacheSettings) {
        self.active.set_capacity(settings.max_entries as u64);
        self.inactive.set_capacity(settings.inactive_max_entries as u64);
    }

    /// An active answer, if it is not dead.
    pub fn active(&self, digest: &TokenDigest, now: Now) -> Active {
        let Some(entry) = self.active.get(digest) else { return Active::None };
        if entry.life.is_dead(now) {
            self.active.remove_if(digest, |held| held.life.is_dead(now));
            return Active::Dead;
        }
        Active::Alive(entry)
    }

    /// The cached answer about a token that is not active: the server called it inactive, or it was
    /// refused here with a reason.
    pub fn inactive(&self, digest: &TokenDigest, now: Now) -> Option<Known> {
        let held = self.inactive.get(digest)?;
        if now.mono < held.until {
            return Some(held.refused.map_or(Known::Inactive, Known::Refused));
        }
        self.inactive.remove_if(digest, |held| now.mono >= held.until);
        None
    }

    /// Keeps an active answer, unless a purge came after it was asked for (see [`Store::purges`]).
    pub fn keep_active(&self, digest: TokenDigest, entry: Arc<Entry>, now: Now) {
        let asked = entry.asked;
        if self.purges() != asked {
            // it is void: neither a statement about the token nor an obstacle to newer answers
            return;
        }
        self.inactive.remove(&digest);
        self.streams.renew(&digest, &entry);
        if entry.life.is_dead(now) {
            // `ttl: 0s`, or `exp` is there: an older answer must not outlive a newer one
            self.active.remove(&digest);
            return;
        }
        self.active.insert(digest, entry);
        if self.purges() != asked {
            self.active.remove(&digest);
        }
    }

    /// An inactive answer ends an active one at once, unless that one was asked for after a purge
    /// that this one was not: then it is the newer one, whichever came first. The inactive answer
    /// is itself kept until `until`, unless a purge came after it was asked for.
    pub fn keep_inactive(
        &self,
        digest: TokenDigest,
        refused: Option<RefusedLocally>,
        until: Mono,
        now: Now,
        asked: u64,
    ) {
        self.active.remove_if(&digest, |held| held.asked <= asked);
        self.streams.inactive(&digest, asked);
        if until <= now.mono || self.purges() != asked {
            return;
        }
        self.inactive.insert(digest, Inactive { until, refused });
        if self.purges() != asked {
            self.inactive.remove(&digest);
        }
    }

    /// How many purges there have been.
    pub fn purges(&self) -> u64 {
        self.purges.load(Ordering::SeqCst)
    }

    /// Forgets answers and ends the responses that depend on them. Gives how many answers there
    /// were. A purge beats an introspection that is under way: requests from now on do not share
    /// it, and its answer is not kept.
    pub fn purge(&self, purge: &Purge) -> usize {
        self.purge_because(purge, StreamEnd::Purged)
    }

    /// The same; `end` is the reason that responses end with.
    pub fn purge_because(&self, purge: &Purge, end: StreamEnd) -> usize {
        let purged = self.forget(purge);
        self.streams.purge(purge, end);
        purged
    }

    /// Forgets all answers, since purges may have been missed. Responses that depend on them go on
    /// if a new answer permits it.
    pub fn forget_all(&self) {
        self.forget(&Purge::All);
        self.streams.recheck();
    }

    fn forget(&self, purge: &Purge) -> usize {
        self.purges.fetch_add(1, Ordering::SeqCst);
        self.flights.forget();
        self.watching.lock().retain(|watching| watching.send(purge.clone()).is_ok());
        let purged = match purge {
            Purge::Tokens(digests) => {
                let known = |digest| {
                    usize::from(self.active.remove(digest).is_some())
                        + usize::from(self.inactive.remove(digest).is_some())
                };
                digests.iter().map(known).sum()
            }
            Purge::Matching(named) => {
                let forgotten = AtomicUsize::new(0);
                self.active.retain(|_, entry| {
                    let meant = named.iter().any(|named| named.means(&entry.server, &entry.facts));
                    forgotten.fetch_add(usize::from(meant), Ordering::Relaxed);
                    !meant
                });
                forgotten.into_inner()
            }
            Purge::All => {
                let held = self.active.len() + self.inactive.len();
                self.active.clear();
                self.inactive.clear();
                held
            }
        };
        if purged > 0 {
            let evictions = &self.metrics.cache_evictions;
            evictions.with_label_values(&["active", "purge"]).inc_by(purged as u64);
        }
        purged
    }

    /// Every purge from now on.
    pub fn watch_purges(&self) -> Receiver<Purge> {
        let (sender, purges) = channel();
        self.watching.lock().push(sender);
        purges
    }

    /// The active answers, whether they may still be used or not.
    pub(super) fn entries(&self) -> impl Iterator<Item = (TokenDigest, Arc<Entry>)> {
        self.active.iter()
    }

    /// Whether answers of `server` can be distinguished by session: some have a `sid`, or there is
    /// none.
    pub fn knows_sessions(&self, server: &str) -> bool {
        let mut of_server =
            self.active.iter().filter(|(_, entry)| *entry.server == *server).peekable();
        of_server.peek().is_none() || of_server.any(|(_, entry)| has_session(&entry.facts))
    }

    /// Active and inactive answers held.
    pub fn held(&self) -> (usize, usize) {
        (self.active.len(), self.inactive.len())
    }
}

/// Counts the evicted entries.
#[derive(Clone)]
struct Evictions(LazyCounter);

impl<V> Lifecycle<TokenDigest, V> for Evictions {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: TokenDigest, _: V) {
        self.0.inc();
    }
}

fn bounded<V: Clone>(name: &str, capacity: usize, metrics: &Metrics) -> Bounded<V> {
    let evictions = LazyCounter::new(&metrics.cache_evictions, &[name, "capacity"]);
    Cache::with(
        capacity,
        capacity as u64,
        UnitWeighter,
        DigestHasher::default(),
        Evictions(evictions),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::ttl::Lifetime;
    use crate::clock::{Clock, ManualClock};
    use crate::introspect::read_answer;
    use crate::token::{DigestKey, Facts};
    use std::time::Duration;

    /// Operations on the store, in this order.
    #[derive(Clone, Copy, Debug)]
    enum Event {
        /// An answer comes that was asked for when there had been so many purges.
        Active(u64),
        Inactive(u64),
        PurgeOfIt,
        PurgeOfAnother,
        PurgeBySubject,
        PurgeOfAll,
    }

    #[derive(Debug, PartialEq, Eq)]
    enum Held {
        Active,
        Inactive,
        Nothing,
    }

    fn after(events: &[Event]) -> Held {
        let settings = CacheSettings {
            max_entries: 10,
            ttl: Duration::from_secs(60),
            inactive_ttl: Duration::from_secs(60),
            inactive_max_entries: 10,
            refresh_ahead: 0.0,
            stale_if_error: Duration::ZERO,
            guard: None,
        };
        let metrics = Arc::new(Metrics::new().unwrap_or_else(|error| panic!("{error}")));
        let store = Store::new(&settings, metrics);
        let now = Clock::Manual(ManualClock::at(1_700_000_000)).now();
        let key = DigestKey::random();
        let (it, another) = (key.digest("it"), key.digest("another"));
        for event in events {
            match *event {
                Event::Active(asked) => {
                    let Ok(Facts::Active(facts)) = read_answer(br#"{"active":true,"sub":"a"}"#)
                    else {
                        panic!("not active")
                    };
                    let life = Lifetime::of_active(now, None, &settings, 0.0);
                    let entry = Arc::new(Entry::new(*facts, "main".into(), life, asked));
                    store.keep_active(it, entry, now);
                }
                Event::Inactive(asked) => {
                    store.keep_inactive(it, None, now.mono + settings.inactive_ttl, now, asked);
                }
                Event::PurgeOfIt => {
                    store.purge(&Purge::Tokens([it].into()));
                }
                Event::PurgeOfAnother => {
                    store.purge(&Purge::Tokens([another].into()));
                }
                Event::PurgeBySubject => {
                    store.purge(&Purge::Matching(vec![PurgeSelector::subject("a")]));
                }
                Event::PurgeOfAll => {
                    store.purge(&Purge::All);
                }
            }
        }
        match (store.active(&it, now), store.inactive(&it, now)) {
            (Active::Alive(_), None) => Held::Active,
            (Active::None, Some(_)) => Held::Inactive,
            (Active::None, None) => Held::Nothing,
            _ => panic!("both"),
        }
    }

    /// Contract §3: an inactive answer ends an active one at once; nothing that was asked for
    /// before a purge is kept after it.
    #[test]
    fn answers_asked_for_before_a_purge_are_not_kept_after_it() {
        use Event::{Active, Inactive, PurgeBySubject, PurgeOfAll, PurgeOfAnother, PurgeOfIt};
        for (events, expected) in [
            (&[Active(0)][..], Held::Active),
            (&[Active(0), Inactive(0)], Held::Inactive),
            (&[Inactive(0), Active(0)], Held::Active),
            (&[PurgeOfIt, Active(0)], Held::Nothing),
            (&[PurgeOfIt, Inactive(0)], Held::Nothing),
            (&[PurgeBySubject, Inactive(0)], Held::Nothing),
            (&[PurgeOfAll, Inactive(0)], Held::Nothing),
            (&[PurgeOfIt, Inactive(1)], Held::Inactive),
            // a newer active answer is there when the old inactive one comes
            (&[PurgeOfIt, Active(1), Inactive(0)], Held::Active),
            (&[PurgeBySubject, Active(1), Inactive(0)], Held::Active),
            (&[PurgeOfAll, Active(1), Inactive(0)], Held::Active),
            (&[PurgeOfIt, Active(1), Inactive(1)], Held::Inactive),
            (&[PurgeOfIt, Inactive(1), Active(0)], Held::Inactive),
            // a purge of another token leaves an old active answer, which the inactive one ends
            (&[Active(0), PurgeOfAnother, Inactive(0)], Held::Nothing),
            (&[Active(0), PurgeOfAnother, Inactive(1)], Held::Inactive),
            (&[PurgeOfAnother, Active(1), Inactive(0)], Held::Active),
        ] {
            assert_eq!(after(events), expected, "{events:?}");
        }
    }
}
