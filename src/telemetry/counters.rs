//! Counters that a request finds without a lock and without spelling out their labels. There are
//! no series, and next to no memory, before the first event.

use super::contended::{Counter, CounterVec};
use arc_swap::ArcSwapOption;
use std::sync::Arc;

/// One metric of one route or upstream: its counters by the remaining labels. Few combinations are
/// in use, so they are looked through in order.
pub struct CounterFamily<K> {
    all: CounterVec,
    used: ArcSwapOption<Vec<(K, Counter)>>,
}

impl<K: Copy + PartialEq> CounterFamily<K> {
    pub fn in_metric(all: &CounterVec) -> Self {
        Self { all: all.clone(), used: ArcSwapOption::empty() }
    }

    /// Counts one. `labels` spells them out, the first time that `key` comes.
    pub fn count(&self, key: K, labels: impl FnOnce(&CounterVec) -> Counter) {
        let used = self.used.load();
        let known = used.iter().flat_map(|used| used.iter()).find(|(used, _)| *used == key);
        if let Some((_, counter)) = known {
            return counter.inc();
        }
        let counter = labels(&self.all);
        counter.inc();
        self.used.rcu(|used| {
            let known = used.iter().flat_map(|used| used.iter()).cloned();
            Some(Arc::new(known.chain([(key, counter.clone())]).collect::<Vec<_>>()))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::Opts;

    #[test]
    fn every_key_has_its_counter() {
        let Ok(all) = CounterVec::new(Opts::new("n", "n"), &["code"]) else { return };
        let counters = CounterFamily::in_metric(&all);
        for code in [200, 404, 200, 200, 500] {
            counters.count(code, |all| all.with_label_values(&[&code.to_string()]));
        }
        assert_eq!(
            ["200", "404", "500"].map(|code| all.with_label_values(&[code]).get()),
            [3, 1, 1]
        );
    }
}
