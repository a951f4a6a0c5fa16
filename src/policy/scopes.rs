//! `scopes`: all of them; `scopes_any`: at least one. More scopes than needed do no harm.

use super::PolicySettings;
use crate::deny::{Denial, Reason};
use crate::token::ScopeSet;

pub fn check(held: ScopeSet<'_>, demands: &PolicySettings) -> Result<(), Denial> {
    let all = demands.scopes.iter().all(|scope| held.contains(scope));
    let any = demands.scopes_any.is_empty()
        || demands.scopes_any.iter().any(|scope| held.contains(scope));
    if all && any { Ok(()) } else { Err(Denial::because(Reason::InsufficientScope)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_and_any() {
        let met = |held: &str, scopes: &[&str], scopes_any: &[&str]| {
            let owned = |list: &[&str]| list.iter().map(|&scope| scope.to_owned()).collect();
            let demands = PolicySettings {
                scopes: owned(scopes),
                scopes_any: owned(scopes_any),
                ..PolicySettings::default()
            };
            check(ScopeSet::of(held), &demands).is_ok()
        };
        assert!(met("read write extra", &["read", "write"], &[]));
        assert!(!met("read", &["read", "write"], &[]));
        assert!(met("b", &[], &["a", "b"]) && !met("c", &[], &["a", "b"]) && !met("", &[], &["a"]));
        assert!(met("read a", &["read"], &["a", "b"]) && !met("a", &["read"], &["a", "b"]));
        assert!(!met("readall", &["read"], &[]) && !met("Read", &["read"], &[]));
    }
}
