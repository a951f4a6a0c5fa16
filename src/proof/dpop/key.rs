//! The public key of a proof, and its thumbprint.

use super::ProofFlaw;
use crate::token::Thumbprint;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde_json::{Map, Value, json};

pub struct ProofKey {
    pub decoding: DecodingKey,
    pub thumbprint: Thumbprint,
}

/// Members that only private and secret keys have (RFC 7518 §6).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Bytes of an RSA modulus: 2048 to 8192 bits, which the library verifies with.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;

/// Reads `jwk`, which must be a public key for signatures of this algorithm.
pub fn parse(jwk: &Map<String, Value>, algorithm: Algorithm) -> Result<ProofKey, ProofFlaw> {
    if PRIVATE.iter().any(|name| jwk.contains_key(*name)) {
        return Err(ProofFlaw::PrivateKey);
    }
    let may_verify = match (jwk.get("use"), jwk.get("key_ops")) {
        (Some(purpose), _) if purpose != "sig" => false,
        (_, Some(Value::Array(operations))) => operations.contains(&"verify".into()),
        (_, Some(_)) => false,
        _ => true,
    };
    let own = jwk.get("alg");
    if !may_verify || own.is_some_and(|own| *own != format!("{algorithm:?}")) {
        return Err(ProofFlaw::Key);
    }
    let decoding = decoding(jwk, algorithm).ok_or(ProofFlaw::Key)?;
    Ok(ProofKey { decoding, thumbprint: thumbprint(jwk).ok_or(ProofFlaw::Key)? })
}

/// The thumbprint of a public key (RFC 7638 §3): of its required members alone, in lexicographic
/// order. `None` for other types than EC, OKP and RSA.
pub fn thumbprint(jwk: &Map<String, Value>) -> Option<Thumbprint> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let required = match text("kty")? {
        "EC" => {
            json!({ "crv": text("crv")?, "kty": "EC", "x": text("x")?, "y": text("y")? })
        }
        "OKP" => json!({ "crv": text("crv")?, "kty": "OKP", "x": text("x")? }),
        "RSA" => json!({ "e": text("e")?, "kty": "RSA", "n": text("n")? }),
        _ => return None,
    };
    Some(Thumbprint::hash(required.to_string().as_bytes()))
}

fn decoding(jwk: &Map<String, Value>, algorithm: Algorithm) -> Option<DecodingKey> {
    let is = |name: &str, value: &str| jwk.get(name).is_some_and(|held| held == value);
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(jwk.get(name)?.as_str()?).ok();
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    match algorithm.family() {
        AlgorithmFamily::Ec => {
            let (curve, length) = match algorithm {
                Algorithm::ES256 => ("P-256", 32),
                Algorithm::ES384 => ("P-384", 48),
                _ => return None,
            };
            // RFC 7518 §6.2.1.2: coordinates have the full length of the curve
            let fits = is("kty", "EC") && is("crv", curve);
            let whole = bytes("x")?.len() == length && bytes("y")?.len() == length;
            if !(fits && whole) {
                return None;
            }
            DecodingKey::from_ec_components(text("x")?, text("y")?).ok()
        }
        AlgorithmFamily::Ed => {
            let fits = is("kty", "OKP") && is("crv", "Ed25519") && bytes("x")?.len() == 32;
            if !fits {
                return None;
            }
            DecodingKey::from_ed_components(text("x")?).ok()
        }
        AlgorithmFamily::Rsa => {
            // RFC 7518 §6.3.1: no zeros in front, or one key would have several thumbprints
            let (modulus, exponent) = (bytes("n")?, bytes("e")?);
            let canonical = modulus.first() != Some(&0) && exponent.first() != Some(&0);
            let fits = is("kty", "RSA") && MODULUS.contains(&modulus.len());
            if !fits || !canonical || !(1..=8).contains(&exponent.len()) {
                return None;
            }
            DecodingKey::from_rsa_components(text("n")?, text("e")?).ok()
        }
        AlgorithmFamily::Hmac => None,
    }
}
