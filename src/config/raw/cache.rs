//! `cache`.

use super::{Period, SecretText};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// `cache`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cache {
    /// Active answers kept at most.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub max_entries: u32,
    /// How long an active answer may be reused; its `exp` always ends it earlier. `0s`: never
    /// cached.
    pub ttl: Period,
    /// How long an inactive answer is reused.
    pub inactive_ttl: Period,
    /// Inactive answers kept at most, in a budget of their own.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub inactive_max_entries: u32,
    /// A hit after this share of the ttl asks again in the background; 0 turns it off.
    #[schemars(range(min = 0, max = 1))]
    pub refresh_ahead: f64,
    /// How long past its ttl, never past `exp`, an active answer may serve while the server is
    /// down.
    pub stale_if_error: Period,
    /// Against guessing of tokens. Off unless present.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard: Option<Guard>,
    /// A second level that gateways share, in Redis or Valkey.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<Redis>,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            max_entries: 100_000,
            ttl: Period(Duration::from_secs(60)),
            inactive_ttl: Period(Duration::from_secs(10)),
            inactive_max_entries: 10_000,
            refresh_ahead: 0.8,
            stale_if_error: Period(Duration::ZERO),
            guard: None,
            redis: None,
        }
    }
}

/// `cache.guard`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Guard {
    /// Introspections of tokens that were never seen which one client address may cause within the
    /// window; then 429.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub misses: u32,
    /// From an address's first such token on.
    pub window: Period,
}

impl Default for Guard {
    fn default() -> Self {
        Self { misses: 100, window: Period(Duration::from_secs(10)) }
    }
}

/// `cache.redis`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["url"]))]
pub struct Redis {
    /// `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`, `rediss://` for TLS,
    /// `redis+unix:///path`;
    /// `redis-sentinel://SENTINEL[:PORT],…[/DATABASE]#MASTER` and `redis-cluster://NODE[:PORT],…`,
    /// with TLS `rediss-…`.
    pub url: SecretText,
    /// User of Redis's access control list; in place of the one in the URL.
    pub username: String,
    /// Its password, in place of the one in the URL.
    pub password: SecretText,
    /// File with the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<String>,
    /// How to log in at the Sentinels, where they want that.
    pub sentinel: RedisLogin,
    /// Trust and own certificate, for `rediss`.
    pub tls: RedisTls,
    /// 32 bytes, base64: cached answers are encrypted with it, token digests keyed by it.
    pub key: SecretText,
    /// File with the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<String>,
    /// The prefix of all names in Redis.
    pub prefix: String,
    /// How long one look at Redis may take before it is bypassed.
    pub timeout: Period,
}

/// `cache.redis.sentinel`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RedisLogin {
    /// User of the access control list.
    pub username: String,
    /// Password.
    pub password: SecretText,
    /// File with the password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<String>,
}

/// `cache.redis.tls`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RedisTls {
    /// PEM file with the authorities that are trusted, in place of the system's.
    pub ca: String,
    /// PEM file with our own certificate, where Redis wants one.
    pub certificate: String,
    /// PEM file with its private key.
    pub private_key: String,
}

impl Default for Redis {
    fn default() -> Self {
        Self {
            url: SecretText::default(),
            username: String::new(),
            password: SecretText::default(),
            password_file: None,
            sentinel: RedisLogin::default(),
            tls: RedisTls::default(),
            key: SecretText::default(),
            key_file: None,
            prefix: "introgate:".into(),
            timeout: Period(Duration::from_millis(50)),
        }
    }
}
