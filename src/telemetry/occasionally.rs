//! Log lines about things that happen often: one a minute for each kind.

use crate::clock::Mono;
use parking_lot::Mutex;
use std::time::Duration;

/// Remembers when each kind of event was last logged. Every route has one: it takes no memory
/// before the first event, and a map with shards for each processor would take a kilobyte and more.
#[derive(Debug, Default)]
pub struct Occasionally(Mutex<Vec<Logged>>);

/// Kinds are few, so they are looked through in order.
#[derive(Debug)]
struct Logged {
    kind: &'static str,
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
        let mut all = self.0.lock();
        let Some(logged) = all.iter_mut().find(|logged| logged.kind == kind) else {
            all.push(Logged { kind, at: now, skipped: 0 });
            return Some(Skipped(0));
        };
        if now - logged.at < MINUTE {
            logged.skipped += 1;
            return None;
        }
        let skipped = Skipped(logged.skipped);
        *logged = Logged { kind, at: now, skipped: 0 };
        Some(skipped)
    }

    /// The trouble is over, and the next event of any kind is logged. Whether there was any.
    pub fn over(&self) -> bool {
        !std::mem::take(&mut *self.0.lock()).is_empty()
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
