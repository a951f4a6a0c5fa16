//! Every metric, in one table. Labels are bounded: names from the configuration, closed sets, and
//! never a token, a subject, a client id or a raw path.

use super::contended::{CounterVec, HistogramVec};
use prometheus::core::Collector;
use prometheus::{Encoder, Gauge, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};
use std::collections::{BTreeMap, HashMap};
use std::io::Write;

/// The metrics of the process, each named after its member.
pub struct Metrics {
    registry: Registry,
    families: Vec<Family>,
    pub(crate) requests: CounterVec,
    pub(crate) request_duration: HistogramVec,
    pub(crate) decisions: CounterVec,
    pub(crate) introspections: CounterVec,
    pub(crate) introspection_duration: HistogramVec,
    pub(crate) introspections_in_flight: IntGaugeVec,
    pub(crate) introspections_coalesced: CounterVec,
    pub(crate) introspection_retries: CounterVec,
    pub(crate) circuit_state: IntGaugeVec,
    pub(crate) cache_requests: CounterVec,
    pub(crate) cache_entries: IntGaugeVec,
    pub(crate) cache_evictions: CounterVec,
    pub(crate) stale_served: CounterVec,
    pub(crate) shadow_denials: CounterVec,
    pub(crate) streams_ended: CounterVec,
    pub(crate) events: CounterVec,
    pub(crate) event_polls: CounterVec,
    pub(crate) event_last_poll: IntGaugeVec,
    pub(crate) event_stream_enabled: IntGaugeVec,
    pub(crate) event_verification_overdue: IntGaugeVec,
    pub(crate) upstream_requests: CounterVec,
    pub(crate) upstream_up: IntGaugeVec,
    pub(crate) upstream_healthy: IntGaugeVec,
    pub(crate) connections: IntGaugeVec,
    pub(crate) connections_accepted: CounterVec,
    pub(crate) tls_handshakes: CounterVec,
    pub(crate) certificate_expiry: IntGaugeVec,
    pub(crate) config_reloads: CounterVec,
    pub(crate) config_last_reload_success: IntGauge,
    pub(crate) config_last_reload_timestamp: Gauge,
    pub(crate) log_lines_dropped: IntGauge,
    pub(crate) trace_spans_exported: CounterVec,
    pub(crate) trace_spans_dropped: CounterVec,
    build_info: IntGaugeVec,
}

/// All series of one name.
struct Family {
    name: String,
    help: String,
    kind: &'static str,
}

/// Upper bounds in seconds: a cached decision takes microseconds, an upstream up to a minute.
const REQUEST_BUCKETS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0,
];
const INTROSPECTION_BUCKETS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

