//! Key agreement: ECDH-ES (RFC 7518 §4.6), also with X25519 (RFC 8037 §3.2).

use super::header::JweHeader;
use aws_lc_rs::agreement::{self, ECDH_P256, ECDH_P384, PrivateKey, UnparsedPublicKey, X25519};
use aws_lc_rs::kdf::{SskdfDigestAlgorithmId, get_sskdf_digest_algorithm, sskdf_digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// The curves, with `kty` and `crv` of their keys and the bytes of a coordinate.
pub const CURVES: [(&str, &str, &agreement::Algorithm, usize); 3] = [
    ("EC", "P-256", &ECDH_P256, 32),
    ("EC", "P-384", &ECDH_P384, 48),
    ("OKP", "X25519", &X25519, 32),
];

/// The key of `length` bytes that both sides agree on, for `algorithm`. `None` where the sender's
/// key is not on this curve: the library checks its point.
pub fn agreed(
    key: &PrivateKey,
    header: &JweHeader,
    algorithm: &str,
    length: usize,
) -> Option<Zeroizing<Vec<u8>>> {
    let theirs = public_key(header.ephemeral.as_ref()?, key.algorithm())?;
    let [from, to] = &header.parties;
    let theirs = UnparsedPublicKey::new(key.algorithm(), theirs);
    agreement::agree(key, theirs, (), |secret| {
        derived(secret, algorithm, from, to, length).ok_or(())
    })
    .ok()
}

/// Concat KDF (RFC 7518 §4.6.2).
pub fn derived(
    secret: &[u8],
    algorithm: &str,
    from: &[u8],
    to: &[u8],
    length: usize,
) -> Option<Zeroizing<Vec<u8>>> {
    let mut info = Vec::new();
    for part in [algorithm.as_bytes(), from, to] {
        info.extend(u32::try_from(part.len()).ok()?.to_be_bytes());
        info.extend(part);
    }
    info.extend(u32::try_from(length).ok()?.checked_mul(8)?.to_be_bytes());
    let mut key = Zeroizing::new(vec![0; length]);
    sskdf_digest(
        get_sskdf_digest_algorithm(SskdfDigestAlgorithmId::Sha256)?,
        secret,
        &info,
        &mut key,
    )
    .ok()?;
    Some(key)
}

/// A JWK's public key, as the library reads it, where it is of this curve (RFC 7518 §6.2.1:
/// coordinates have their full length).
pub fn public_key(jwk: &Map<String, Value>, curve: &agreement::Algorithm) -> Option<Vec<u8>> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let (kty, crv, _, length) =
        CURVES.into_iter().find(|(.., algorithm, _)| *algorithm == curve)?;
    if text("kty") != Some(kty) || text("crv") != Some(crv) {
        return None;
    }
    let coordinate =
        |name| URL_SAFE_NO_PAD.decode(text(name)?).ok().filter(|bytes| bytes.len() == length);
    match kty {
        "OKP" => coordinate("x"),
        // SEC 1 §2.3.3: an uncompressed point
        _ => Some([vec![4], coordinate("x")?, coordinate("y")?].concat()),
    }
}
