//! Reading an introspection response (RFC 7662 §2.2), strictly: anything that is not plainly an
//! answer is a failure of the server, never a verdict on the token.

use crate::token::{ActiveFacts, Confirmation, Facts, ScopeSet, StatedValues, json};
use serde_json::{Map, Value};
use std::borrow::Cow;
use thiserror::Error;

/// Why an answer is unusable. The texts are for the operator and quote nothing of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadAnswer {
    /// JSON of another kind, or with duplicate members.
    #[error("the answer is not one JSON object without duplicate members")]
    NotAnObject,
    /// RFC 7662 §2.2 requires it.
    #[error("the answer has no member `active`")]
    NoActive,
    /// Texts and numbers are no booleans.
    #[error("`active` is not a boolean")]
    ActiveNotBoolean,
    /// A time such as `exp` of another type.
    #[error("`{0}` is neither a number nor a text that is one")]
    NotATime(&'static str),
    /// A list such as `aud` of another type.
    #[error("`{0}` is neither a text nor a list of texts")]
    NotTexts(&'static str),
    /// A member such as `sub` of another type.
    #[error("`{0}` is not a text")]
    NotAText(&'static str),
    /// Not JSON, or with duplicate members.
    #[error("the answer is not JSON without duplicate members")]
    NotJson,
    /// A pointer or path of `answer` finds nothing.
    #[error("`answer.{0}` points at nothing")]
    NothingAt(&'static str),
    /// `active` points at something that is neither true nor false.
    #[error("the value at `answer.{0}` is neither true nor false")]
    NotATruth(&'static str),
    /// Not XML, or with a document type.
    #[error("the answer is not XML in UTF-8 without document type")]
    NotXml,
    /// Not an envelope.
    #[error("the answer is not a SOAP envelope with a body")]
    NotAnEnvelope,
    /// Two places for one member.
    #[error("a path of `answer` leads to more than one place")]
    Ambiguous,
    /// A member such as `cnf` of another type.
    #[error("`{0}` is not an object")]
    NotAnObjectIn(&'static str),
    /// A mandatory member is missing.
    #[error("the answer has no member `{0}`")]
    Missing(&'static str),
}

/// Reads the body of a 200 answer.
pub fn read_answer(body: &[u8]) -> Result<Facts, BadAnswer> {
    read_members(&json::object(body).map_err(|_| BadAnswer::NotAnObject)?)
}

/// Reads the members of an answer.
pub(super) fn read_members(members: &Map<String, Value>) -> Result<Facts, BadAnswer> {
    match json::member(members, "active") {
        Some(Value::Bool(true)) => active(members),
        Some(Value::Bool(false)) => Ok(Facts::Inactive),
        Some(_) => Err(BadAnswer::ActiveNotBoolean),
        None => Err(BadAnswer::NoActive),
    }
}

/// Reads the members of an answer that is known to call the token active.
pub(super) fn active(members: &Map<String, Value>) -> Result<Facts, BadAnswer> {
    active_facts(members).map(|facts| Facts::Active(Box::new(facts)))
}

pub(super) fn active_facts(members: &Map<String, Value>) -> Result<ActiveFacts, BadAnswer> {
    let stated = StatedValues {
        scopes: scopes(members)?.into(),
        subject: text(members, "sub")?,
        client_id: text(members, "client_id")?,
        issuer: text(members, "iss")?,
        token_id: text(members, "jti")?,
        audience: texts(members, "aud")?,
        expires_at: time(members, "exp")?,
        not_before: time(members, "nbf")?,
        issued_at: time(members, "iat")?,
        leeway: 0,
        refresh_token: is_refresh_token(members),
        confirmation: Confirmation::from_claim(json::member(members, "cnf")),
    };
    Ok(ActiveFacts::new(members, &stated))
}

/// `scope`, or `scp` in its absence: a list in one text, separated by any white space, or an array
/// of scopes.
fn scopes(members: &Map<String, Value>) -> Result<String, BadAnswer> {
    let name = if present(members, "scope").is_some() { "scope" } else { "scp" };
    let texts = texts(members, name)?;
    Ok(match json::member(members, name) {
        Some(Value::Array(_)) => ScopeSet::of_members(texts),
        _ => ScopeSet::joined(texts),
    })
}

pub(super) fn present<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    json::member(members, name).filter(|value| !value.is_null())
}

fn text<'a>(
    members: &'a Map<String, Value>,
    name: &'static str,
) -> Result<Option<Cow<'a, str>>, BadAnswer> {
    match present(members, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(Cow::Borrowed(text))),
        // some servers number their users and clients
        Some(Value::Number(number)) if name != "iss" => Ok(Some(Cow::Owned(number.to_string()))),
        Some(_) => Err(BadAnswer::NotAText(name)),
    }
}

fn texts<'a>(
    members: &'a Map<String, Value>,
    name: &'static str,
) -> Result<Vec<&'a str>, BadAnswer> {
    match present(members, name) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text]),
        Some(Value::Array(items)) => {
            items.iter().map(Value::as_str).collect::<Option<_>>().ok_or(BadAnswer::NotTexts(name))
        }
        Some(_) => Err(BadAnswer::NotTexts(name)),
    }
}

