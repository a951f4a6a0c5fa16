//! The end of a call to an authorization server: counted and logged in one place.

use super::Failure;
use crate::clock::Mono;
use crate::telemetry::{Occasionally, ServerMetrics};
use crate::token::Facts;
use std::time::Duration;

/// A question to an authorization server has been answered, or has not.
pub struct Introspected<'a> {
    pub server: &'a str,
    pub outcome: &'a Result<Facts, Failure>,
    pub took: Duration,
    pub now: Mono,
}

impl Introspected<'_> {
    pub fn emit(self, metrics: &ServerMetrics, log: &Occasionally) {
        let result = result_label(self.outcome);
        metrics.ended(result, self.took);
        match self.outcome {
            Ok(_) => {
                if log.over() {
                    tracing::info!(server = self.server, "the authorization server answers again");
                }
            }
            Err(failure) => {
                if let Some(skipped) = log.now(result, self.now) {
                    let reason = failure.kind.reason().as_str();
                    tracing::warn!(
                        server = self.server,
                        reason,
                        detail = &*failure.detail,
                        not_logged_since = skipped.count(),
                        "introspection failed"
                    );
                }
            }
        }
    }
}

/// The outcome in one word: the `result` label, also in traces.
pub fn result_label(outcome: &Result<Facts, Failure>) -> &'static str {
    match outcome {
        Ok(Facts::Active(_)) => "active",
        Ok(Facts::Inactive | Facts::Refused(_)) => "inactive",
        Err(failure) => failure.kind.label(),
    }
}
