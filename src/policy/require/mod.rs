//! `require`: a condition in CEL over `claims`, `scopes`, `request` and `now`. It is compiled when
//! the configuration is read. A condition that is not `true` refuses, and so does one that cannot be
//! evaluated.

mod bound;
mod condition;
mod evaluate;
mod functions;
mod kind;
#[cfg(test)]
mod tests;
mod typed;
mod values;

pub use condition::Condition;

use super::check::{Case, Check, Compared};
use crate::deny::{Denial, Reason};

pub struct Require;

impl Check for Require {
    fn name(&self) -> &'static str {
        "require"
    }

    fn check(&self, case: &Case<'_>) -> Result<(), Denial> {
        let Some(condition) = &case.demands.require else { return Ok(()) };
        match condition.holds(case) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Denial::because(Reason::Require)),
            Err(cause) => Err(Denial::caused_by(Reason::Require, cause)),
        }
    }

    fn compared(&self, case: &Case<'_>) -> Option<Compared> {
        let condition = case.demands.require.as_ref()?;
        let found = match condition.holds(case) {
            Ok(value) => value.to_string(),
            Err(cause) => format!("an error: {cause}"),
        };
        Some(Compared::new(condition.source(), found))
    }
}
