//! One reading of a path, for the matcher and for the upstream alike (RFC 3986 §6.2.2).
//!
//! What two readers could take for two different paths is not repaired but refused.

use std::borrow::Cow;
use thiserror::Error;

/// A request target in its one form.
#[derive(Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// Starts with `/`; what is matched and what is forwarded.
    pub path: Cow<'a, str>,
    /// What stands behind the first `?`, as it came.
    pub query: Option<&'a str>,
}

/// Why a target is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{}", self.sentence())]
pub enum Unsafe {
    NotAPath,
    Character,
    EncodedSlash,
    Backslash,
    Control,
    BrokenEscape,
    DoubleEscape,
    Overlong,
    DotParameters,
    AboveRoot,
}

impl Unsafe {
    /// What is wrong, for the client and for the operator.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NotAPath => "The request target is not a path.",
            Self::Character => {
                "The path has a raw control character, a space, a fragment or a byte outside ASCII."
            }
            Self::EncodedSlash => "The path has an encoded slash.",
            Self::Backslash => "The path has a backslash.",
            Self::Control => "The path has an encoded control character.",
            Self::BrokenEscape => "The path has a broken percent escape.",
            Self::DoubleEscape => "The path has an escape that decodes to another escape.",
            Self::Overlong => "The path has an escaped character in an overlong form.",
            Self::DotParameters => "The path has a dot segment with parameters.",
            Self::AboveRoot => "The path climbs above the root.",
        }
    }
}

/// Takes a request target as it came on the wire, in origin-form or absolute-form
/// (RFC 9112 §3.2), and `*` for `OPTIONS`.
///
/// Percent-encoded unreserved characters are decoded, other escapes get upper-case digits,
/// `.` and `..` segments are resolved, repeated slashes merged.
pub fn normalise(target: &[u8]) -> Result<Target<'_>, Unsafe> {
    let text = std::str::from_utf8(target).map_err(|_| Unsafe::Character)?;
    let (absolute, text) = match (!text.starts_with('/')).then(|| text.split_once("://")).flatten()
    {
        Some((_, rest)) => (true, rest.find(['/', '?']).map_or("", |end| &rest[end..])),
        None => (false, text),
    };
    let (path, query) = match text.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text, None),
    };
    if query.is_some_and(|query| !query.bytes().all(|b| matches!(b, 0x21..=0x7e) && b != b'#')) {
        return Err(Unsafe::Character);
    }
    let path = match path {
        "" if absolute => Cow::Borrowed("/"),
        path if is_plain(path) => Cow::Borrowed(path),
        path => Cow::Owned(resolve(&decode(path)?)?),
    };
    Ok(Target { path, query })
}

/// The common case, which needs no work: no escapes, no empty or dot segments, nothing odd.
fn is_plain(path: &str) -> bool {
    let mut previous = 0;
    if !path.starts_with('/') {
        return false;
    }
    for byte in path.bytes() {
        match byte {
            b'/' | b'.' if previous == b'/' => return false,
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b'/'
            | b'.'
            | b'-'
            | b'_'
            | b'~'
            | b':'
            | b'@'
            | b'!'
            | b'$'
            | b'&'
            | b'\''
            | b'('
            | b')'
            | b'*'
            | b'+'
            | b','
            | b'=' => {}
            _ => return false,
        }
        previous = byte;
    }
    true
}

/// Decodes what may be decoded; everything of the result is printable ASCII.
fn decode(path: &str) -> Result<String, Unsafe> {
    if !path.starts_with('/') {
        return Err(Unsafe::NotAPath);
    }
    let mut decoded = String::with_capacity(path.len());
    let mut bytes = path.as_bytes().iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'%' => {
                let high = bytes.next().and_then(hex).ok_or(Unsafe::BrokenEscape)?;
                let low = bytes.next().and_then(hex).ok_or(Unsafe::BrokenEscape)?;
                match high << 4 | low {
                    b'/' => return Err(Unsafe::EncodedSlash),
                    b'\\' => return Err(Unsafe::Backslash),
                    0..=0x1f | 0x7f => return Err(Unsafe::Control),
                    byte
                    @ (b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~') => {
                        decoded.push(char::from(byte))
                    }
                    byte => {
                        decoded.push('%');
                        decoded.push(digit(byte >> 4));
                        decoded.push(digit(byte & 15));
                    }
                }
            }
            b'\\' => return Err(Unsafe::Backslash),
            0..=0x20 | 0x7f.. | b'#' => return Err(Unsafe::Character),
            byte => decoded.push(char::from(byte)),
        }
    }
    // `%25` is a percent sign; with two hex digits behind it a second reader would see an escape
    let doubled = |at: usize| decoded.as_bytes().get(at + 3..).is_some_and(is_escape);
    if decoded.match_indices("%25").any(|(at, _)| doubled(at)) {
        return Err(Unsafe::DoubleEscape);
    }
    if decoded.match_indices('%').any(|(at, _)| is_overlong(&decoded.as_bytes()[at..])) {
        return Err(Unsafe::Overlong);
    }
    Ok(decoded)
}

/// Whether two escapes begin a character in more bytes than it takes (RFC 3629 §3), such as
/// `%C0%AE` for a dot: some servers read it as the character.
fn is_overlong(escapes: &[u8]) -> bool {
    match escapes {
        [b'%', b'C', b'0' | b'1', b'%', second, ..] => matches!(second, b'8' | b'9' | b'A' | b'B'),
        [b'%', b'E', b'0', b'%', second, ..] => matches!(second, b'8' | b'9'),
        [b'%', b'F', b'0', b'%', second, ..] => *second == b'8',
        _ => false,
    }
}

