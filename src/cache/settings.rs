//! Settings of the cache.

use std::time::Duration;

/// `cache`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CacheSettings {
    /// Active answers kept at most.
    pub max_entries: usize,
    /// How long an active answer may be reused; zero: never.
    pub ttl: Duration,
    /// How long an inactive answer is reused; zero: never.
    pub inactive_ttl: Duration,
    /// Inactive answers kept at most, in a budget of their own.
    pub inactive_max_entries: usize,
    /// A hit past this share of an entry's life asks again in the background; 0 turns it off.
    pub refresh_ahead: f64,
    /// How long past its ttl an active answer may serve while the server fails.
    pub stale_if_error: Duration,
    /// Off unless written.
    pub guard: Option<GuardSettings>,
}

/// `cache.guard`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GuardSettings {
    /// Introspections of tokens that were never seen which one client address may cause…
    pub misses: u32,
    /// …within this time.
    pub window: Duration,
}
