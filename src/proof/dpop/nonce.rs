//! Nonces of this gateway (RFC 9449 §8): a minute and its keyed digest. Nothing is kept of them, so
//! that they survive a reload, and every gateway with the same key accepts those of the others.

use crate::clock::Now;
use crate::token::DigestKey;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Seconds for which the same nonce is handed out.
const SLOT: i64 = 60;

/// How many slots ago a nonce may have been handed out. One in the future is accepted, from a
/// gateway whose clock is ahead.
const OLDEST: i64 = 5;

#[derive(Clone, Debug)]
pub struct Nonces(DigestKey);

impl Nonces {
    pub fn new(key: &DigestKey) -> Self {
        Self(key.derive(["dpop nonce"]))
    }

    /// The nonce of this minute.
    pub fn issue(&self, now: Now) -> String {
        self.for_slot(now.unix_seconds().div_euclid(SLOT))
    }

    /// Whether a nonce is one of ours, handed out within the last five minutes.
    pub fn takes(&self, nonce: &str, now: Now) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(nonce) else { return false };
        let Some(slot) = bytes.first_chunk::<8>().map(|slot| i64::from_be_bytes(*slot)) else {
            return false;
        };
        let age = now.unix_seconds().div_euclid(SLOT).saturating_sub(slot);
        // not in constant time: each nonce is public as soon as it is handed out
        (-1..=OLDEST).contains(&age) && self.for_slot(slot) == nonce
    }

    fn for_slot(&self, slot: i64) -> String {
        let digest = self.0.digest(&slot.to_string());
        let (mac, _) = digest.as_bytes().split_at(16);
        URL_SAFE_NO_PAD.encode([&slot.to_be_bytes(), mac].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Mono;

    fn at(seconds: i64) -> Now {
        Now { wall: seconds * 1000, mono: Mono::ZERO }
    }

    #[test]
    fn a_nonce_is_good_for_minutes_and_for_gateways_with_the_same_key() {
        let key = DigestKey::random();
        let (one, other) = (Nonces::new(&key), Nonces::new(&key));
        let nonce = one.issue(at(6_000_000));
        assert_eq!(nonce, one.issue(at(6_000_059)));
        for (later, good) in [(0, true), (359, true), (360, false), (-60, true), (-61, false)] {
            assert_eq!(other.takes(&nonce, at(6_000_000 + later)), good, "{later}");
        }
        assert!(!Nonces::new(&DigestKey::random()).takes(&nonce, at(6_000_000)), "another key");
    }

    #[test]
    fn anything_else_is_no_nonce() {
        let nonces = Nonces::new(&DigestKey::random());
        let good = nonces.issue(at(0));
        for bad in ["", "x", &good[1..], &format!("{good}A"), &format!("{good}="), "AAAAAAAAAAA"] {
            assert!(!nonces.takes(bad, at(0)), "{bad}");
        }
        let forged = URL_SAFE_NO_PAD.encode([0; 24]);
        assert!(!nonces.takes(&forged, at(0)));
        let huge = URL_SAFE_NO_PAD.encode([0x80; 24]);
        assert!(!nonces.takes(&huge, at(i64::MAX / 1000)));
    }
}
