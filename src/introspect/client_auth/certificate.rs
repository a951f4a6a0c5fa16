//! The certificate and key that the gateway shows as a TLS client (RFC 8705).

use crate::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// The chain, then the key.
    pem: Secret,
    digest: String,
    /// Seconds since the Unix epoch.
    ends: i64,
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
        let Some(own) = chain.first() else {
            return Err((
                Part::Certificate,
                "there is no certificate in the file; name a PEM file with `BEGIN CERTIFICATE`, the gateway's own first".into(),
            ));
        };
        let ends = match X509Certificate::from_der(own) {
            Ok((_, read)) => read.validity().not_after.timestamp(),
            Err(_) => {
                return Err((
                    Part::Certificate,
                    "the first certificate in the file cannot be read".into(),
                ));
            }
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
        Ok(Self { pem: Secret::new(pem), digest, ends })
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
        self.ends
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
