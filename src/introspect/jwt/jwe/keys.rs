//! Private keys for encrypted tokens, from files: PEM (PKCS#8, PKCS#1, SEC 1), JWKs and JWK sets.

use super::agreement::{CURVES, agreed, public_key};
use super::header::{JweHeader, Management};
use crate::token::json;
use aws_lc_rs::agreement::{self, ECDH_P256, ECDH_P384, PrivateKey, X25519};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::key_wrap::{AES_128, AES_256, AesBlockCipher, AesKek, KeyWrap};
use aws_lc_rs::rsa::{
    KeyPairComponents, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey,
    PublicKeyComponents,
};
use aws_lc_rs::signature::RsaKeyPair;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::pem::{PemObject, SectionKind};
use serde_json::{Map, Value};
use std::fmt;
use zeroize::Zeroizing;

/// A private key with its permitted uses.
pub struct DecryptionKey {
    pub kid: Option<String>,
    /// A JWK's own `alg`.
    only: Option<Management>,
    private: Private,
}

enum Private {
    Rsa(OaepPrivateDecryptingKey),
    Curve(PrivateKey),
}

impl fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecryptionKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl DecryptionKey {
    pub fn fits(&self, management: Management) -> bool {
        let of_its_type = match self.private {
            Private::Rsa(_) => management == Management::RsaOaep256,
            Private::Curve(_) => management != Management::RsaOaep256,
        };
        of_its_type && self.only.is_none_or(|only| only == management)
    }

