//! `dpop` of the configuration.

use jsonwebtoken::Algorithm;
use std::sync::Arc;
use std::time::Duration;

/// `dpop`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DpopSettings {
    /// Signature algorithms that proofs may have; at least one, all asymmetric.
    pub algorithms: Vec<Algorithm>,
    /// Their names, separated by spaces.
    pub names: Arc<str>,
    /// How old a proof may be, and how far in the future. Whole seconds.
    pub window: Duration,
    /// Proofs need a nonce of this gateway.
    pub nonce: bool,
}

/// The values that hold where nothing is written.
impl Default for DpopSettings {
    fn default() -> Self {
        use Algorithm::{ES256, ES384, EdDSA, PS256, RS256};
        Self {
            algorithms: vec![ES256, ES384, EdDSA, PS256, RS256],
            names: "ES256 ES384 EdDSA PS256 RS256".into(),
            window: Duration::from_secs(60),
            nonce: false,
        }
    }
}
