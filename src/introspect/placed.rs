//! A token encoded for where it stands, so that nothing in it can become part of what is around it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

/// All but RFC 3986 §2.3 unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// In a segment of a path, and in a query.
pub fn in_url(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Inside the quotes of a JSON string (RFC 8259 §7).
pub fn in_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

/// The URL, if it is read exactly as it is written: `..` in the place of a segment would be resolved.
pub fn exact_url(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| url.as_str() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unreserved_characters_stand_in_a_url_as_they_are() {
        assert_eq!(in_url("aZ09-._~"), "aZ09-._~");
        assert_eq!(in_url("a/b?c#d%e&f=g+h|i*j'k:l@m!"), "a%2Fb%3Fc%23d%25e%26f%3Dg%2Bh%7Ci%2Aj%27k%3Al%40m%21");
    }

    #[test]
    fn dot_segments_are_no_tokens() {
        for (token, fine) in [("a", true), ("..", false), (".", false), ("...", true), ("..a", true), ("%2e%2e", true), ("a/../b", true)] {
            assert_eq!(exact_url(&format!("https://a/tokens/{}", in_url(token))).is_some(), fine, "{token}");
        }
    }

    #[test]
    fn json_strings_are_not_left() {
        assert_eq!(in_json(r#"a"b\c/d"#), r#"a\"b\\c/d"#);
        assert_eq!(in_json("plain"), "plain");
    }
}
