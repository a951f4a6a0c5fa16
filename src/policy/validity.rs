//! `exp` and `nbf` (RFC 7662 §2.2, RFC 7519 §4.1.4 and §4.1.5), also where the server calls the
//! token active: a cached answer may outlive its token.

use super::check::{Case, Check, Compared};
use crate::deny::{Denial, Reason};

pub struct Validity;

impl Check for Validity {
    fn name(&self) -> &'static str {
        "validity"
    }

    fn check(&self, case: &Case<'_>) -> Result<(), Denial> {
        let (facts, now) = (case.facts, case.now.unix_seconds());
        if facts.expires_at.is_some_and(|exp| exp.saturating_add(facts.leeway) <= now) {
            return Err(Denial::because(Reason::Expired));
        }
        if facts.not_before.is_some_and(|nbf| nbf.saturating_sub(facts.leeway) > now) {
            return Err(Denial::because(Reason::NotYetValid));
        }
        Ok(())
    }

    fn compared(&self, case: &Case<'_>) -> Option<Compared> {
        let time = |seconds: Option<i64>| seconds.map_or("none".into(), |time| time.to_string());
        let (exp, nbf) = (time(case.facts.expires_at), time(case.facts.not_before));
        let demanded = format!("exp after and nbf not after {}", case.now.unix_seconds());
        Some(Compared::new(demanded, format!("exp {exp}, nbf {nbf}")))
    }
}
