//! The private key that signs assertions, from a PEM file or a JWK.

use super::certificate::private_key_of;
use crate::introspect::jwt::{Algorithm, rsa_of_jwk};
use crate::token::json;
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair,
    RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, crypto};
use pkcs8::der::asn1::UintRef;
use pkcs8::der::{Decode, Reader, SliceReader};
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

#[derive(Clone, Debug)]
pub struct SigningKey {
    pub signer: Signer,
    /// Those that fit the key and, of a JWK, its `alg`; the usual one first.
    pub algorithms: Vec<Algorithm>,
    /// A JWK's own.
    pub kid: Option<String>,
    /// Of the file.
    pub digest: String,
}

/// Makes signatures, and never shows its key.
#[derive(Clone)]
pub enum Signer {
    Known(EncodingKey),
    /// The JWT library does not know ES512.
    P521(Arc<EcdsaKeyPair>),
}

impl Signer {
    /// The signature of these octets, in base64url. Fails with the reason when the algorithm is not
    /// for this key.
    pub fn sign(&self, message: &[u8], algorithm: Algorithm) -> Result<String, String> {
        match (self, algorithm.known()) {
            (Self::Known(key), Some(known)) => {
                crypto::sign(message, key, known).map_err(|error| error.to_string())
            }
            (Self::P521(pair), None) => pair
                .sign(&SystemRandom::new(), message)
                .map(|signature| URL_SAFE_NO_PAD.encode(signature))
                .map_err(|error| error.to_string()),
            _ => Err(format!("{algorithm:?} is not for this key")),
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Known(_) => "Known(..)",
            Self::P521(_) => "P521(..)",
        })
    }
}

const UNUSABLE: &str = "there is a key in the file that cannot be used; RSA of 2048 to 8192 bits, EC (P-256, P-384, P-521) and Ed25519 can";

/// Curves, the algorithm of each, and the bytes of its numbers.
const CURVES: [(&str, &EcdsaSigningAlgorithm, Algorithm, usize); 3] = [
    ("P-256", &ECDSA_P256_SHA256_FIXED_SIGNING, Algorithm::ES256, 32),
    ("P-384", &ECDSA_P384_SHA384_FIXED_SIGNING, Algorithm::ES384, 48),
    ("P-521", &ECDSA_P521_SHA512_FIXED_SIGNING, Algorithm::ES512, 66),
];

impl SigningKey {
    /// The key of a file; of several in a JWK set the one that is named `kid`. The error is written
    /// for the user who named the file.
    pub fn of_file(content: &[u8], kid: &str) -> Result<Self, String> {
        let digest = blake3::hash(content).to_string();
        let key = if content.trim_ascii_start().starts_with(b"{") {
            of_json(content, kid)?
        } else {
            of_pem(content)?
        };
        Ok(Self { digest, ..key })
    }

    fn new(encoding: EncodingKey, algorithms: &[Algorithm]) -> Self {
        Self::by(Signer::Known(encoding), algorithms)
    }

    fn by(signer: Signer, algorithms: &[Algorithm]) -> Self {
        Self { signer, algorithms: algorithms.to_vec(), kid: None, digest: String::new() }
    }

    fn rsa(pair: &RsaKeyPair) -> Option<Self> {
        use Algorithm::{PS256, PS384, PS512, RS256, RS384, RS512};
        let pkcs8 = pair.as_der().ok()?;
        // signing needs the inner `RSAPrivateKey` (RFC 8017 A.1.2)
        let inside = pkcs8::PrivateKeyInfo::from_der(pkcs8.as_ref()).ok()?.private_key;
        Some(Self::new(
            EncodingKey::from_rsa_der(inside),
            &[RS256, RS384, RS512, PS256, PS384, PS512],
        ))
    }

    fn ec(pair: EcdsaKeyPair, algorithm: Algorithm) -> Option<Self> {
        if algorithm == Algorithm::ES512 {
            return Some(Self::by(Signer::P521(Arc::new(pair)), &[algorithm]));
        }
        Some(Self::new(EncodingKey::from_ec_der(pair.to_pkcs8v1().ok()?.as_ref()), &[algorithm]))
    }

    fn ed25519(pair: &Ed25519KeyPair) -> Option<Self> {
        Some(Self::new(
            EncodingKey::from_ed_der(pair.to_pkcs8v1().ok()?.as_ref()),
            &[Algorithm::EdDSA],
        ))
    }
}

fn of_pem(content: &[u8]) -> Result<SigningKey, String> {
    let mut bits = None;
    let key = match private_key_of(content)? {
        PrivateKeyDer::Pkcs1(der) => {
            let der = der.secret_pkcs1_der();
            bits = rsa_bits(der);
            RsaKeyPair::from_der(der).ok().and_then(|pair| SigningKey::rsa(&pair))
        }
        PrivateKeyDer::Sec1(der) => of_ec(der.secret_sec1_der()),
        PrivateKeyDer::Pkcs8(der) => {
            let der = der.secret_pkcs8_der();
            let inside = pkcs8::PrivateKeyInfo::from_der(der).ok();
            bits = inside.and_then(|inside| rsa_bits(inside.private_key));
            of_pkcs8(der)
        }
        _ => None,
    };
    key.ok_or_else(|| unusable(bits))
}

