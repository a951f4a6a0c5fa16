//! A value in Redis: the answer, when it was known, and which purges were known when it was asked
//! for.

use super::ledger::LogPosition;
use crate::token::{ActiveFacts, BoundKeys, Confirmation, StatedValues, Thumbprint};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::time::Duration;

/// As stored in Redis.
#[derive(Serialize, Deserialize)]
pub struct StoredRecord {
    /// Milliseconds since the Unix epoch, by the clock of the gateway that asked.
    pub known_at: i64,
    /// The time to live in Redis, milliseconds.
    pub kept_for: u64,
    /// The last purge that this gateway knew of when it asked.
    pub seen: LogPosition,
    /// None: inactive.
    pub facts: Option<StoredFacts>,
}

/// [`ActiveFacts`], member by member.
#[derive(Serialize, Deserialize)]
pub struct StoredFacts {
    scopes: String,
    subject: Option<Box<str>>,
    client_id: Option<Box<str>>,
    issuer: Option<Box<str>>,
    audience: Vec<Box<str>>,
    token_id: Option<Box<str>>,
    expires_at: Option<i64>,
    not_before: Option<i64>,
    issued_at: Option<i64>,
    leeway: i64,
    refresh_token: bool,
    confirmation: StoredBinding,
    claims: String,
}

#[derive(Serialize, Deserialize)]
enum StoredBinding {
    None,
    /// The thumbprints of a DPoP key and of a client certificate.
    Bound(Option<[u8; 32]>, Option<[u8; 32]>),
    Unknown {
        certificate: bool,
    },
}

impl From<Confirmation> for StoredBinding {
    fn from(confirmation: Confirmation) -> Self {
        let bytes = |thumbprint: Thumbprint| *thumbprint.as_bytes();
        match confirmation {
            Confirmation::None => Self::None,
            Confirmation::Bound(bound) => {
                Self::Bound(bound.key.map(bytes), bound.certificate.map(bytes))
            }
            Confirmation::Unknown { certificate } => Self::Unknown { certificate },
        }
    }
}

impl From<StoredBinding> for Confirmation {
    fn from(binding: StoredBinding) -> Self {
        match binding {
            StoredBinding::None => Self::None,
            StoredBinding::Bound(key, certificate) => Self::Bound(Box::new(BoundKeys {
                key: key.map(Thumbprint::from),
                certificate: certificate.map(Thumbprint::from),
            })),
            StoredBinding::Unknown { certificate } => Self::Unknown { certificate },
        }
    }
}

/// A clock that is ahead of ours by more than this makes its answers useless to us.
const AHEAD: i64 = 5_000;

/// Longer than this nothing is kept in Redis.
pub const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

impl StoredRecord {
    /// `None`: not of this form.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    pub fn bytes(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(self).ok()
    }

    /// How old the answer is: the greater of its age by our clock and its age by the remaining life
    /// in Redis (`left`, milliseconds), so that clocks that differ make nothing younger. `wall`:
    /// milliseconds since the Unix epoch. `None`: it is unknown, or the answer comes from the
    /// future.
    pub fn age(&self, left: i64, wall: i64) -> Option<Duration> {
        let (kept_for, left) = (i64::try_from(self.kept_for).ok()?, (left >= 0).then_some(left)?);
        let by_our_clock = wall.checked_sub(self.known_at).filter(|age| *age >= -AHEAD)?;
        let by_redis = kept_for.checked_sub(left).filter(|age| *age >= 0)?;
        let age = u64::try_from(by_our_clock.max(by_redis)).ok()?;
        Some(Duration::from_millis(age)).filter(|age| *age < LONGEST)
    }
}

