//! Common parts of servers with their own vocabulary: the token's place in the query, and the
//! mapping of their answers to RFC 7662.

use super::answer::{active, present, time};
use super::http_client::{HttpAnswer, HttpClient};
use super::status::shown;
use super::{BadAnswer, Failure, FailureKind, Inquiry, ServerSettings, UnusableSettings};
use crate::clock::Clock;
use crate::token::{Facts, json};
use http::{HeaderValue, header};
use serde_json::{Map, Value};
use url::Url;

/// An endpoint that is asked by `GET …?access_token=…` (Google, Amazon).
pub struct Tokeninfo {
    client: HttpClient,
    endpoint: Url,
    clock: Clock,
}

impl Tokeninfo {
    pub fn new(
        settings: &ServerSettings,
        endpoint: Url,
        clock: Clock,
    ) -> Result<Self, UnusableSettings> {
        Ok(Self { client: HttpClient::new(settings, clock.clone())?, endpoint, clock })
    }

    /// Asks, and reads the answer together with the time at which it was asked for, in seconds
    /// since the Unix epoch: relative times in an answer count from then, so that nothing lives
    /// longer than it should.
    pub async fn ask(
        &self,
        inquiry: &Inquiry,
        read: impl FnOnce(&HttpAnswer, i64) -> Result<Facts, Failure>,
    ) -> Result<Facts, Failure> {
        let mut url = self.endpoint.clone();
        url.query_pairs_mut().append_pair("access_token", inquiry.token.expose());
        let asked = self.clock.now().unix_seconds();
        let answer = self
            .client
            .send(|client| {
                client
                    .get(url.clone())
                    .header(header::ACCEPT, HeaderValue::from_static("application/json"))
            })
            .await;
        answer
            .and_then(|answer| read(&answer, asked))
            .map_err(|failure| failure.at(&shown(&self.endpoint)))
    }
}

/// The answer of a server that calls the token active in words of its own. Its members are given
/// their RFC 7662 names beside those that they have; the others stay as they are.
pub struct Translation {
    members: Map<String, Value>,
}

impl Translation {
    /// Starts from the body of a 200 answer.
    pub fn parse(body: &[u8]) -> Result<Self, BadAnswer> {
        json::object(body).map(|members| Self { members }).map_err(|_| BadAnswer::NotAnObject)
    }

    pub fn from_members(members: Map<String, Value>) -> Self {
        Self { members }
    }

    /// Gives the value of the first of `theirs` that is there the name `ours`. A member that is
    /// named so already keeps its value.
    pub fn name(&mut self, ours: &str, theirs: &[&str]) {
        if self.has(ours) {
            return;
        }
        if let Some(value) = theirs.iter().find_map(|name| present(&self.members, name)).cloned() {
            self.members.insert(ours.to_owned(), value);
        }
    }

    /// Makes `exp` of a number of seconds from `asked` on. The relative number goes: it is wrong as
    /// soon as the answer is kept.
    pub fn expires_in(&mut self, theirs: &'static str, asked: i64) -> Result<(), BadAnswer> {
        if let Some(seconds) = time(&self.members, theirs)? {
            self.members.remove(theirs);
            self.members.insert("exp".to_owned(), asked.saturating_add(seconds).into());
        }
        Ok(())
    }

    /// A member's value; `null` counts as none.
    pub fn get(&self, name: &str) -> Option<&Value> {
        present(&self.members, name)
    }

    /// The members of a member that is an object.
    pub fn member(&self, name: &'static str) -> Result<Option<&Map<String, Value>>, BadAnswer> {
        self.get(name)
            .map(|value| value.as_object().ok_or(BadAnswer::NotAnObjectIn(name)))
            .transpose()
    }

    pub fn set(&mut self, name: &str, value: Value) {
        self.members.insert(name.to_owned(), value);
    }

    /// Takes a member out.
    pub fn leave(&mut self, name: &str) {
        self.members.remove(name);
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Members without which the answer decides nothing.
    pub fn need(&self, names: &[&'static str]) -> Result<(), BadAnswer> {
        names
            .iter()
            .find(|name| !self.has(name))
            .map_or(Ok(()), |name| Err(BadAnswer::Missing(name)))
    }

    /// The facts. Wherever the answer repeats the token itself, that is left out: answers are kept,
    /// and tokens are not.
    pub fn facts(mut self, inquiry: &Inquiry) -> Result<Facts, BadAnswer> {
        let token = inquiry.token.expose();
        self.members
            .retain(|name, value| NAMES.contains(&name.as_str()) || !leave_out(value, token));
        self.members.insert("active".to_owned(), true.into());
        active(&self.members)
    }
}

/// The members of an answer that mean something here (RFC 7662 §2.2 and their substitutes).
pub const NAMES: [&str; 14] = [
    "active",
    "scope",
    "scp",
    "client_id",
    "username",
    "token_type",
    "token_use",
    "exp",
    "iat",
    "nbf",
    "sub",
    "aud",
    "iss",
    "jti",
];

/// Whether a value is the token; takes it out of lists and objects.
fn leave_out(value: &mut Value, token: &str) -> bool {
    match value {
        Value::String(text) => text == token,
        Value::Array(items) => {
            items.retain_mut(|item| !leave_out(item, token));
            false
        }
        Value::Object(members) => {
            members.retain(|_, value| !leave_out(value, token));
            false
        }
        _ => false,
    }
}

impl From<BadAnswer> for Failure {
    fn from(error: BadAnswer) -> Self {
        Self::new(
            FailureKind::BadResponse,
            format!("status 200, but {error}; is the endpoint the right one for this `type`?"),
        )
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::secret::Secret;
    use crate::token::ActiveFacts;
    use http::{HeaderMap, StatusCode};

    /// When the answers of tests were asked for.
    pub fn asked() -> i64 {
        1_000_000
    }

    pub fn inquiry() -> Inquiry {
        Inquiry { token: Secret::new("the-token"), forwarded: None }
    }

    /// The outcome that a kind of server derives from an answer; `None`: inactive.
    pub fn outcome(
        status: u16,
        body: &'static str,
        interpret: fn(&HttpAnswer, i64, &Inquiry) -> Result<Facts, Failure>,
    ) -> Result<Option<ActiveFacts>, FailureKind> {
        let answer = HttpAnswer {
            status: StatusCode::from_u16(status).unwrap_or_default(),
            headers: HeaderMap::new(),
            body: body.into(),
            at: 0,
        };
        match interpret(&answer, asked(), &inquiry()) {
            Ok(Facts::Active(facts)) => Ok(Some(*facts)),
            Ok(Facts::Inactive | Facts::Refused(_)) => Ok(None),
            Err(failure) => Err(failure.kind),
        }
    }

    pub fn kind(outcome: Result<Option<ActiveFacts>, FailureKind>) -> Option<FailureKind> {
        outcome.err()
    }

    #[test]
    fn an_answer_never_keeps_the_token() {
        let body =
            br#"{"token":"the-token","deep":{"list":["x","the-token"],"t":"the-token"},"sub":"s"}"#;
        let Ok(Ok(Facts::Active(facts))) =
            Translation::parse(body).map(|answer| answer.facts(&inquiry()))
        else {
            panic!("not read")
        };
        assert_eq!(facts.claims.text(), r#"{"deep":{"list":["x"]},"sub":"s","active":true}"#);
    }
}
