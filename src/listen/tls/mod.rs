//! TLS of a listener: its certificates, its clients' certificates, and handshakes.

mod certificates;
mod handshake;
mod loaded;

pub use certificates::TlsPair;
pub use handshake::{Handshake, Secured, Terminator, UnusableTls};
pub use loaded::LoadedCertificates;

use rustls::pki_types::CertificateDer;

/// `listeners[].tls`, with the contents of its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerTlsSettings {
    /// At least one. The first serves where no name fits.
    pub pairs: Vec<TlsPair>,
    pub min_version: MinVersion,
    pub clients: ClientCertificates,
}

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinVersion {
    Tls12,
    Tls13,
}

/// Whether clients show a certificate, and the authorities that certify them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// None is asked for.
    None,
    /// A client may show none; one that does not verify ends the handshake.
    Optional(Vec<CertificateDer<'static>>),
    Required(Vec<CertificateDer<'static>>),
}

impl ClientCertificates {
    /// Whether the handshake asks clients for a certificate.
    pub fn are_asked_for(&self) -> bool {
        match self {
            Self::None => false,
            Self::Optional(_) | Self::Required(_) => true,
        }
    }
}
