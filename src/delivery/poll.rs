//! The messages of poll delivery (RFC 8936 §2).

use super::take::Settled;
use crate::token::json;
use http::StatusCode;
use serde_json::{Map, Value, json};

/// Events that are asked for at a time. A signature takes a tenth of a millisecond to check, so
/// that a full response does not delay the acknowledgement of its first event noticeably.
pub const MAX_EVENTS: usize = 100;

/// A poll request with the outcome of the events in the previous response. `at_once`: without
/// waiting for an event.
pub fn request(settled: &Settled, at_once: bool, max_events: usize) -> Value {
    let mut request = json!({ "returnImmediately": at_once, "maxEvents": max_events });
    if !settled.acknowledged.is_empty() {
        request["ack"] = json!(settled.acknowledged);
    }
    if !settled.refused.is_empty() {
        let errors = settled.refused.iter().map(|(jti, refusal)| {
            let error = json!({ "err": refusal.code.as_str(), "description": refusal.why });
            (jti.clone(), error)
        });
        request["setErrs"] = Value::Object(errors.collect());
    }
    request
}

/// A poll response.
#[derive(Debug, Default, PartialEq)]
pub struct Batch {
    /// Tokens by `jti`; not checked yet.
    pub sets: Map<String, Value>,
    pub more: bool,
}

/// Reads a poll response with a status of success; an error is the end of a sentence.
pub fn read_batch(status: StatusCode, body: &[u8]) -> Result<Batch, &'static str> {
    // acknowledged, without events
    if body.trim_ascii().is_empty()
        && matches!(status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT)
    {
        return Ok(Batch::default());
    }
    let mut members =
        json::object(body).map_err(|_| "is not one JSON object without duplicate members")?;
    // RFC 8936 §2.3: it is there without events too. Most other JSON endpoints answer without it.
    let sets = match members.remove("sets") {
        None => return Err("has no member `sets` (RFC 8936 §2.3)"),
        Some(Value::Object(sets)) => sets,
        Some(_) => return Err("has a member `sets` that is not an object"),
    };
    let more = match members.get("moreAvailable") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(more)) => *more,
        Some(_) => return Err("has a member `moreAvailable` that is not a boolean"),
    };
    Ok(Batch { sets, more })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security_events::{Code, Refusal};

    #[test]
    fn a_request_reports_each_event_in_one_place() {
        let settled = Settled {
            acknowledged: vec!["a".into(), "b".into()],
            refused: vec![("c".into(), Refusal::new(Code::InvalidAudience, "why"))],
            new: 2,
        };
        let expected = json!({
            "returnImmediately": false, "maxEvents": 7, "ack": ["a", "b"],
            "setErrs": { "c": { "err": "invalid_audience", "description": "why" } },
        });
        assert_eq!(request(&settled, false, 7), expected);
        let first = json!({ "returnImmediately": true, "maxEvents": 100 });
        assert_eq!(request(&Settled::default(), true, MAX_EVENTS), first);
    }

    #[test]
    fn responses() {
        let sets = |text: &str| {
            read_batch(StatusCode::OK, text.as_bytes()).map(|batch| (batch.sets.len(), batch.more))
        };
        assert_eq!(sets(r#"{"sets":{"a":"x.y.z","b":7},"moreAvailable":true}"#), Ok((2, true)));
        assert_eq!(sets(r#"{"sets":{}}"#), Ok((0, false)));
        assert_eq!(sets(r#"{"sets":{},"moreAvailable":null}"#), Ok((0, false)));
        for status in [StatusCode::ACCEPTED, StatusCode::NO_CONTENT] {
            assert_eq!(read_batch(status, b" "), Ok(Batch::default()), "{status}");
            assert!(read_batch(status, b"{}").is_err(), "{status}");
        }
        for bad in [
            "",
            " ",
            "{}",
            r#"{"active":false}"#,
            r#"{"sets":null}"#,
            r#"{"moreAvailable":false}"#,
            "[]",
            "<html>",
            r#"{"sets":[]}"#,
            r#"{"sets":{},"sets":{}}"#,
            r#"{"sets":{},"moreAvailable":"true"}"#,
        ] {
            assert!(sets(bad).is_err(), "{bad}");
        }
    }
}
