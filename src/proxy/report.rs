//! The end of a request: its metrics and its line in the access log.

use super::exchange::Exchange;
use crate::clock::micros;
use crate::deny::Fault;
use crate::policy::Admission;
use crate::telemetry::{AccessLine, Timestamp, method_label};
use http::StatusCode;
use pingora_proxy::Session;
use std::time::Duration;

/// What nginx calls it when the client left before there was a response.
const CLIENT_LEFT: u16 = 499;

/// In place of a route's name where no route was found.
const NO_ROUTE: &str = "-";

#[allow(clippy::cast_precision_loss)] // microseconds of one request
pub fn report(session: &Session, exchange: &Exchange) {
    let now = exchange.process.parts.clock.now();
    let request = session.req_header();
    let status = session.response_written().map_or(CLIENT_LEFT, |response| response.status.as_u16());
    let route = exchange.route.as_ref().map(|route| &*route.name);
    let decision = decision(exchange);
    let took = now.since(exchange.began);

    let metrics = &exchange.process.parts.metrics;
    let code = StatusCode::from_u16(status).map_or_else(|_| "499".to_owned(), |status| status.as_str().to_owned());
    metrics.requests.with_label_values(&[route.unwrap_or(NO_ROUTE), method_label(&request.method), &code]).inc();
    let decided_by = exchange.reason.filter(|reason| reason.fault() != Fault::Upstream).map_or("", |reason| reason.as_str());
    metrics.decisions.with_label_values(&[route.unwrap_or(NO_ROUTE), decision, decided_by]).inc();
    match &exchange.route {
        Some(route) => route.leads_to.request_duration.observe(took.as_secs_f64()),
        None => metrics.request_duration_of(NO_ROUTE).observe(took.as_secs_f64()),
    }
    if let (Some(route), crate::telemetry::Cache::Stale) = (route, exchange.trail.cache) {
        metrics.stale_served.with_label_values(&[route]).inc();
    }
    let upstream = exchange.route.as_ref().filter(|_| exchange.upstream.attempts > 0).map(|route| &*route.leads_to.upstream.settings.name);
    if let (Some(upstream), Some((_, status))) = (upstream, exchange.upstream.answered) {
        metrics.upstream_requests.with_label_values(&[upstream, status.as_str()]).inc();
    }

    let milliseconds = |took: Duration| micros(took) as f64 / 1000.0;
    let facts = exchange.trail.entry.as_ref().map(|entry| &entry.facts);
    let line = AccessLine {
        ts: Timestamp { unix_millis: now.wall },
        level: "info",
        request_id: &exchange.request_id,
        trace_id: exchange.trace.trace_id(),
        client_ip: exchange.client_ip,
        method: request.method.as_str(),
        host: &exchange.host,
        path: &exchange.path,
        route,
        status,
        duration_ms: milliseconds(took),
        upstream,
        upstream_ms: exchange
            .upstream
            .began
            .zip(exchange.upstream.answered)
            .map(|(began, (answered, _))| milliseconds(answered.since(began))),
        decision,
        reason: exchange.reason.map(|reason| reason.as_str()),
        sub: facts.and_then(|facts| facts.subject.as_deref()),
        client_id: facts.and_then(|facts| facts.client_id.as_deref()),
        server: exchange.trail.server.as_deref(),
        cache: exchange.trail.cache,
        introspection_ms: exchange.trail.waited.map(milliseconds),
        token_fp: exchange.trail.digest.map(|digest| digest.fingerprint().to_string()),
    };
    exchange.process.access_log.write(&line, &exchange.runtime.log);
}

fn decision(exchange: &Exchange) -> &'static str {
    match (exchange.permit.map(|permit| permit.admission()), exchange.reason.map(|reason| reason.fault())) {
        (Some(Admission::Anonymous), _) => "anonymous",
        (Some(_), _) => "allow",
        (None, Some(Fault::AuthorizationServer | Fault::Gateway)) => "error",
        (None, _) => "deny",
    }
}
