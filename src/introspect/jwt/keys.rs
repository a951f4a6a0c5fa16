//! Public keys, and which of them may have signed a token.

use super::algorithm::P521_POINT;
use super::jws::Jws;
use super::{Algorithm, JwtFlaw};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{AlgorithmFamily, DecodingKey, DecodingKeyKind};
use serde_json::{Map, Value};
use thiserror::Error;

/// The keys of one authorization server.
#[derive(Clone, Debug, Default)]
pub struct KeySet(Vec<VerificationKey>);

/// A public key with its permitted uses.
#[derive(Clone, Debug)]
pub struct VerificationKey {
    pub kid: Option<String>,
    /// Those that fit its type, its curve and its own `alg`.
    pub algorithms: Vec<Algorithm>,
    pub decoding: DecodingKey,
    /// Seconds since the Unix epoch: a JWK's `nbf` and `exp`, a certificate's validity.
    pub from: Option<i64>,
    pub until: Option<i64>,
    /// Microsoft's `issuer` beside a key: whose tokens it may sign.
    pub issuer: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadKeys {
    #[error("this is not a JWK set: an object with a list `keys` (RFC 7517 §5)")]
    NotASet,
    #[error(
        "there is no public key in it with which signatures can be verified: RSA of at least 2048 bits, EC (P-256, P-384, P-521) or Ed25519"
    )]
    NoKey,
    #[error("there are more than 100 keys in it")]
    TooMany,
}

/// More are tried for no token.
const MOST_KEYS: usize = 100;
/// Bytes of a modulus of 2048 bits.
const SMALLEST_MODULUS: usize = 256;

/// Result of a key set for a token.
#[derive(Debug)]
pub enum Verdict<'k> {
    /// The signature holds, by this key.
    Holds(&'k VerificationKey),
    /// No set of keys will change that.
    Bad(JwtFlaw),
    /// The key is not among these.
    Unknown,
}

impl KeySet {
    pub fn new(keys: Vec<VerificationKey>) -> Result<Self, BadKeys> {
        match keys.len() {
            0 => Err(BadKeys::NoKey),
            count if count > MOST_KEYS => Err(BadKeys::TooMany),
            _ => Ok(Self(keys)),
        }
    }

    /// Reads a JWK set. Keys of other types and for other uses are passed over (RFC 7517 §5).
    pub fn from_members(members: &Map<String, Value>) -> Result<Self, BadKeys> {
        let keys = members.get("keys").and_then(Value::as_array).ok_or(BadKeys::NotASet)?;
        if keys.len() > MOST_KEYS {
            return Err(BadKeys::TooMany);
        }
        Self::new(
            keys.iter().filter_map(|key| VerificationKey::from_members(key.as_object()?)).collect(),
        )
    }

    pub fn into_keys(self) -> Vec<VerificationKey> {
        self.0
    }

    /// A key with the token's `kid` decides alone; where a token or a key has none, all that fit
    /// are tried.
    pub fn verify(&self, jws: &Jws, now: i64) -> Verdict<'_> {
        let wanted = jws.header.kid.as_deref();
        let mut flaw = None;
        for key in self
            .0
            .iter()
            .filter(|key| wanted.is_none() || key.kid.is_none() || key.kid.as_deref() == wanted)
        {
            let outcome = key.verify(jws, now);
            match outcome {
                Ok(()) => return Verdict::Holds(key),
                Err(found) if wanted.is_some() && key.kid.as_deref() == wanted => {
                    flaw = Some(found)
                }
                Err(_) => {}
            }
        }
        flaw.map_or(Verdict::Unknown, Verdict::Bad)
    }
}

