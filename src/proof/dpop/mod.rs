//! DPoP (RFC 9449): a JWT that the client signs for one request with the key that its token is
//! bound to.

mod flaw;
mod key;
mod nonce;
mod parsed;
mod seen;
mod settings;
mod url;

pub use flaw::ProofFlaw;
pub use key::thumbprint;
pub use nonce::Nonces;
pub use seen::{Claim, HandedProof, Seen};
pub use settings::DpopSettings;
pub use url::HttpUrl;

use crate::clock::Now;
use crate::token::{AccessToken, DigestKey, Thumbprint, TokenDigest};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jsonwebtoken::crypto;
use parsed::ParsedProof;
use std::sync::Arc;
use std::time::Duration;

/// The header that carries a proof.
pub const DPOP: HeaderName = HeaderName::from_static("dpop");

/// Bytes of a proof. A proof with an RSA key of 4096 bits has 2 KiB.
const LONGEST: usize = 8 << 10;

/// The rules for proofs, and the keys that this gateway needs to check them.
#[derive(Clone, Debug)]
pub struct Dpop {
    settings: DpopSettings,
    nonces: Nonces,
    ids: DigestKey,
}

/// The request that a proof must be for.
pub struct Expected<'r> {
    /// Of the request.
    pub method: &'r Method,
    /// As the client used it, without query; `None` if it is unknown; then every proof fails.
    pub url: Option<&'r HttpUrl>,
    /// The access token that the proof is presented with.
    pub token: AccessToken<'r>,
    /// The time of the check.
    pub now: Now,
}

/// A proof that is good for its request, unless it was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Of the key that signed it (RFC 7638).
    pub thumbprint: Thumbprint,
    /// To be claimed.
    pub once: OnceOnly,
}

/// The part of a proof that may be used once: its key and its `jti`, as a keyed digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnceOnly {
    pub id: TokenDigest,
    /// From this second since the Unix epoch on, its `iat` alone refuses the proof, by the clock
    /// of each gateway that is less than `dpop.window` behind ours.
    pub forgotten_at: i64,
}

impl Dpop {
    /// `key` is the same in a fleet that shares a Redis: nonces and identifiers of proofs are
    /// derived from it.
    pub fn new(settings: DpopSettings, key: &DigestKey) -> Self {
        Self { settings, nonces: Nonces::new(key), ids: key.derive(["dpop jti"]) }
    }

    /// The algorithms that proofs may have, for challenges.
    pub fn algorithms(&self) -> &Arc<str> {
        &self.settings.names
    }

    /// `DPoP-Nonce` (RFC 9449 §8), where nonces are demanded.
    pub fn nonce(&self, now: Now) -> Option<HeaderValue> {
        match self.settings.nonce {
            true => HeaderValue::try_from(self.nonces.issue(now)).ok(),
            false => None,
        }
    }

    /// The one proof of a request, checked in the order of RFC 9449 §4.3: the cheapest check first,
    /// the signature last. The key is not compared with the token's yet.
    pub fn check(&self, headers: &HeaderMap, expected: &Expected<'_>) -> Result<Proof, ProofFlaw> {
        let mut lines = headers.get_all(&DPOP).iter();
        let line = match (lines.next(), lines.next()) {
            (None, _) => return Err(ProofFlaw::Missing),
            (Some(_), Some(_)) => return Err(ProofFlaw::Several),
            (Some(line), None) => line.as_bytes(),
        };
        if line.contains(&b',') {
            return Err(ProofFlaw::Several);
        }
        if line.len() > LONGEST {
            return Err(ProofFlaw::Malformed);
        }
        let proof =
            ParsedProof::parse(std::str::from_utf8(line).map_err(|_| ProofFlaw::Malformed)?)?;
        if !self.settings.algorithms.contains(&proof.algorithm) {
            return Err(ProofFlaw::Algorithm);
        }
        self.claims(&proof, expected)?;
        let key = key::parse(&proof.jwk, proof.algorithm)?;
        let signed = proof.signed.as_bytes();
        match crypto::verify(proof.signature, signed, &key.decoding, proof.algorithm) {
            Ok(true) => {}
            Ok(false) | Err(_) => return Err(ProofFlaw::Signature),
        }
        let id = self.ids.derive([key.thumbprint.as_bytes()]).digest(&proof.id);
        // twice the window: the clock of another gateway may be behind
        let forgotten_at = proof.issued_at.saturating_add(2 * self.window()).saturating_add(1);
        Ok(Proof { thumbprint: key.thumbprint, once: OnceOnly { id, forgotten_at } })
    }

    fn claims(&self, proof: &ParsedProof<'_>, expected: &Expected<'_>) -> Result<(), ProofFlaw> {
        if proof.method != expected.method.as_str() {
            return Err(ProofFlaw::Method);
        }
        let url = HttpUrl::parse(&proof.url);
        if url.is_none() || url.as_ref() != expected.url {
            return Err(ProofFlaw::Url);
        }
        let age = expected.now.unix_seconds().saturating_sub(proof.issued_at);
        if age.saturating_abs() > self.window() {
            return Err(ProofFlaw::Time);
        }
        match proof.token_hash.as_deref().and_then(Thumbprint::parse) {
            Some(hash) if hash == Thumbprint::hash(expected.token.expose().as_bytes()) => {}
            _ => return Err(ProofFlaw::TokenHash),
        }
        if self.settings.nonce
            && !proof.nonce.as_deref().is_some_and(|nonce| self.nonces.takes(nonce, expected.now))
        {
            return Err(ProofFlaw::Nonce);
        }
        Ok(())
    }

    fn window(&self) -> i64 {
        i64::try_from(self.settings.window.as_secs()).unwrap_or(i64::MAX / 4)
    }
}

impl OnceOnly {
    /// How long it must be remembered from now on.
    pub fn remembered_for(&self, now: Now) -> Duration {
        let seconds = self.forgotten_at.saturating_sub(now.unix_seconds()).max(1);
        Duration::from_secs(u64::try_from(seconds).unwrap_or(1))
    }
}

#[cfg(test)]
mod tests;
