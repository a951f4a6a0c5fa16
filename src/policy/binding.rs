//! `cnf` (RFC 7800): a bound token without its proof is worth as much to a thief as to its owner,
//! so it is refused, unless the route says otherwise.

use super::check::{Case, Check, Compared};
use crate::deny::{Denial, Reason};
use crate::token::Confirmation;

pub struct Binding;

impl Check for Binding {
    fn name(&self) -> &'static str {
        "binding"
    }

    fn check(&self, case: &Case<'_>) -> Result<(), Denial> {
        if case.demands.allow_unbound_use {
            return Ok(());
        }
        match case.facts.confirmation {
            Confirmation::None => Ok(()),
            Confirmation::Mtls => Err(Denial::because(Reason::BindingMtls)),
            Confirmation::Dpop | Confirmation::Other => Err(Denial::because(Reason::BindingDpop)),
        }
    }

    fn compared(&self, case: &Case<'_>) -> Option<Compared> {
        let found = match case.facts.confirmation {
            Confirmation::None => "a token without binding",
            Confirmation::Mtls => "a token bound to a client certificate",
            Confirmation::Dpop => "a token bound to a DPoP key",
            Confirmation::Other => "a token with an unknown binding",
        };
        let demanded = match case.demands.allow_unbound_use {
            true => "nothing (allow_unbound_use)",
            false => "a token without binding",
        };
        Some(Compared::new(demanded, found))
    }
}
