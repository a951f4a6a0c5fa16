//! `scopes`: all of them; `scopes_any`: at least one. More scopes than needed do no harm.

use super::PolicySettings;
use super::check::{Case, Check, Compared};
use super::implications::Implications;
use crate::deny::{Denial, Reason};
use crate::token::ScopeSet;

pub struct Scopes;

impl Check for Scopes {
    fn name(&self) -> &'static str {
        "scopes"
    }

    fn check(&self, case: &Case<'_>) -> Result<(), Denial> {
        if met(case.facts.scopes(), case.demands, &case.server.implications) {
            Ok(())
        } else {
            Err(Denial::because(Reason::InsufficientScope))
        }
    }

    fn compared(&self, case: &Case<'_>) -> Option<Compared> {
        let PolicySettings { scopes, scopes_any, .. } = case.demands;
        let mut demanded = Vec::new();
        if !scopes.is_empty() {
            demanded.push(format!("all of {}", scopes.join(" ")));
        }
        if !scopes_any.is_empty() {
            demanded.push(format!("one of {}", scopes_any.join(" ")));
        }
        let held = case.facts.scopes();
        let implied: Vec<&str> = case.server.implications.added(held).collect();
        let mut found = if held.is_empty() { "none".into() } else { held.text().to_owned() };
        if !implied.is_empty() {
            found += &format!(", which implies {}", implied.join(" "));
        }
        (!demanded.is_empty()).then(|| Compared::new(demanded.join(", and "), found))
    }
}

fn met(held: ScopeSet<'_>, demands: &PolicySettings, implications: &Implications) -> bool {
    let all = demands.scopes.iter().all(|scope| implications.meets(held, scope));
    let any = demands.scopes_any.is_empty()
        || demands.scopes_any.iter().any(|scope| implications.meets(held, scope));
    all && any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_and_any() {
        let holds = |held: &str, scopes: &[&str], scopes_any: &[&str]| {
            let owned = |list: &[&str]| list.iter().map(|&scope| scope.to_owned()).collect();
            let demands = PolicySettings {
                scopes: owned(scopes),
                scopes_any: owned(scopes_any),
                ..PolicySettings::default()
            };
            met(ScopeSet::parse(held), &demands, &Implications::default())
        };
        assert!(holds("read write extra", &["read", "write"], &[]));
        assert!(!holds("read", &["read", "write"], &[]));
        assert!(
            holds("b", &[], &["a", "b"])
                && !holds("c", &[], &["a", "b"])
                && !holds("", &[], &["a"])
        );
        assert!(holds("read a", &["read"], &["a", "b"]) && !holds("a", &["read"], &["a", "b"]));
        assert!(!holds("readall", &["read"], &[]) && !holds("Read", &["read"], &[]));
    }
}