impl From<&ActiveFacts> for StoredFacts {
    fn from(facts: &ActiveFacts) -> Self {
        let StatedValues {
            scopes,
            subject,
            client_id,
            issuer,
            token_id,
            audience,
            expires_at,
            not_before,
            issued_at,
            leeway,
            refresh_token,
            confirmation,
        } = facts.stated();
        let owned = |text: Option<Cow<'_, str>>| text.map(|text| text.into());
        Self {
            scopes: scopes.into_owned(),
            subject: owned(subject),
            client_id: owned(client_id),
            issuer: owned(issuer),
            audience: audience.into_iter().map(Into::into).collect(),
            token_id: owned(token_id),
            expires_at,
            not_before,
            issued_at,
            leeway,
            refresh_token,
            confirmation: confirmation.into(),
            claims: facts.claims.text().to_owned(),
        }
    }
}

impl StoredFacts {
    /// `None`: the claims are no object, which nothing that we wrote is.
    pub fn facts(self) -> Option<ActiveFacts> {
        fn text(text: Option<&str>) -> Option<Cow<'_, str>> {
            text.map(Cow::Borrowed)
        }
        let stated = StatedValues {
            scopes: self.scopes.as_str().into(),
            subject: text(self.subject.as_deref()),
            client_id: text(self.client_id.as_deref()),
            issuer: text(self.issuer.as_deref()),
            token_id: text(self.token_id.as_deref()),
            audience: self.audience.iter().map(|audience| &**audience).collect(),
            expires_at: self.expires_at,
            not_before: self.not_before,
            issued_at: self.issued_at,
            leeway: self.leeway,
            refresh_token: self.refresh_token,
            confirmation: self.confirmation.into(),
        };
        Some(ActiveFacts::new(&serde_json::from_str(&self.claims).ok()?, &stated))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::introspect::read_answer;
    use crate::token::Facts;

    #[test]
    fn facts_come_back_as_they_went() {
        let answer = r#"{"active":true,"scope":"read write","sub":"alice","client_id":7,"iss":"https://as","aud":["a","b"],
            "jti":"j","exp":2e9,"nbf":"1","iat":2,"token_type":"refresh_token","cnf":{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"},"deep":{"a":[1.5,null,"ü"]}}"#;
        let Ok(Facts::Active(facts)) = read_answer(answer.as_bytes()) else { panic!("facts") };
        let record = StoredRecord {
            known_at: 1,
            kept_for: 2,
            seen: LogPosition(3, 4),
            facts: Some(StoredFacts::from(&*facts)),
        };
        let read = record
            .bytes()
            .and_then(|bytes| StoredRecord::decode(&bytes))
            .and_then(|record| record.facts)
            .and_then(StoredFacts::facts);
        assert_eq!(format!("{read:?}"), format!("{:?}", Some(&*facts)));
        assert_eq!(
            read.map(|facts| facts.claims.text().to_owned()).as_deref(),
            Some(facts.claims.text())
        );
    }

    #[test]
    fn no_clock_makes_an_answer_younger() {
        let record = |known_at| StoredRecord {
            known_at,
            kept_for: 60_000,
            seen: LogPosition(0, 0),
            facts: None,
        };
        let age =
            |known_at, left, wall| record(known_at).age(left, wall).map(|age| age.as_millis());
        let now = 1_000_000_000;
        assert_eq!(age(now, 60_000, now), Some(0));
        assert_eq!(age(now - 7_000, 60_000, now), Some(7_000), "older by our clock");
        assert_eq!(age(now, 50_000, now), Some(10_000), "older by Redis");
        assert_eq!(age(now + 4_000, 50_000, now), Some(10_000), "a little ahead of us");
        assert_eq!(
            age(now + 4_000, 60_000, now),
            Some(0),
            "from the future is no younger than new"
        );
        assert_eq!(age(now + 5_001, 50_000, now), None, "too far ahead");
        assert_eq!(age(now + 3_600_000, 50_000, now), None, "our clock jumped back an hour");
        assert_eq!(
            age(now - 3_600_000, 60_000, now),
            Some(3_600_000),
            "theirs did, or the value was put there again"
        );
        assert_eq!(age(now, -1, now), None, "no expiry in Redis");
        assert_eq!(age(now, 60_001, now), None, "kept for longer than was asked for");
        assert_eq!(
            (age(i64::MIN, 1, now), age(i64::MAX, 1, now), age(0, 1, i64::MAX)),
            (None, None, None)
        );
    }
}
