//! Events that are both counted and logged.

use super::{Metrics, Occasionally};
use crate::clock::Mono;

/// The configuration was read again.
pub struct Reloaded<'a> {
    pub file: &'a str,
    /// Settings that need a restart to take effect, or the errors of the file.
    pub outcome: Result<&'a [&'static str], &'a [String]>,
    /// The names of the routes in shadow mode.
    pub shadow: &'a [&'a str],
    /// Seconds since the Unix epoch.
    pub at: i64,
}

impl Reloaded<'_> {
    pub fn emit(self, metrics: &Metrics) {
        let result = if self.outcome.is_ok() { "success" } else { "failure" };
        metrics.config_reloads.with_label_values(&[result]).inc();
        match self.outcome {
            Ok(needs_restart) => {
                metrics.config_in_force(self.at);
                tracing::info!(file = self.file, "configuration in force");
                for route in self.shadow {
                    tracing::warn!(
                        route,
                        "this route is in shadow mode: requests that would be refused are forwarded"
                    );
                }
                for part in needs_restart {
                    tracing::warn!(
                        file = self.file,
                        part,
                        "this part of the configuration changed and needs a restart to take effect"
                    );
                }
            }
            Err(problems) => {
                metrics.config_last_reload_success.set(0);
                for problem in problems {
                    tracing::error!(
                        file = self.file,
                        problem,
                        "configuration not reloaded; the old one stays in force"
                    );
                }
            }
        }
    }
}

/// An event from an authorization server, or from a sender in its name.
pub struct Received<'a> {
    /// `None`: it is not known whose event it was.
    pub server: Option<&'a str>,
    /// From a closed set.
    pub result: &'static str,
    /// The outcome, or the reason for the refusal.
    pub outcome: Result<CarriedOut<'a>, &'a str>,
    pub now: Mono,
}

pub struct CarriedOut<'a> {
    /// The events, in words of a closed set.
    pub events: &'a [&'a str],
    /// Answers that were forgotten.
    pub purged: usize,
}

impl Received<'_> {
    pub fn emit(self, metrics: &Metrics, log: &Occasionally) {
        let (server, result) = (self.server.unwrap_or("-"), self.result);
        metrics.events.with_label_values(&[server, result]).inc();
        match self.outcome {
            Ok(CarriedOut { events, purged }) => tracing::info!(
                server,
                result,
                events = events.join(","),
                purged,
                "a security event came"
            ),
            Err(detail) => {
                if let Some(skipped) = log.now(result, self.now) {
                    tracing::warn!(
                        server,
                        result,
                        detail,
                        not_logged_since = skipped.count(),
                        "a security event was refused"
                    );
                }
            }
        }
    }
}