/// Resolves dot segments and merges slashes; a final slash stays.
fn resolve(path: &str) -> Result<String, Unsafe> {
    let mut kept: Vec<&str> = Vec::new();
    let mut directory = true;
    for segment in path.split('/').skip(1) {
        directory = matches!(segment, "" | "." | "..");
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop().ok_or(Unsafe::AboveRoot)?;
            }
            // some servers cut parameters off before they resolve dots
            segment if segment.split(';').next().is_some_and(|name| matches!(name, "." | "..")) => {
                return Err(Unsafe::DotParameters);
            }
            segment => kept.push(segment),
        }
    }
    let mut resolved = String::with_capacity(path.len());
    for segment in &kept {
        resolved.push('/');
        resolved.push_str(segment);
    }
    if directory || kept.is_empty() {
        resolved.push('/');
    }
    Ok(resolved)
}

fn is_escape(rest: &[u8]) -> bool {
    matches!(rest, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}

fn hex(byte: &u8) -> Option<u8> {
    char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or('0').to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(target: &str) -> Result<String, Unsafe> {
        normalise(target.as_bytes()).map(|target| target.path.into_owned())
    }

    #[test]
    fn equivalent_paths_have_one_form() {
        for (from, to) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("//a///b//", "/a/b/"),
            ("/./a/./b/.", "/a/b/"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/public/../admin", "/admin"),
            ("/%2e%2e", "above"),
            ("/a/%2E%2e/b", "/b"),
            ("/%61dmin", "/admin"),
            ("/a%7eb", "/a~b"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/caf%e9/%c0", "/caf%E9/%C0"),
            ("/%e0%a4%a8/%f0%9f%98%80", "/%E0%A4%A8/%F0%9F%98%80"),
            ("/a%20b", "/a%20b"),
            ("/a%3fb", "/a%3Fb"),
            ("/a%3Bb", "/a%3Bb"),
            ("/a;x=1/b", "/a;x=1/b"),
            ("/a.b/...", "/a.b/..."),
            ("http://example.com", "/"),
            ("http://example.com/x//y?q", "/x/y"),
            ("http://example.com?q", "/"),
            ("/100%25", "/100%25"),
            ("/a%25zz", "/a%25zz"),
            ("/..", "above"),
            ("/a/../../b", "above"),
            ("/.%2e/", "above"),
        ] {
            let expected = if to == "above" { Err(Unsafe::AboveRoot) } else { Ok(to.to_owned()) };
            assert_eq!(path(from), expected, "{from}");
        }
    }

    #[test]
    fn ambiguous_paths_are_refused() {
        for (target, why) in [
            ("/a%2fb", Unsafe::EncodedSlash),
            ("/a%2Fb", Unsafe::EncodedSlash),
            ("/a\\b", Unsafe::Backslash),
            ("/a%5cb", Unsafe::Backslash),
            ("/a%00", Unsafe::Control),
            ("/a%0d%0a", Unsafe::Control),
            ("/%7f", Unsafe::Control),
            ("/%", Unsafe::BrokenEscape),
            ("/%2", Unsafe::BrokenEscape),
            ("/%zz", Unsafe::BrokenEscape),
            ("/%+1", Unsafe::BrokenEscape),
            ("/%252e%252e/", Unsafe::DoubleEscape),
            ("/%252f", Unsafe::DoubleEscape),
            ("/%25%32%65", Unsafe::DoubleEscape),
            ("/%2%35", Unsafe::BrokenEscape),
            ("/a/%c0%ae%c0%ae/b", Unsafe::Overlong),
            ("/%C1%9C", Unsafe::Overlong),
            ("/%e0%80%af", Unsafe::Overlong),
            ("/%f0%80%80%af", Unsafe::Overlong),
            ("?a", Unsafe::NotAPath),
            ("", Unsafe::NotAPath),
            ("/a/..;x/b", Unsafe::DotParameters),
            ("/.;", Unsafe::DotParameters),
            ("/%2e%2e;x/", Unsafe::DotParameters),
            ("/a#b", Unsafe::Character),
            ("/a?b#c", Unsafe::Character),
            ("/é", Unsafe::Character),
            ("/a b", Unsafe::Character),
            ("a", Unsafe::NotAPath),
            ("*", Unsafe::NotAPath),
        ] {
            assert_eq!(path(target), Err(why), "{target}");
        }
        assert_eq!(normalise(b"/\xff"), Err(Unsafe::Character));
    }

    #[test]
    fn the_query_is_kept_as_it_came() {
        let target = normalise(b"/a//b?x=%2f..//&y?z");
        assert_eq!(target, Ok(Target { path: "/a/b".into(), query: Some("x=%2f..//&y?z") }));
    }

    proptest! {
        #[test]
        fn the_form_is_stable_and_never_climbs(target in "(/|\\.|;|%2e|%2F|%25|%41|a|%32|65|%25|%c3%a9|\\\\|\\?){0,24}") {
            if let Ok(once) = normalise(target.as_bytes()) {
                let again = normalise(once.path.as_bytes()).map(|target| target.path.into_owned());
                prop_assert_eq!(again.as_deref(), Ok(&*once.path));
                prop_assert!(once.path.starts_with('/') && !once.path.contains("//"));
                prop_assert!(once.path.split('/').all(|segment| segment != "." && segment != ".."));
            }
        }
    }
}