/// Why a key cannot be used; `bits`: of an RSA key's modulus.
fn unusable(bits: Option<usize>) -> String {
    match bits {
        Some(bits) if !(2048..=8192).contains(&bits) => format!(
            "there is an RSA key of {bits} bits in the file; RSA of 2048 to 8192 bits, EC (P-256, P-384, P-521) and Ed25519 can be used: have another one made"
        ),
        _ => UNUSABLE.to_owned(),
    }
}

/// The size of the modulus in an `RSAPrivateKey` (RFC 8017 A.1.2); `None`: it is something else.
fn rsa_bits(der: &[u8]) -> Option<usize> {
    let mut bits = None;
    let mut reader = SliceReader::new(der).ok()?;
    // the members behind the modulus are left unread, which is an error here
    let _ = reader.sequence(|members| {
        let _version: u8 = members.decode()?;
        let modulus: UintRef = members.decode()?;
        bits = Some(bit_length(modulus.as_bytes()));
        Ok(())
    });
    bits
}

/// Of a number with its most significant byte first.
fn bit_length(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    match number.get(zeros..).and_then(|rest| Some((rest.first()?, rest.len()))) {
        Some((first, bytes)) => bytes * 8 - first.leading_zeros() as usize,
        None => 0,
    }
}

fn of_pkcs8(der: &[u8]) -> Option<SigningKey> {
    let rsa = || SigningKey::rsa(&RsaKeyPair::from_pkcs8(der).ok()?);
    let ed25519 = || SigningKey::ed25519(&Ed25519KeyPair::from_pkcs8(der).ok()?);
    rsa().or_else(|| of_ec(der)).or_else(ed25519)
}

/// PKCS#8 or SEC1.
fn of_ec(der: &[u8]) -> Option<SigningKey> {
    CURVES.iter().find_map(|(_, curve, algorithm, _)| {
        let pair = EcdsaKeyPair::from_private_key_der(curve, der).ok()?;
        SigningKey::ec(pair, *algorithm)
    })
}

/// A JWK, or a set of them (RFC 7517).
fn of_json(content: &[u8], kid: &str) -> Result<SigningKey, String> {
    let members = json::object(content)
        .map_err(|_| "the file is not one JSON object without duplicate members".to_owned())?;
    let Some(keys) = members.get("keys") else { return of_jwk(&members) };
    let keys: Vec<&Map<String, Value>> =
        keys.as_array().into_iter().flatten().filter_map(Value::as_object).collect();
    let named = keys
        .iter()
        .find(|key| !kid.is_empty() && key.get("kid").and_then(Value::as_str) == Some(kid));
    match (named, &*keys) {
        (Some(key), _) | (None, [key]) => of_jwk(key),
        (None, []) => {
            Err("there is no key in the file; write a JWK with its private members, or a PEM file"
                .into())
        }
        (None, _) => {
            Err("there are several keys in the file, and none is the one that `key_id` names"
                .into())
        }
    }
}

fn of_jwk(members: &Map<String, Value>) -> Result<SigningKey, String> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let may_sign = members.get("use").is_none_or(|purpose| purpose == "sig")
        && members
            .get("key_ops")
            .is_none_or(|ops| ops.as_array().is_some_and(|ops| ops.iter().any(|op| op == "sign")));
    if !may_sign {
        return Err("the key in the file is for another use than signatures (`use`, `key_ops`); name another one".into());
    }
    if text("kty") == Some("oct") {
        return Err("the key in the file is a secret, not a private key; write it as `client_secret`, with `client_secret_jwt`".into());
    }
    if text("d").is_none() {
        return Err(
            "the key in the file is a public one; name the file with the private key".into()
        );
    }
    let bytes = |name: &str| Some(Zeroizing::new(URL_SAFE_NO_PAD.decode(text(name)?).ok()?));
    let key = match (text("kty"), text("crv")) {
        (Some("RSA"), _) => rsa_of_jwk(members).and_then(|pair| SigningKey::rsa(&pair)),
        (Some("EC"), Some(name)) => CURVES.iter().find(|(curve, ..)| *curve == name).and_then(
            |(_, curve, algorithm, size)| {
                let [d, x, y] = ["d", "x", "y"].map(|name| padded(&bytes(name)?, *size));
                let point = [&[4], x?.as_slice(), y?.as_slice()].concat();
                SigningKey::ec(
                    EcdsaKeyPair::from_private_key_and_public_key(curve, &d?, &point).ok()?,
                    *algorithm,
                )
            },
        ),
        (Some("OKP"), Some("Ed25519")) => bytes("d").zip(bytes("x")).and_then(|(d, x)| {
            let seed: &[u8; 32] = d.as_slice().try_into().ok()?;
            SigningKey::ed25519(&Ed25519KeyPair::from_seed_and_public_key(seed, &x).ok()?)
        }),
        _ => None,
    };
    let mut key = key.ok_or_else(|| unusable(bytes("n").map(|n| bit_length(&n))))?;
    if let Some(own) = members.get("alg") {
        key.algorithms
            .retain(|algorithm| Some(*algorithm) == own.as_str().and_then(|own| own.parse().ok()));
        if key.algorithms.is_empty() {
            return Err(
                "the key in the file has an `alg` that does not fit a private key of its type"
                    .into(),
            );
        }
    }
    Ok(SigningKey { kid: text("kid").map(str::to_owned), ..key })
}

/// Some libraries leave leading zeros out.
fn padded(number: &[u8], size: usize) -> Option<Zeroizing<Vec<u8>>> {
    let zeros = size.checked_sub(number.len())?;
    Some(Zeroizing::new([vec![0; zeros].as_slice(), number].concat()))
}
