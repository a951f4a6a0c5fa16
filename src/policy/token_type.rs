//! A refresh token is for the authorization server alone (RFC 6749 §1.5).

use super::check::{Case, Check, Compared};
use crate::deny::{Denial, Reason};

pub struct TokenType;

impl Check for TokenType {
    fn name(&self) -> &'static str {
        "token_type"
    }

    fn check(&self, case: &Case<'_>) -> Result<(), Denial> {
        if case.facts.refresh_token { Err(Denial::because(Reason::TokenType)) } else { Ok(()) }
    }

    fn compared(&self, case: &Case<'_>) -> Option<Compared> {
        let found = if case.facts.refresh_token { "a refresh token" } else { "no refresh token" };
        Some(Compared::new("no refresh token", found))
    }
}
