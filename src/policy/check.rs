//! One demand on a token and its request.

use super::{PolicySettings, ServerDemands};
use crate::clock::Now;
use crate::deny::Denial;
use crate::proof::dpop::{Dpop, OnceOnly};
use crate::request::RequestView;
use crate::token::{ActiveFacts, Credential};
use std::cell::Cell;

/// A check is pure: it reads no clock and calls no server.
pub trait Check: Sync {
    /// The name of the check in explanations.
    fn name(&self) -> &'static str;

    /// Whether the demand is met; always, where nothing is demanded.
    fn check(&self, case: &Case<'_>) -> Result<(), Denial>;

    /// The demand and the value that it was compared with, in words; `None` where nothing is
    /// demanded. For people; no request pays for it.
    fn compared(&self, case: &Case<'_>) -> Option<Compared>;
}

/// Everything that a check may look at, and the one thing that it may leave behind.
#[derive(Clone, Copy)]
pub struct Case<'c> {
    /// The facts from the authorization server.
    pub facts: &'c ActiveFacts,
    pub request: &'c RequestView<'c>,
    /// The token of the request.
    pub credential: Credential<'c>,
    /// The rules for proofs of possession.
    pub dpop: &'c Dpop,
    /// The demands of the route.
    pub demands: &'c PolicySettings,
    /// The demands on each answer of this authorization server.
    pub server: &'c ServerDemands,
    pub now: Now,
    /// The proof that must be claimed before the request may pass.
    pub to_claim: &'c Cell<Option<OnceOnly>>,
}

/// The result of one check, for people.
#[derive(Clone, Debug)]
pub struct Finding {
    pub check: &'static str,
    /// `None` where nothing is demanded.
    pub compared: Option<Compared>,
    pub outcome: Result<(), Denial>,
}

/// The two sides of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    pub demanded: String,
    pub found: String,
}
impl Compared {
    pub fn new(demanded: impl Into<String>, found: impl Into<String>) -> Self {
        Self { demanded: demanded.into(), found: found.into() }
    }

    /// `found` is `none` where the token has no such value.
    pub fn with(demanded: impl Into<String>, found: Option<impl Into<String>>) -> Self {
        Self::new(demanded, found.map_or_else(|| "none".to_owned(), Into::into))
    }
}
