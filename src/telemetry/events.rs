//! Events that are both counted and told.

use super::Metrics;

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
