//! `scope_implications` of an authorization server: scopes that include others.

use crate::token::ScopeSet;
use std::collections::{BTreeMap, BTreeSet};

/// For each scope the scopes that imply it, over any number of steps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Implications(BTreeMap<Box<str>, Vec<Box<str>>>);

/// Scopes that imply each other, first and last the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circle(pub Vec<String>);

impl Implications {
    /// `implied`: for each scope those that it implies directly.
    pub fn new(implied: &BTreeMap<String, Vec<String>>) -> Result<Self, Circle> {
        let mut implying: BTreeMap<Box<str>, Vec<Box<str>>> = BTreeMap::new();
        for scope in implied.keys() {
            let mut reached = BTreeSet::new();
            follow(implied, &mut vec![scope.as_str()], &mut reached)?;
            for reached in reached {
                implying.entry(reached.into()).or_default().push(scope.as_str().into());
            }
        }
        Ok(Self(implying))
    }

    /// Whether one of the scopes in `held` is `scope` or implies it.
    pub fn meets(&self, held: ScopeSet<'_>, scope: &str) -> bool {
        if held.contains(scope) {
            return true;
        }
        let implying = self.0.get(scope).map_or(&[][..], Vec::as_slice);
        implying.iter().any(|implying| held.contains(implying))
    }

    /// The scopes that `held` implies and does not have.
    pub fn added<'i>(&'i self, held: ScopeSet<'i>) -> impl Iterator<Item = &'i str> {
        let scopes = self.0.iter().map(|(scope, implying)| (&**scope, implying));
        scopes.filter_map(move |(scope, implying)| {
            let added =
                !held.contains(scope) && implying.iter().any(|implying| held.contains(implying));
            added.then_some(scope)
        })
    }
}

/// Adds to `reached` every scope that the last one on the way implies.
fn follow<'s>(
    implied: &'s BTreeMap<String, Vec<String>>,
    way: &mut Vec<&'s str>,
    reached: &mut BTreeSet<&'s str>,
) -> Result<(), Circle> {
    let next = way.last().and_then(|last| implied.get(*last));
    for scope in next.into_iter().flatten() {
        if let Some(first) = way.iter().position(|passed| passed == scope) {
            let circle = way.iter().skip(first).copied().chain([scope.as_str()]);
            return Err(Circle(circle.map(str::to_owned).collect()));
        }
        if reached.insert(scope) {
            way.push(scope);
            follow(implied, way, reached)?;
            way.pop();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn implications(written: &[(&str, &[&str])]) -> Result<Implications, Circle> {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        let written =
            written.iter().map(|&(scope, implied)| (scope.to_owned(), owned(implied))).collect();
        Implications::new(&written)
    }

    #[test]
    fn implications_are_transitive_and_one_way() {
        let made =
            implications(&[("owner", &["admin"]), ("admin", &["read", "write"]), ("x", &["read"])]);
        let made = made.unwrap_or_default();
        let meets = |held: &str, scope| made.meets(ScopeSet::parse(held), scope);
        assert!(meets("admin", "read") && meets("owner", "write") && meets("x", "read"));
        assert!(meets("read", "read") && meets("other owner", "admin"));
        assert!(!meets("read", "admin") && !meets("x", "write") && !meets("", "read"));
        assert!(!meets("adminx", "read") && !meets("admi", "read"));
        let added: Vec<&str> = made.added(ScopeSet::parse("owner read")).collect();
        assert_eq!(added, ["admin", "write"]);
    }

    #[test]
    fn a_circle_is_found_and_named() {
        let circle = |written| implications(written).err().map(|circle| circle.0.join(" → "));
        assert_eq!(circle(&[("a", &["a"])]).as_deref(), Some("a → a"));
        let found = circle(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])]);
        assert_eq!(found.as_deref(), Some("b → c → b"));
        // two ways to one scope are no circle
        assert_eq!(circle(&[("a", &["b", "c"]), ("b", &["d"]), ("c", &["d"])]), None);
    }
}
