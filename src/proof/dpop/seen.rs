//! Proofs that were used, so that each is good once (RFC 9449 §11.1).

use super::OnceOnly;
use crate::token::DigestHasher;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The memory of one process. Its size is bounded: when it is full of proofs that are still good,
/// a new one is refused, since nothing would notice its replay.
#[derive(Debug)]
pub struct Seen {
    shards: Vec<Mutex<SeenShard>>,
    /// Proofs that one shard holds at most.
    limit: usize,
}

/// The digests of proofs, and the second at which each is forgotten.
#[derive(Debug, Default)]
struct SeenShard {
    proofs: HashMap<[u8; 16], u32, DigestHasher>,
    /// Forgetting is due at this size: twice the size after the last run, so that each proof is
    /// looked at a constant number of times.
    due: usize,
}

/// A proof that was used, for another process of this gateway.
#[derive(Debug, Serialize, Deserialize)]
pub struct HandedProof {
    shard: usize,
    id: [u8; 16],
    /// The second at which it is forgotten.
    until: u32,
}

/// The answer to the claim of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is the first.
    First,
    Replayed,
    /// The memory for proofs is full.
    Full,
}

const SHARDS: usize = 16;

/// Two million proofs: with the usual window of a minute and proofs made just now, that is 17,000
/// requests a second; 90 MB when it is full.
const LIMIT: usize = 2 << 20;

/// Below this number of proofs nothing is forgotten.
const SMALLEST: usize = 1024;

impl Default for Seen {
    fn default() -> Self {
        Self::with_limit(LIMIT)
    }
}

impl Seen {
    fn with_limit(limit: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, limit: limit / SHARDS }
    }

    /// Notes a proof, unless it is noted already. `now`: seconds since the Unix epoch. Of several
    /// requests with one proof, however close together, one is the first.
    pub fn claim(&self, once: &OnceOnly, now: i64) -> Claim {
        let (Some(id), Some(last)) =
            (once.id.as_bytes().first_chunk::<16>(), once.id.as_bytes().last())
        else {
            return Claim::Full; // unreachable: a digest has 32 bytes
        };
        let Some(shard) = self.shards.get(usize::from(*last) % SHARDS) else { return Claim::Full };
        let mut shard = shard.lock();
        if shard.proofs.get(id).is_some_and(|forgotten_at| i64::from(*forgotten_at) > now) {
            return Claim::Replayed;
        }
        if shard.proofs.len() >= shard.due.clamp(SMALLEST.min(self.limit), self.limit) {
            shard.proofs.retain(|_, forgotten_at| i64::from(*forgotten_at) > now);
            shard.due = shard.proofs.len() * 2;
            if shard.proofs.len() >= self.limit {
                return Claim::Full;
            }
        }
        let forgotten_at = u32::try_from(once.forgotten_at).unwrap_or(u32::MAX);
        shard.proofs.insert(*id, forgotten_at);
        Claim::First
    }

    /// The proofs that are not forgotten yet. `now`: seconds since the Unix epoch.
    pub fn hand_over(&self, now: i64) -> Vec<HandedProof> {
        let shards = self.shards.iter().enumerate();
        shards
            .flat_map(|(number, shard)| {
                let shard = shard.lock();
                let good = shard.proofs.iter().filter(|(_, until)| i64::from(**until) > now);
                good.map(|(id, until)| HandedProof { shard: number, id: *id, until: *until })
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    /// Notes the proofs that another process of this gateway has seen.
    pub fn take_over(&self, proofs: Vec<HandedProof>) {
        for HandedProof { shard, id, until } in proofs {
            if let Some(shard) = self.shards.get(shard) {
                shard.lock().proofs.insert(id, until);
            }
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().proofs.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::DigestKey;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn once(key: &DigestKey, id: usize, forgotten_at: i64) -> OnceOnly {
        OnceOnly { id: key.digest(&id.to_string()), forgotten_at }
    }

    #[test]
    fn a_proof_is_first_once() {
        let (key, seen) = (DigestKey::random(), Seen::default());
        assert_eq!(seen.claim(&once(&key, 1, 100), 50), Claim::First);
        assert_eq!(seen.claim(&once(&key, 1, 100), 50), Claim::Replayed);
        assert_eq!(seen.claim(&once(&key, 1, 100), 99), Claim::Replayed);
        assert_eq!(seen.claim(&once(&key, 2, 100), 50), Claim::First);
    }

    #[test]
    fn a_proof_that_another_process_has_seen_is_a_replay() {
        let (key, old, new) = (DigestKey::random(), Seen::default(), Seen::default());
        assert_eq!(old.claim(&once(&key, 1, 100), 50), Claim::First);
        assert_eq!(old.claim(&once(&key, 2, 60), 50), Claim::First);
        let handed = old.hand_over(70);
        assert_eq!(handed.len(), 1);
        new.take_over(handed);
        assert_eq!(new.claim(&once(&key, 1, 100), 70), Claim::Replayed);
    }

    #[test]
    fn of_many_at_once_one_is_the_first() {
        let (key, seen) = (DigestKey::random(), Seen::default());
        let firsts = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for id in 0..1000 {
                        if seen.claim(&once(&key, id, 100), 50) == Claim::First {
                            firsts.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(firsts.into_inner(), 1000);
    }

    #[test]
    fn memory_is_bounded_and_a_full_one_refuses() {
        let (key, seen) = (DigestKey::random(), Seen::with_limit(16 * SHARDS));
        let claims: Vec<Claim> =
            (0..10_000).map(|id| seen.claim(&once(&key, id, 100), 50)).collect();
        assert_eq!(seen.len(), 16 * SHARDS);
        assert_eq!(claims.iter().filter(|claim| **claim == Claim::First).count(), 16 * SHARDS);
        assert!(!claims.contains(&Claim::Replayed));
        assert_eq!(seen.claim(&once(&key, 0, 100), 50), Claim::Replayed, "none is forgotten early");
        assert_eq!(seen.claim(&once(&key, 20_000, 200), 100), Claim::First, "all others are over");
    }

    #[test]
    fn proofs_that_are_over_are_forgotten() {
        let (key, seen) = (DigestKey::random(), Seen::default());
        for id in 0..200_000_usize {
            let now = i64::try_from(id / 1000).unwrap_or_default();
            assert_eq!(seen.claim(&once(&key, id, now + 10), now), Claim::First);
        }
        assert!(seen.len() < 16 * 2 * 2048, "{}", seen.len());
    }
}
