//! Why a request is refused, and what the client is told: one closed set of reasons and one
//! exhaustive match from reason to response.

mod challenge;
mod reason;
mod refusal;

pub use challenge::Challenge;
pub use reason::{Fault, Reason};
pub use refusal::{Refusal, Shape};

use std::time::Duration;

/// A decision against a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    pub reason: Reason,
    /// Said to the client in place of the reason's own sentence; from a fixed vocabulary.
    pub detail: Option<&'static str>,
    /// When to come again, where somebody said so.
    pub retry_after: Option<Duration>,
}

impl Denial {
    pub fn because(reason: Reason) -> Self {
        Self { reason, detail: None, retry_after: None }
    }

    pub fn with_detail(reason: Reason, detail: &'static str) -> Self {
        Self { reason, detail: Some(detail), retry_after: None }
    }
}
