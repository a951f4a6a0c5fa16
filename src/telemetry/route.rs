//! Counts of all requests of one route, or of those without a route.

use super::counters::CounterFamily;
use super::lazy::LazyHistogram;
use super::{LazyCounter, Metrics};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// In place of a route's name where no route was found.
const NO_ROUTE: &str = "-";

/// Thousands of routes may be configured, and most of them are idle: their counts are made when the
/// first request comes.
pub struct RouteMetrics {
    route: Arc<str>,
    upstream: Arc<str>,
    metrics: Arc<Metrics>,
    used: OnceLock<Box<UsedRoute>>,
}

/// The counts of a route that requests have found.
struct UsedRoute {
    requests: CounterFamily<(&'static str, u16)>,
    decisions: CounterFamily<(&'static str, &'static str)>,
    answers: CounterFamily<u16>,
    duration: LazyHistogram,
    stale: LazyCounter,
    shadow: CounterFamily<&'static str>,
    streams: CounterFamily<&'static str>,
}

impl RouteMetrics {
    /// Makes no series yet.
    pub fn new(metrics: &Arc<Metrics>, route: &Arc<str>, upstream: &Arc<str>) -> Self {
        Self {
            route: route.clone(),
            upstream: upstream.clone(),
            metrics: metrics.clone(),
            used: OnceLock::new(),
        }
    }

    /// For requests that no route matches.
    pub fn of_none(metrics: &Arc<Metrics>) -> Self {
        Self::new(metrics, &NO_ROUTE.into(), &NO_ROUTE.into())
    }

    fn used(&self) -> &UsedRoute {
        self.used.get_or_init(|| {
            let metrics = &self.metrics;
            Box::new(UsedRoute {
                requests: CounterFamily::in_metric(&metrics.requests),
                decisions: CounterFamily::in_metric(&metrics.decisions),
                answers: CounterFamily::in_metric(&metrics.upstream_requests),
                duration: LazyHistogram::new(&metrics.request_duration, &self.route),
                stale: LazyCounter::new(&metrics.stale_served, &[&self.route]),
                shadow: CounterFamily::in_metric(&metrics.shadow_denials),
                streams: CounterFamily::in_metric(&metrics.streams_ended),
            })
        })
    }

    /// A request has ended; `method` as a label, see [`super::method_label`].
    pub fn ended(&self, method: &'static str, status: u16, took: Duration) {
        let used = self.used();
        used.requests.count((method, status), |all| {
            all.with_label_values(&[&*self.route, method, &status.to_string()])
        });
        used.duration.observe(took);
    }

    /// The gate has decided; `reason` is empty where it permitted the request.
    pub fn decided(&self, decision: &'static str, reason: &'static str) {
        self.used().decisions.count((decision, reason), |all| {
            all.with_label_values(&[&*self.route, decision, reason])
        });
    }

    /// It would have been refused, had the route not been in shadow mode.
    pub fn denied_in_shadow(&self, reason: &'static str) {
        self.used().shadow.count(reason, |all| all.with_label_values(&[&*self.route, reason]));
    }

    /// Its response ended since the token stopped being good.
    pub fn ended_with_token(&self, reason: &'static str) {
        self.used().streams.count(reason, |all| all.with_label_values(&[&*self.route, reason]));
    }

    /// It was decided by an answer past its ttl.
    pub fn served_stale(&self) {
        self.used().stale.inc();
    }

    /// The route's upstream has answered.
    pub fn answered(&self, status: u16) {
        self.used()
            .answers
            .count(status, |all| all.with_label_values(&[&*self.upstream, &status.to_string()]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_has_no_series_before_its_first_request() {
        let Ok(metrics) = Metrics::new().map(Arc::new) else { return };
        let [idle, used] = ["idle", "used"]
            .map(|route| RouteMetrics::new(&metrics, &route.into(), &"backend".into()));
        used.decided("allow", "");
        used.answered(200);
        used.ended("GET", 200, Duration::from_millis(1));
        let text = metrics.text();
        for series in [
            "introgate_requests_total{code=\"200\",method=\"GET\",route=\"used\"} 1",
            "introgate_decisions_total{decision=\"allow\",reason=\"\",route=\"used\"} 1",
            "introgate_upstream_requests_total{code=\"200\",upstream=\"backend\"} 1",
            "introgate_request_duration_seconds_count{route=\"used\"} 1",
        ] {
            assert!(text.contains(series), "{series}");
        }
        assert!(idle.used.get().is_none() && !text.contains("idle"));
    }
}
