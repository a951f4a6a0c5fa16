//! Why a request is refused, and the response to it: one closed set of reasons in one table.

mod challenge;
mod reason;
mod refusal;

pub use challenge::Challenge;
#[allow(unused_imports)] // of parts that are not built yet
pub use challenge::LoginDemand;
pub use reason::{ChallengeKind, Fault, Reason};
pub use refusal::{Refusal, Shape};

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
}

impl Denial {
    pub fn because(reason: Reason) -> Self {
        Self { reason, detail: None, retry_after: None, cause: None }
    }

    pub fn with_detail(reason: Reason, detail: &'static str) -> Self {
        Self { detail: Some(detail), ..Self::because(reason) }
    }

    pub fn caused_by(reason: Reason, cause: impl Into<Box<str>>) -> Self {
        Self { cause: Some(cause.into()), ..Self::because(reason) }
    }
}
