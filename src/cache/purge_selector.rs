//! Selects cached answers by their members.

use crate::token::ActiveFacts;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Selects the active answers to be forgotten. An answer with a different value for a set field is
/// not selected. A missing claim is tolerated if another set field matches. With no field set, all
/// answers of the server are selected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeSelector {
    /// The authorization server's configured name; `None`: whichever.
    pub server: Option<Arc<str>>,
    /// `iss`. It never speaks for an answer, since all of a server have the same.
    pub issuer: Option<String>,
    /// `sub`.
    pub subject: Option<String>,
    pub client_id: Option<String>,
    /// `jti`.
    pub token_id: Option<String>,
    /// `sid`.
    pub session: Option<String>,
}

impl PurgeSelector {
    pub fn subject(subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..Self::default() }
    }

    pub fn client_id(client_id: impl Into<String>) -> Self {
        Self { client_id: Some(client_id.into()), ..Self::default() }
    }

    pub fn token_id(token_id: impl Into<String>) -> Self {
        Self { token_id: Some(token_id.into()), ..Self::default() }
    }

    pub fn session(session: impl Into<String>) -> Self {
        Self { session: Some(session.into()), ..Self::default() }
    }

    /// Whether nothing but a session is given.
    pub fn is_session_alone(&self) -> bool {
        self.session.is_some()
            && self.subject.is_none()
            && self.client_id.is_none()
            && self.token_id.is_none()
    }

    /// Whether this answer of `server` is meant.
    pub fn means(&self, server: &str, facts: &ActiveFacts) -> bool {
        let other = |given: Option<&str>, said: Option<&str>| {
            given.zip(said).is_some_and(|(given, said)| given != said)
        };
        if other(self.server.as_deref(), Some(server))
            || other(self.issuer.as_deref(), facts.issuer())
        {
            return false;
        }
        let members = [
            (self.subject.as_deref(), facts.subject()),
            (self.client_id.as_deref(), facts.client_id()),
            (self.token_id.as_deref(), facts.token_id()),
        ];
        if members.iter().any(|(given, said)| other(*given, *said)) {
            return false;
        }
        let nothing_given =
            self.session.is_none() && members.iter().all(|(given, _)| given.is_none());
        let spoken_for =
            nothing_given || members.iter().any(|(given, said)| given.is_some() && said.is_some());
        match &self.session {
            None => spoken_for,
            // few answers are parsed: those that are spoken for, and those that may say it
            Some(session) if spoken_for || may_say(facts, session) => facts
                .claims
                .parse()
                .get("sid")
                .map_or(spoken_for, |said| said.as_str() == Some(session)),
            Some(_) => false,
        }
    }
}

/// The `sid` of an answer.
pub fn session_of(facts: &ActiveFacts) -> Option<String> {
    let text = |facts: &ActiveFacts| {
        facts.claims.parse().get("sid").and_then(|said| said.as_str().map(str::to_owned))
    };
    has_session(facts).then(|| text(facts)).flatten()
}

/// Whether an answer has a `sid`, by a look at its text.
pub fn has_session(facts: &ActiveFacts) -> bool {
    facts.claims.text().contains("\"sid\":")
}

fn may_say(facts: &ActiveFacts, text: &str) -> bool {
    serde_json::to_string(text).is_ok_and(|written| facts.claims.text().contains(&written))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::introspect::read_answer;
    use crate::token::Facts;
    use serde_json::{Value, json};

    fn means(named: &PurgeSelector, answer: Value) -> bool {
        let mut answer = answer;
        answer["active"] = json!(true);
        match read_answer(answer.to_string().as_bytes()) {
            Ok(Facts::Active(facts)) => named.means("main", &facts),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn at_least_one_set_field_must_match() {
        let of = |named: PurgeSelector| {
            [
                json!({"sub": "x", "iss": "https://as"}),
                json!({"client_id": "x"}),
                json!({"jti": "x"}),
                json!({"sid": "x"}),
                json!({"sub": "y", "client_id": "y", "jti": "y", "sid": "y", "x": "x", "o": {"sid": "x"}}),
                json!({}),
            ]
            .map(|answer| means(&named, answer))
        };
        assert_eq!(of(PurgeSelector::subject("x")), [true, false, false, false, false, false]);
        assert_eq!(of(PurgeSelector::client_id("x")), [false, true, false, false, false, false]);
        assert_eq!(of(PurgeSelector::token_id("x")), [false, false, true, false, false, false]);
        assert_eq!(of(PurgeSelector::session("x")), [false, false, false, true, false, false]);
        assert_eq!(
            of(PurgeSelector { server: Some("other".into()), ..PurgeSelector::subject("x") }),
            [false; 6]
        );
        assert_eq!(
            of(PurgeSelector { server: Some("main".into()), ..PurgeSelector::default() }),
            [true; 6]
        );
        assert!(
            !of(PurgeSelector {
                issuer: Some("https://other".into()),
                ..PurgeSelector::subject("x")
            })[0]
        );
        assert!(
            of(PurgeSelector { issuer: Some("https://as".into()), ..PurgeSelector::subject("x") })
                [0]
        );
    }

    #[test]
    fn a_missing_claim_does_not_exclude_an_answer() {
        let named = PurgeSelector { session: Some("s\"1".into()), ..PurgeSelector::subject("x") };
        for (answer, meant) in [
            (json!({"sub": "x", "sid": "s\"1"}), true),
            (json!({"sub": "x"}), true),
            (json!({"sid": "s\"1"}), true),
            (json!({"sub": "x", "sid": "s2"}), false),
            (json!({"sub": "y", "sid": "s\"1"}), false),
            (json!({"sub": "x", "sid": 1}), false),
            (json!({"sub": "x", "o": {"sid": "s2"}}), true),
            (json!({"client_id": "x"}), false),
        ] {
            assert_eq!(means(&named, answer.clone()), meant, "{answer}");
        }
    }
}
