//! The public keys of assertions, those of the past included.

use super::AssertionSettings;
use crate::clock::Mono;
use serde_json::{Value, json};
use std::time::Duration;

/// The keys by which upstreams verify assertions. A key that was replaced stays for as long as
/// assertions that it signed may be good, and a while longer.
#[derive(Debug, Default)]
pub struct PublishedKeys(Vec<PublishedAssertionKeys>);

#[derive(Debug)]
struct PublishedAssertionKeys {
    kid: String,
    public: Value,
    /// The longest life of an assertion by this key.
    ttl: Duration,
    /// `None`: it signs.
    until: Option<Mono>,
}

/// Beyond the end of the last assertion: for clocks that differ, and for requests that take long.
const MARGIN: Duration = Duration::from_secs(600);

/// Keys that were replaced, at most: the newest. A file that changes all the time is no rotation.
const REPLACED: usize = 16;

impl PublishedKeys {
    /// From `now` on, assertions are made by these settings, or not made at all.
    pub fn replace(&mut self, current: Option<&AssertionSettings>, now: Mono) {
        self.0.retain(|key| key.until.is_none_or(|until| until > now));
        for key in &mut self.0 {
            key.until.get_or_insert(now + key.ttl + MARGIN);
        }
        if let Some(AssertionSettings { key, ttl, .. }) = current {
            let held = self.0.iter().position(|held| held.kid == key.kid());
            let before = held.map(|held| self.0.remove(held).ttl).unwrap_or_default();
            let (kid, public) = (key.kid().to_owned(), key.public().clone());
            let ttl = before.max(*ttl);
            self.0.insert(0, PublishedAssertionKeys { kid, public, ttl, until: None });
        }
        self.0.truncate(REPLACED + 1);
    }

    /// The key set (RFC 7517 §5) at `now`, the key that signs first. `None`: there is none.
    pub fn set(&self, now: Mono) -> Option<Value> {
        let alive = self.0.iter().filter(|key| key.until.is_none_or(|until| until > now));
        let keys: Vec<&Value> = alive.map(|key| &key.public).collect();
        (!keys.is_empty()).then(|| json!({ "keys": keys }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::AssertionKey;
    use jsonwebtoken::{Algorithm, EncodingKey};
    use std::sync::Arc;

    fn settings(ttl: u64) -> AssertionSettings {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519);
        let der = pair.map(|pair| pair.serialize_der()).unwrap_or_default();
        // version 1, as aws-lc writes it: the public key is left out
        let encoding =
            aws_lc_rs::signature::Ed25519KeyPair::from_pkcs8(&der).ok().and_then(|pair| {
                use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
                let der: Pkcs8V1Der<'_> = pair.as_der().ok()?;
                Some(EncodingKey::from_ed_der(der.as_ref()))
            });
        let key = encoding.and_then(|encoding| AssertionKey::new(encoding, Algorithm::EdDSA));
        let Some(key) = key else { panic!("no key") };
        AssertionSettings {
            key: Arc::new(key),
            issuer: "i".into(),
            audience: "a".into(),
            ttl: Duration::from_secs(ttl),
        }
    }

    fn kids(keys: &PublishedKeys, now: Mono) -> Vec<String> {
        let set = keys.set(now).unwrap_or_default();
        let keys = set["keys"].as_array().cloned().unwrap_or_default();
        keys.iter().filter_map(|key| key["kid"].as_str().map(str::to_owned)).collect()
    }

    #[test]
    fn a_key_that_was_replaced_stays_for_its_assertions() {
        let (first, second) = (settings(60), settings(5));
        let names = [&first, &second].map(|settings| settings.key.kid().to_owned());
        let [a, b] = names.each_ref().map(String::as_str);
        let at = |seconds| Mono::START + Duration::from_secs(seconds);
        let mut keys = PublishedKeys::default();
        assert_eq!(keys.set(at(0)), None);
        keys.replace(Some(&first), at(0));
        keys.replace(Some(&first), at(10));
        assert_eq!(kids(&keys, at(100_000)), [a]);
        keys.replace(Some(&second), at(100));
        keys.replace(Some(&second), at(200));
        assert_eq!(kids(&keys, at(100 + 60 + 599)), [b, a]);
        assert_eq!(kids(&keys, at(100 + 60 + 600)), [b]);
        keys.replace(Some(&first), at(300));
        assert_eq!(kids(&keys, at(300)), [a, b], "the old key again");
        keys.replace(None, at(400));
        assert_eq!(kids(&keys, at(401)), [a, b]);
        assert_eq!(keys.set(at(2000)), None);
    }

    #[test]
    fn a_private_key_is_not_published() {
        let settings = settings(60);
        let members = settings.key.public().as_object().cloned().unwrap_or_default();
        let mut names: Vec<_> = members.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x"]);
    }

    #[test]
    fn their_number_is_bounded() {
        let mut keys = PublishedKeys::default();
        for _ in 0..30 {
            keys.replace(Some(&settings(60)), Mono::START);
        }
        assert_eq!(kids(&keys, Mono::START).len(), REPLACED + 1);
    }
}
