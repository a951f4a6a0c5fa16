//! RFC 6749 §3.3 scopes.

use std::fmt;

/// A set of scope tokens, compared whole and with regard to case, kept in the order given: one text,
/// separated by single spaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopeSet(Box<str>);

impl ScopeSet {
    /// Reads a list separated by any white space; repeated ones count once.
    pub fn parse(text: &str) -> Self {
        text.split_whitespace().collect()
    }

    pub fn contains(&self, scope: &str) -> bool {
        self.iter().any(|held| held == scope)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|scope| !scope.is_empty())
    }
}

impl<'a> FromIterator<&'a str> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = &'a str>>(scopes: I) -> Self {
        let mut list = String::new();
        for scope in scopes {
            if !list.split(' ').any(|held| held == scope) {
                if !list.is_empty() {
                    list.push(' ');
                }
                list.push_str(scope);
            }
        }
        Self(list.into())
    }
}

/// Separated by single spaces.
impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_white_space_separates_and_nothing_matches_by_prefix() {
        let scopes = ScopeSet::parse("  read\t\twrite  read\n dolphin ");
        assert_eq!(scopes.to_string(), "read write dolphin");
        assert!(scopes.contains("read") && !scopes.contains("rea") && !scopes.contains("readall"));
        assert!(!scopes.contains("") && !scopes.contains("Read"));
    }
}
