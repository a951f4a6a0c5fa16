//! The token-guessing guard: how many introspections of unknown tokens one client address may
//! cause. Hits never come here.

use super::settings::GuardSettings;
use crate::clock::{AtomicMono, Mono};
use crate::request::network;
use crate::telemetry::Occasionally;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use parking_lot::Mutex;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Counts by address, one for the process: they survive reloads.
///
/// Memory is bounded. Windows that have ended make room for new ones. When there is still none,
/// addresses that come new share a fixed number of counters, each picked by a keyed hash: such a
/// flood limits some clients for others' sake, only in their new tokens and only while it lasts;
/// the authorization server would be asked without limit otherwise.
pub struct Guard {
    exact: DashMap<Address, Window>,
    held: AtomicUsize,
    capacity: usize,
    shared: Box<[Mutex<Window>]>,
    hasher: RandomState,
    /// No look for ended windows before.
    tidy_from: AtomicMono,
    log: Occasionally,
}

/// Addresses that have a counter of their own; each takes some 50 bytes.
const CAPACITY: usize = 65_536;
const SHARED: usize = 4096;
/// Between two looks for ended windows, while there is no room.
const TIDY_PAUSE: Duration = Duration::from_secs(1);

/// The subject of a count: an IPv4 address, the /64 that an IPv6 client usually has to itself, or
/// all clients without an address (Unix sockets).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Address(Option<IpAddr>);

/// Misses of one address since its first one.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    since: Mono,
    misses: u32,
}

impl Guard {
    pub fn new() -> Self {
        Self::with_capacity(CAPACITY, SHARED)
    }

    fn with_capacity(capacity: usize, shared: usize) -> Self {
        Self {
            exact: DashMap::new(),
            held: AtomicUsize::new(0),
            capacity,
            shared: std::iter::repeat_with(Mutex::default).take(shared.max(1)).collect(),
            hasher: RandomState::new(),
            tidy_from: AtomicMono::new(Mono::ZERO),
            log: Occasionally::default(),
        }
    }

    /// Counts one miss at `now`, or returns the time until a retry may succeed. Refused misses are
    /// not counted.
    pub fn admit(
        &self,
        client: Option<IpAddr>,
        settings: GuardSettings,
        now: Mono,
    ) -> Result<(), Duration> {
        let address = Address::for_client(client);
        if self.held.load(Ordering::Relaxed) >= self.capacity {
            self.tidy(settings, now);
        }
        match self.exact.entry(address) {
            Entry::Occupied(mut window) => window.get_mut().count(settings, now),
            Entry::Vacant(place) if self.held.fetch_add(1, Ordering::Relaxed) < self.capacity => {
                place.insert(Window::default()).count(settings, now)
            }
            Entry::Vacant(_) => {
                self.held.fetch_sub(1, Ordering::Relaxed);
                let shared = self.hasher.hash_one(address) % self.shared.len() as u64;
                let window =
                    usize::try_from(shared).ok().and_then(|shared| self.shared.get(shared));
                window.map_or(Ok(()), |window| window.lock().count(settings, now))
            }
        }
    }

    /// Makes room, a second after the last time at the earliest.
    fn tidy(&self, settings: GuardSettings, now: Mono) {
        let from = self.tidy_from.load();
        if now >= from && self.tidy_from.replace(from, now + TIDY_PAUSE) {
            self.exact.retain(|_, window| {
                let goes_on = window.left(settings, now).is_some();
                if !goes_on {
                    self.held.fetch_sub(1, Ordering::Relaxed);
                }
                goes_on
            });
        }
    }

    /// Logs a refusal, once a minute.
    pub fn tell(&self, server: &str, client: Option<IpAddr>, now: Mono) {
        if let Some(skipped) = self.log.now("guard", now) {
            tracing::warn!(
                server,
                ?client,
                not_logged_since = skipped.count(),
                "cache.guard: too many tokens that were never seen from one address"
            );
        }
    }
}

impl Window {
    fn count(&mut self, settings: GuardSettings, now: Mono) -> Result<(), Duration> {
        let Some(left) = self.left(settings, now) else {
            *self = Self { since: now, misses: 1 };
            return Ok(());
        };
        if self.misses >= settings.misses {
            return Err(left);
        }
        self.misses += 1;
        Ok(())
    }

