//! The choice of a server.

use super::{Balance, UpstreamSettings};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The servers of one upstream, in the order in which they take turns.
#[derive(Debug)]
pub struct Turns {
    balance: Balance,
    weights: Vec<u32>,
    /// Of each server: a hash of its URL, so that gateways agree about [`Balance::Hash`] with any
    /// order of servers.
    seeds: Vec<u64>,
    order: Vec<usize>,
    next: AtomicUsize,
}

/// Where a request begins in the order of servers; the same for all its attempts.
#[derive(Clone, Copy, Debug)]
pub enum FirstServer {
    Place(usize),
    Key(u64),
    LeastLoaded,
}

impl Default for FirstServer {
    fn default() -> Self {
        Self::Place(0)
    }
}

impl Turns {
    pub fn new(settings: &UpstreamSettings) -> Self {
        let weights: Vec<u32> =
            settings.servers.iter().map(|server| server.weight.max(1)).collect();
        let order = smooth(&weights.iter().copied().map(i64::from).collect::<Vec<_>>());
        let seeds = settings.servers.iter().map(|server| hash(server.label.as_bytes())).collect();
        Self { balance: settings.balance, weights, seeds, order, next: AtomicUsize::new(0) }
    }

    /// The turn of a new request. `key` is the request's own for [`Balance::Hash`], read only there.
    pub fn take<'k>(&self, key: impl FnOnce() -> &'k [u8]) -> FirstServer {
        match self.balance {
            // a count of turns would be written by every request
            _ if self.weights.len() <= 1 => FirstServer::Place(0),
            Balance::RoundRobin => FirstServer::Place(self.next.fetch_add(1, Ordering::Relaxed)),
            Balance::Random => FirstServer::Place(rand::random_range(0..self.order.len().max(1))),
            Balance::LeastConnections => FirstServer::LeastLoaded,
            Balance::Hash(_) => FirstServer::Key(hash(key())),
        }
    }

    /// The server for an attempt: the first in the turn's order that `fits`. `load` is a server's
    /// number of requests in flight.
    pub fn choose(
        &self,
        turn: FirstServer,
        fits: impl Fn(usize) -> bool,
        load: impl Fn(usize) -> usize,
    ) -> Option<usize> {
        let fitting = || (0..self.weights.len()).filter(|&server| fits(server));
        match turn {
            FirstServer::Place(place) => {
                let length = self.order.len();
                let at = |step: usize| self.order.get(place.wrapping_add(step) % length).copied();
                (0..length).filter_map(at).find(|&server| fits(server))
            }
            FirstServer::Key(key) => {
                let score =
                    |server: &usize| rendezvous(key ^ self.seeds[*server], self.weights[*server]);
                fitting().max_by(|one, other| score(one).total_cmp(&score(other)))
            }
            FirstServer::LeastLoaded => {
                let relative =
                    |server: &usize| load(*server) as f64 / f64::from(self.weights[*server]);
                // equals take turns, so that an idle upstream does not always ask its first server
                let from = self.next.fetch_add(1, Ordering::Relaxed);
                let length = self.weights.len();
                let rotated = (0..length).map(|step| from.wrapping_add(step) % length);
                rotated
                    .filter(|&server| fits(server))
                    .min_by(|one, other| relative(one).total_cmp(&relative(other)))
            }
        }
    }
}

/// A server's score for a key (weighted rendezvous hashing, Schindelhauer and Schomaker 2005): the
/// highest one wins, and each server wins in proportion to its weight.
fn rendezvous(mixed: u64, weight: u32) -> f64 {
    let bits = splitmix(mixed) >> 11;
    let unit = (bits as f64 + 0.5) / (1u64 << 53) as f64;
    -f64::from(weight) / unit.ln()
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): every input bit changes half of the
/// output bits.
fn splitmix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn hash(bytes: &[u8]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *blake3::hash(bytes).as_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
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
    use crate::upstream::HashKey;

    fn turns(balance: Balance, weights: &[u32]) -> Turns {
        let seeds = (0..weights.len()).map(|n| hash(format!("http://{n}").as_bytes())).collect();
        let order = smooth(&weights.iter().copied().map(i64::from).collect::<Vec<_>>());
        Turns { balance, weights: weights.to_vec(), seeds, order, next: AtomicUsize::new(0) }
    }

    #[test]
    fn weights_are_shares_and_well_mixed() {
        assert_eq!(smooth(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(smooth(&[1, 1, 1]), [0, 1, 2]);
        assert_eq!(smooth(&[100, 200]), [1, 0, 1]);
        assert_eq!(smooth(&[7]), [0]);
    }

    #[test]
    fn further_attempts_go_to_other_servers() {
        let turns = turns(Balance::RoundRobin, &[2, 1, 1]);
        for place in 0..8 {
            let mut tried = Vec::new();
            while let Some(server) =
                turns.choose(FirstServer::Place(place), |server| !tried.contains(&server), |_| 0)
            {
                tried.push(server);
            }
            assert_eq!(tried.first(), turns.order.get(place % 4));
            tried.sort_unstable();
            assert_eq!(tried, [0, 1, 2]);
        }
    }

    #[test]
    fn the_least_loaded_server_for_its_weight_is_chosen() {
        let turns = turns(Balance::LeastConnections, &[1, 2]);
        for (loads, chosen) in [([0, 1], 0), ([1, 1], 1), ([1, 3], 0), ([2, 3], 1)] {
            assert_eq!(
                turns.choose(FirstServer::LeastLoaded, |_| true, |n| loads[n]),
                Some(chosen)
            );
        }
        let equal: Vec<_> = (0..4)
            .filter_map(|_| turns.choose(FirstServer::LeastLoaded, |_| true, |_| 0))
            .collect();
        assert!(equal.contains(&0) && equal.contains(&1), "{equal:?}");
    }

    /// A key stays with its server; without that server only its keys move.
    #[test]
    fn removing_a_server_moves_its_own_keys_alone() {
        let turns = turns(Balance::Hash(HashKey::Subject), &[1, 1, 1, 1]);
        let of = |n: usize, without: Option<usize>| {
            let key = FirstServer::Key(hash(format!("user-{n}").as_bytes()));
            turns.choose(key, |server| Some(server) != without, |_| 0)
        };
        let mut moved = 0;
        for n in 0..4000 {
            let (before, after) = (of(n, None), of(n, Some(2)));
            assert_eq!(before, of(n, None));
            if before != after {
                assert_eq!(before, Some(2));
                moved += 1;
            }
        }
        assert!((850..1150).contains(&moved), "{moved} of 4000 keys moved, 1000 are the share");
    }

    #[test]
    fn hashing_respects_weights() {
        let turns = turns(Balance::Hash(HashKey::ClientAddress), &[1, 3]);
        let second = (0..4000)
            .filter(|n| {
                let key = FirstServer::Key(hash(format!("{n}").as_bytes()));
                turns.choose(key, |_| true, |_| 0) == Some(1)
            })
            .count();
        assert!((2850..3150).contains(&second), "{second} of 4000, 3000 are the share");
    }
}
