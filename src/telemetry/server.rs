//! Counts of all introspections at one authorization server.

use super::counters::CounterFamily;
use super::lazy::LazyHistogram;
use super::{LazyCounter, Metrics};
use prometheus::IntGauge;
use std::sync::Arc;
use std::time::Duration;

pub struct ServerMetrics {
    server: Arc<str>,
    results: CounterFamily<&'static str>,
    duration: LazyHistogram,
    pub retries: LazyCounter,
    pub in_flight: IntGauge,
    pub circuit: IntGauge,
}

impl ServerMetrics {
    pub fn new(metrics: &Metrics, server: &Arc<str>) -> Self {
        // IntrogateCredentialsRejected alerts on the first one, and the first increase of a series
        // is only seen when it was there before
        metrics.introspections.with_label_values(&[&**server, "rejected_us"]);
        Self {
            results: CounterFamily::in_metric(&metrics.introspections),
            duration: LazyHistogram::new(&metrics.introspection_duration, server),
            retries: LazyCounter::new(&metrics.introspection_retries, &[server]),
            in_flight: metrics.introspections_in_flight.with_label_values(&[server]),
            circuit: metrics.circuit_state.with_label_values(&[server]),
            server: server.clone(),
        }
    }

    /// A question was answered, or was not.
    pub fn ended(&self, result: &'static str, took: Duration) {
        self.results.count(result, |all| all.with_label_values(&[&*self.server, result]));
        self.duration.observe(took);
    }
}
