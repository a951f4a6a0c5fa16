//! The spans of a request that is recorded, with the stable names of OpenTelemetry's semantic
//! conventions for HTTP. Its line in the access log has the same facts. No span has a token, a
//! subject, a client id, a query or a header of the client.

use super::exchange::Exchange;
use super::trace::RequestSpans;
use crate::clock::Now;
use crate::telemetry::{AccessLine, Cache, SpanBuilder, SpanKind, method_label};
use crate::upstream::Endpoint;
use http::Version;

/// Records the request's span, and that of its upstream where one was tried. `sent`: whether the
/// client was sent a response.
#[cold] // few requests are recorded
pub fn record(
    spans: &RequestSpans,
    line: &AccessLine<'_>,
    sent: bool,
    exchange: &Exchange,
    now: Now,
) {
    if line.upstream.is_some() {
        upstream(spans, line, sent, exchange, now);
    }
    let pattern = exchange
        .route
        .as_ref()
        .and_then(|route| route.leads_to.pattern(&exchange.path))
        .map(ToString::to_string);
    let name = match (method(line), &pattern) {
        (method, Some(pattern)) => format!("{method} {pattern}"),
        (method, None) => method.to_owned(),
    };
    let mut span =
        spans.recorder.begin(spans.recorder.span(), SpanKind::Server, name, exchange.began);
    span.remote_parent(spans.parent);
    of_method(&mut span, line);
    if !line.path.is_empty() {
        span.text("url.path", line.path);
    }
    if let Some(pattern) = pattern {
        span.text("http.route", pattern);
    }
    if let Some(route) = line.route {
        span.text("introgate.route", route);
    }
    if let Some(scheme) = exchange.forwarded.proto.to_str().ok().filter(|it| !it.is_empty()) {
        span.text("url.scheme", scheme);
    }
    if !line.host.is_empty() {
        span.text("server.address", line.host);
    }
    if let Some(client) = line.client_ip {
        span.text("client.address", client.to_string());
    }
    // another proxy does not say it
    if let Some(version) = protocol_version(spans.version).filter(|_| !exchange.on_behalf) {
        span.text("network.protocol.version", version);
    }
    span.text("introgate.decision", line.decision);
    if let Some(reason) = line.reason {
        span.text("introgate.reason", reason);
    }
    if !line.enforced {
        span.boolean("introgate.enforced", false);
    }
    if line.cache != Cache::None {
        span.text("introgate.cache", line.cache.as_str());
    }
    if let Some(server) = line.server {
        span.text("introgate.authorization_server", server);
    }
    if let Some(awaited) = exchange.trail.awaited {
        span.link(awaited);
    }
    if sent {
        span.number("http.response.status_code", line.status.into());
        if line.status >= 500 {
            span.failed(error_type(line));
        }
    } else {
        span.text("error.type", CLIENT_LEFT);
    }
    spans.recorder.end(span, now);
}

/// `error.type` of a request whose client was gone before the response. It is no failure of the
/// gateway, and so the status of the span stays unset.
const CLIENT_LEFT: &str = "client_left";

fn upstream(
    spans: &RequestSpans,
    line: &AccessLine<'_>,
    sent: bool,
    exchange: &Exchange,
    now: Now,
) {
    let trail = &exchange.upstream;
    let from = trail.began.unwrap_or(exchange.began);
    let name = method(line).to_owned();
    let mut span = spans.recorder.begin(spans.upstream, SpanKind::Client, name, from);
    of_method(&mut span, line);
    if let Some(upstream) = line.upstream {
        span.text("introgate.upstream", upstream);
    }
    if let Some(server) = exchange.server() {
        match server.endpoint() {
            Endpoint::Tcp { host, port, tls } => {
                span.text("server.address", host);
                span.number("server.port", (*port).into());
                span.text("url.scheme", if *tls { "https" } else { "http" });
            }
            Endpoint::Unix(path) => span.text("server.address", path.to_string_lossy()),
        }
    }
    let again = trail.attempts.made().saturating_sub(1);
    if again > 0 {
        span.number("http.request.resend_count", i64::try_from(again).unwrap_or(i64::MAX));
    }
    match trail.answered {
        Some((_, status)) => {
            span.number("http.response.status_code", status.as_u16().into());
            if status.is_client_error() || status.is_server_error() {
                span.failed(status.as_str());
            }
        }
        None if !sent => span.text("error.type", CLIENT_LEFT),
        None => span.failed(error_type(line)),
    }
    spans.recorder.end(span, now);
}

/// The reason, or else the status.
fn error_type(line: &AccessLine<'_>) -> String {
    line.reason.map_or_else(|| line.status.to_string(), str::to_owned)
}

/// For names of spans: a client cannot make new ones.
fn method<'l>(line: &AccessLine<'l>) -> &'l str {
    if is_known(line.method) { line.method } else { "HTTP" }
}

fn of_method(span: &mut SpanBuilder, line: &AccessLine<'_>) {
    span.text("http.request.method", if is_known(line.method) { line.method } else { "_OTHER" });
}

fn is_known(method: &str) -> bool {
    http::Method::from_bytes(method.as_bytes()).is_ok_and(|method| method_label(&method) != "other")
}

fn protocol_version(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        _ => None,
    }
}
