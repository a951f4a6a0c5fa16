//! Token buckets by the generic cell rate algorithm (ITU-T I.371): a bucket is one number, the
//! moment at which it will be full again.
//!
//! `governor`, the usual crate for this, was considered: its keyed stores grow without bound, and
//! the caller has to shrink them. Here memory has a fixed bound, and the arithmetic is five lines.

use super::Rate;
use crate::clock::Mono;
use crate::token::{DigestHasher, TokenDigest};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;

/// The buckets of one route.
///
/// Memory is bounded, and its bound hands out no budget. A bucket that is full again is the same as
/// none, so that forgetting it changes nothing; no other bucket is ever forgotten. When there is no
/// room left for one more, keys that are new share a fixed number of buckets, each picked by the
/// key's digest; a key that gets a bucket of its own later begins with the level of the shared one.
/// Hence no key ever gets more than its limit, however many keys there are. A flood of keys costs
/// those that are new at that time a part of their budget, for as long as it lasts.
#[derive(Debug)]
pub struct Buckets {
    shards: Box<[Mutex<BucketShard>]>,
}

#[derive(Debug, Default)]
struct BucketShard {
    /// By the first half of the key's digest: the nanosecond at which the bucket is full.
    own: HashMap<[u8; 16], u64, DigestHasher>,
    /// Of keys without one of their own; made when they are needed.
    shared: Vec<u64>,
    /// Full buckets are looked for at this number of buckets: twice as many as were left the last
    /// time, so that each is looked at a constant number of times.
    due: usize,
    /// There was no room the last time, and full buckets are not looked for again before.
    tidy_from: u64,
}

const SHARDS: usize = 16;
/// Buckets of one shard that keys without their own share.
const SHARED: usize = 256;
/// Below this number of buckets full ones are not looked for.
const SMALLEST: usize = 256;
/// Between two looks for full buckets while there is no room, in nanoseconds.
const TIDY_PAUSE: u64 = 100_000_000;

/// A request that was taken from a bucket, so that this can be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct TakenRequest {
    /// From the key's own bucket, not from a shared one.
    own: bool,
    /// When the bucket was to be full then.
    full_at: u64,
}

impl Default for Buckets {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

impl Buckets {
    /// Takes one request of `key` at `now`, or gives the time after which there is one. `capacity`:
    /// the number of keys that have a bucket of their own at most.
    pub fn take(
        &self,
        key: &TokenDigest,
        rate: Rate,
        now: Mono,
        capacity: usize,
    ) -> Result<TakenRequest, Duration> {
        let Some(place) = self.place(key) else { return Err(rate.interval()) };
        let now = nanos(now);
        let mut shard = place.shard.lock();
        if let Some(full_at) = shard.own.get_mut(&place.id) {
            *full_at = one_more(*full_at, rate, now)?;
            return Ok(TakenRequest { own: true, full_at: *full_at });
        }
        let own = shard.has_room(now, (capacity / SHARDS).max(1));
        if !own && shard.shared.is_empty() {
            shard.shared.resize(SHARED, 0);
        }
        let shared = shard.shared.get_mut(place.slot);
        let full_at = one_more(shared.as_deref().copied().unwrap_or_default(), rate, now)?;
        match shared {
            Some(shared) if !own => *shared = full_at,
            _ => {
                shard.own.insert(place.id, full_at);
            }
        }
        Ok(TakenRequest { own, full_at })
    }

    /// The time after which there is one more request for `key`; zero: there is one now.
    pub fn wait(&self, key: &TokenDigest, rate: Rate, now: Mono) -> Duration {
        let Some(place) = self.place(key) else { return rate.interval() };
        let shard = place.shard.lock();
        let full_at = shard.own.get(&place.id).or(shard.shared.get(place.slot));
        let outcome = one_more(full_at.copied().unwrap_or_default(), rate, nanos(now));
        outcome.err().unwrap_or_default()
    }

