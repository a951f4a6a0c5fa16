//! The certificate and key that the gateway shows as a TLS client (RFC 8705).

use crate::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::net::IpAddr;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// The chain, then the key.
    pem: Secret,
    digest: String,
    facts: CertificateFacts,
}

/// The facts of a certificate chain that an operator asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The DNS names and addresses of the first certificate.
    pub names: Vec<String>,
    /// The period of the first certificate, in seconds since the Unix epoch.
    pub begins: i64,
    pub ends: i64,
    /// When the first certificate of the chain to end does so. Peers refuse the chain then.
    pub chain_ends: i64,
}

impl CertificateFacts {
    /// Of a chain in DER, the own certificate first. `None` where that one cannot be read.
    pub fn from_chain<D: AsRef<[u8]>>(chain: &[D]) -> Option<Self> {
        let (_, own) = X509Certificate::from_der(chain.first()?.as_ref()).ok()?;
        let (begins, ends) =
            (own.validity().not_before.timestamp(), own.validity().not_after.timestamp());
        let others = chain.iter().filter_map(|der| X509Certificate::from_der(der.as_ref()).ok());
        let chain_ends =
            others.map(|(_, other)| other.validity().not_after.timestamp()).min().unwrap_or(ends);
        Some(Self { names: names(&own), begins, ends, chain_ends })
    }
}

/// The subject alternative names that clients compare (RFC 9525 §6.1).
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match *bytes {
            [a, b, c, d] => Some(IpAddr::from([*a, *b, *c, *d]).to_string()),
            bytes => <[u8; 16]>::try_from(bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
        },
        _ => None,
    };
    names.value.general_names.iter().filter_map(text).collect()
}

/// Which of the two files is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Certificate,
    PrivateKey,
}

impl ClientCertificate {
    /// From two PEM files, or twice the same one. The error is written for the user who named them.
    pub fn from_pem(certificate: &[u8], private_key: &[u8]) -> Result<Self, (Part, String)> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<_, _>>()
            .map_err(|_| {
                (
                    Part::Certificate,
                    "the certificates in the file cannot be read; name a PEM file".to_owned(),
                )
            })?;
        if chain.is_empty() {
            return Err((
                Part::Certificate,
                "there is no certificate in the file; name a PEM file with `BEGIN CERTIFICATE`, the gateway's own first".into(),
            ));
        }
        let Some(facts) = CertificateFacts::from_chain(&chain) else {
            return Err((
                Part::Certificate,
                "the first certificate in the file cannot be read".into(),
            ));
        };
        let key = private_key_of(private_key).map_err(|wrong| (Part::PrivateKey, wrong))?;
        CertifiedKey::from_der(chain.clone(), key.clone_key(), &aws_lc_rs::default_provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => (
                Part::PrivateKey,
                "is not the key of the first certificate in `certificate`; name the two files that belong together".to_owned(),
            ),
            _ => (
                Part::PrivateKey,
                "there is a key in the file that cannot be used for TLS; RSA, EC (P-256, P-384) and Ed25519 can".to_owned(),
            ),
        })?;
        let mut pem: String =
            chain.iter().map(|certificate| section("CERTIFICATE", certificate)).collect();
        let digest = blake3::hash(pem.as_bytes()).to_string();
        let label = match &key {
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
            _ => "PRIVATE KEY",
        };
        pem.push_str(&section(label, key.secret_der()));
        Ok(Self { pem: Secret::new(pem), digest, facts })
    }

    /// Chain and key, for the TLS client.
    pub fn pem(&self) -> &[u8] {
        self.pem.expose().as_bytes()
    }

    /// Of the chain, which is public.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// When it ends, in seconds since the Unix epoch.
    pub fn ends(&self) -> i64 {
        self.facts.ends
    }

    pub fn facts(&self) -> &CertificateFacts {
        &self.facts
    }
}

/// The only private key of a PEM file: PKCS#8, PKCS#1 or SEC1.
pub fn private_key_of(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    let encrypted = || pem.windows(9).any(|word| word == b"ENCRYPTED");
    let mut keys = PrivateKeyDer::pem_slice_iter(pem);
    match (keys.next(), keys.next()) {
        (Some(Ok(_)), Some(_)) => Err("there are several private keys in the file; name one with a single key".into()),
        (Some(Ok(key)), None) if !encrypted() => Ok(key),
        _ if encrypted() => {
            Err("the private key in the file is encrypted; write it without a password, by `openssl pkey`, for the gateway alone to read".into())
        }
        (None, _) => {
            Err("there is no private key in the file; name a PEM file with `BEGIN PRIVATE KEY`, `BEGIN RSA PRIVATE KEY` or `BEGIN EC PRIVATE KEY`"
                .into())
        }
        _ => Err("the private key in the file cannot be read; name a PEM file".into()),
    }
}

fn section(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(names: &[&str], ends: i32) -> Vec<u8> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let Ok(mut parameters) = rcgen::CertificateParams::new(names) else { panic!("names") };
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(ends, 1, 1);
        let made = rcgen::KeyPair::generate().and_then(|key| parameters.self_signed(&key));
        made.map_or_else(|error| panic!("{error}"), |made| made.der().to_vec())
    }

    /// A chain is good until the first of its certificates ends.
    #[test]
    fn the_facts_are_those_of_the_own_certificate_and_of_the_chain() {
        let chain = [made(&["a.test", "192.0.2.7", "2001:db8::1"], 2040), made(&[], 2030)];
        let facts = CertificateFacts::from_chain(&chain);
        let expected = CertificateFacts {
            names: vec!["a.test".into(), "192.0.2.7".into(), "2001:db8::1".into()],
            begins: 1_577_836_800,
            ends: 2_208_988_800,
            chain_ends: 1_893_456_000,
        };
        assert_eq!(facts, Some(expected));
        assert_eq!(CertificateFacts::from_chain(&[b"nonsense"]), None);
        assert_eq!(CertificateFacts::from_chain::<&[u8]>(&[]), None);
    }
}
