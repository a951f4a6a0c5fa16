//! TLS towards upstreams: the roots that are trusted, the name that is verified, the certificate
//! that is shown.

use pingora_core::utils::tls::{CertKey, WrappedX509, parse_x509};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// `upstreams.NAME.tls`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UpstreamTlsSettings {
    /// The name for SNI and certificate verification, in place of the URL's host.
    pub server_name: Option<String>,
    /// Trust roots in place of the system's: certificates in DER that can be parsed.
    pub roots: Option<Vec<Vec<u8>>>,
    pub certificate: Option<ShownCertificate>,
}

/// The gateway's own certificate with its key.
#[derive(Clone, PartialEq)]
pub struct ShownCertificate {
    /// DER; the gateway's own first. At least one, and all can be parsed.
    pub chain: Vec<Vec<u8>>,
    /// DER, of the first certificate.
    pub key: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for ShownCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The same in pingora's types, made once for an upstream.
#[derive(Default)]
pub struct Tls {
    pub roots: Option<Arc<[WrappedX509]>>,
    pub certificate: Option<Arc<CertKey>>,
    /// Connections are shared only among peers of the same group.
    pub group: u64,
}

impl Tls {
    pub fn new(settings: &UpstreamTlsSettings) -> Self {
        let roots = settings.roots.as_ref().map(|roots| {
            roots.iter().map(|der| WrappedX509::new(der.clone(), parse_x509)).collect()
        });
        let certificate = settings
            .certificate
            .as_ref()
            .map(|shown| Arc::new(CertKey::new(shown.chain.clone(), shown.key.to_vec())));
        Self { roots, certificate, group: group(settings) }
    }
}

/// Differs where the roots or the shown certificate differ.
fn group(settings: &UpstreamTlsSettings) -> u64 {
    if settings.roots.is_none() && settings.certificate.is_none() {
        return 0;
    }
    let mut hasher = blake3::Hasher::new();
    let chain = settings.certificate.iter().flat_map(|shown| &shown.chain);
    for der in settings.roots.iter().flatten().chain(chain) {
        hasher.update(&(der.len() as u64).to_le_bytes());
        hasher.update(der);
    }
    let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}
