//! How long an answer lives. Ages are reckoned on the monotonic clock, so that a wall clock that
//! jumps back keeps nothing alive.

use super::CacheSettings;
use crate::clock::{Now, micros};
use std::time::Duration;

/// Monotonic microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    pub stored: u64,
    /// Up to here the answer is as good as new.
    pub fresh_until: u64,
    /// From here on a hit asks again in the background.
    pub refresh_from: u64,
    /// Up to here it may serve while the server fails.
    pub dead_at: u64,
}

impl Lifetime {
    /// Of an active answer that arrived `now`; `jitter` (0 to 1) spreads refreshes of tokens that
    /// arrived together. `exp` is in seconds since the Unix epoch and ends everything.
    pub fn of_active(now: Now, exp: Option<i64>, settings: &CacheSettings, jitter: f64) -> Self {
        Self::of_aged(now, Duration::ZERO, exp, settings, jitter)
    }

    /// Of an active answer that arrived that long before `now`, at another gateway: it lives no
    /// longer than if it had arrived here then.
    pub fn of_aged(
        now: Now,
        age: Duration,
        exp: Option<i64>,
        settings: &CacheSettings,
        jitter: f64,
    ) -> Self {
        let age = micros(age);
        let stored = now.mono.saturating_sub(age);
        let until_exp = exp.map_or(u64::MAX, |exp| {
            let millis_left = exp.saturating_mul(1000).saturating_sub(now.wall);
            u64::try_from(millis_left).unwrap_or(0).saturating_mul(1000).saturating_add(age)
        });
        let fresh = micros(settings.ttl).min(until_exp);
        let dead = fresh.saturating_add(micros(settings.stale_if_error)).min(until_exp);
        Self {
            stored,
            fresh_until: stored.saturating_add(fresh),
            refresh_from: stored.saturating_add(refresh_after(
                fresh,
                settings.refresh_ahead,
                jitter,
            )),
            // with a ttl of zero nothing is ever kept, not even for an outage
            dead_at: stored.saturating_add(if fresh == 0 { 0 } else { dead }),
        }
    }

    pub fn is_fresh(&self, now: Now) -> bool {
        now.mono < self.fresh_until
    }

    pub fn is_dead(&self, now: Now) -> bool {
        now.mono >= self.dead_at
    }

    /// Microseconds since the answer arrived.
    pub fn age(&self, now: Now) -> u64 {
        now.mono.saturating_sub(self.stored)
    }
}

/// At `share` of the life, or up to a tenth of that later.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a share of a ttl
fn refresh_after(fresh: u64, share: f64, jitter: f64) -> u64 {
    if share <= 0.0 {
        return u64::MAX;
    }
    (fresh as f64 * share * (1.0 + 0.1 * jitter)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::HEAD_START;

    const NOW: Now = Now { wall: 1_000_000, mono: HEAD_START };

    fn settings(ttl: u64, stale: u64) -> CacheSettings {
        CacheSettings {
            max_entries: 10,
            ttl: Duration::from_secs(ttl),
            inactive_ttl: Duration::from_secs(10),
            inactive_max_entries: 10,
            refresh_ahead: 0.8,
            stale_if_error: Duration::from_secs(stale),
            guard: None,
        }
    }

    fn life(exp: Option<i64>, ttl: u64, stale: u64) -> (u64, u64) {
        let life = Lifetime::of_active(NOW, exp, &settings(ttl, stale), 0.0);
        ((life.fresh_until - HEAD_START) / 1000, (life.dead_at - HEAD_START) / 1000)
    }

    #[test]
    fn exp_ends_everything() {
        assert_eq!(life(None, 60, 0), (60_000, 60_000));
        assert_eq!(life(None, 60, 30), (60_000, 90_000));
        assert_eq!(life(Some(1010), 60, 30), (10_000, 10_000));
        assert_eq!(life(Some(1070), 60, 30), (60_000, 70_000));
        for exp in [1000, 999, 0, -5, i64::MIN] {
            assert_eq!(life(Some(exp), 60, 30), (0, 0), "{exp}");
        }
        assert_eq!(life(Some(i64::MAX), 60, 30), (60_000, 90_000));
        assert_eq!(life(None, 0, 30), (0, 0));
    }

    /// Whatever happens on the way, the whole life is that of one answer.
    #[test]
    fn what_another_gateway_heard_lives_no_longer_than_there() {
        let seconds = Duration::from_secs;
        for (exp, ttl, stale) in [
            (None, 60, 0),
            (None, 60, 30),
            (Some(1010), 60, 30),
            (Some(1070), 60, 30),
            (Some(999), 60, 30),
            (None, 0, 30),
        ] {
            for age in [0, 1, 9, 10, 59, 60, 75, 89, 90, 10_000] {
                let then = Now {
                    wall: NOW.wall - age * 1000,
                    mono: NOW.mono - micros(seconds(age.unsigned_abs())),
                };
                let (settings, age) = (settings(ttl, stale), seconds(age.unsigned_abs()));
                let (there, here) = (
                    Lifetime::of_active(then, exp, &settings, 0.0),
                    Lifetime::of_aged(NOW, age, exp, &settings, 0.0),
                );
                let case = format!("{exp:?} {ttl} {stale} {age:?}");
                assert_eq!(there.stored, here.stored, "{case}");
                assert_eq!(
                    (there.is_fresh(NOW), there.is_dead(NOW)),
                    (here.is_fresh(NOW), here.is_dead(NOW)),
                    "{case}"
                );
                assert!(
                    here.fresh_until <= there.fresh_until.max(NOW.mono)
                        && here.dead_at <= there.dead_at.max(NOW.mono),
                    "{case}"
                );
            }
        }
    }

    #[test]
    fn refreshes_start_late_and_apart() {
        let from = |jitter, share| {
            let settings = CacheSettings { refresh_ahead: share, ..settings(100, 0) };
            Lifetime::of_active(NOW, None, &settings, jitter).refresh_from
        };
        assert_eq!(
            (from(0.0, 0.8), from(1.0, 0.8)),
            (HEAD_START + 80_000_000, HEAD_START + 88_000_000)
        );
        assert_eq!(from(0.5, 0.0), u64::MAX);
    }
}
