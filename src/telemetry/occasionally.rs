//! A log line a minute, not one a request.

use dashmap::DashMap;

/// Remembers when each kind of event was last told.
#[derive(Debug, Default)]
pub struct Occasionally(DashMap<&'static str, Told>);

#[derive(Debug)]
struct Told {
    at: u64,
    since: u64,
}

const MINUTE: u64 = 60_000_000;

impl Occasionally {
    /// Whether to tell of this event now (monotonic microseconds); if so, how many of its kind
    /// went untold since the last time.
    pub fn now(&self, kind: &'static str, now: u64) -> Option<u64> {
        let mut told = self.0.entry(kind).or_insert(Told { at: u64::MAX, since: 0 });
        if told.at != u64::MAX && now.saturating_sub(told.at) < MINUTE {
            told.since += 1;
            return None;
        }
        let untold = told.since;
        *told = Told { at: now, since: 0 };
        Some(untold)
    }

    /// The trouble is over: the next event of any kind is news. Whether there was any.
    pub fn over(&self) -> bool {
        let trouble = !self.0.is_empty();
        if trouble {
            self.0.clear();
        }
        trouble
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_a_minute_with_the_count_of_the_untold() {
        let log = Occasionally::default();
        assert_eq!(log.now("a", 0), Some(0));
        assert_eq!(
            (log.now("a", 1), log.now("a", 59_999_999), log.now("b", 2)),
            (None, None, Some(0))
        );
        assert_eq!(log.now("a", 60_000_000), Some(2));
        assert!(log.over() && !log.over());
        assert_eq!(log.now("a", 60_000_001), Some(0));
    }
}
