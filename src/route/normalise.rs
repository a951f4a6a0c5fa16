//! One reading of a path, for the matcher and for the upstream alike (RFC 3986 §6.2.2).
//!
//! A path that two readers could take for two different ones is refused, not repaired.

use super::comparable::comparable;
use std::borrow::Cow;
use thiserror::Error;

/// A request target in its one form.
#[derive(Debug, PartialEq, Eq)]
pub struct NormalTarget<'a> {
    /// Starts with `/`; this path is forwarded. The escapes that remain in it are as they came.
    pub path: Cow<'a, str>,
    /// The path that routes are matched by, where it differs from `path`: as
    /// [`comparable`](super::comparable) makes it.
    comparable: Option<String>,
    /// Everything behind the first `?`, as it came.
    pub query: Option<&'a str>,
}

impl NormalTarget<'_> {
    /// The path that routes are matched by: the same for every way to write the path.
    pub fn comparable(&self) -> &str {
        self.comparable.as_deref().unwrap_or(&self.path)
    }

    /// The same, owned, where it differs from the path.
    pub fn into_comparable(self) -> Option<String> {
        self.comparable
    }
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
    HiddenDots,
    AboveRoot,
    Parameters,
}

impl Unsafe {
    /// The fault, for the client and for the operator.
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
            Self::HiddenDots => {
                "The path has a dot segment with parameters or beside an encoded slash."
            }
            Self::AboveRoot => "The path climbs above the root.",
            Self::Parameters => {
                "The path has parameters, and without them it would take another route."
            }
        }
    }
}

/// Takes a request target as it came on the wire, in origin-form or absolute-form
/// (RFC 9112 §3.2).
///
/// Percent-encoded unreserved characters are decoded, `.` and `..` segments are resolved, repeated
/// slashes are merged. `%2F` is accepted here; the route decides about it
/// ([`RouteTable::find`](super::RouteTable::find)).
pub fn normalise(target: &[u8]) -> Result<NormalTarget<'_>, Unsafe> {
    let text = std::str::from_utf8(target).map_err(|_| Unsafe::Character)?;
    let (absolute, text) = match (!text.starts_with('/')).then(|| text.split_once("://")).flatten()
    {
        Some((_, rest)) => (true, rest.find(['/', '?']).map_or("", |end| &rest[end..])),
        None => (false, text),
    };
    let (path, query) = match text.bytes().position(|byte| byte == b'?') {
        Some(mark) => (&text[..mark], Some(&text[mark + 1..])),
        None => (text, None),
    };
    if query.is_some_and(|query| !query.bytes().all(|b| matches!(b, 0x21..=0x7e) && b != b'#')) {
        return Err(Unsafe::Character);
    }
    if path.is_empty() && absolute {
        return Ok(NormalTarget { path: Cow::Borrowed("/"), comparable: None, query });
    }
    if is_plain(path) {
        return Ok(NormalTarget { path: Cow::Borrowed(path), comparable: None, query });
    }
    let path = resolve(&decode(path)?)?;
    let comparable = match comparable(&path) {
        Cow::Borrowed(_) => None,
        Cow::Owned(comparable) => Some(comparable),
    };
    Ok(NormalTarget { path: Cow::Owned(path), comparable, query })
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

