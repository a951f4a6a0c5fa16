//! Whose turn it is.

use super::{Balance, UpstreamSettings};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The order in which servers take turns: each as often as its weight says, well mixed.
#[derive(Debug)]
pub struct Turns {
    balance: Balance,
    order: Vec<usize>,
    next: AtomicUsize,
}

impl Turns {
    pub fn new(settings: &UpstreamSettings) -> Self {
        let weights: Vec<i64> =
            settings.servers.iter().map(|server| i64::from(server.weight.max(1))).collect();
        Self { balance: settings.balance, order: smooth(&weights), next: AtomicUsize::new(0) }
    }

    /// A place in the order, for a request to start from.
    pub fn take(&self) -> usize {
        match self.balance {
            Balance::RoundRobin => self.next.fetch_add(1, Ordering::Relaxed),
            Balance::Random => rand::random_range(0..self.order.len().max(1)),
        }
    }

    /// The servers from that place on, each once: the first one, then those for further attempts.
    pub fn from(&self, place: usize) -> impl Iterator<Item = usize> {
        let length = self.order.len();
        let at = move |step: usize| self.order[place.wrapping_add(step) % length];
        (0..length)
            .map(move |step| (step, at(step)))
            .filter(move |&(step, server)| (0..step).all(|earlier| at(earlier) != server))
            .map(|(_, server)| server)
    }
}

/// Smooth weighted round robin: 5, 1, 1 gives a a b a c a a.
fn smooth(weights: &[i64]) -> Vec<usize> {
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    let weights: Vec<i64> = weights.iter().map(|weight| weight / divisor).collect();
    let total: i64 = weights.iter().sum();
    let mut current = vec![0; weights.len()];
    let mut order = Vec::new();
    for _ in 0..total {
        for (current, weight) in current.iter_mut().zip(&weights) {
            *current += weight;
        }
        // the first of the largest
        if let Some(turn) = (0..current.len()).rev().max_by_key(|&server| current[server]) {
            current[turn] -= total;
            order.push(turn);
        }
    }
    order
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_shares_and_well_mixed() {
        assert_eq!(smooth(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(smooth(&[1, 1, 1]), [0, 1, 2]);
        assert_eq!(smooth(&[100, 200]), [1, 0, 1]);
        assert_eq!(smooth(&[7]), [0]);
    }

    #[test]
    fn further_attempts_go_to_other_servers() {
        let turns = Turns {
            balance: Balance::RoundRobin,
            order: smooth(&[2, 1, 1]),
            next: AtomicUsize::new(0),
        };
        for place in 0..8 {
            let mut servers: Vec<_> = turns.from(place).collect();
            assert_eq!(servers.first(), turns.order.get(place % 4));
            servers.sort_unstable();
            assert_eq!(servers, [0, 1, 2]);
        }
    }
}
