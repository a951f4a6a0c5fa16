//! What is counted of every question to one authorization server.

use super::Metrics;
use super::counters::Counters;
use prometheus::{Histogram, IntCounter, IntGauge};
use std::sync::Arc;
use std::time::Duration;

/// All of it is there from the start, at zero; results when they first come.
pub struct ServerMetrics {
    server: Arc<str>,
    results: Counters<&'static str>,
    duration: Histogram,
    pub retries: IntCounter,
    pub in_flight: IntGauge,
    pub circuit: IntGauge,
}

impl ServerMetrics {
    pub fn new(metrics: &Metrics, server: &Arc<str>) -> Self {
        Self {
            results: Counters::of(&metrics.introspections),
            duration: metrics.introspection_duration.with_label_values(&[server]),
            retries: metrics.introspection_retries.with_label_values(&[server]),
            in_flight: metrics.introspections_in_flight.with_label_values(&[server]),
            circuit: metrics.circuit_state.with_label_values(&[server]),
            server: server.clone(),
        }
    }

    /// A question was answered, or was not.
    pub fn ended(&self, result: &'static str, took: Duration) {
        self.results.count(result, |all| all.with_label_values(&[&*self.server, result]));
        self.duration.observe(took.as_secs_f64());
    }
}