/// Decodes unreserved characters (RFC 3986 §2.3); everything of the result is printable ASCII.
fn decode(path: &str) -> Result<String, Unsafe> {
    if !path.starts_with('/') {
        return Err(Unsafe::NotAPath);
    }
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(byte) = rest.bytes().next() {
        let length = match byte {
            b'%' => {
                let escape = rest.get(..3).ok_or(Unsafe::BrokenEscape)?;
                let escaped = u8::from_str_radix(&escape[1..], 16)
                    .ok()
                    .filter(|_| is_escape(&escape.as_bytes()[1..]))
                    .ok_or(Unsafe::BrokenEscape)?;
                match escaped {
                    b'\\' => return Err(Unsafe::Backslash),
                    0..=0x1f | 0x7f => return Err(Unsafe::Control),
                    byte
                    @ (b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~') => {
                        decoded.push(char::from(byte))
                    }
                    _ => decoded.push_str(escape),
                }
                3
            }
            b'\\' => return Err(Unsafe::Backslash),
            0..=0x20 | 0x7f.. | b'#' => return Err(Unsafe::Character),
            byte => {
                decoded.push(char::from(byte));
                1
            }
        };
        rest = rest.get(length..).unwrap_or_default();
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
    let [b'%', high, low, b'%', second, ..] = escapes else { return false };
    match (high.to_ascii_uppercase(), low, second.to_ascii_uppercase()) {
        (b'C', b'0' | b'1', second) => matches!(second, b'8' | b'9' | b'A' | b'B'),
        (b'E', b'0', second) => matches!(second, b'8' | b'9'),
        (b'F', b'0', second) => second == b'8',
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
            segment if hides_dots(segment) => return Err(Unsafe::HiddenDots),
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

/// Some servers cut parameters off, or read `%2F` as a slash, before they resolve dots.
fn hides_dots(segment: &str) -> bool {
    comparable(segment)
        .split("%2F")
        .any(|piece| piece.split(';').next().is_some_and(|name| matches!(name, "." | "..")))
}

fn is_escape(rest: &[u8]) -> bool {
    matches!(rest, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
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
            ("/caf%c3%a9", "/caf%c3%a9"),
            ("/caf%e9/%C0", "/caf%e9/%C0"),
            ("/%e0%a4%a8/%f0%9f%98%80", "/%e0%a4%a8/%f0%9f%98%80"),
            ("/v1/items%3apurge", "/v1/items%3apurge"),
            ("/a%2Fb/%2f", "/a%2Fb/%2f"),
            ("/a%20b", "/a%20b"),
            ("/a%3fb", "/a%3fb"),
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
            ("/%25%34%31", Unsafe::DoubleEscape),
            ("/%25%32%65", Unsafe::DoubleEscape),
            ("/%2%35", Unsafe::BrokenEscape),
            ("/a/%c0%ae%c0%ae/b", Unsafe::Overlong),
            ("/%C1%9C", Unsafe::Overlong),
            ("/%e0%80%af", Unsafe::Overlong),
            ("/%f0%80%80%af", Unsafe::Overlong),
            ("?a", Unsafe::NotAPath),
            ("", Unsafe::NotAPath),
            ("/a/..;x/b", Unsafe::HiddenDots),
            ("/.;", Unsafe::HiddenDots),
            ("/%2e%2e;x/", Unsafe::HiddenDots),
            ("/a/..%3bx/b", Unsafe::HiddenDots),
            ("/a/.%3B", Unsafe::HiddenDots),
            ("/a/..%2fb", Unsafe::HiddenDots),
            ("/a/b%2F..", Unsafe::HiddenDots),
            ("/a/b%2f%2e%2F", Unsafe::HiddenDots),
            ("/a/b%2F..;x", Unsafe::HiddenDots),
            ("/a/..;x/../b", Unsafe::HiddenDots),
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
        let query = Some("x=%2f..//&y?z");
        assert_eq!(target, Ok(NormalTarget { path: "/a/b".into(), comparable: None, query }));
    }

    proptest! {
        #[test]
        fn the_form_is_stable_and_never_climbs(target in "(/|\\.|;|%2e|%2F|%25|%41|a|%32|65|%25|%c3%a9|\\\\|\\?){0,24}") {
            if let Ok(once) = normalise(target.as_bytes()) {
                let again = normalise(once.path.as_bytes()).map(|target| target.path.into_owned());
                prop_assert_eq!(again.as_deref(), Ok(&*once.path));
                let matched = normalise(once.comparable().as_bytes()).map(|target| target.path.into_owned());
                prop_assert_eq!(matched.as_deref(), Ok(once.comparable()), "a path like any other");
                prop_assert!(once.path.starts_with('/') && !once.path.contains("//"));
                prop_assert!(once.path.split('/').all(|segment| segment != "." && segment != ".."));
            }
        }
    }
}