/// Seconds since the Unix epoch: an integer, a fraction (cut down, so that nothing lives longer) or
/// a text that is one of both. Values out of range saturate.
pub(super) fn time(
    members: &Map<String, Value>,
    name: &'static str,
) -> Result<Option<i64>, BadAnswer> {
    let seconds = match present(members, name) {
        None => return Ok(None),
        Some(Value::Number(number)) => number.as_i64().or_else(|| number.as_f64().map(saturate)),
        Some(Value::String(text)) => {
            let numeric = !text.is_empty()
                && text
                    .bytes()
                    .all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
            let fraction =
                || text.parse::<f64>().ok().filter(|seconds| seconds.is_finite()).map(saturate);
            numeric.then(|| text.parse::<i64>().ok().or_else(fraction)).flatten()
        }
        Some(_) => None,
    };
    seconds.map(Some).ok_or(BadAnswer::NotATime(name))
}

#[allow(clippy::cast_possible_truncation)] // `as` saturates here, which is what is wanted
fn saturate(seconds: f64) -> i64 {
    seconds.floor() as i64
}

fn is_refresh_token(members: &Map<String, Value>) -> bool {
    let says = |name: &str, words: &[&str]| {
        json::member(members, name)
            .and_then(Value::as_str)
            .is_some_and(|text| words.iter().any(|word| text.eq_ignore_ascii_case(word)))
    };
    says("token_type", &["refresh_token"]) || says("token_use", &["refresh", "refresh_token"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Option<ActiveFacts>, BadAnswer> {
        read_answer(body.as_bytes()).map(|facts| match facts {
            Facts::Active(facts) => Some(*facts),
            Facts::Inactive | Facts::Refused(_) => None,
        })
    }

    fn exp(json: &str) -> Result<Option<i64>, BadAnswer> {
        read(&format!(r#"{{"active":true,"exp":{json}}}"#))
            .map(|facts| facts.and_then(|facts| facts.expires_at))
    }

    #[test]
    fn active_is_a_boolean_or_nothing() {
        assert!(read(r#"{"active":true}"#).is_ok_and(|facts| facts.is_some()));
        assert!(read(r#"{"active":false,"exp":"nonsense"}"#).is_ok_and(|facts| facts.is_none()));
        for active in [r#""true""#, "1", "null", "[]", "{}", r#""false""#, "0"] {
            assert_eq!(
                read(&format!(r#"{{"active":{active}}}"#)).err(),
                Some(BadAnswer::ActiveNotBoolean),
                "{active}"
            );
        }
        assert_eq!(read("{}").err(), Some(BadAnswer::NoActive));
        for body in [
            "",
            "[]",
            "null",
            "\"x\"",
            "<html>",
            "{\"active\":true",
            r#"{"active":false,"active":true}"#,
            "{\"active\":true}x",
        ] {
            assert_eq!(read(body).err(), Some(BadAnswer::NotAnObject), "{body}");
        }
    }

    #[test]
    fn times_are_numbers_in_any_dress() {
        for (json, seconds) in [
            ("1419356238", 1_419_356_238),
            ("1419356238.9", 1_419_356_238),
            ("\"1419356238\"", 1_419_356_238),
            ("\"1419356238.5\"", 1_419_356_238),
            ("0", 0),
            ("-5", -5),
            ("-0.5", -1),
            ("1e300", i64::MAX),
            ("9223372036854775808", i64::MAX),
            ("99999999999999999999", i64::MAX),
            ("\"99999999999999999999\"", i64::MAX),
            ("-1e300", i64::MIN),
        ] {
            assert_eq!(exp(json), Ok(Some(seconds)), "{json}");
        }
        assert_eq!(exp("null"), Ok(None));
        for json in [
            "\"\"",
            "\"soon\"",
            "\"inf\"",
            "\"NaN\"",
            "\"1e999\"",
            "\" 1\"",
            "true",
            "[]",
            "{}",
            "\"0x10\"",
        ] {
            assert_eq!(exp(json), Err(BadAnswer::NotATime("exp")), "{json}");
        }
    }

    #[test]
    fn scope_is_a_text_or_a_list_and_scp_replaces_it() {
        let scopes = |json: &str| {
            read(&format!(r#"{{"active":true,{json}}}"#))
                .map(|facts| facts.map(|facts| facts.scopes().to_string()))
        };
        for (json, expected) in [
            (r#""scope":"read  write\tx\n""#, "read write x"),
            (r#""scope":["read","write x"]"#, "read write x"),
            (r#""scp":"a b""#, "a b"),
            (r#""scp":["a","b"]"#, "a b"),
            (r#""scope":"a","scp":"b""#, "a"),
            (r#""scope":null,"scp":"b""#, "b"),
            (r#""scope":"""#, ""),
            (r#""scope":"","scp":"b""#, ""),
            (r#""x":1"#, ""),
        ] {
            assert_eq!(scopes(json), Ok(Some(expected.to_owned())), "{json}");
        }
        for json in [r#""scope":1"#, r#""scope":["a",1]"#, r#""scope":{"a":true}"#] {
            assert_eq!(scopes(json).err(), Some(BadAnswer::NotTexts("scope")), "{json}");
        }
    }

    #[test]
    fn refresh_tokens_are_recognised_by_either_member() {
        for (json, refresh) in [
            (r#""token_type":"refresh_token""#, true),
            (r#""token_use":"refresh""#, true),
            (r#""token_use":"refresh_token""#, true),
            (r#""token_type":"Bearer""#, false),
            (r#""token_use":"access""#, false),
        ] {
            assert_eq!(
                read(&format!(r#"{{"active":true,{json}}}"#))
                    .map(|facts| facts.map(|facts| facts.refresh_token)),
                Ok(Some(refresh)),
                "{json}"
            );
        }
    }
}
