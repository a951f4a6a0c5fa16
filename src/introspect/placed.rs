//! A token encoded for its place, so that it cannot change the text around it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt;
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

/// The URL, if it is read exactly as it is written: `..` in the place of a segment would be
/// resolved.
pub fn exact_url(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| url.as_str() == text)
}

/// The place of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenContext {
    /// A segment of a path, or a query.
    Url,
    /// `application/x-www-form-urlencoded`.
    Form,
    Json,
    /// Text or the value of an attribute.
    Xml,
    /// A header's value, or plain text: a token has no character that ends these.
    Plain,
}

impl TokenContext {
    pub fn encode(self, token: &str) -> String {
        match self {
            Self::Url => in_url(token),
            Self::Form => form_urlencoded::byte_serialize(token.as_bytes()).collect(),
            Self::Json => in_json(token),
            Self::Xml => in_xml(token),
            Self::Plain => token.to_owned(),
        }
    }
}

/// A text with places for the token. It may hold secrets, and is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Template(Vec<String>);

impl Template {
    /// How a place is written.
    pub const PLACE: &str = "{token}";

    pub fn new(text: &str) -> Self {
        Self(text.split(Self::PLACE).map(str::to_owned).collect())
    }

    /// From a URL: its normal form. `None`: it is no URL, or a place is elsewhere than in its path
    /// and query.
    pub fn of_url(text: &str) -> Option<Self> {
        let (template, stand_in) = Self::stand_in(text);
        let url = Url::parse(&template.0.join(&stand_in)).ok()?;
        let behind = url.as_str().get(url.origin().ascii_serialization().len()..)?;
        let pieces: Vec<String> = url.as_str().split(&stand_in).map(str::to_owned).collect();
        let within = behind.matches(&stand_in).count() == template.places()
            && pieces.len() == template.0.len();
        within.then_some(Self(pieces))
    }

    /// The template, and a text to put into its places that does not occur in it and that no
    /// encoding changes.
    pub fn stand_in(text: &str) -> (Self, String) {
        let mut stand_in = "TOKEN".to_owned();
        while text.contains(&stand_in) {
            stand_in.push('X');
        }
        (Self::new(text), stand_in)
    }

    pub fn places(&self) -> usize {
        self.0.len() - 1
    }

    pub fn fill(&self, token: &str, place: TokenContext) -> String {
        self.0.join(&place.encode(token))
    }

    /// As it was written.
    pub fn text(&self) -> String {
        self.0.join(Self::PLACE)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// In text and in the values of attributes (XML 1.0 §2.4).
fn in_xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unreserved_characters_are_unescaped_in_a_url() {
        assert_eq!(in_url("aZ09-._~"), "aZ09-._~");
        assert_eq!(
            in_url("a/b?c#d%e&f=g+h|i*j'k:l@m!"),
            "a%2Fb%3Fc%23d%25e%26f%3Dg%2Bh%7Ci%2Aj%27k%3Al%40m%21"
        );
    }

    #[test]
    fn dot_segments_are_no_tokens() {
        for (token, fine) in [
            ("a", true),
            ("..", false),
            (".", false),
            ("...", true),
            ("..a", true),
            ("%2e%2e", true),
            ("a/../b", true),
        ] {
            assert_eq!(
                exact_url(&format!("https://a/tokens/{}", in_url(token))).is_some(),
                fine,
                "{token}"
            );
        }
    }

    #[test]
    fn json_strings_are_not_left() {
        assert_eq!(in_json(r#"a"b\c/d"#), r#"a\"b\\c/d"#);
        assert_eq!(in_json("plain"), "plain");
    }

    #[test]
    fn each_place_has_its_encoding() {
        let template = Template::new("<{token}|{token}>");
        for (place, expected) in [
            (TokenContext::Url, "<a%26b%2B%27|a%26b%2B%27>"),
            (TokenContext::Form, "<a%26b%2B%27|a%26b%2B%27>"),
            (TokenContext::Json, "<a&b+'|a&b+'>"),
            (TokenContext::Xml, "<a&amp;b+&apos;|a&amp;b+&apos;>"),
            (TokenContext::Plain, "<a&b+'|a&b+'>"),
        ] {
            assert_eq!(template.fill("a&b+'", place), expected);
        }
        assert_eq!(format!("{template:?}"), "[redacted]");
    }

    #[test]
    fn a_url_has_places_in_path_and_query_alone() {
        let of_url = |text: &str| Template::of_url(text).map(|template| template.text());
        for (text, normal) in [
            ("https://a/check/{token}", Some("https://a/check/{token}")),
            ("HTTPS://A:443/x?t={token}&u={token}", Some("https://a/x?t={token}&u={token}")),
            ("https://a/TOKEN/{token}", Some("https://a/TOKEN/{token}")),
            ("https://a/{token}/../x", None),
            ("https://{token}/x", None),
            ("https://{token}.a/x", None),
            ("https://a:{token}/x", None),
            ("https://a/x#{token}", Some("https://a/x#{token}")),
            ("{token}", None),
        ] {
            assert_eq!(of_url(text).as_deref(), normal, "{text}");
        }
    }
}
