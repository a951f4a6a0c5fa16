//! What is never shown, neither in messages nor in the effective configuration.

use super::path::{KeyPath, Step};
use serde_json::Value;
use std::collections::HashSet;

pub const REDACTED: &str = "[redacted]";

/// Whether what stands there may be a secret, by the names of the keys that lead to it.
pub fn is_secret(path: &KeyPath) -> bool {
    let mut keys = path.keys();
    let in_cache = path.keys().next() == Some("cache");
    let chosen_by_the_user = match keys.next() {
        // the section about clients' tokens holds none
        Some("token") => return false,
        Some("authorization_servers" | "upstreams") => 1,
        _ => 0,
    };
    keys.skip(chosen_by_the_user).any(|key| {
        let key = key.to_ascii_lowercase();
        match &*key {
            "token_type_hint" | "token_endpoint" | "tokens" => false,
            // templates of requests, where credentials stand among the rest
            "headers" | "parameters" | "body" => true,
            // URLs with user and password
            "proxy" => true,
            // Redis's may hold a password
            "url" => in_cache,
            key => ["token", "secret", "key", "password"].iter().any(|word| key.contains(word)),
        }
    })
}

/// Replaces every value that came from the environment.
pub fn redact(values: &mut Value, foreign: &HashSet<KeyPath>) {
    for path in foreign {
        let found = path.steps().iter().try_fold(&mut *values, |value, step| match step {
            Step::Key(key) => value.get_mut(key),
            Step::Item(index) => value.get_mut(index),
        });
        if let Some(value) = found {
            *value = REDACTED.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_keys() {
        let path = |text: &str| text.split('.').fold(KeyPath::root(), |path, key| path.key(key));
        for secret in [
            "admin.token",
            "admin.token_file",
            "authorization_servers.a.client_auth.client_secret",
            "authorization_servers.a.headers.X",
            "authorization_servers.a.parameters.p",
            "authorization_servers.a.passwordd",
            "cache.redis.KEY",
            "cache.redis.url",
        ] {
            assert!(is_secret(&path(secret)), "{secret}");
        }
        for open in [
            "token.from",
            "authorization_servers.token.timeout",
            "authorization_servers.a.token_type_hint",
            "realm",
        ] {
            assert!(!is_secret(&path(open)), "{open}");
        }
    }
}
