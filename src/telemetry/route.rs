//! Counts of all requests of one route, or of those without a route.

use super::counters::CounterFamily;
use super::lazy::LazyHistogram;
use super::{LazyCounter, Metrics};
use std::sync::Arc;
use std::time::Duration;

/// In place of a route's name where no route was found.
const NO_ROUTE: &str = "-";

pub struct RouteMetrics {
    route: Arc<str>,
    upstream: Arc<str>,
    requests: CounterFamily<(&'static str, u16)>,
    decisions: CounterFamily<(&'static str, &'static str)>,
    answers: CounterFamily<u16>,
    duration: LazyHistogram,
    stale: LazyCounter,
    shadow: CounterFamily<&'static str>,
    streams: CounterFamily<&'static str>,
}

impl RouteMetrics {
    pub fn new(metrics: &Metrics, route: &Arc<str>, upstream: &Arc<str>) -> Self {
        Self {
            requests: CounterFamily::in_metric(&metrics.requests),
            decisions: CounterFamily::in_metric(&metrics.decisions),
            answers: CounterFamily::in_metric(&metrics.upstream_requests),
            duration: LazyHistogram::new(&metrics.request_duration, route),
            stale: LazyCounter::new(&metrics.stale_served, &[route]),
            shadow: CounterFamily::in_metric(&metrics.shadow_denials),
            streams: CounterFamily::in_metric(&metrics.streams_ended),
            route: route.clone(),
            upstream: upstream.clone(),
        }
    }

    /// For requests that no route matches.
    pub fn of_none(metrics: &Metrics) -> Self {
        Self::new(metrics, &NO_ROUTE.into(), &NO_ROUTE.into())
    }

    /// A request has ended; `method` as a label, see [`super::method_label`].
    pub fn ended(&self, method: &'static str, status: u16, took: Duration) {
        self.requests.count((method, status), |all| {
            all.with_label_values(&[&*self.route, method, &status.to_string()])
        });
        self.duration.observe(took);
    }

    pub fn decided(&self, decision: &'static str, reason: &'static str) {
        self.decisions.count((decision, reason), |all| {
            all.with_label_values(&[&*self.route, decision, reason])
        });
    }

    /// It would have been refused, had the route not been in shadow mode.
    pub fn denied_in_shadow(&self, reason: &'static str) {
        self.shadow.count(reason, |all| all.with_label_values(&[&*self.route, reason]));
    }

    /// Its response ended since the token stopped being good.
    pub fn ended_with_token(&self, reason: &'static str) {
        self.streams.count(reason, |all| all.with_label_values(&[&*self.route, reason]));
    }

    /// It was decided by an answer past its ttl.
    pub fn served_stale(&self) {
        self.stale.inc();
    }

    /// The route's upstream has answered.
    pub fn answered(&self, status: u16) {
        self.answers
            .count(status, |all| all.with_label_values(&[&*self.upstream, &status.to_string()]));
    }
}
