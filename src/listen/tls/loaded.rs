//! The certificates that open listeners show, for the status.

use super::TlsPair;
use crate::introspect::CertificateFacts;
use parking_lot::Mutex;

/// The certificates in force. They differ from the configuration's where a new one was refused.
#[derive(Debug, Default)]
pub struct LoadedCertificates(Mutex<Vec<LoadedCertificate>>);

/// One of them.
#[derive(Clone, Debug)]
pub struct LoadedCertificate {
    /// The address of its listener.
    pub listener: String,
    /// Its file.
    pub name: String,
    pub facts: CertificateFacts,
}

impl LoadedCertificates {
    /// In place of all others of the listener; none where it closes.
    pub fn set(&self, listener: &str, pairs: &[TlsPair]) {
        let mut loaded = self.0.lock();
        loaded.retain(|one| one.listener != listener);
        loaded.extend(pairs.iter().map(|pair| LoadedCertificate {
            listener: listener.to_owned(),
            name: pair.name.clone(),
            facts: pair.pair.facts().clone(),
        }));
    }

    pub fn all(&self) -> Vec<LoadedCertificate> {
        self.0.lock().clone()
    }
}
