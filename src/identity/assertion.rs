//! The identity as a signed statement: a short-lived JWT (RFC 7519) for upstreams that want proof
//! that it comes from this gateway.

use crate::clock::Now;
use crate::token::{ActiveFacts, ClaimPath};
use jsonwebtoken::jwk::{Jwk, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Map, Value, json};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The header's `typ`: nothing else that the same key might sign is taken for an assertion
/// (RFC 8725 §3.11).
const TYPE: &str = "introgate+jwt";

/// `identity.assertion`.
#[derive(Clone, Debug)]
pub struct AssertionSettings {
    /// The key that signs.
    pub key: Arc<AssertionKey>,
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
    /// Whole seconds, at least one. The token's `exp` may end an assertion earlier.
    pub ttl: Duration,
}

/// The private key that signs, and its public half.
pub struct AssertionKey {
    encoding: EncodingKey,
    header: Header,
    kid: String,
    public: Value,
}

impl AssertionKey {
    /// `kid` is the thumbprint of the key (RFC 7638). `None` when the key does not sign by this
    /// algorithm.
    pub fn new(encoding: EncodingKey, algorithm: Algorithm) -> Option<Self> {
        let mut public = Jwk::from_encoding_key(&encoding, algorithm).ok()?;
        let kid = public.thumbprint(ThumbprintHash::SHA256).ok()?;
        public.common.key_id = Some(kid.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        let public = serde_json::to_value(public).ok()?;
        let header =
            Header { typ: Some(TYPE.into()), kid: Some(kid.clone()), ..Header::new(algorithm) };
        let key = Self { encoding, header, kid, public };
        // a key that cannot sign is found out at load
        key.sign(&Map::new())?;
        Some(key)
    }

    /// The thumbprint.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public key as a JWK (RFC 7517).
    pub fn public(&self) -> &Value {
        &self.public
    }

    fn sign(&self, claims: &Map<String, Value>) -> Option<String> {
        encode(&self.header, claims, &self.encoding).ok()
    }
}

impl fmt::Debug for AssertionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AssertionKey({})", self.kid)
    }
}

/// An assertion before it is signed.
pub struct Statement {
    claims: Map<String, Value>,
    /// How long the assertion is good.
    pub life: Duration,
}

/// Members that are the gateway's own statement; no member of an answer takes their place.
const OWN: [&str; 10] =
    ["iss", "aud", "iat", "nbf", "exp", "jti", "sub", "client_id", "scope", "act"];

impl AssertionSettings {
    /// The facts in the claims of an assertion that is made `now`. `members`: those of the answer
    /// that are named by `claims`, and `act`.
    pub fn state(
        &self,
        facts: &ActiveFacts,
        members: &Map<String, Value>,
        claims: &[ClaimPath],
        now: Now,
    ) -> Statement {
        let iat = now.unix_seconds();
        let ttl = i64::try_from(self.ttl.as_secs()).unwrap_or(i64::MAX);
        let exp = iat.saturating_add(ttl).min(facts.expires_at.unwrap_or(i64::MAX));
        let mut all = Map::new();
        for claim in claims {
            if let (Some(value), Some((first, rest))) =
                (claim.find(members), claim.steps().split_first())
                && !OWN.contains(&first.as_str())
            {
                insert(&mut all, first, rest, value);
            }
        }
        all.insert("iss".into(), self.issuer.as_str().into());
        all.insert("aud".into(), self.audience.as_str().into());
        all.insert("iat".into(), iat.into());
        all.insert("exp".into(), exp.into());
        all.insert("jti".into(), format!("{:032x}", rand::random::<u128>()).into());
        let scopes = facts.scopes().shown();
        for (name, text) in [
            ("sub", facts.subject()),
            ("client_id", facts.client_id()),
            ("scope", Some(&*scopes).filter(|scopes| !scopes.is_empty())),
        ] {
            if let Some(text) = text {
                all.insert(name.into(), text.into());
            }
        }
        if let Some(actor @ Value::Object(_)) = members.get("act") {
            all.insert("act".into(), actor.clone());
        }
        let life = u64::try_from(exp.saturating_sub(iat)).unwrap_or(0);
        Statement { claims: all, life: Duration::from_secs(life) }
    }

