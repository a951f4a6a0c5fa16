//! A limit as the configuration describes it, and the rate that it amounts to.

use std::fmt;
use std::time::Duration;

/// `rate_limit` of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RateLimitSettings {
    /// Whose requests share a bucket.
    pub per: Per,
    /// The size of a bucket: so many requests may come at once. At least 1.
    pub requests: u32,
    /// An empty bucket is full again after this time. Longer than zero.
    pub window: Duration,
}

/// Whose requests share a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Per {
    /// Those of one `client_id`.
    ClientId,
    /// Those of one `sub`.
    Subject,
    /// Those of one IPv4 address, or of one IPv6 /64.
    ClientAddress,
    /// Those with one token.
    Token,
}

impl Per {
    /// As the configuration writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::ClientId => "client_id",
            Self::Subject => "sub",
            Self::ClientAddress => "client_ip",
            Self::Token => "token",
        }
    }
}

impl fmt::Display for RateLimitSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { per, requests, window } = self;
        write!(f, "{requests} requests in {window:?} per {}", per.word())
    }
}

/// A limit in the terms of the generic cell rate algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Nanoseconds in which a bucket gains one request, rounded up.
    pub(super) interval: u64,
    /// Nanoseconds in which an empty bucket is full.
    pub(super) depth: u64,
    requests: u32,
}

impl Rate {
    /// The rate of a limit.
    pub fn from_settings(settings: &RateLimitSettings) -> Self {
        let requests = settings.requests.max(1);
        let window = settings.window.as_nanos();
        let interval = u64::try_from(window.div_ceil(u128::from(requests))).unwrap_or(u64::MAX);
        let interval = interval.max(1);
        Self { interval, depth: interval.saturating_mul(requests.into()), requests }
    }

    /// The time in which a bucket gains one request.
    pub fn interval(self) -> Duration {
        Duration::from_nanos(self.interval)
    }

    /// The size of a bucket.
    pub fn requests(self) -> u32 {
        self.requests
    }
}
