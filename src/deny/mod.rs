//! Why a request is refused, and the response to it: one closed set of reasons in one table.

mod challenge;
mod reason;
mod refusal;

#[allow(unused_imports)] // of parts that are not built yet
pub use challenge::LoginDemand;
pub use challenge::{Challenge, DpopDemand};
pub use reason::{ChallengeKind, Fault, Reason};
pub use refusal::{OwnResponse, Shape};

use crate::token::AuthScheme;
use std::time::Duration;

/// A decision against a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    pub reason: Reason,
    /// The client reads this in place of the reason's own sentence; from a fixed vocabulary.
    pub detail: Option<&'static str>,
    /// The value of `Retry-After`, where a limit or a server gave one.
    pub retry_after: Option<Duration>,
    /// For the log alone: the cause in words. It may name values of the configuration, never of a
    /// token.
    pub cause: Option<Box<str>>,
    /// The OAuth error code in place of the reason's own one; from a fixed vocabulary.
    pub error: Option<&'static str>,
    /// The scheme by which the client presented its token, and by which it is challenged.
    pub scheme: AuthScheme,
}

impl Denial {
    pub fn because(reason: Reason) -> Self {
        let scheme = AuthScheme::Bearer;
        Self { reason, detail: None, retry_after: None, cause: None, error: None, scheme }
    }

    pub fn with_detail(reason: Reason, detail: &'static str) -> Self {
        Self { detail: Some(detail), ..Self::because(reason) }
    }

    pub fn with_error(self, error: &'static str) -> Self {
        Self { error: Some(error), ..self }
    }

    /// The OAuth error code, where there is one.
    pub fn oauth_error(&self) -> Option<&'static str> {
        self.error.or(self.reason.oauth_error())
    }

    /// The text for the client.
    pub fn sentence(&self) -> &'static str {
        self.detail.unwrap_or(self.reason.sentence())
    }

    pub fn caused_by(reason: Reason, cause: impl Into<Box<str>>) -> Self {
        Self { cause: Some(cause.into()), ..Self::because(reason) }
    }
}
