//! A claim's value as a header's value.

use super::Unfit;
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use serde_json::Value;

/// Bytes of one value.
pub const LIMIT: usize = 4096;

/// Everything but visible ASCII and space; and `%`, so that it can be undone.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

/// Appends the text of a scalar, compact JSON of anything else. Nothing for null and for an empty
/// text, array or object: a header that is there says something.
pub fn append(to: &mut String, value: &Value) -> Result<(), Unfit> {
    match value {
        Value::Null => Ok(()),
        Value::Array(items) if items.is_empty() => Ok(()),
        Value::Object(members) if members.is_empty() => Ok(()),
        Value::String(text) => append_text(to, text),
        value => append_text(to, &value.to_string()),
    }
}

pub fn append_text(to: &mut String, text: &str) -> Result<(), Unfit> {
    if text.len() > LIMIT {
        return Err(Unfit::TooLarge);
    }
    if is_sent_as_it_is(text) {
        to.push_str(text);
        return Ok(());
    }
    // white space at the ends would be lost on the way, and one name become another
    let without_start = text.trim_start_matches(' ');
    let inner = without_start.trim_end_matches(' ');
    let (start, end) = (text.len() - without_start.len(), without_start.len() - inner.len());
    let before = to.len();
    to.extend(
        std::iter::repeat_n("%20", start)
            .chain(percent_encode(inner.as_bytes(), ENCODED))
            .chain(std::iter::repeat_n("%20", end)),
    );
    if to.len() - before > LIMIT { Err(Unfit::TooLarge) } else { Ok(()) }
}

/// Whether there is nothing to encode, which is usual.
fn is_sent_as_it_is(text: &str) -> bool {
    let bytes = text.as_bytes();
    // without an early end, which would keep the compiler from looking at many bytes at once
    let is_visible = |all, &byte: &u8| all & (byte.wrapping_sub(b' ') < 0x5f) & (byte != b'%');
    bytes.first() != Some(&b' ')
        && bytes.last() != Some(&b' ')
        && bytes.iter().fold(true, is_visible)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(text: &str) -> Option<String> {
        let mut value = String::new();
        append_text(&mut value, text).ok()?;
        http::HeaderValue::try_from(value).ok()?.to_str().ok().map(str::to_owned)
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
        assert_eq!(encoded("").as_deref(), Some(""));
    }

    #[test]
    fn values_over_the_limit_are_refused() {
        assert!(append_text(&mut "before".to_owned(), &"x".repeat(LIMIT)).is_ok());
        assert_eq!(append_text(&mut String::new(), &"x".repeat(LIMIT + 1)), Err(Unfit::TooLarge));
        assert_eq!(append_text(&mut String::new(), &"é".repeat(LIMIT / 4)), Err(Unfit::TooLarge));
    }

    /// Each byte is encoded or not, as the set of characters says.
    #[test]
    fn texts_that_need_no_code_are_recognised() {
        for byte in 0..=0x7f_u8 {
            for text in [format!("a{}b", char::from(byte)), char::from(byte).to_string()] {
                let space_at_the_end = text == " ";
                let coded = percent_encode(text.as_bytes(), ENCODED).to_string() != text;
                assert_eq!(is_sent_as_it_is(&text), !coded && !space_at_the_end, "{text:?}");
            }
        }
        assert!(!is_sent_as_it_is("é") && !is_sent_as_it_is("a ") && !is_sent_as_it_is(" a"));
        assert!(is_sent_as_it_is("") && is_sent_as_it_is("J. Doe"));
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
