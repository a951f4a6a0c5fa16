//! Log lines about things that happen often: one a minute for each kind.

use crate::clock::Mono;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use std::time::Duration;

/// Remembers when each kind of event was last logged.
#[derive(Debug, Default)]
pub struct Occasionally(DashMap<&'static str, Logged>);

#[derive(Debug)]
struct Logged {
    at: Mono,
    skipped: u64,
}

const MINUTE: Duration = Duration::from_secs(60);

/// Events of one kind that were not logged since the last line about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped(u64);

impl Skipped {
    /// As a field of a log line, which is left out when there are none.
    pub fn count(self) -> Option<u64> {
        if self.0 > 0 { Some(self.0) } else { None }
    }
}

impl Occasionally {
    /// Whether to log an event of this kind that happens `now`, and how many of its kind were not
    /// logged since the last line.
    pub fn now(&self, kind: &'static str, now: Mono) -> Option<Skipped> {
        let mut logged = match self.0.entry(kind) {
            Entry::Vacant(place) => {
                place.insert(Logged { at: now, skipped: 0 });
                return Some(Skipped(0));
            }
            Entry::Occupied(logged) => logged.into_ref(),
        };
        if now - logged.at < MINUTE {
            logged.skipped += 1;
            return None;
        }
        let skipped = Skipped(logged.skipped);
        *logged = Logged { at: now, skipped: 0 };
        Some(skipped)
    }

    /// The trouble is over, and the next event of any kind is logged. Whether there was any.
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
    fn once_a_minute_with_the_count_of_those_not_logged() {
        let log = Occasionally::default();
        let at = |micros| Mono::START + Duration::from_micros(micros);
        assert_eq!(log.now("a", at(0)), Some(Skipped(0)));
        assert_eq!(
            (log.now("a", at(1)), log.now("a", at(59_999_999)), log.now("b", at(2))),
            (None, None, Some(Skipped(0)))
        );
        assert_eq!(log.now("a", at(60_000_000)), Some(Skipped(2)));
        assert!(log.over() && !log.over());
        assert_eq!(log.now("a", at(60_000_001)).map(Skipped::count), Some(None));
    }
}
