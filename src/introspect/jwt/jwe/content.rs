//! Content encryption: RFC 7518 §5.

use aws_lc_rs::aead::{AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey,
};
use aws_lc_rs::hmac::{self, HMAC_SHA256, HMAC_SHA384, HMAC_SHA512};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{aead, cipher, constant_time};
use zeroize::Zeroizing;

/// `enc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentEncryption {
    A128Gcm,
    A192Gcm,
    A256Gcm,
    A128CbcHs256,
    A192CbcHs384,
    A256CbcHs512,
}

enum CipherMode {
    /// RFC 7518 §5.3.
    Gcm(&'static aead::Algorithm),
    /// RFC 7518 §5.2.
    CbcHmac(&'static cipher::Algorithm, hmac::Algorithm),
}

impl ContentEncryption {
    pub fn named(enc: &str) -> Option<Self> {
        [
            Self::A128Gcm,
            Self::A192Gcm,
            Self::A256Gcm,
            Self::A128CbcHs256,
            Self::A192CbcHs384,
            Self::A256CbcHs512,
        ]
        .into_iter()
        .find(|content| content.name() == enc)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::A128Gcm => "A128GCM",
            Self::A192Gcm => "A192GCM",
            Self::A256Gcm => "A256GCM",
            Self::A128CbcHs256 => "A128CBC-HS256",
            Self::A192CbcHs384 => "A192CBC-HS384",
            Self::A256CbcHs512 => "A256CBC-HS512",
        }
    }

    /// Bytes of its key.
    pub fn key_len(self) -> usize {
        match self {
            Self::A128Gcm => 16,
            Self::A192Gcm => 24,
            Self::A256Gcm | Self::A128CbcHs256 => 32,
            Self::A192CbcHs384 => 48,
            Self::A256CbcHs512 => 64,
        }
    }

    fn way(self) -> CipherMode {
        match self {
            Self::A128Gcm => CipherMode::Gcm(&AES_128_GCM),
            Self::A192Gcm => CipherMode::Gcm(&AES_192_GCM),
            Self::A256Gcm => CipherMode::Gcm(&AES_256_GCM),
            Self::A128CbcHs256 => CipherMode::CbcHmac(&AES_128, HMAC_SHA256),
            Self::A192CbcHs384 => CipherMode::CbcHmac(&AES_192, HMAC_SHA384),
            Self::A256CbcHs512 => CipherMode::CbcHmac(&AES_256, HMAC_SHA512),
        }
    }

    /// `None` after any error: errors must be indistinguishable (RFC 7516 §11.5).
    pub fn open(
        self,
        key: &[u8],
        protected: &str,
        iv: &[u8],
        ciphertext: &[u8],
        tag: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let mut content = Zeroizing::new(ciphertext.to_vec());
        let length = match self.way() {
            CipherMode::Gcm(algorithm) => {
                let key = LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?);
                let nonce = Nonce::try_assume_unique_for_key(iv).ok()?;
                if tag.len() != algorithm.tag_len() {
                    return None;
                }
                key.open_in_place_separate_tag(nonce, Aad::from(protected), tag, &mut content)
                    .ok()?
                    .len()
            }
            CipherMode::CbcHmac(algorithm, hmac) => {
                // RFC 7518 §5.2.2.1: the first half is the MAC's key, and half a MAC is the tag
                let (mac_key, key) = key.split_at_checked(key.len() / 2)?;
                let mac = mac(hmac, mac_key, protected, iv, ciphertext)?;
                constant_time::verify_slices_are_equal(mac.as_ref().get(..key.len())?, tag).ok()?;
                let iv =
                    DecryptionContext::Iv128(FixedLength::from(<[u8; 16]>::try_from(iv).ok()?));
                let key = PaddedBlockDecryptingKey::cbc_pkcs7(
                    UnboundCipherKey::new(algorithm, key).ok()?,
                )
                .ok()?;
                key.decrypt(&mut content, iv).ok()?.len()
            }
        };
        content.truncate(length);
        Some(content)
    }
}

fn mac(
    algorithm: hmac::Algorithm,
    key: &[u8],
    protected: &str,
    iv: &[u8],
    ciphertext: &[u8],
) -> Option<hmac::Tag> {
    let mut context = hmac::Context::with_key(&hmac::Key::new(algorithm, key));
    let bits = u64::try_from(protected.len()).ok()?.checked_mul(8)?;
    for part in [protected.as_bytes(), iv, ciphertext, &bits.to_be_bytes()] {
        context.update(part);
    }
    Some(context.sign())
}
