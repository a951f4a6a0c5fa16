//! RFC 6749 §3.3 scopes.

use std::fmt;

/// A set of scope tokens, compared whole and with regard to case, kept in the order given: one
/// text, separated by single spaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScopeSet<'t>(&'t str);

impl<'t> ScopeSet<'t> {
    /// A text that [`ScopeSet::joined`] made.
    pub fn of(text: &'t str) -> Self {
        Self(text)
    }

    /// The one text for scope tokens in whatever lists: single spaces, and repeated ones once.
    pub fn joined<'a>(scopes: impl IntoIterator<Item = &'a str>) -> String {
        let mut list = String::new();
        for scope in scopes.into_iter().flat_map(str::split_whitespace) {
            if !ScopeSet(&list).contains(scope) {
                if !list.is_empty() {
                    list.push(' ');
                }
                list.push_str(scope);
            }
        }
        list
    }

    /// Separated by single spaces.
    pub fn text(self) -> &'t str {
        self.0
    }

    pub fn contains(self, scope: &str) -> bool {
        self.iter().any(|held| held == scope)
    }

    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(self) -> impl Iterator<Item = &'t str> {
        self.0.split(' ').filter(|scope| !scope.is_empty())
    }
}

/// Separated by single spaces.
impl fmt::Display for ScopeSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_white_space_separates_and_nothing_matches_by_prefix() {
        let text = ScopeSet::joined(["  read\t\twrite  read\n", " dolphin "]);
        let scopes = ScopeSet::of(&text);
        assert_eq!(scopes.to_string(), "read write dolphin");
        assert!(scopes.contains("read") && !scopes.contains("rea") && !scopes.contains("readall"));
        assert!(!scopes.contains("") && !scopes.contains("Read"));
    }
}
