//! `exp` and `nbf` (RFC 7662 §2.2, RFC 7519 §4.1.4 and §4.1.5), also where the server calls the
//! token active: an answer may be older than its token.

use crate::clock::Now;
use crate::deny::{Denial, Reason};
use crate::token::ActiveFacts;

pub fn check(facts: &ActiveFacts, now: Now) -> Result<(), Denial> {
    if facts.expires_at.is_some_and(|exp| exp.saturating_add(facts.leeway) <= now.unix_seconds()) {
        return Err(Denial::because(Reason::Expired));
    }
    if facts.not_before.is_some_and(|nbf| nbf.saturating_sub(facts.leeway) > now.unix_seconds()) {
        return Err(Denial::because(Reason::NotYetValid));
    }
    Ok(())
}