    /// Undoes a [`Buckets::take`] of the same key, since the fleet has no request left for it before
    /// `wait` has passed. Until then this process refuses the key without asking the fleet.
    pub fn refused_elsewhere(
        &self,
        key: &TokenDigest,
        rate: Rate,
        taken: TakenRequest,
        now: Mono,
        wait: Duration,
    ) {
        let (Some(place), now) = (self.place(key), nanos(now)) else { return };
        let mut shard = place.shard.lock();
        if taken.own {
            if let Some(full_at) = shard.own.get_mut(&place.id) {
                let wait = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX).min(rate.interval);
                let one_after = now.saturating_add(rate.depth - rate.interval).saturating_add(wait);
                *full_at = one_after.max(full_at.saturating_sub(rate.interval));
            }
        } else if taken.full_at > now
            && let Some(full_at) = shard.shared.get_mut(place.slot)
        {
            // others take from it too, and it has not been full since
            *full_at = full_at.saturating_sub(rate.interval);
        }
    }

    fn place(&self, key: &TokenDigest) -> Option<BucketPlace<'_>> {
        // a digest is uniform: any of its bits will do
        let (id, rest) = key.as_bytes().split_first_chunk::<16>()?;
        let [shard, slot, ..] = *rest else { return None };
        let shard = self.shards.get(usize::from(shard) % SHARDS)?;
        Some(BucketPlace { shard, id: *id, slot: usize::from(slot) % SHARED })
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().own.len()).sum()
    }
}

/// Where the bucket of a key is.
struct BucketPlace<'b> {
    shard: &'b Mutex<BucketShard>,
    id: [u8; 16],
    slot: usize,
}

impl BucketShard {
    /// Whether there is room for one more of `limit` buckets, after full ones were forgotten.
    fn has_room(&mut self, now: u64, limit: usize) -> bool {
        let due = self.due.clamp(SMALLEST.min(limit), limit);
        if self.own.len() >= due && now >= self.tidy_from {
            self.own.retain(|_, full_at| *full_at > now);
            self.due = self.own.len() * 2;
            if self.own.len() >= limit {
                self.tidy_from = now.saturating_add(TIDY_PAUSE);
            }
        }
        self.own.len() < limit
    }
}

/// When the bucket will be full, once one more request is taken; or the time until there is one.
fn one_more(full_at: u64, rate: Rate, now: u64) -> Result<u64, Duration> {
    let next = full_at.max(now).saturating_add(rate.interval);
    let allowed = now.saturating_add(rate.depth);
    if next <= allowed { Ok(next) } else { Err(Duration::from_nanos(next - allowed)) }
}

