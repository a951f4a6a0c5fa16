//! The only form in which a token is kept, compared and logged.

use crate::hex;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A key for digests: one for each authorization server's settings, derived from a random key of
/// this process. Equal tokens under different settings have unrelated digests.
#[derive(Clone)]
pub struct DigestKey([u8; 32]);

impl DigestKey {
    /// A new random key.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// The key for everything that has to do with `settings`, a list of texts whose order and
    /// number count. Texts are length-prefixed, so that no two lists run together.
    pub fn derive<'a, T: AsRef<[u8]> + ?Sized + 'a>(
        &self,
        settings: impl IntoIterator<Item = &'a T>,
    ) -> Self {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for text in settings {
            hasher.update(&(text.as_ref().len() as u64).to_le_bytes());
            hasher.update(text.as_ref());
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// The key itself, for another process of this gateway.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest of a value of this kind. `kind` has no NUL, so that no two pairs run together.
    pub fn digest_of(&self, kind: &str, value: &[u8]) -> TokenDigest {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(kind.as_bytes()).update(&[0]).update(value);
        TokenDigest(*hasher.finalize().as_bytes())
    }

    /// The digest of one token.
    pub fn digest(&self, token: &str) -> TokenDigest {
        TokenDigest(*blake3::keyed_hash(&self.0, token.as_bytes()).as_bytes())
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A keyed 256-bit digest of a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The first 8 hex digits: enough to follow one token through a log, too few to find it.
    pub fn fingerprint(&self) -> TokenFingerprint {
        let [a, b, c, d, ..] = self.0;
        TokenFingerprint(u32::from_be_bytes([a, b, c, d]))
    }
}

impl TokenDigest {
    /// The whole digest, for use in data that is itself keyed or encrypted.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for TokenDigest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl From<[u8; 32]> for DigestKey {
    fn from(key: [u8; 32]) -> Self {
        Self(key)
    }
}

impl Hash for TokenDigest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", self.fingerprint())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenFingerprint(u32);

impl TokenFingerprint {
    /// As it is shown.
    pub fn hex(self) -> [u8; 8] {
        let mut shown = [0; 8];
        hex::write(&mut shown, &self.0.to_be_bytes());
        shown
    }
}

impl fmt::Display for TokenFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// A digest is already uniform and keyed: its first eight bytes serve as its hash.
/// (The whole digest is compared on a hit.)
#[derive(Clone, Copy, Debug, Default)]
pub struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

impl std::hash::BuildHasher for DigestHasher {
    type Hasher = Self;
    fn build_hasher(&self) -> Self {
        Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_separate_digests() {
        let process = DigestKey::random();
        let digest =
            |settings: &[&str], token: &str| process.derive(settings.iter().copied()).digest(token);
        assert_eq!(digest(&["a", "b"], "t"), digest(&["a", "b"], "t"));
        for other in [&["ab"][..], &["a", "b", ""], &["b", "a"], &["a"], &[]] {
            assert_ne!(digest(&["a", "b"], "t"), digest(other, "t"), "{other:?}");
        }
        assert_ne!(digest(&["a", "b"], "t"), digest(&["a", "b"], "t|a"));
    }

    #[test]
    fn a_fingerprint_has_eight_hex_digits() {
        let text = DigestKey::random().digest("t").fingerprint().to_string();
        assert_eq!(text.len(), 8);
        assert!(text.bytes().all(|b| b.is_ascii_hexdigit()));
    }
}
