//! Settings of Redis.

use crate::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use zeroize::Zeroizing;

/// `cache.redis`.
#[derive(Clone, Debug, PartialEq)]
pub struct RedisSettings {
    pub topology: Topology,
    /// `Some`: the connection is encrypted.
    pub tls: Option<RedisTlsSettings>,
    /// The number of the database.
    pub database: i64,
    pub login: Option<Login>,
    pub key: SharedKey,
    /// The common prefix of all names in Redis.
    pub prefix: String,
    /// How long one look at Redis may take.
    pub timeout: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Topology {
    Single(RedisNode),
    /// The Sentinels know which node is the master of that name.
    Sentinel {
        sentinels: Vec<RedisNode>,
        master: String,
        login: Option<Login>,
    },
    /// Some of the cluster's nodes; the others are learnt from them.
    Cluster(Vec<RedisNode>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisNode {
    Tcp(String, u16),
    Unix(PathBuf),
}

/// ACL user, or the one password of `requirepass`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    pub username: Option<String>,
    pub password: Secret,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisTlsSettings {
    /// PEM: trusted in place of the system's certificates.
    pub ca: Option<Vec<u8>>,
    /// PEM: our own certificate and its private key.
    pub identity: Option<(Vec<u8>, Zeroizing<Vec<u8>>)>,
}

/// `cache.redis.key`.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedKey(Zeroizing<[u8; 32]>);

impl SharedKey {
    /// 32 bytes in base64, of either alphabet, padded or not.
    pub fn parse(text: &str) -> Option<Self> {
        [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].iter().find_map(|alphabet| {
            let bytes = Zeroizing::new(alphabet.decode(text.trim()).ok()?);
            let key: [u8; 32] = bytes.as_slice().try_into().ok()?;
            Some(Self(Zeroizing::new(key)))
        })
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_32_bytes_of_base64() {
        let padded = STANDARD.encode([0xfb; 32]);
        for text in [
            &padded,
            padded.trim_end_matches('='),
            &URL_SAFE.encode([0xfb; 32]),
            &format!("{padded}\n"),
        ] {
            assert_eq!(SharedKey::parse(text).map(|key| *key.bytes()), Some([0xfb; 32]), "{text}");
        }
        for text in
            ["", "x", "not base64 at all", &STANDARD.encode([1; 31]), &STANDARD.encode([1; 33])]
        {
            assert_eq!(SharedKey::parse(text), None, "{text}");
        }
    }
}