impl Metrics {
    /// Registers everything. An error means that two metrics have one name, which is a mistake in
    /// this file.
    pub fn new() -> prometheus::Result<Self> {
        let mut table = Table { registry: Registry::new(), families: Vec::new() };
        let metrics = Self {
            requests: table.counters(
                "requests_total",
                "Requests by route, method and status code.",
                &["route", "method", "code"],
            )?,
            request_duration: table.histograms(
                "request_duration_seconds",
                "From a request's header to the end of its response.",
                "route",
                REQUEST_BUCKETS,
            )?,
            decisions: table.counters(
                "decisions_total",
                "Decisions of the gate, with the reason of denials.",
                &["route", "decision", "reason"],
            )?,
            introspections: table.counters(
                "introspections_total",
                "Questions put to an authorization server.",
                &["server", "result"],
            )?,
            introspection_duration: table.histograms(
                "introspection_duration_seconds",
                "How long an authorization server took to answer, all attempts included.",
                "server",
                INTROSPECTION_BUCKETS,
            )?,
            introspections_in_flight: table.gauges(
                "introspections_in_flight",
                "Questions that wait for an answer.",
                &["server"],
            )?,
            introspections_coalesced: table.counters(
                "introspections_coalesced_total",
                "Requests that shared another one's introspection.",
                &["server"],
            )?,
            introspection_retries: table.counters(
                "introspection_retries_total",
                "Repeated attempts.",
                &["server"],
            )?,
            circuit_state: table.gauges(
                "circuit_state",
                "0 closed, 1 half-open, 2 open.",
                &["server"],
            )?,
            cache_requests: table.counters(
                "cache_requests_total",
                "Look-ups by cache and result.",
                &["cache", "result"],
            )?,
            cache_entries: table.gauges("cache_entries", "Answers held.", &["cache"])?,
            cache_evictions: table.counters(
                "cache_evictions_total",
                "Answers dropped before their time.",
                &["cache", "reason"],
            )?,
            stale_served: table.counters(
                "stale_served_total",
                "Requests decided by an answer past its ttl, since the server failed.",
                &["route"],
            )?,
            shadow_denials: table.counters(
                "shadow_denials_total",
                "Requests that shadow mode forwarded although they would have been refused.",
                &["route", "reason"],
            )?,
            streams_ended: table.counters(
                "streams_ended_total",
                "Responses that ended since their token stopped being good.",
                &["route", "reason"],
            )?,
            events: table.counters(
                "events_total",
                "Security events that came in.",
                &["server", "result"],
            )?,
            event_polls: table.counters(
                "event_polls_total",
                "Polls for security events.",
                &["server", "result"],
            )?,
            event_last_poll: table.gauges(
                "event_last_poll_timestamp_seconds",
                "When the transmitter last answered a poll, in seconds since the Unix epoch.",
                &["server"],
            )?,
            event_stream_enabled: table.gauges(
                "event_stream_enabled",
                "1: the event stream is enabled, 0: its transmitter paused or disabled it.",
                &["server"],
            )?,
            event_verification_overdue: table.gauges(
                "event_verification_overdue",
                "1: the event stream did not deliver a verification event in time.",
                &["server"],
            )?,
            upstream_requests: table.counters(
                "upstream_requests_total",
                "Responses by upstream and status code.",
                &["upstream", "code"],
            )?,
            upstream_up: table.gauges(
                "upstream_up",
                "1: the last connection succeeded, 0: it failed.",
                &["upstream", "server"],
            )?,
            upstream_healthy: table.gauges(
                "upstream_healthy",
                "1: requests go to the server, 0: others are preferred.",
                &["upstream", "server"],
            )?,
            connections: table.gauges(
                "connections",
                "Connections of clients that are open.",
                &["listener"],
            )?,
            connections_accepted: table.counters(
                "connections_total",
                "Connections of clients that were accepted.",
                &["listener"],
            )?,
            tls_handshakes: table.counters(
                "tls_handshakes_total",
                "TLS handshakes with clients.",
                &["listener", "result"],
            )?,
            certificate_expiry: table.gauges(
                "certificate_expiry_timestamp_seconds",
                "When a listener's certificate ends, in seconds since the Unix epoch.",
                &["listener", "name"],
            )?,
            config_reloads: table.counters(
                "config_reloads_total",
                "Reloads of the configuration.",
                &["result"],
            )?,
            config_last_reload_success: table.gauge(
                "config_last_reload_success",
                "1: the configuration in force is the newest one.",
            )?,
            config_last_reload_timestamp: table.seconds(
                "config_last_reload_timestamp_seconds",
                "When the configuration in force was loaded, in seconds since the Unix epoch.",
            )?,
            log_lines_dropped: table
                .gauge("log_lines_dropped", "Log lines lost since their reader was too slow.")?,
            trace_spans_exported: table.counters(
                "trace_spans_exported_total",
                "Spans that the collector of traces took.",
                &["protocol"],
            )?,
            trace_spans_dropped: table.counters(
                "trace_spans_dropped_total",
                "Spans that were lost, by reason.",
                &["reason"],
            )?,
            build_info: table.gauges("build_info", "Always 1.", &["version"])?,
            registry: table.registry,
            families: table.families,
        };
        metrics.build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(metrics)
    }

    /// The newest configuration is in force; `at` is in seconds since the Unix epoch.
    #[allow(clippy::cast_precision_loss)] // seconds since 1970 fit
    pub fn config_in_force(&self, at: i64) {
        self.config_last_reload_success.set(1);
        self.config_last_reload_timestamp.set(at as f64);
    }

