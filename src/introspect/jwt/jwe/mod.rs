//! Encrypted tokens: a JWE in compact form (RFC 7516 §3.1), opened with a private key of the
//! gateway. Its content is trusted no more than the token itself: any sender can encrypt to a
//! public key.
//!
//! Only the format is handled here; the cryptography is that of `aws-lc-rs`.

mod agreement;
mod content;
mod header;
mod keys;
#[cfg(test)]
mod tests;

pub use keys::{DecryptionKey, private_keys_of_file, rsa_of_jwk};

use super::JwtFlaw;
use super::jws::{Jws, MAX_HEADER, MAX_TOKEN, bytes, object};
use header::JweHeader;
use thiserror::Error;
use zeroize::Zeroizing;

/// The gateway's private keys for one authorization server.
#[derive(Debug)]
pub struct DecryptionKeys {
    keys: Vec<DecryptionKey>,
    /// Of the files that they are from.
    digest: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "there are more than 10 keys in all; each of them may have to be tried for every token that does not name its key"
)]
pub struct TooMany;

const MOST_KEYS: usize = 10;

/// The signed part of a token: all of it, or its content if it is encrypted and there are keys.
pub enum Opened<'t> {
    AsItCame(&'t str),
    Content(Zeroizing<String>),
}

impl<'t> Opened<'t> {
    pub fn new(token: &'t str, keys: Option<&DecryptionKeys>) -> Result<Self, JwtFlaw> {
        match keys {
            Some(keys) if token.split('.').count() == 5 => keys.open(token).map(Self::Content),
            _ => Ok(Self::AsItCame(token)),
        }
    }

    pub fn signed(&self) -> Result<Jws<'_>, JwtFlaw> {
        match self {
            Self::AsItCame(token) => Jws::parse(token),
            // encryption does not authenticate the sender
            Self::Content(content) => Jws::parse(content)
                .map_err(|flaw| if flaw == JwtFlaw::ENCRYPTED { JwtFlaw::TWICE } else { flaw }),
        }
    }
}

impl DecryptionKeys {
    pub fn new(keys: Vec<DecryptionKey>, digest: String) -> Result<Self, TooMany> {
        if keys.len() > MOST_KEYS { Err(TooMany) } else { Ok(Self { keys, digest }) }
    }

    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The content of a token. A key with the `kid` that it names decides alone; where the token or
    /// a key has none, all that fit are tried.
    pub fn open(&self, token: &str) -> Result<Zeroizing<String>, JwtFlaw> {
        let jwe = Jwe::parse(token)?;
        let wanted = jwe.header.kid.as_deref();
        let mut why = JwtFlaw::invalid("encrypted for a key that is not among `decryption_keys`");
        for key in self
            .keys
            .iter()
            .filter(|key| wanted.is_none() || key.kid.is_none() || key.kid.as_deref() == wanted)
        {
            if !key.fits(jwe.header.management) {
                why = if why == JwtFlaw::CLOSED {
                    why
                } else {
                    JwtFlaw::invalid(
                        "encrypted by an `alg` that is not for the key of `decryption_keys`",
                    )
                };
                continue;
            }
            match jwe.open(key) {
                Some(content) => return Ok(content),
                None => why = JwtFlaw::CLOSED,
            }
        }
        Err(why)
    }
}

/// The five parts, decoded.
struct Jwe<'t> {
    header: JweHeader,
    /// The encoded header: it is authenticated beside the content (RFC 7516 §5.2, step 15).
    protected: &'t str,
    encrypted_key: Vec<u8>,
    iv: Vec<u8>,
    ciphertext: Vec<u8>,
    tag: Vec<u8>,
}

impl<'t> Jwe<'t> {
    fn parse(token: &'t str) -> Result<Self, JwtFlaw> {
        if token.len() > MAX_TOKEN {
            return Err(JwtFlaw::TOO_LARGE);
        }
        let parts: Vec<&str> = token.split('.').collect();
        let &[protected, encrypted_key, iv, ciphertext, tag] = parts.as_slice() else {
            return Err(JwtFlaw::invalid("not an encrypted token: it does not have five parts"));
        };
        let header = JweHeader::from_members(&object(protected, MAX_HEADER)?)?;
        Ok(Self {
            header,
            protected,
            encrypted_key: bytes(encrypted_key)?,
            iv: bytes(iv)?,
            ciphertext: bytes(ciphertext)?,
            tag: bytes(tag)?,
        })
    }

    fn open(&self, key: &DecryptionKey) -> Option<Zeroizing<String>> {
        let content_key = key.content_key(&self.header, &self.encrypted_key)?;
        let content = self.header.content.open(
            &content_key,
            self.protected,
            &self.iv,
            &self.ciphertext,
            &self.tag,
        )?;
        std::str::from_utf8(&content).ok().map(|text| Zeroizing::new(text.to_owned()))
    }
}