fn nanos(now: Mono) -> u64 {
    u64::try_from((now - Mono::ZERO).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate_limit::{Per, RateLimitSettings};
    use crate::token::DigestKey;
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    const MANY: usize = 1 << 20;

    fn rate(requests: u32, window_ms: u64) -> Rate {
        let window = Duration::from_millis(window_ms);
        Rate::from_settings(&RateLimitSettings { per: Per::ClientId, requests, window })
    }

    fn at(millis: u64) -> Mono {
        Mono::START + Duration::from_millis(millis)
    }

    /// Digests without a key, so that a failure can be repeated.
    fn key(number: usize) -> TokenDigest {
        DigestKey::from([7; 32]).digest(&number.to_string())
    }

    #[test]
    fn a_bucket_holds_the_requests_of_a_window_and_fills_evenly() {
        let (buckets, rate) = (Buckets::default(), rate(4, 1000));
        let take = |millis| buckets.take(&key(1), rate, at(millis), MANY).map(|_| ());
        for _ in 0..4 {
            assert_eq!(take(0), Ok(()));
        }
        assert_eq!(take(0), Err(Duration::from_millis(250)));
        assert_eq!(take(249), Err(Duration::from_millis(1)));
        assert_eq!(buckets.wait(&key(1), rate, at(249)), Duration::from_millis(1));
        assert_eq!(buckets.wait(&key(1), rate, at(250)), Duration::ZERO);
        assert_eq!((take(250), take(250)), (Ok(()), Err(Duration::from_millis(250))));
        assert_eq!(buckets.take(&key(2), rate, at(250), MANY).map(|_| ()), Ok(()), "another key");
        for _ in 0..4 {
            assert_eq!(take(9000), Ok(()), "never more than a window's requests are saved");
        }
        assert!(take(9000).is_err());
    }

    /// Rounding is never in the client's favour.
    #[test]
    fn a_window_that_does_not_divide_evenly() {
        for (requests, window) in [(3, 1000), (7, 10), (999_999, 1000), (1, 1), (1000, 1)] {
            let (buckets, rate) = (Buckets::default(), rate(requests, window));
            let admitted =
                (0..requests + 10).filter(|_| buckets.take(&key(1), rate, at(0), MANY).is_ok());
            assert_eq!(admitted.count(), requests as usize, "{requests} in {window}ms");
            assert!(rate.interval() * requests >= Duration::from_millis(window));
        }
    }

    #[test]
    fn a_refusal_of_the_fleet_holds_here_for_as_long_as_there() {
        let (buckets, rate) = (Buckets::default(), rate(2, 1000));
        let take = || buckets.take(&key(1), rate, at(0), MANY);
        let _first = take();
        let Ok(second) = take() else { panic!("there are two") };
        assert!(take().is_err());
        buckets.refused_elsewhere(&key(1), rate, second, at(0), Duration::from_millis(200));
        assert_eq!(take(), Err(Duration::from_millis(200)));
        let take = || buckets.take(&key(1), rate, at(200), MANY).map(|_| ());
        assert_eq!((take(), take()), (Ok(()), Err(Duration::from_millis(500))));
    }

    #[test]
    fn of_many_at_once_the_limit_passes() {
        let (buckets, rate) = (Buckets::default(), rate(100, 1000));
        let admitted = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        if buckets.take(&key(1), rate, at(0), MANY).is_ok() {
                            admitted.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(admitted.into_inner(), 100);
    }

    /// The memory is full of buckets that are not full: newcomers share, and nothing is forgotten.
    #[test]
    fn memory_is_bounded_and_its_bound_hands_out_no_budget() {
        const CAPACITY: usize = 64 * SHARDS;
        let (buckets, rate) = (Buckets::default(), rate(1, 60_000));
        let admitted = |keys: std::ops::Range<usize>, millis| {
            keys.filter(|number| buckets.take(&key(*number), rate, at(millis), CAPACITY).is_ok())
                .count()
        };
        let first = admitted(0..100_000, 0);
        assert_eq!(buckets.len(), CAPACITY);
        assert!(first <= CAPACITY + SHARDS * SHARED, "{first}");
        assert_eq!(admitted(0..100_000, 1000), 0, "no bucket was forgotten");
        // all are full again after a minute
        assert_eq!(admitted(200_000..200_001, 60_001), 1);
        assert!(buckets.len() < CAPACITY);
    }

    #[test]
    fn buckets_that_are_full_are_forgotten() {
        let (buckets, rate) = (Buckets::default(), rate(100, 1000));
        for number in 0..100_000 {
            assert!(buckets.take(&key(number), rate, at(number as u64), MANY).is_ok());
        }
        assert!(buckets.len() <= SHARDS * SMALLEST, "{}", buckets.len());
    }

    proptest! {
        /// Of any key, in any stretch of time: never more than the limit and the time's refill,
        /// with ample memory and with next to none.
        #[test]
        fn no_key_gets_more_than_its_limit(
            requests in 1_u32..6,
            window in 1_u64..2000,
            ample in any::<bool>(),
            steps in prop::collection::vec((0_usize..60, 0_u64..400, any::<bool>()), 1..400),
        ) {
            let (buckets, rate) = (Buckets::default(), rate(requests, window));
            let capacity = if ample { MANY } else { 1 };
            let mut admitted: HashMap<usize, Vec<u64>> = HashMap::new();
            let mut millis = 0;
            for (number, passed, refused) in steps {
                millis += passed;
                let Ok(taken) = buckets.take(&key(number), rate, at(millis), capacity) else {
                    continue;
                };
                if refused {
                    let wait = rate.interval() / 2;
                    buckets.refused_elsewhere(&key(number), rate, taken, at(millis), wait);
                } else {
                    admitted.entry(number).or_default().push(millis);
                }
            }
            for times in admitted.values() {
                for (first, from) in times.iter().enumerate() {
                    for (last, to) in times.iter().enumerate().skip(first) {
                        let refill = u128::from(to - from) * 1_000_000
                            / rate.interval().as_nanos();
                        prop_assert!((last - first + 1) as u128 <= u128::from(requests) + refill);
                    }
                }
            }
        }

        /// With ample memory a key that keeps to the even rate is never refused.
        #[test]
        fn an_even_rate_always_passes(requests in 1_u32..50, window in 50_u64..5000) {
            let (buckets, rate) = (Buckets::default(), rate(requests, window));
            let mut now = at(0);
            for _ in 0..200 {
                prop_assert!(buckets.take(&key(1), rate, now, MANY).is_ok());
                now = now + rate.interval() + Duration::from_micros(1);
            }
        }
    }
}