    /// Prometheus text format. A family without series has its description all the same, so that
    /// its name is known before its first event.
    pub fn text(&self) -> String {
        let gathered = self.registry.gather();
        let mut text = Vec::new();
        // writing to memory does not fail; an unencodable family would be left out
        let _ = TextEncoder::new().encode(&gathered, &mut text);
        for Family { name, help, kind } in &self.families {
            if gathered.iter().all(|family| family.name() != name) {
                let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
            }
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// `upstream_up` by upstream and server, as far as there were connections. Looking makes no
    /// series, since a series of 0 would mean that a connection failed.
    pub fn last_connections(&self) -> HashMap<(String, String), bool> {
        let families = self.upstream_up.collect();
        let series = families.iter().flat_map(|family| family.get_metric());
        series
            .map(|metric| {
                let label = |name: &str| label_of(metric, name);
                let up = metric.get_gauge().get_value() > 0.0;
                ((label("upstream"), label("server")), up)
            })
            .collect()
    }

    /// `shadow_denials_total` by route and reason.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // counts
    pub fn denials_in_shadow(&self) -> HashMap<String, BTreeMap<String, u64>> {
        let mut routes: HashMap<String, BTreeMap<String, u64>> = HashMap::new();
        for family in self.shadow_denials.collect() {
            for metric in family.get_metric() {
                let count = metric.get_counter().get_value() as u64;
                let reasons = routes.entry(label_of(metric, "route")).or_default();
                *reasons.entry(label_of(metric, "reason")).or_default() += count;
            }
        }
        routes
    }

    /// `stale_served_total` of all routes together, for the status page.
    pub fn stale_served_by_all(&self) -> f64 {
        let families = self.stale_served.collect();
        families
            .iter()
            .flat_map(|family| family.get_metric())
            .map(|metric| metric.get_counter().get_value())
            .sum()
    }
}

/// Empty where there is no such label.
fn label_of(metric: &prometheus::proto::Metric, name: &str) -> String {
    let label = metric.get_label().iter().find(|label| label.name() == name);
    label.map(|label| label.value().to_owned()).unwrap_or_default()
}

struct Table {
    registry: Registry,
    families: Vec<Family>,
}

impl Table {
    fn counters(
        &mut self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> prometheus::Result<CounterVec> {
        self.keep(name, help, "counter", CounterVec::new(options(name, help), labels)?)
    }

    fn gauges(
        &mut self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> prometheus::Result<IntGaugeVec> {
        self.keep(name, help, "gauge", IntGaugeVec::new(options(name, help), labels)?)
    }

    fn gauge(&mut self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.keep(name, help, "gauge", IntGauge::with_opts(options(name, help))?)
    }

    fn seconds(&mut self, name: &str, help: &str) -> prometheus::Result<Gauge> {
        self.keep(name, help, "gauge", Gauge::with_opts(options(name, help))?)
    }

    fn histograms(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        buckets: &'static [f64],
    ) -> prometheus::Result<HistogramVec> {
        let histograms = HistogramVec::new(format!("{NAMESPACE}_{name}"), help, label, buckets)?;
        self.keep(name, help, "histogram", histograms)
    }

    fn keep<C: Collector + Clone + 'static>(
        &mut self,
        name: &str,
        help: &str,
        kind: &'static str,
        collector: C,
    ) -> prometheus::Result<C> {
        self.registry.register(Box::new(collector.clone()))?;
        let name = format!("{NAMESPACE}_{name}");
        self.families.push(Family { name, help: help.to_owned(), kind });
        Ok(collector)
    }
}

/// Before every metric's name.
const NAMESPACE: &str = "introgate";

fn options(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace(NAMESPACE)
}

/// The method as a label: a client cannot make new ones.
pub fn method_label(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "PATCH" => "PATCH",
        "OPTIONS" => "OPTIONS",
        "TRACE" => "TRACE",
        "CONNECT" => "CONNECT",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_a_name_of_its_own() {
        let text = Metrics::new().map(|metrics| metrics.text());
        assert!(text.is_ok_and(|text| text.contains(concat!(
            "introgate_build_info{version=\"",
            env!("CARGO_PKG_VERSION"),
            "\"} 1"
        ))));
    }
}
