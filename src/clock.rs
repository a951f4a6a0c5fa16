//! The clock is passed in, so that expiry is tested without sleeping.

use std::ops::{Add, Sub};
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
    /// Of the monotonic clock.
    pub mono: Mono,
}

/// A moment on the monotonic clock, to the microsecond. It never goes back, and has no meaning
/// outside this process.
///
/// Arithmetic saturates: a moment is never before [`Mono::ZERO`] nor after [`Mono::NEVER`], and no
/// time passes between two moments that are in the other order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mono(u64);

impl Mono {
    /// Before every reading of the clock.
    pub const ZERO: Self = Self(0);
    /// After every reading of the clock.
    pub const NEVER: Self = Self(u64::MAX);
    /// When the process started. 25 days after [`Mono::ZERO`], so that an answer which another
    /// process received before this one started has its place in time too.
    pub const START: Self = Self(1 << 41);
}

/// That long after this moment.
impl Add<Duration> for Mono {
    type Output = Self;

    fn add(self, passed: Duration) -> Self {
        Self(self.0.saturating_add(micros(passed)))
    }
}

/// That long before this moment.
impl Sub<Duration> for Mono {
    type Output = Self;

    fn sub(self, passed: Duration) -> Self {
        Self(self.0.saturating_sub(micros(passed)))
    }
}

/// The time from another moment to this one.
impl Sub for Mono {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// A moment that several threads read and set.
#[derive(Debug)]
pub struct AtomicMono(AtomicU64);

impl AtomicMono {
    pub fn new(moment: Mono) -> Self {
        Self(AtomicU64::new(moment.0))
    }

    pub fn load(&self) -> Mono {
        Mono(self.0.load(Ordering::Relaxed))
    }

    pub fn store(&self, moment: Mono) {
        self.0.store(moment.0, Ordering::Relaxed);
    }

    /// Replaces `from` by `to`. False when another thread was faster.
    pub fn replace(&self, from: Mono, to: Mono) -> bool {
        self.0.compare_exchange(from.0, to.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl Now {
    /// Whole seconds since the Unix epoch.
    pub fn unix_seconds(self) -> i64 {
        self.wall.div_euclid(1000)
    }

    /// Since the process started.
    pub fn uptime(self) -> Duration {
        self.mono - Mono::START
    }

    /// The reading that this one becomes when so much time passes.
    pub fn later(self, passed: Duration) -> Self {
        let millis = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
        Self { wall: self.wall.saturating_add(millis), mono: self.mono + passed }
    }

    /// Time between two readings; none when they are in the other order.
    pub fn since(self, earlier: Self) -> Duration {
        self.mono - earlier.mono
    }
}

/// Microseconds of a duration, saturating.
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// The source of time: real, or moved by a test.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The system's clocks; `origin` is the zero of the monotonic one.
    System {
        /// The zero of [`Mono`].
        origin: Instant,
    },
    /// A clock that is stopped until a test moves it.
    Manual(Arc<ManualClock>),
}

impl Clock {
    /// The system's clocks.
    pub fn system() -> Self {
        Self::System { origin: Instant::now() }
    }

    /// The time of both clocks, read once.
    #[allow(clippy::disallowed_methods)] // the one place that reads the system's clock
    pub fn now(&self) -> Now {
        match self {
            Self::System { origin } => {
                let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Now {
                    wall: i64::try_from(wall.as_millis()).unwrap_or(i64::MAX),
                    mono: Mono::START + origin.elapsed(),
                }
            }
            Self::Manual(clock) => Now {
                wall: clock.wall.load(Ordering::SeqCst),
                mono: Mono(clock.mono.load(Ordering::SeqCst)),
            },
        }
    }

    /// A reading that follows `earlier` closely: half the price, since the wall clock is taken to
    /// have gone on from there.
    pub fn after(&self, earlier: Now) -> Now {
        let mono = match self {
            Self::System { origin } => Mono::START + origin.elapsed(),
            Self::Manual(clock) => Mono(clock.mono.load(Ordering::SeqCst)),
        };
        earlier.later(mono - earlier.mono)
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
            mono: AtomicU64::new(Mono::START.0),
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