    /// The assertion; `None` when it cannot be signed.
    pub fn sign(&self, statement: &Statement) -> Option<String> {
        self.key.sign(&statement.claims)
    }
}

impl Statement {
    /// The claims without a signature, for people: they are no use as an assertion.
    pub fn unsigned(&self) -> String {
        format!("unsigned {}", Value::Object(self.claims.clone()))
    }
}

/// Puts `value` where it was in the answer: `address.country` within an object `address`.
fn insert(into: &mut Map<String, Value>, first: &str, rest: &[String], value: &Value) {
    match rest.split_first() {
        None => {
            into.insert(first.to_owned(), value.clone());
        }
        Some((next, rest)) => {
            let inner = into.entry(first).or_insert_with(|| json!({}));
            // where the whole object was named as well, the member is in it already
            if let Value::Object(inner) = inner {
                insert(inner, next, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Mono;
    use crate::introspect::read_answer;
    use crate::token::Facts;

    const NOW: Now = Now { wall: 1_000_000_000_500, mono: Mono::ZERO };

    fn settings() -> AssertionSettings {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256);
        let der = pair.map(|pair| pair.serialize_der()).unwrap_or_default();
        let Some(key) = AssertionKey::new(EncodingKey::from_ec_der(&der), Algorithm::ES256) else {
            panic!("no key")
        };
        AssertionSettings {
            key: Arc::new(key),
            issuer: "https://gateway".into(),
            audience: "https://internal".into(),
            ttl: Duration::from_secs(60),
        }
    }

    fn stated(answer: Value, claims: &[&str]) -> (Value, Duration) {
        let Ok(Facts::Active(facts)) = read_answer(answer.to_string().as_bytes()) else {
            panic!("{answer}")
        };
        let claims: Vec<_> = claims.iter().filter_map(|claim| ClaimPath::parse(claim)).collect();
        let statement = settings().state(&facts, facts.claims.members(), &claims, NOW);
        let mut claims = statement.claims;
        let jti = claims.shift_remove("jti").and_then(|jti| jti.as_str().map(str::len));
        assert_eq!(jti, Some(32));
        (Value::Object(claims), statement.life)
    }

    #[test]
    fn an_assertion_states_the_facts() {
        let answer = json!({
            "active": true, "sub": "alice", "client_id": "app", "scope": ["read", "write"],
            "iss": "https://as", "aud": "api", "exp": 2_000_000_000, "jti": "of the token",
            "tier": "gold", "address": {"country": "NZ", "street": "x"}, "act": {"sub": "svc"},
        });
        let (claims, life) = stated(answer, &["tier", "address.country", "missing"]);
        assert_eq!(
            claims,
            json!({
                "tier": "gold", "address": {"country": "NZ"}, "iss": "https://gateway",
                "aud": "https://internal", "iat": 1_000_000_000, "exp": 1_000_000_060,
                "sub": "alice", "client_id": "app", "scope": "read write", "act": {"sub": "svc"},
            })
        );
        assert_eq!(life, Duration::from_secs(60));
    }

    #[test]
    fn it_ends_with_the_token() {
        for (exp, ends, life) in [
            (1_000_000_010, 1_000_000_010, 10),
            (1_000_000_060, 1_000_000_060, 60),
            (1_000_000_061, 1_000_000_060, 60),
            (999_999_999, 999_999_999, 0),
        ] {
            let (claims, lives) = stated(json!({"active": true, "exp": exp}), &[]);
            assert_eq!((&claims["exp"], lives.as_secs()), (&json!(ends), life), "{exp}");
        }
    }

    #[test]
    fn no_member_of_the_answer_takes_the_place_of_an_own_claim() {
        let answer = json!({
            "active": true, "nbf": 5, "act": "text", "a": {"b": 1, "c": 2},
        });
        let (claims, _) = stated(answer, &["sub.x", "nbf", "a", "a.b", "iss.x"]);
        assert_eq!(
            claims,
            json!({
                "a": {"b": 1, "c": 2}, "iss": "https://gateway", "aud": "https://internal",
                "iat": 1_000_000_000, "exp": 1_000_000_060,
            })
        );
    }
}
