//! A claim's value as a header's value.

use super::TooLarge;
use http::HeaderValue;
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use serde_json::Value;

/// Bytes of one value.
pub const LIMIT: usize = 4096;

/// Everything but visible ASCII and space; and `%`, so that it can be undone.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

/// The text of a scalar, compact JSON of anything else. `None` for null and for nothing: a header
/// that is there says something.
pub fn value(value: &Value) -> Result<Option<HeaderValue>, TooLarge> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => text_value(text),
        value => text_value(&value.to_string()),
    }
}

pub fn text_value(text: &str) -> Result<Option<HeaderValue>, TooLarge> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > LIMIT {
        return Err(TooLarge);
    }
    // white space at the ends would be lost on the way, and one name become another
    let inner = text.trim_matches(' ');
    let (start, end) = match text.find(inner) {
        Some(at) if !inner.is_empty() => (at, text.len() - at - inner.len()),
        _ => (text.len(), 0),
    };
    let encoded = format!("{}{}{}", "%20".repeat(start), percent_encode(inner.as_bytes(), ENCODED), "%20".repeat(end));
    if encoded.len() > LIMIT {
        return Err(TooLarge);
    }
    HeaderValue::try_from(encoded).map(Some).map_err(|_| TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(text: &str) -> Option<String> {
        text_value(text).ok()?.and_then(|value| value.to_str().ok().map(str::to_owned))
    }

    #[test]
    fn nothing_can_split_a_header() {
        for (text, value) in [
            ("jdoe", "jdoe"),
            ("J. Doe", "J. Doe"),
            ("a\r\nX: y", "a%0D%0AX: y"),
            ("a\0b", "a%00b"),
            ("100%", "100%25"),
            ("é", "%C3%A9"),
            (" a ", "%20a%20"),
            ("  ", "%20%20"),
            ("\u{7f}", "%7F"),
        ] {
            assert_eq!(encoded(text).as_deref(), Some(value), "{text:?}");
        }
        assert_eq!(text_value(""), Ok(None));
    }

    #[test]
    fn values_over_the_limit_are_refused() {
        assert!(text_value(&"x".repeat(LIMIT)).is_ok());
        assert_eq!(text_value(&"x".repeat(LIMIT + 1)), Err(TooLarge));
        assert_eq!(text_value(&"é".repeat(LIMIT / 4)), Err(TooLarge));
    }

    proptest! {
        #[test]
        fn every_text_can_be_read_back(text in "\\PC{1,40}|[ -~]{1,40}|(?s).{1,20}") {
            let value = encoded(&text);
            let decoded = value.as_deref().map(|value| percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned());
            prop_assert_eq!(decoded, Some(text));
        }
    }
}
