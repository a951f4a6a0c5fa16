//! Events that are both counted and told.

use super::{Metrics, Occasionally};
use crate::introspect::Failure;
use crate::token::Facts;
use std::time::Duration;

/// A question to an authorization server has been answered, or has not.
pub struct Introspected<'a> {
    pub server: &'a str,
    pub outcome: &'a Result<Facts, Failure>,
    pub took: Duration,
    /// Monotonic microseconds.
    pub now: u64,
}

impl Introspected<'_> {
    pub fn emit(self, metrics: &Metrics, log: &Occasionally) {
        let result = match self.outcome {
            Ok(Facts::Active(_)) => "active",
            Ok(Facts::Inactive | Facts::Refused(_)) => "inactive",
            Err(failure) => failure.kind.label(),
        };
        metrics.introspections.with_label_values(&[self.server, result]).inc();
        metrics.introspection_duration.with_label_values(&[self.server]).observe(self.took.as_secs_f64());
        match self.outcome {
            Ok(_) => {
                if log.over() {
                    tracing::info!(server = self.server, "the authorization server answers again");
                }
            }
            Err(failure) => {
                if let Some(untold) = log.now(result, self.now) {
                    let reason = failure.kind.reason().as_str();
                    let also = (untold > 0).then_some(untold);
                    tracing::warn!(
                        server = self.server,
                        reason,
                        detail = &*failure.detail,
                        not_logged_since = also,
                        "introspection failed"
                    );
                }
            }
        }
    }
}

/// The configuration was read again.
pub struct Reloaded<'a> {
    pub file: &'a str,
    /// What needs a restart to take effect, or what is wrong with the file.
    pub outcome: Result<&'a [&'static str], &'a [String]>,
    /// Seconds since the Unix epoch.
    pub at: i64,
}

impl Reloaded<'_> {
    #[allow(clippy::cast_precision_loss)] // seconds since 1970 fit
    pub fn emit(self, metrics: &Metrics) {
        let result = if self.outcome.is_ok() { "success" } else { "failure" };
        metrics.config_reloads.with_label_values(&[result]).inc();
        metrics.config_last_reload_success.set(self.outcome.is_ok().into());
        match self.outcome {
            Ok(needs_restart) => {
                metrics.config_last_reload_timestamp.set(self.at as f64);
                tracing::info!(file = self.file, "configuration in force");
                for part in needs_restart {
                    tracing::warn!(file = self.file, part, "this part of the configuration changed and needs a restart to take effect");
                }
            }
            Err(problems) => {
                for problem in problems {
                    tracing::error!(file = self.file, problem, "configuration not reloaded; the old one stays in force");
                }
            }
        }
    }
}
