//! The members of an authorization server's answer.

use super::json::member;
use super::shared_text::Draft;
use bytestring::ByteString;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

/// All members of an answer, kept as compact text and parsed again only for the routes that look
/// at extension members: most never do.
pub struct Claims {
    /// The answer, followed by texts that were derived from it and do not occur in it.
    shared: ByteString,
    /// Where the answer ends.
    length: u32,
    parsed: OnceLock<Box<Map<String, Value>>>,
}

impl Claims {
    /// `members`, and the places of the texts that `read` keeps besides them.
    pub(super) fn new<R>(
        members: &Map<String, Value>,
        read: impl FnOnce(&mut Draft) -> R,
    ) -> (Self, R) {
        let text = serde_json::to_string(members).unwrap_or_else(|_| "{}".into());
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let mut draft = Draft::new(text);
        let read = read(&mut draft);
        (Self { shared: draft.finish(), length, parsed: OnceLock::new() }, read)
    }

    /// The answer as compact JSON.
    pub fn text(&self) -> &str {
        self.shared.get(..self.length as usize).unwrap_or("{}")
    }

    /// The text that contains everything read from the answer.
    pub fn shared(&self) -> &ByteString {
        &self.shared
    }

    /// The answer's members, for one look: the parsed members are not kept.
    pub fn parse(&self) -> Cow<'_, Map<String, Value>> {
        self.parse_some(|_| true)
    }

    /// The same, and only those whose names are wanted, or more.
    pub fn parse_some(&self, wanted: impl Fn(&str) -> bool) -> Cow<'_, Map<String, Value>> {
        match self.parsed.get() {
            Some(members) => Cow::Borrowed(members),
            None => Cow::Owned(
                serde_json::Deserializer::from_str(self.text())
                    .deserialize_map(Picked(wanted))
                    .unwrap_or_default(),
            ),
        }
    }

    /// The answer's members, kept: for demands that look at them on every request.
    pub fn members(&self) -> &Map<String, Value> {
        self.parsed.get_or_init(|| Box::new(serde_json::from_str(self.text()).unwrap_or_default()))
    }
}

/// A member's name, not copied where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads the members whose names it wants, and passes over the others.
struct Picked<F>(F);

impl<'de, F: Fn(&str) -> bool> Visitor<'de> for Picked<F> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Map::new();
        while let Some(Name(name)) = map.next_key()? {
            if (self.0)(&name) {
                members.insert(name.into_owned(), map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(members)
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claims([redacted])")
    }
}

/// Where a claim is: `name`, or `outer.inner`; `\.` is a dot in a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClaimPath {
    written: String,
    steps: Vec<String>,
}

impl ClaimPath {
    /// `None` when a step is empty or a backslash precedes anything but a dot or a backslash.
    pub fn parse(written: &str) -> Option<Self> {
        let mut steps = vec![String::new()];
        let mut chars = written.chars();
        while let Some(c) = chars.next() {
            match c {
                '.' => steps.push(String::new()),
                '\\' => {
                    let escaped = chars.next().filter(|c| matches!(c, '.' | '\\'))?;
                    steps.last_mut()?.push(escaped);
                }
                c => steps.last_mut()?.push(c),
            }
        }
        if steps.iter().any(String::is_empty) {
            return None;
        }
        Some(Self { written: written.to_owned(), steps })
    }

    /// The value there, if all objects on the way exist.
    pub fn find<'a>(&self, members: &'a Map<String, Value>) -> Option<&'a Value> {
        let (first, rest) = self.steps.split_first()?;
        rest.iter().try_fold(member(members, first)?, |value, step| value.as_object()?.get(step))
    }

    /// The names on the way, outermost first.
    pub fn steps(&self) -> &[String] {
        &self.steps
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(path: &str, json: &str) -> Option<String> {
        let members: Map<String, Value> = serde_json::from_str(json).ok()?;
        ClaimPath::parse(path)?.find(&members).map(ToString::to_string)
    }

    #[test]
    fn some_members_are_read_without_the_others() {
        let members: Map<String, Value> =
            serde_json::from_str(r#"{"a":{"b":[1,"}"]},"c\u0022":"é","d":null}"#)
                .unwrap_or_default();
        let (claims, ()) = Claims::new(&members, |_| ());
        assert_eq!(*claims.parse(), members);
        let some: Map<String, Value> =
            members.clone().into_iter().filter(|(name, _)| name != "a").collect();
        assert_eq!(*claims.parse_some(|name| name != "a"), some);
        assert_eq!(*claims.members(), members);
        assert_eq!(*claims.parse_some(|_| false), members, "those that are there already");
    }

    #[test]
    fn dots_reach_inside_objects() {
        let json = r#"{"a":{"b":{"c":1}},"a.b":2,"x\\y":3}"#;
        assert_eq!(find("a.b.c", json).as_deref(), Some("1"));
        assert_eq!(find(r"a\.b", json).as_deref(), Some("2"));
        assert_eq!(find(r"x\\y", json).as_deref(), Some("3"));
        assert_eq!(find("a.b.c.d", json), None);
        assert_eq!(find("a.z", json), None);
    }

    #[test]
    fn paths_with_nothing_in_them_are_refused() {
        for path in ["", ".", "a.", ".a", "a..b", "a\\", r"a\b"] {
            assert_eq!(ClaimPath::parse(path), None, "{path:?}");
        }
    }
}
