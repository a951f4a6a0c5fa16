//! `iss`: optional in an answer (RFC 7662 §2.2); a present one must be the configured one.

use super::check::{Case, Check, Compared};
use crate::deny::{Denial, Reason};

pub struct Issuer;

impl Check for Issuer {
    fn name(&self) -> &'static str {
        "issuer"
    }

    fn check(&self, case: &Case<'_>) -> Result<(), Denial> {
        match (case.facts.issuer(), case.server.issuer.as_deref()) {
            (Some(found), Some(configured)) if found != configured => {
                Err(Denial::because(Reason::Issuer))
            }
            (None, _) if case.server.require_issuer => Err(Denial::because(Reason::Issuer)),
            _ => Ok(()),
        }
    }

    fn compared(&self, case: &Case<'_>) -> Option<Compared> {
        let demanded = match (case.server.issuer.as_deref(), case.server.require_issuer) {
            (Some(issuer), true) => issuer.to_owned(),
            (Some(issuer), false) => format!("{issuer}, or none"),
            (None, true) => "any".to_owned(),
            (None, false) => return None,
        };
        Some(Compared::with(demanded, case.facts.issuer()))
    }
}
