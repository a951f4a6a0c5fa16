//! Events that were taken: each counts once. One memory for the process, bounded; when it is full
//! the oldest is forgotten. Somebody who repeats that one makes the gateway ask again, no more;
//! not to take new ones would keep revoked tokens alive.

use crate::clock::Mono;
use parking_lot::Mutex;
use std::collections::{HashSet, VecDeque};

pub struct TakenEvents {
    held: Mutex<HeldEvent>,
    capacity: usize,
}

#[derive(Default)]
struct HeldEvent {
    known: HashSet<[u8; 32]>,
    /// In the order of taking, with the time until when each matters.
    order: VecDeque<(Mono, [u8; 32])>,
}

/// Some 120 bytes each, and only of events whose signature holds.
const CAPACITY: usize = 100_000;

impl Default for TakenEvents {
    fn default() -> Self {
        Self { held: Mutex::default(), capacity: CAPACITY }
    }
}

impl TakenEvents {
    /// It did not take effect everywhere: it counts as new when it comes again.
    pub fn forget(&self, id: &[u8; 32]) {
        let mut held = self.held.lock();
        if held.known.remove(id) {
            held.order.retain(|(_, held)| held != id);
        }
    }

    /// Whether this is the first time. It is remembered until then.
    pub fn first(&self, id: [u8; 32], until: Mono, now: Mono) -> bool {
        let mut held = self.held.lock();
        while held.order.front().is_some_and(|(until, _)| *until <= now) {
            held.forget_oldest();
        }
        if held.known.contains(&id) {
            return false;
        }
        if held.order.len() >= self.capacity {
            held.forget_oldest();
        }
        held.order.push_back((until, id));
        held.known.insert(id)
    }
}

impl HeldEvent {
    fn forget_oldest(&mut self) {
        if let Some((_, oldest)) = self.order.pop_front() {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64) -> Mono {
        Mono::START + Duration::from_secs(seconds)
    }

    #[test]
    fn each_counts_once_while_it_matters() {
        let taken = TakenEvents::default();
        assert_eq!(
            [(1, 10, 0), (2, 20, 0), (1, 10, 9), (2, 20, 9)].map(|(id, until, now)| taken.first(
                [id; 32],
                at(until),
                at(now)
            )),
            [true, true, false, false]
        );
        assert_eq!(
            [(1, 30, 10), (2, 20, 19), (2, 40, 20)].map(|(id, until, now)| taken.first(
                [id; 32],
                at(until),
                at(now)
            )),
            [true, false, true]
        );
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_goes_first() {
        let taken = TakenEvents { capacity: 3, ..TakenEvents::default() };
        assert!((0..100).all(|id| taken.first([id; 32], at(1000), at(0))));
        {
            let held = taken.held.lock();
            assert_eq!((held.order.len(), held.known.len()), (3, 3));
        }
        assert_eq!(
            (taken.first([99; 32], at(1000), at(0)), taken.first([0; 32], at(1000), at(0))),
            (false, true)
        );
    }
}
