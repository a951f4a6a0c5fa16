//! Keys from files: PEM public keys, certificates, JWK sets.

use super::Algorithm;
use super::keys::{KeySet, VerificationKey, rsa_key};
use crate::token::json;
use jsonwebtoken::DecodingKey;
use rustls::pki_types::pem::{PemObject, SectionKind};
use serde_json::{Value, json};
use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry::{OID_EC_P256, OID_NIST_EC_P384, OID_NIST_EC_P521, OID_SIG_ED25519};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// The keys of one file. The error is written for the user who named the file.
pub fn keys_of_file(content: &[u8]) -> Result<Vec<VerificationKey>, String> {
    let keys = if content.trim_ascii_start().starts_with(b"{") {
        of_jwks(content)?
    } else {
        of_pem(content)?
    };
    if keys.is_empty() {
        return Err("there is no public key in the file that can be used; name a PEM file with `BEGIN PUBLIC KEY` or `BEGIN CERTIFICATE`, or a JWK set".into());
    }
    Ok(keys)
}

fn of_jwks(content: &[u8]) -> Result<Vec<VerificationKey>, String> {
    let members = json::object(content)
        .map_err(|_| "the file is not one JSON object without duplicate members".to_owned())?;
    // a single JWK will do as well
    let members = if members.contains_key("kty") {
        json!({ "keys": [members] })
    } else {
        Value::Object(members)
    };
    let set = KeySet::from_members(members.as_object().unwrap_or(&serde_json::Map::new()))
        .map_err(|error| error.to_string())?;
    Ok(set.into_keys())
}

fn of_pem(content: &[u8]) -> Result<Vec<VerificationKey>, String> {
    let (mut keys, mut of_authorities) = (Vec::new(), Vec::new());
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(content) {
        let (kind, der) = section
            .map_err(|_| "the file cannot be read; name a PEM file or a JWK set".to_owned())?;
        match kind {
            SectionKind::PublicKey => keys.push(of_public_key(&der)?),
            SectionKind::Certificate => {
                let (key, authority) = of_certificate(&der)?;
                if authority { of_authorities.push(key) } else { keys.push(key) }
            }
            SectionKind::RsaPrivateKey | SectionKind::PrivateKey | SectionKind::EcPrivateKey => {
                return Err(
                    "there is a private key in the file; only its public key belongs here".into()
                );
            }
            _ => {}
        }
    }
    // in a chain the authorities' keys sign certificates, not tokens
    Ok(if keys.is_empty() { of_authorities } else { keys })
}

fn of_public_key(der: &[u8]) -> Result<VerificationKey, String> {
    let (_, info) = SubjectPublicKeyInfo::from_der(der)
        .map_err(|_| "a public key in the file cannot be read".to_owned())?;
    key(&info)
}

fn of_certificate(der: &[u8]) -> Result<(VerificationKey, bool), String> {
    let (_, certificate) = X509Certificate::from_der(der)
        .map_err(|_| "a certificate in the file cannot be read".to_owned())?;
    let validity = certificate.validity();
    let key = VerificationKey {
        from: Some(validity.not_before.timestamp()),
        until: Some(validity.not_after.timestamp()),
        ..key(certificate.public_key())?
    };
    Ok((key, certificate.is_ca()))
}

fn key(info: &SubjectPublicKeyInfo) -> Result<VerificationKey, String> {
    use Algorithm::{ES256, ES384, ES512, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    let unusable = || {
        "a key in the file is of a type that is not supported; RSA of at least 2048 bits, EC (P-256, P-384, P-521) and Ed25519 are".to_owned()
    };
    let curve = info.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
    let (algorithms, decoding) = match info.parsed() {
        Ok(PublicKey::RSA(rsa)) if rsa.key_size() < 2048 => {
            return Err(format!(
                "there is an RSA key of {} bits in the file; only those of at least 2048 bits are supported: have the server use a longer one",
                rsa.key_size()
            ));
        }
        Ok(PublicKey::RSA(rsa)) => {
            (vec![RS256, RS384, RS512, PS256, PS384, PS512], rsa_key(rsa.modulus, rsa.exponent))
        }
        Ok(PublicKey::EC(point)) if curve == Some(OID_EC_P256) => {
            (vec![ES256], DecodingKey::from_ec_der(point.data()))
        }
        Ok(PublicKey::EC(point)) if curve == Some(OID_NIST_EC_P384) => {
            (vec![ES384], DecodingKey::from_ec_der(point.data()))
        }
        Ok(PublicKey::EC(point)) if curve == Some(OID_NIST_EC_P521) => {
            (vec![ES512], DecodingKey::from_ec_der(point.data()))
        }
        _ if info.algorithm.algorithm == OID_SIG_ED25519 => {
            (vec![EdDSA], DecodingKey::from_ed_der(&info.subject_public_key.data))
        }
        _ => return Err(unusable()),
    };
    let key =
        VerificationKey { kid: None, algorithms, decoding, from: None, until: None, issuer: None };
    if key.is_strong() { Ok(key) } else { Err(unusable()) }
}
