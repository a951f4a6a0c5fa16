//! RFC 6749 §3.3 scopes.

use std::borrow::Cow;
use std::fmt;

/// A set of scope tokens, compared whole and with regard to case, kept in the order given: one
/// text, separated by single spaces. A space inside a token, which no scope has, is kept as
/// [`INNER_SPACE`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScopeSet<'t>(&'t str);

/// A space of a scope token that has one. No scope has this character either (RFC 6749 §3.3).
const INNER_SPACE: char = '\u{1f}';

impl<'t> ScopeSet<'t> {
    /// A text that [`ScopeSet::joined`] or [`ScopeSet::of_members`] made.
    pub fn parse(text: &'t str) -> Self {
        Self(text)
    }

    /// The one text for scope tokens in lists that white space separates: single spaces, and
    /// repeated tokens once.
    pub fn joined<'a>(lists: impl IntoIterator<Item = &'a str>) -> String {
        let mut list = String::new();
        for scope in lists.into_iter().flat_map(str::split_whitespace) {
            add(&mut list, scope);
        }
        list
    }

    /// The same for an array: each member is one token, also where it has white space in it. No
    /// demand names such a token, so it meets none.
    pub fn of_members<'a>(members: impl IntoIterator<Item = &'a str>) -> String {
        let mut list = String::new();
        for member in members.into_iter().filter(|member| !member.is_empty()) {
            if member.contains(' ') {
                add(&mut list, &member.replace(' ', INNER_SPACE.encode_utf8(&mut [0; 4])));
            } else {
                add(&mut list, member);
            }
        }
        list
    }

    /// For readers outside: as the authorization server wrote the tokens, separated by single
    /// spaces.
    pub fn shown(self) -> Cow<'t, str> {
        if self.0.contains(INNER_SPACE) {
            Cow::Owned(self.0.replace(INNER_SPACE, " "))
        } else {
            Cow::Borrowed(self.0)
        }
    }

    /// Separated by single spaces; for [`ScopeSet::of`].
    pub fn text(self) -> &'t str {
        self.0
    }

    pub fn contains(self, scope: &str) -> bool {
        let mut held = self.0.as_bytes().split(|&byte| byte == b' ');
        !scope.is_empty() && held.any(|held| held == scope.as_bytes())
    }

    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(self) -> impl Iterator<Item = &'t str> {
        self.0.split(' ').filter(|scope| !scope.is_empty())
    }
}

/// As [`ScopeSet::shown`] gives it.
impl fmt::Display for ScopeSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

fn add(list: &mut String, scope: &str) {
    if !ScopeSet(list).contains(scope) {
        if !list.is_empty() {
            list.push(' ');
        }
        list.push_str(scope);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_white_space_separates_and_nothing_matches_by_prefix() {
        let text = ScopeSet::joined(["  read\t\twrite  read\n", " dolphin "]);
        let scopes = ScopeSet::parse(&text);
        assert_eq!(scopes.to_string(), "read write dolphin");
        assert!(scopes.contains("read") && !scopes.contains("rea") && !scopes.contains("readall"));
        assert!(!scopes.contains("") && !scopes.contains("Read"));
    }

    #[test]
    fn a_member_with_white_space_is_one_scope() {
        let text =
            ScopeSet::of_members(["read write", "x", "", " lead", "tab\tbed", "x", "read write"]);
        let scopes = ScopeSet::parse(&text);
        assert_eq!(scopes.to_string(), "read write x  lead tab\tbed");
        assert_eq!(scopes.iter().count(), 4);
        for scope in ["read", "write", "lead", "tab", "bed", " ", ""] {
            assert!(!scopes.contains(scope), "{scope:?}");
        }
        assert!(scopes.contains("x"));
    }
}
