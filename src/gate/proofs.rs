//! Proofs of possession that were used: each is good once, here and in the whole fleet.

use crate::cache::Shared;
use crate::clock::Now;
use crate::deny::{Denial, Reason};
use crate::proof::dpop::{Claim, Dpop, OnceOnly, Seen};
use http::HeaderValue;
use std::sync::Arc;

/// The memory of proofs.
pub struct Proofs {
    /// The rules for them.
    pub dpop: Arc<Dpop>,
    /// Those of this process.
    pub seen: Arc<Seen>,
    /// Those of the fleet, where there is a Redis.
    pub shared: Option<Arc<Shared>>,
}

const REPLAYED: &str = "The DPoP proof was used before.";
const FULL: &str = "Too many DPoP proofs are in use at the moment.";
const UNKNOWN: &str = "At the moment it is unknown whether the DPoP proof was used before.";

impl Proofs {
    /// The nonce for the next proof, where nonces are demanded.
    pub fn nonce(&self, now: Now) -> Option<HeaderValue> {
        self.dpop.nonce(now)
    }

    /// Claims a proof that is good otherwise. `required`: the route demands proofs, so that one is
    /// refused when Redis cannot say whether another gateway has seen it; elsewhere the memory of
    /// this process decides then.
    pub async fn claim(&self, proof: &OnceOnly, now: Now, required: bool) -> Result<(), Denial> {
        match self.seen.claim(proof, now.unix_seconds()) {
            Claim::First => {}
            Claim::Replayed => return Err(refused(REPLAYED)),
            Claim::Full => return Err(refused(FULL)),
        }
        let Some(shared) = &self.shared else { return Ok(()) };
        match shared.claim_once(&proof.id, proof.remembered_for(now)).await {
            Some(true) => Ok(()),
            Some(false) => Err(refused(REPLAYED)),
            None if required => Err(refused(UNKNOWN)),
            None => Ok(()),
        }
    }
}

fn refused(detail: &'static str) -> Denial {
    Denial::with_detail(Reason::BindingDpop, detail).with_error("invalid_dpop_proof")
}
