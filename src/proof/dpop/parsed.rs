//! A proof, taken apart strictly. Nothing in it is believed yet.

use super::ProofFlaw;
use crate::token::json;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, AlgorithmFamily};
use serde_json::{Map, Value};

/// The members of a proof that are checked (RFC 9449 §4.2).
pub struct ParsedProof<'p> {
    pub algorithm: Algorithm,
    pub jwk: Map<String, Value>,
    /// `jti`.
    pub id: String,
    /// `htm`.
    pub method: String,
    /// `htu`.
    pub url: String,
    /// `iat`, seconds since the Unix epoch.
    pub issued_at: i64,
    /// `ath`.
    pub token_hash: Option<String>,
    pub nonce: Option<String>,
    /// The bytes that the signature is over.
    pub signed: &'p str,
    pub signature: &'p str,
}

impl<'p> ParsedProof<'p> {
    /// Reads a JWS in compact form (RFC 7515 §3.1).
    pub fn parse(proof: &'p str) -> Result<Self, ProofFlaw> {
        let mut parts = proof.split('.');
        let (header, payload, signature) =
            match (parts.next(), parts.next(), parts.next(), parts.next()) {
                (Some(header), Some(payload), Some(signature), None) => {
                    (header, payload, signature)
                }
                _ => return Err(ProofFlaw::Malformed),
            };
        let signed = proof.get(..header.len() + 1 + payload.len()).ok_or(ProofFlaw::Malformed)?;
        // the only canonical form: a second spelling of a signature would be no second proof, but
        // nothing needs it
        if signature.is_empty() || URL_SAFE_NO_PAD.decode(signature).is_err() {
            return Err(ProofFlaw::Malformed);
        }
        let header = object(header)?;
        // RFC 7515 §4.1.11, RFC 7797 §7: no extension is understood here
        if ["crit", "b64", "zip"].iter().any(|name| header.contains_key(*name)) {
            return Err(ProofFlaw::Malformed);
        }
        match header.get("typ") {
            Some(Value::String(typ)) if is_dpop(typ) => {}
            _ => return Err(ProofFlaw::Type),
        }
        let algorithm = algorithm(&header)?;
        let jwk = match header.get("jwk") {
            Some(Value::Object(jwk)) => jwk.clone(),
            _ => return Err(ProofFlaw::Key),
        };
        let claims = object(payload)?;
        Ok(Self {
            algorithm,
            jwk,
            id: text(&claims, "jti")?.filter(|id| !id.is_empty()).ok_or(ProofFlaw::Claims)?,
            method: text(&claims, "htm")?.ok_or(ProofFlaw::Claims)?,
            url: text(&claims, "htu")?.ok_or(ProofFlaw::Claims)?,
            issued_at: seconds(claims.get("iat"))?,
            token_hash: text(&claims, "ath")?,
            nonce: text(&claims, "nonce")?,
            signed,
            signature,
        })
    }
}

/// A media type (RFC 7515 §4.1.9): case does not count, and `application/` may be left out.
fn is_dpop(typ: &str) -> bool {
    typ.eq_ignore_ascii_case("dpop+jwt") || typ.eq_ignore_ascii_case("application/dpop+jwt")
}

fn algorithm(header: &Map<String, Value>) -> Result<Algorithm, ProofFlaw> {
    let name = header.get("alg").and_then(Value::as_str).ok_or(ProofFlaw::Algorithm)?;
    match name.parse::<Algorithm>() {
        Ok(algorithm) if algorithm.family() != AlgorithmFamily::Hmac => Ok(algorithm),
        _ => Err(ProofFlaw::Algorithm),
    }
}

/// base64url without padding of one JSON object without duplicate members.
fn object(part: &str) -> Result<Map<String, Value>, ProofFlaw> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| ProofFlaw::Malformed)?;
    json::object(&bytes).map_err(|_| ProofFlaw::Malformed)
}

fn text(claims: &Map<String, Value>, name: &str) -> Result<Option<String>, ProofFlaw> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(ProofFlaw::Claims),
    }
}

/// NumericDate (RFC 7519 §2): a number, which may have a fraction.
#[allow(clippy::cast_possible_truncation)] // `as` saturates: a date out of range is out of time
fn seconds(value: Option<&Value>) -> Result<i64, ProofFlaw> {
    let number = value.filter(|value| value.is_number()).ok_or(ProofFlaw::Claims)?;
    match (number.as_i64(), number.as_f64()) {
        (Some(seconds), _) => Ok(seconds),
        (None, Some(seconds)) => Ok(seconds.floor() as i64),
        (None, None) => Err(ProofFlaw::Claims),
    }
}