    /// The key of the content (RFC 7516 §5.2, steps 7 to 12). If the transmitted key cannot be
    /// decrypted, a random one takes its place, so that timing reveals nothing (RFC 7516 §11.5).
    /// `None`: the public parts are invalid.
    pub fn content_key(&self, header: &JweHeader, encrypted: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let length = header.content.key_len();
        let wrapping: (&str, &'static AesBlockCipher, usize) =
            match (&self.private, header.management) {
                (Private::Rsa(key), Management::RsaOaep256) => {
                    return sent(length, |out| unsealed(key, encrypted, out));
                }
                (Private::Curve(key), Management::EcdhEs) if encrypted.is_empty() => {
                    return agreed(key, header, header.content.name(), length);
                }
                (Private::Curve(_), Management::EcdhEsA128Kw) => ("ECDH-ES+A128KW", &AES_128, 16),
                (Private::Curve(_), Management::EcdhEsA256Kw) => ("ECDH-ES+A256KW", &AES_256, 32),
                _ => return None,
            };
        let (Private::Curve(key), (algorithm, cipher, bytes)) = (&self.private, wrapping) else {
            return None;
        };
        let wrapping = agreed(key, header, algorithm, bytes)?;
        sent(length, |out| {
            AesKek::new(cipher, &wrapping).ok()?.unwrap(encrypted, out).ok().map(|key| key.len())
        })
    }
}

fn unsealed(key: &OaepPrivateDecryptingKey, encrypted: &[u8], out: &mut [u8]) -> Option<usize> {
    key.decrypt(&OAEP_SHA256_MGF1SHA256, encrypted, out, None).ok().map(|key| key.len())
}

/// The output of `read`, if it is of this length; else random bytes.
fn sent(
    length: usize,
    read: impl FnOnce(&mut [u8]) -> Option<usize>,
) -> Option<Zeroizing<Vec<u8>>> {
    let mut key = Zeroizing::new(vec![0; length]);
    aws_lc_rs::rand::fill(&mut key).ok()?;
    // the largest RSA key that the library reads has 1024 bytes
    let mut out = Zeroizing::new([0; 1024]);
    if read(&mut *out) == Some(length) {
        key.copy_from_slice(out.get(..length)?);
    }
    Some(key)
}

/// The keys of one file. The error is written for the user who named the file.
pub fn private_keys_of_file(content: &[u8]) -> Result<Vec<DecryptionKey>, String> {
    let keys = if content.trim_ascii_start().starts_with(b"{") {
        of_jwks(content)?
    } else {
        of_pem(content)?
    };
    if keys.is_empty() {
        return Err("there is no private key in the file that can be used; name a PEM file with `BEGIN PRIVATE KEY` (without a passphrase), or a JWK or JWK set with private keys for encryption".into());
    }
    Ok(keys)
}

fn of_pem(content: &[u8]) -> Result<Vec<DecryptionKey>, String> {
    let mut keys = Vec::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(content) {
        let (kind, der) = section
            .map_err(|_| "the file cannot be read; name a PEM file or a JWK set".to_owned())?;
        let der = Zeroizing::new(der);
        let private = match kind {
            SectionKind::RsaPrivateKey => rsa(RsaKeyPair::from_der(&der).ok()),
            SectionKind::EcPrivateKey => curve(&der),
            SectionKind::PrivateKey => {
                PrivateDecryptingKey::from_pkcs8(&der).ok().and_then(oaep).or_else(|| curve(&der))
            }
            // a certificate beside its key does no harm
            _ => continue,
        };
        keys.push(DecryptionKey { kid: None, only: None, private: private.ok_or_else(unusable)? });
    }
    Ok(keys)
}

fn unusable() -> String {
    "a private key in the file cannot be used; RSA of 2048 to 8192 bits, EC (P-256, P-384) and X25519 can, and a JWK needs all its members (RFC 7518 §6)".to_owned()
}

fn oaep(key: PrivateDecryptingKey) -> Option<Private> {
    OaepPrivateDecryptingKey::new(key).ok().map(Private::Rsa)
}

fn rsa(pair: Option<RsaKeyPair>) -> Option<Private> {
    let pkcs8 = pair?.as_der().ok()?;
    oaep(PrivateDecryptingKey::from_pkcs8(pkcs8.as_ref()).ok()?)
}

/// PKCS#8 or SEC 1.
fn curve(der: &[u8]) -> Option<Private> {
    // RFC 8410 §7: before the 32 bytes of an X25519 key there is nothing that could be otherwise
    const X25519_KEY: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x6e\x04\x22\x04\x20";
    let key = match der.strip_prefix(X25519_KEY) {
        Some(raw) => PrivateKey::from_private_key(&X25519, raw),
        None => PrivateKey::from_private_key_der(&ECDH_P256, der)
            .or_else(|_| PrivateKey::from_private_key_der(&ECDH_P384, der)),
    };
    key.ok().map(Private::Curve)
}

fn of_jwks(content: &[u8]) -> Result<Vec<DecryptionKey>, String> {
    let members = json::object(content)
        .map_err(|_| "the file is not one JSON object without duplicate members".to_owned())?;
    let keys = match members.get("keys") {
        Some(Value::Array(keys)) => keys.iter().filter_map(Value::as_object).collect(),
        // a single JWK will do as well
        _ if members.contains_key("kty") => vec![&members],
        _ => return Err("this is not a JWK set: an object with a list `keys` (RFC 7517 §5)".into()),
    };
    keys.into_iter()
        .filter(|jwk| decrypts(jwk))
        .map(|jwk| of_jwk(jwk).ok_or_else(unusable))
        .collect()
}

/// Keys for other uses are passed over (RFC 7517 §5), and so are public ones.
fn decrypts(jwk: &Map<String, Value>) -> bool {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let operations = jwk.get("key_ops").and_then(Value::as_array);
    let for_it = |operation: &Value| {
        matches!(operation.as_str(), Some("decrypt" | "unwrapKey" | "deriveKey" | "deriveBits"))
    };
    jwk.contains_key("d")
        && matches!(text("kty"), Some("RSA" | "EC" | "OKP"))
        && text("crv") != Some("Ed25519")
        && text("use").is_none_or(|used| used == "enc")
        && operations.is_none_or(|operations| operations.iter().any(for_it))
        && text("alg").is_none_or(|alg| Management::named(alg).is_some())
}

fn of_jwk(jwk: &Map<String, Value>) -> Option<DecryptionKey> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let part = |name| URL_SAFE_NO_PAD.decode(text(name)?).ok().map(Zeroizing::new);
    let private = match CURVES
        .into_iter()
        .find(|(kty, crv, ..)| text("kty") == Some(kty) && text("crv") == Some(crv))
    {
        Some((.., algorithm, _)) => of_curve(jwk, algorithm, &part("d")?)?,
        None if text("kty") == Some("RSA") => rsa(rsa_of_jwk(jwk))?,
        None => return None,
    };
    Some(DecryptionKey {
        kid: text("kid").map(str::to_owned),
        only: text("alg").and_then(Management::named),
        private,
    })
}

/// The pair of an RSA JWK with its primes (RFC 7518 §6.3.2).
pub fn rsa_of_jwk(jwk: &Map<String, Value>) -> Option<RsaKeyPair> {
    let part = |name| URL_SAFE_NO_PAD.decode(jwk.get(name)?.as_str()?).ok().map(Zeroizing::new);
    // the library takes no leading zeros in public numbers
    let public = |name| {
        part(name)
            .map(|bytes| bytes.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<u8>>())
    };
    let public_key = PublicKeyComponents { n: public("n")?, e: public("e")? };
    let parts = KeyPairComponents {
        public_key,
        d: part("d")?,
        p: part("p")?,
        q: part("q")?,
        dP: part("dp")?,
        dQ: part("dq")?,
        qInv: part("qi")?,
    };
    RsaKeyPair::from_components(&parts).ok()
}

fn of_curve(
    jwk: &Map<String, Value>,
    algorithm: &'static agreement::Algorithm,
    d: &[u8],
) -> Option<Private> {
    let key = PrivateKey::from_private_key(algorithm, d).ok()?;
    // content encrypted for one half would not open with the other
    let agrees = key.compute_public_key().ok()?.as_ref() == public_key(jwk, algorithm)?;
    agrees.then_some(Private::Curve(key))
}
