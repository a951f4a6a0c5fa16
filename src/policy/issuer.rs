//! `iss`: optional in an answer (RFC 7662 §2.2); a present one must be the configured one.

use crate::deny::{Denial, Reason};
use crate::token::ActiveFacts;

pub fn check(facts: &ActiveFacts, issuer: Option<&str>, required: bool) -> Result<(), Denial> {
    match (facts.issuer(), issuer) {
        (Some(theirs), Some(ours)) if theirs != ours => Err(Denial::because(Reason::Issuer)),
        (None, _) if required => Err(Denial::because(Reason::Issuer)),
        _ => Ok(()),
    }
}