impl VerificationKey {
    /// `None` for a key that cannot verify signatures, or must not.
    pub fn from_members(members: &Map<String, Value>) -> Option<Self> {
        // certificates beside a key are not looked at: the key itself was published
        let relevant = members
            .iter()
            .filter(|(name, _)| !name.starts_with("x5"))
            .map(|(name, value)| (name.clone(), value.clone()));
        let jwk: Jwk = serde_json::from_value(Value::Object(relevant.collect())).ok()?;
        let common = &jwk.common;
        let for_signatures = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature))
            && common
                .key_operations
                .as_ref()
                .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        if !for_signatures {
            return None;
        }
        let time = |name| {
            members.get(name).map(|value| {
                value.as_i64().or(value.as_f64().map(|seconds| seconds.floor() as i64))
            })
        };
        let mut decoding = DecodingKey::from_jwk(&jwk).ok()?;
        if let DecodingKeyKind::RsaModulusExponent { n, e } = decoding.kind() {
            decoding = rsa_key(n, e);
        }
        let key = Self {
            kid: common.key_id.clone(),
            algorithms: fitting(&jwk, members.get("alg"))?,
            decoding,
            // an invalid time disables the key: its intended end is unknown
            from: time("nbf").map(|from| from.unwrap_or(i64::MAX)),
            until: time("exp").map(|until| until.unwrap_or(i64::MIN)),
            issuer: members.get("issuer").and_then(Value::as_str).map(str::to_owned),
        };
        key.is_strong().then_some(key)
    }

    /// Whether the key has a size that its type may have.
    pub fn is_strong(&self) -> bool {
        use DecodingKeyKind::{RsaModulusExponent, SecretOrDer};
        match (self.decoding.family(), self.decoding.kind()) {
            (AlgorithmFamily::Rsa, RsaModulusExponent { n, .. }) => n.len() >= SMALLEST_MODULUS,
            (AlgorithmFamily::Ec, SecretOrDer(point)) => {
                matches!(point.len(), 65 | 97 | P521_POINT)
            }
            (AlgorithmFamily::Ed, SecretOrDer(key)) => key.len() == 32,
            _ => false,
        }
    }

    fn verify(&self, jws: &Jws, now: i64) -> Result<(), JwtFlaw> {
        let algorithm = jws.header.algorithm;
        if !self.algorithms.contains(&algorithm) {
            return Err(JwtFlaw::invalid("the key that it names is not for its `alg`"));
        }
        if self.until.is_some_and(|until| until <= now) || self.from.is_some_and(|from| from > now)
        {
            return Err(JwtFlaw::invalid(
                "the key that it names has expired, or its certificate has, or is not valid yet",
            ));
        }
        if algorithm.verifies(jws.signature, jws.signed.as_bytes(), &self.decoding) {
            return Ok(());
        }
        Err(if jws.header.has_nonce { JwtFlaw::GRAPH } else { JwtFlaw::SIGNATURE })
    }
}

/// DER puts a zero for the sign before a modulus, some servers publish it in JWKs, and it does not
/// belong to the number.
pub fn rsa_key(modulus: &[u8], exponent: &[u8]) -> DecodingKey {
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    DecodingKey::from_rsa_raw_components(modulus.get(zeros..).unwrap_or_default(), exponent)
}

/// `own`: the key's `alg`.
fn fitting(jwk: &Jwk, own: Option<&Value>) -> Option<Vec<Algorithm>> {
    use Algorithm::{ES256, ES384, ES512, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    let of_type: &[Algorithm] = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => &[RS256, RS384, RS512, PS256, PS384, PS512],
        AlgorithmParameters::EllipticCurve(parameters) => match parameters.curve {
            EllipticCurve::P256 => &[ES256],
            EllipticCurve::P384 => &[ES384],
            EllipticCurve::P521 => &[ES512],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(parameters)
            if parameters.curve == EllipticCurve::Ed25519 =>
        {
            &[EdDSA]
        }
        _ => return None,
    };
    let is_own =
        |algorithm: &Algorithm| own.is_none_or(|own| own.as_str() == Some(algorithm.name()));
    let fitting: Vec<Algorithm> = of_type.iter().copied().filter(is_own).collect();
    (!fitting.is_empty()).then_some(fitting)
}
