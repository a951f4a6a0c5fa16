//! How long an answer lives. Ages are reckoned on the monotonic clock, so that a wall clock that
//! jumps back keeps nothing alive.

use super::CacheSettings;
use crate::clock::{Mono, Now};
use std::time::Duration;

/// From the arrival of an answer to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// When the answer arrived.
    pub stored: Mono,
    /// Up to here the answer is as good as new.
    pub fresh_until: Mono,
    /// From here on a hit asks again in the background.
    pub refresh_from: Mono,
    /// Up to here it may serve while the server fails.
    pub dead_at: Mono,
    /// `exp`; [`Mono::NEVER`] without one.
    pub expires_at: Mono,
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
        let stored = now.mono - age;
        let until_exp = exp.map_or(Duration::MAX, |exp| {
            let millis_left = exp.saturating_mul(1000).saturating_sub(now.wall);
            Duration::from_millis(u64::try_from(millis_left).unwrap_or(0)).saturating_add(age)
        });
        let fresh = settings.ttl.min(until_exp);
        let dead = fresh.saturating_add(settings.stale_if_error).min(until_exp);
        Self {
            stored,
            fresh_until: stored + fresh,
            refresh_from: refresh_after(fresh, settings.refresh_ahead, jitter)
                .map_or(Mono::NEVER, |after| stored + after),
            // with a ttl of zero nothing is ever kept, not even for an outage
            dead_at: if fresh.is_zero() { stored } else { stored + dead },
            expires_at: if exp.is_some() { stored + until_exp } else { Mono::NEVER },
        }
    }

    /// Whether the answer may be used as it is.
    pub fn is_fresh(&self, now: Now) -> bool {
        now.mono < self.fresh_until
    }

    /// Whether the answer may not be used any more, not even while the server fails.
    pub fn is_dead(&self, now: Now) -> bool {
        now.mono >= self.dead_at
    }

    /// Time since the answer arrived.
    pub fn age(&self, now: Now) -> Duration {
        now.mono - self.stored
    }
}

/// At `share` of the life, or up to a tenth of that later; `None`: never.
fn refresh_after(fresh: Duration, share: f64, jitter: f64) -> Option<Duration> {
    if share <= 0.0 {
        return None;
    }
    Duration::try_from_secs_f64(fresh.as_secs_f64() * share * (1.0 + 0.1 * jitter)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Now = Now { wall: 1_000_000, mono: Mono::START };

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

    /// Milliseconds.
    fn life(exp: Option<i64>, ttl: u64, stale: u64) -> (u128, u128) {
        let life = Lifetime::of_active(NOW, exp, &settings(ttl, stale), 0.0);
        let since_start = |moment: Mono| (moment - Mono::START).as_millis();
        (since_start(life.fresh_until), since_start(life.dead_at))
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

    /// In all cases the whole life is that of one answer.
    #[test]
    fn an_answer_of_another_gateway_lives_no_longer_than_there() {
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
                    mono: NOW.mono - seconds(age.unsigned_abs()),
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
            (Mono::START + Duration::from_secs(80), Mono::START + Duration::from_secs(88))
        );
        assert_eq!(from(0.5, 0.0), Mono::NEVER);
    }
}
