//! Answers that are signed, so that they cannot be changed in transit or by a proxy in front of the
//! server (RFC 9701). The token's state is in `token_introspection`; the other claims are about the
//! answer itself.

use super::answer::read_members;
use super::http_client::HttpAnswer;
use super::jwt::{
    Algorithm, DecryptionKeys, JwtFlaw, KeySource, Keys, Opened, Unverified, is_for, media_type,
    time,
};
use super::{Documents, Failure, FailureKind, ServerSettings, UnusableSettings};
use crate::clock::Clock;
use crate::token::Facts;
use http::header;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;

/// `response: jwt`.
#[derive(Clone, Debug)]
pub struct SignedSettings {
    /// The exact `iss` of the answer.
    pub issuer: String,
    pub keys: KeySource,
    /// At least one; none of a secret-key family.
    pub algorithms: Vec<Algorithm>,
    /// One of these must be in `aud`: the server's names for the gateway. At least one.
    pub audience: Vec<String>,
    pub decryption_keys: Option<Arc<DecryptionKeys>>,
    pub leeway: Duration,
}

pub struct SignedAnswers {
    settings: SignedSettings,
    keys: Keys,
    clock: Clock,
}

/// In `Accept`, in `Content-Type` and, without `application/`, in the header's `typ`.
pub const MEDIA_TYPE: &str = "application/token-introspection+jwt";

/// Seconds. An answer is made when it is asked for; an older one comes from a cache or a replay,
/// and may be outdated.
const OLDEST: i64 = 300;

impl SignedAnswers {
    pub fn new(
        server: &ServerSettings,
        settings: &SignedSettings,
        clock: Clock,
        documents: &Documents,
    ) -> Result<Self, UnusableSettings> {
        Ok(Self {
            settings: settings.clone(),
            keys: Keys::for_server(&settings.keys, server, documents)?,
            clock,
        })
    }

    /// Reads a 200 answer.
    pub async fn verify(&self, answer: &HttpAnswer) -> Result<Facts, Failure> {
        let bad = |detail: String| Failure::new(FailureKind::BadResponse, detail);
        let content_type = answer
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let content_type = content_type.split(';').next().unwrap_or_default().trim();
        if media_type(content_type) != media_type(MEDIA_TYPE) {
            return Err(bad(format!(
                "status 200, but the answer is not signed ({MEDIA_TYPE}, RFC 9701): this is not the introspection endpoint, the server does not know such answers, or it does not have to give them to this client (`introspection_signed_response_alg`)"
            )));
        }
        match self.verified(&answer.body).await {
            Ok(members) => read_members(&members).map_err(|error| {
                bad(format!(
                    "status 200 and a good signature, but {error} (in `token_introspection`)"
                ))
            }),
            Err(Unverified::Flaw(flaw)) => Err(bad(format!(
                "status 200, but the signed answer is not to be believed: {}",
                flaw.why
            ))),
            Err(Unverified::Failure(failure)) => Err(failure),
        }
    }

    /// `token_introspection` of an answer that is good (RFC 9701 §5).
    async fn verified(&self, body: &[u8]) -> Result<Map<String, Value>, Unverified> {
        let text = std::str::from_utf8(body)
            .map_err(|_| JwtFlaw::invalid("it is not a JWT: it is not even text"))?;
        let opened = Opened::new(text.trim_ascii(), self.settings.decryption_keys.as_deref())?;
        let jws = opened.signed()?;
        // RFC 9701 §8.1: no other JWT of the server may be taken for an answer
        if jws.header.typ != Some(media_type(MEDIA_TYPE)) {
            return Err(JwtFlaw::invalid("its `typ` is not `token-introspection+jwt`").into());
        }
        if !self.settings.algorithms.contains(&jws.header.algorithm) {
            return Err(JwtFlaw::invalid("its `alg` is not among `algorithms`").into());
        }
        let now = self.clock.now().unix_seconds();
        let key_issuer = self.keys.verify(&jws, now).await?;
        if key_issuer.is_some_and(|issuer| issuer != self.settings.issuer) {
            return Err(
                JwtFlaw::invalid("the key that signed it is published for another issuer").into()
            );
        }
        let mut claims = jws.claims()?;
        self.check(&claims, now)?;
        match claims.remove("token_introspection") {
            Some(Value::Object(members)) => Ok(members),
            Some(_) => Err(JwtFlaw::invalid("`token_introspection` is not an object").into()),
            None => Err(JwtFlaw::invalid("it has no `token_introspection`").into()),
        }
    }

    /// Demands on the answer itself.
    fn check(&self, claims: &Map<String, Value>, now: i64) -> Result<(), JwtFlaw> {
        let leeway = i64::try_from(self.settings.leeway.as_secs()).unwrap_or(i64::MAX);
        if claims.get("iss").and_then(Value::as_str) != Some(&*self.settings.issuer) {
            return Err(JwtFlaw::invalid("its `iss` is not the configured issuer"));
        }
        if !is_for(claims, &self.settings.audience) {
            return Err(JwtFlaw::invalid(
                "its `aud` is not this gateway: neither `audience` nor, without it, `client_id`",
            ));
        }
        let issued = time(claims, "iat")?.ok_or(JwtFlaw::invalid("it has no `iat`"))?;
        if issued.saturating_sub(leeway) > now {
            return Err(JwtFlaw::invalid("its `iat` is in the future; look at the clocks"));
        }
        if issued.saturating_add(OLDEST).saturating_add(leeway) < now {
            return Err(JwtFlaw::invalid(
                "it was made more than five minutes ago: it comes from a cache, or the clocks differ",
            ));
        }
        // RFC 7519 §4.1.4 and §4.1.5: these are the answer's own, where it has them
        if time(claims, "exp")?.is_some_and(|ends| ends.saturating_add(leeway) <= now) {
            return Err(JwtFlaw::invalid("it has expired"));
        }
        if time(claims, "nbf")?.is_some_and(|starts| starts.saturating_sub(leeway) > now) {
            return Err(JwtFlaw::invalid("its `nbf` is in the future; look at the clocks"));
        }
        Ok(())
    }
}

impl SignedSettings {
    /// Everything that can change the reading of an answer, for the key of cache entries.
    pub fn fingerprint(&self) -> Vec<String> {
        let lists = [
            vec![self.issuer.clone(), format!("{:?}", self.leeway)],
            self.keys.fingerprint(),
            self.algorithms.iter().map(|algorithm| format!("{algorithm:?}")).collect(),
            self.audience.clone(),
            self.decryption_keys.iter().map(|keys| keys.digest().to_owned()).collect(),
        ];
        // with their lengths, so that no two lists run together
        lists
            .into_iter()
            .flat_map(|list| std::iter::once(list.len().to_string()).chain(list))
            .collect()
    }
}
