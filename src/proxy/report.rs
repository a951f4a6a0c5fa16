//! The end of a request: its metrics, its line in the access log, its spans.

use super::exchange::Exchange;
use super::spans;
use crate::cache::StreamEnd;
use crate::clock::Now;
use crate::deny::{Fault, Reason};
use crate::policy::Admission;
use crate::resource;
use crate::telemetry::{AccessLine, Cache, Timestamp, method_label};
use http::{Method, StatusCode};
use std::time::Duration;

/// nginx's status for a client that left before there was a response.
const CLIENT_LEFT: u16 = 499;

/// `status` is that of the response that was sent, `None` where there was none.
pub fn report(method: &Method, status: Option<StatusCode>, exchange: &Exchange) {
    let now = exchange.now();
    let sent = status.is_some();
    let status = status.map_or(CLIENT_LEFT, |status| status.as_u16());
    count(method, exchange, status, now.since(exchange.began));
    let line = line(method, exchange, status, now);
    exchange.process.decisions.push(&line);
    if let Some(recorded) = &exchange.trace.spans {
        spans::record(recorded, &line, sent, exchange, now);
    }
    if exchange.process.access_log.wants(judgement(exchange).reason, &exchange.runtime.log) {
        exchange.process.access_log.write(&line, now.mono, exchange.runtime.log.format);
    }
}

fn count(method: &Method, exchange: &Exchange, status: u16, took: Duration) {
    let runtime = &exchange.runtime;
    let metrics = match (&exchange.route, &runtime.resource_metadata) {
        (Some(route), _) => &route.leads_to.metrics,
        (None, Some(metadata)) if exchange.is_for_metadata => &metadata.metrics,
        (None, _) => &runtime.unrouted,
    };
    metrics.ended(method_label(method), status, took);
    let unenforced = exchange.trail.unenforced.as_ref().map(|denial| denial.reason);
    let decided_by = unenforced
        .or(exchange.reason)
        .filter(|reason| reason.fault() != Fault::Upstream)
        .map_or("", |reason| reason.as_str());
    metrics.decided(judgement(exchange).decision, decided_by);
    if let Some(reason) = unenforced {
        metrics.denied_in_shadow(reason.as_str());
    }
    if exchange.trail.cache == Cache::Stale {
        metrics.served_stale();
    }
    if let Some(end) = exchange.end {
        metrics.ended_with_token(end.as_str());
    }
    if let Some((_, status)) = exchange.upstream.answered {
        metrics.answered(status.as_u16());
    }
}

fn line<'a>(method: &'a Method, exchange: &'a Exchange, status: u16, now: Now) -> AccessLine<'a> {
    let facts = exchange.trail.entry.as_ref().map(|entry| &entry.facts);
    let upstream = &exchange.upstream;
    let tried = exchange
        .route
        .as_ref()
        .filter(|_| upstream.attempts.made() > 0)
        .map(|route| &*route.leads_to.upstream.settings.name);
    let Judgement { decision, reason, enforced } = judgement(exchange);
    AccessLine {
        ts: Timestamp { unix_millis: now.wall },
        level: "info",
        request_id: exchange.request_id(),
        trace_id: exchange.trace.trace_id(),
        client_ip: exchange.forwarded.client,
        method: method.as_str(),
        host: &exchange.host,
        path: &exchange.path,
        route: match &exchange.route {
            Some(route) => Some(&route.name),
            None => exchange.is_for_metadata.then_some(resource::ROUTE),
        },
        status,
        duration: now.since(exchange.began),
        upstream: tried,
        upstream_took: upstream
            .began
            .zip(upstream.answered)
            .map(|(began, (answered, _))| answered.since(began)),
        decision,
        reason: exchange.end.map(StreamEnd::as_str).or(reason.map(|reason| reason.as_str())),
        enforced,
        sub: facts.and_then(|facts| facts.subject()),
        client_id: facts.and_then(|facts| facts.client_id()),
        act_sub: facts.and_then(|facts| facts.actor()),
        server: exchange.trail.server.as_deref().map(|name| &**name),
        cache: exchange.trail.cache,
        introspection: exchange.trail.waited,
        token_fp: exchange.trail.digest.map(|digest| digest.fingerprint()),
    }
}

/// The decision about a request, as logs and metrics have it.
struct Judgement {
    decision: &'static str,
    /// Of the refusal, or of the one that shadow mode does not enforce.
    reason: Option<Reason>,
    enforced: bool,
}

fn judgement(exchange: &Exchange) -> Judgement {
    if let Some(denial) = &exchange.trail.unenforced {
        let decision = refused(denial.reason);
        return Judgement { decision, reason: Some(denial.reason), enforced: false };
    }
    let decision = match (exchange.permit.map(|permit| permit.admission()), exchange.reason) {
        (Some(Admission::Anonymous), _) => "anonymous",
        (Some(_), _) => "allow",
        (None, Some(reason)) => refused(reason),
        (None, None) if exchange.is_for_metadata => "allow",
        (None, None) => "deny",
    };
    Judgement { decision, reason: exchange.reason, enforced: true }
}

fn refused(reason: Reason) -> &'static str {
    match reason.fault() {
        Fault::AuthorizationServer | Fault::Gateway => "error",
        Fault::Client | Fault::Upstream => "deny",
    }
}
