//! The certificates of a listener, and which of them a client gets.

use crate::introspect::ClientCertificate;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::sync::Arc;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// A certificate chain and its private key.
#[derive(Clone, Debug)]
pub struct TlsPair {
    /// The certificate's file, as the configuration names it; the `name` label of its metric.
    pub name: String,
    pub pair: ClientCertificate,
}

/// The same name and the same contents.
impl PartialEq for TlsPair {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.pair.pem() == other.pair.pem()
    }
}

impl Eq for TlsPair {}

impl TlsPair {
    /// Seconds since the Unix epoch.
    pub fn ends(&self) -> i64 {
        self.pair.ends()
    }

    fn certified(&self, provider: &CryptoProvider) -> Result<CertifiedKey, rustls::Error> {
        let unreadable = |_| rustls::Error::General("the pair cannot be read again".into());
        let pem = self.pair.pem();
        let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>();
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(unreadable)?;
        CertifiedKey::from_der(chain.map_err(unreadable)?, key, provider)
    }
}

/// Chooses by server name: the whole name, then `*.` for its first label, then the first
/// certificate of all.
#[derive(Debug)]
pub struct Certificates {
    by_name: HashMap<String, Arc<CertifiedKey>>,
    first: Arc<CertifiedKey>,
}

impl Certificates {
    /// Of pairs that have the same name, the first serves it.
    pub fn new(pairs: &[TlsPair], provider: &CryptoProvider) -> Result<Self, rustls::Error> {
        let mut by_name = HashMap::new();
        let mut first = None;
        for pair in pairs {
            let key = Arc::new(pair.certified(provider)?);
            first.get_or_insert_with(|| key.clone());
            for name in names(&key) {
                by_name.entry(name).or_insert_with(|| key.clone());
            }
        }
        let none = || rustls::Error::General("there is no certificate".into());
        Ok(Self { by_name, first: first.ok_or_else(none)? })
    }

    /// `name` in lower case.
    fn choose(&self, name: Option<&str>) -> &Arc<CertifiedKey> {
        let Some(name) = name else { return &self.first };
        let wildcard = || {
            let (_, parent) = name.split_once('.')?;
            self.by_name.get(&format!("*.{parent}"))
        };
        self.by_name.get(name).or_else(wildcard).unwrap_or(&self.first)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        Some(self.choose(name.as_deref()).clone())
    }
}

/// The DNS names of the leaf (RFC 9525 §6.1: subject alternative names, never the common name).
fn names(key: &CertifiedKey) -> Vec<String> {
    let Some(Ok((_, leaf))) = key.cert.first().map(|leaf| X509Certificate::from_der(leaf)) else {
        return Vec::new();
    };
    let Ok(Some(names)) = leaf.subject_alternative_name() else { return Vec::new() };
    let dns = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    };
    names.value.general_names.iter().filter_map(dns).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::crypto::aws_lc_rs;

    fn pair(name: &str, names: &[&str]) -> TlsPair {
        let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let Ok(made) = rcgen::generate_simple_self_signed(names) else { panic!("no certificate") };
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        match ClientCertificate::from_pem(chain.as_bytes(), key.as_bytes()) {
            Ok(pair) => TlsPair { name: name.into(), pair },
            Err((_, wrong)) => panic!("{wrong}"),
        }
    }

    #[test]
    fn the_name_chooses_the_certificate_and_the_first_serves_all_others() {
        let pairs = [
            pair("first", &["first.test"]),
            pair("exact", &["a.example.com", "A.Example.org"]),
            pair("wild", &["*.example.com", "a.example.com"]),
        ];
        let provider = aws_lc_rs::default_provider();
        let Ok(certificates) = Certificates::new(&pairs, &provider) else { panic!("refused") };
        for (name, expected) in [
            (None, 0),
            (Some("first.test"), 0),
            (Some("a.example.com"), 1),
            (Some("a.example.org"), 1),
            (Some("b.example.com"), 2),
            (Some("a.b.example.com"), 0),
            (Some("example.com"), 0),
            (Some("localhost"), 0),
        ] {
            let chosen = certificates.choose(name).cert.first().map(|leaf| leaf.to_vec());
            let wanted = pairs[expected].certified(&provider).ok();
            assert_eq!(chosen, wanted.map(|key| key.cert[0].to_vec()), "{name:?}");
        }
    }
}
