//! Uses of `cache.redis.key`: names that reveal nothing, and values that only its holders can read
//! or make.
//!
//! One sub-key for each use (BLAKE3's `derive_key`), so that none reveals another. A value is
//! `version ‖ salt ‖ ciphertext ‖ tag`: AES-256-GCM with a key of its own, made of the sub-key and
//! 24 random bytes. (With one key for all values, the 96 bits of GCM's nonce would be too few for
//! the writes of a busy fleet within days.) The version and the name in Redis are authenticated
//! too: a value does not open under another name.

use super::settings::SharedKey;
use crate::token::{DigestKey, TokenDigest};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// The form of values. Another form is another number, and not readable by this version.
const VERSION: u8 = 1;
const SALT: usize = 24;

pub struct RedisKeys {
    names: [u8; 32],
    values: [u8; 32],
    digests: DigestKey,
    prefix: String,
}

/// The names under which one token's answer is in Redis.
pub struct EntryNames {
    pub answer: String,
    /// There while some gateway asks the authorization server.
    pub asked: String,
}

impl RedisKeys {
    pub fn new(key: &SharedKey, prefix: &str) -> Self {
        let derive = |what: &str| {
            blake3::derive_key(&format!("introgate cache.redis v1 {what}"), key.bytes())
        };
        Self {
            names: derive("names"),
            values: derive("values"),
            digests: DigestKey::from(derive("digests")),
            prefix: prefix.to_owned(),
        }
    }

    /// The key for digests of tokens: the same in every gateway that has `cache.redis.key`.
    pub fn digests(&self) -> &DigestKey {
        &self.digests
    }

    /// The braces keep both names on one node of a cluster.
    pub fn names(&self, digest: &TokenDigest) -> EntryNames {
        let keyed = blake3::keyed_hash(&self.names, digest.as_bytes()).to_hex();
        let answer = format!("{}{{{keyed}}}", self.prefix);
        let asked = format!("{answer}:asked");
        EntryNames { answer, asked }
    }

    /// The name under which the use of a proof of possession is recorded.
    pub fn claim(&self, id: &TokenDigest) -> String {
        let keyed = blake3::keyed_hash(&self.names, id.as_bytes()).to_hex();
        format!("{}once:{keyed}", self.prefix)
    }

    /// The name of a bucket of a rate limit.
    pub fn bucket(&self, id: &TokenDigest) -> String {
        let keyed = blake3::keyed_hash(&self.names, id.as_bytes()).to_hex();
        format!("{}rate:{keyed}", self.prefix)
    }

    /// The name of the lease of a duty.
    pub fn lease(&self, duty: &str) -> String {
        let keyed = blake3::keyed_hash(&self.names, format!("lease {duty}").as_bytes()).to_hex();
        format!("{}lease:{}", self.prefix, &keyed[..32])
    }

    /// The name of the log of purges.
    pub fn log(&self) -> String {
        let keyed = blake3::keyed_hash(&self.names, b"purges").to_hex();
        format!("{}purges:{}", self.prefix, &keyed[..16])
    }

    /// `None` only if the machine has no randomness or the value is absurdly long.
    pub fn seal(&self, name: &str, value: &[u8]) -> Option<Vec<u8>> {
        let salt: [u8; SALT] = rand::random();
        let mut sealed = value.to_vec();
        self.key(&salt)?
            .seal_in_place_append_tag(nonce(), Aad::from(bound(name)), &mut sealed)
            .ok()?;
        Some([&[VERSION][..], &salt, &sealed].concat())
    }

    /// The value, if it was sealed with this key under this name and is whole.
    pub fn open(&self, name: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let rest = sealed.strip_prefix(&[VERSION])?;
        let (salt, sealed) = rest.split_first_chunk::<SALT>()?;
        let mut sealed = sealed.to_vec();
        let opened =
            self.key(salt)?.open_in_place(nonce(), Aad::from(bound(name)), &mut sealed).ok()?;
        Some(opened.to_vec())
    }

    fn key(&self, salt: &[u8; SALT]) -> Option<LessSafeKey> {
        let key = blake3::keyed_hash(&self.values, salt);
        UnboundKey::new(&AES_256_GCM, key.as_bytes()).ok().map(LessSafeKey::new)
    }
}

/// The key is used once: its nonce need not differ.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

fn bound(name: &str) -> Vec<u8> {
    [&[VERSION][..], name.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    fn keys(byte: u8, prefix: &str) -> Option<RedisKeys> {
        SharedKey::parse(&STANDARD.encode([byte; 32])).map(|key| RedisKeys::new(&key, prefix))
    }

    #[test]
    fn a_value_opens_whole_under_its_name_and_key_alone() {
        let (Some(ours), Some(theirs)) = (keys(1, "p:"), keys(2, "p:")) else { panic!("keys") };
        let sealed = ours.seal("a", b"secret").unwrap_or_default();
        assert_eq!(ours.open("a", &sealed).as_deref(), Some(&b"secret"[..]));
        assert_eq!(ours.open("b", &sealed), None, "moved");
        assert_eq!(theirs.open("a", &sealed), None, "another key");
        for cut in 0..sealed.len() {
            assert_eq!(ours.open("a", &sealed[..cut]), None, "{cut} bytes of it");
        }
        for at in 0..sealed.len() {
            let mut forged = sealed.clone();
            forged[at] ^= 1;
            assert_eq!(ours.open("a", &forged), None, "byte {at}");
        }
        assert_ne!(ours.seal("a", b"secret"), Some(sealed), "no two are alike");
    }

    #[test]
    fn names_depend_on_the_key_and_show_no_digest() {
        let (Some(ours), Some(theirs)) = (keys(1, "p:"), keys(2, "p:")) else { panic!("keys") };
        let digest = ours.digests().digest("token");
        let names = ours.names(&digest);
        assert_ne!(names.answer, theirs.names(&digest).answer);
        assert_ne!(ours.log(), theirs.log());
        let hex: String = digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(
            !names.answer.contains(&hex) && names.answer.starts_with("p:{"),
            "{}",
            names.answer
        );
        assert_ne!(digest, theirs.digests().digest("token"));
    }
}