    /// The remaining time of the window; `None` when it has ended, or nothing was counted.
    fn left(&self, settings: GuardSettings, now: Mono) -> Option<Duration> {
        let left = self.since + settings.window - now;
        (!left.is_zero() && self.misses > 0).then_some(left)
    }
}

impl Address {
    fn for_client(client: Option<IpAddr>) -> Self {
        Self(client.map(network))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};
    use std::sync::Arc;

    const SETTINGS: GuardSettings = GuardSettings { misses: 3, window: Duration::from_secs(10) };

    struct Fixture {
        guard: Guard,
        hand: Arc<ManualClock>,
    }

    fn fixture(capacity: usize, shared: usize) -> Fixture {
        Fixture {
            guard: Guard::with_capacity(capacity, shared),
            hand: ManualClock::at(1_700_000_000),
        }
    }

    impl Fixture {
        fn admit(&self, client: &str) -> Result<(), Duration> {
            self.guard.admit(
                client.parse().ok(),
                SETTINGS,
                Clock::Manual(self.hand.clone()).now().mono,
            )
        }

        /// How many of 10 misses at this moment are let through.
        fn passes(&self, client: &str) -> usize {
            (0..10).filter(|_| self.admit(client).is_ok()).count()
        }
    }

    #[test]
    fn so_many_misses_within_a_window_from_the_first() {
        let fixture = fixture(100, 1);
        assert_eq!(fixture.admit("192.0.2.1"), Ok(()));
        fixture.hand.advance(Duration::from_secs(4));
        assert_eq!(fixture.passes("192.0.2.1"), 2);
        assert_eq!(fixture.admit("192.0.2.1"), Err(Duration::from_secs(6)));
        assert_eq!(fixture.passes("192.0.2.2"), 3, "another address has its own count");
        // neither refusals nor changes of the wall clock make it longer
        fixture.hand.set_wall(-3600);
        fixture.hand.advance(Duration::from_millis(5_999));
        assert_eq!(fixture.admit("192.0.2.1"), Err(Duration::from_millis(1)));
        fixture.hand.advance(Duration::from_millis(1));
        assert_eq!(fixture.passes("192.0.2.1"), 3);
    }

    #[test]
    fn ipv6_counts_by_64_and_mapped_addresses_are_ipv4() {
        let fixture = fixture(100, 1);
        assert_eq!(
            (
                fixture.passes("2001:db8:0:1::1"),
                fixture.passes("2001:db8:0:1:ffff::2"),
                fixture.passes("2001:db8:0:2::1")
            ),
            (3, 0, 3)
        );
        assert_eq!(
            (
                fixture.passes("192.0.2.1"),
                fixture.passes("::ffff:192.0.2.1"),
                fixture.passes("192.0.2.2")
            ),
            (3, 0, 3)
        );
        assert_eq!((fixture.passes("no address"), fixture.passes("none again")), (3, 0));
    }

    #[test]
    fn millions_of_addresses_stay_within_the_budget_and_within_a_limit() {
        let fixture = fixture(1000, 4);
        let passed: usize = (0..100_000u32)
            .filter(|&n| fixture.admit(&IpAddr::from(n.to_be_bytes()).to_string()).is_ok())
            .count();
        assert_eq!(
            passed,
            1000 + 4 * 3,
            "one each while there is room, then what the shared counters allow"
        );
        assert_eq!(
            (fixture.guard.exact.len(), fixture.guard.held.load(Ordering::Relaxed)),
            (1000, 1000)
        );
        assert_eq!(fixture.passes("0.0.0.7"), 2, "who has a place keeps its own count");
        assert_eq!(fixture.passes("192.0.2.1"), 0);
        fixture.hand.advance(Duration::from_secs(10));
        assert_eq!(fixture.passes("192.0.2.1"), 3, "ended windows make room");
        assert_eq!((fixture.guard.exact.len(), fixture.guard.held.load(Ordering::Relaxed)), (1, 1));
    }

    #[test]
    fn simultaneous_misses_are_counted_exactly() {
        let guard = Guard::new();
        let settings = GuardSettings { misses: 500, ..SETTINGS };
        let passed = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let admitted = (0..1000)
                        .filter(|_| guard.admit(None, settings, Mono::START).is_ok())
                        .count();
                    passed.fetch_add(admitted, Ordering::Relaxed);
                });
            }
        });
        assert_eq!(passed.into_inner(), 500);
    }
}
