//! `aud`: when a route names audiences, a token without any is for somebody else.

use crate::deny::{Denial, Reason};
use crate::token::ActiveFacts;

pub fn check(facts: &ActiveFacts, wanted: &[String]) -> Result<(), Denial> {
    if wanted.is_empty()
        || facts.audience().any(|audience| wanted.iter().any(|wanted| wanted == audience))
    {
        Ok(())
    } else {
        Err(Denial::because(Reason::Audience))
    }
}

/// A token that another client got is for that client's service.
pub fn check_client(facts: &ActiveFacts, wanted: Option<&str>) -> Result<(), Denial> {
    if wanted.is_none() || facts.client_id() == wanted {
        Ok(())
    } else {
        Err(Denial::because(Reason::Audience))
    }
}
