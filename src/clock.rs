//! The clock is passed in, so that expiry is tested without sleeping.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One reading of the clock.
///
/// Ages are reckoned in `mono`, which never goes back; `exp` and `nbf` are compared with `wall`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since the Unix epoch.
    pub wall: i64,
    /// Microseconds, [`HEAD_START`] when the process started.
    pub mono: u64,
}

/// So that what another process heard before this one started has its place in time too: 25 days.
pub const HEAD_START: u64 = 1 << 41;

impl Now {
    /// Whole seconds since the Unix epoch.
    pub fn unix_seconds(self) -> i64 {
        self.wall.div_euclid(1000)
    }

    /// Since the process started.
    pub fn uptime(self) -> Duration {
        Duration::from_micros(self.mono.saturating_sub(HEAD_START))
    }

    /// The reading that this one becomes when so much time passes.
    pub fn later(self, passed: Duration) -> Self {
        let millis = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
        Self {
            wall: self.wall.saturating_add(millis),
            mono: self.mono.saturating_add(micros(passed)),
        }
    }

    /// Time between two readings; none when they are in the other order.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.mono.saturating_sub(earlier.mono))
    }
}

/// Microseconds of a duration, saturating: the unit of [`Now::mono`].
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[derive(Clone, Debug)]
pub enum Clock {
    System { origin: Instant },
    Manual(Arc<ManualClock>),
}

impl Clock {
    pub fn system() -> Self {
        Self::System { origin: Instant::now() }
    }

    #[allow(clippy::disallowed_methods)] // the one place that reads the system's clock
    pub fn now(&self) -> Now {
        match self {
            Self::System { origin } => {
                let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Now {
                    wall: i64::try_from(wall.as_millis()).unwrap_or(i64::MAX),
                    mono: HEAD_START.saturating_add(micros(origin.elapsed())),
                }
            }
            Self::Manual(clock) => Now {
                wall: clock.wall.load(Ordering::SeqCst),
                mono: clock.mono.load(Ordering::SeqCst),
            },
        }
    }

    /// A reading that follows `earlier` closely: half the price, since the wall clock is taken to
    /// have gone on from there.
    pub fn after(&self, earlier: Now) -> Now {
        let mono = match self {
            Self::System { origin } => HEAD_START.saturating_add(micros(origin.elapsed())),
            Self::Manual(clock) => clock.mono.load(Ordering::SeqCst),
        };
        earlier.later(Duration::from_micros(mono.saturating_sub(earlier.mono)))
    }
}

/// A clock that a test moves.
#[derive(Debug)]
pub struct ManualClock {
    wall: AtomicI64,
    mono: AtomicU64,
}

impl ManualClock {
    /// Starts at `unix_seconds` on the wall.
    pub fn at(unix_seconds: i64) -> Arc<Self> {
        Arc::new(Self {
            wall: AtomicI64::new(unix_seconds * 1000),
            mono: AtomicU64::new(HEAD_START),
        })
    }

    /// Time passes.
    pub fn advance(&self, by: Duration) {
        self.mono.fetch_add(micros(by), Ordering::SeqCst);
        self.wall.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Somebody sets the wall clock, forwards or back; no time passes.
    pub fn set_wall(&self, by_seconds: i64) {
        self.wall.fetch_add(by_seconds * 1000, Ordering::SeqCst);
    }
}
