//! The upstream's request for the client's.

use super::exchange::Exchange;
use super::trace::{REQUEST_ID, TRACEPARENT};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use pingora_core::Result;
use pingora_error::{Error, ErrorType};
use std::borrow::Cow;

/// Headers by which a client asks an upstream to take its method for another one: the route was
/// chosen by the method on the wire.
const METHOD_OVERRIDES: [&str; 3] =
    ["x-http-method-override", "x-http-method", "x-method-override"];

/// The upstream's request target for the client's; `None` where it is the same, as it mostly is.
pub fn target(raw: &[u8], exchange: &Exchange) -> Option<String> {
    let path = match &exchange.route {
        Some(route) => route.leads_to.rewrite(&exchange.path),
        None => Cow::Borrowed(exchange.path.as_str()),
    };
    let query = exchange
        .query
        .as_deref()
        .and_then(|query| exchange.runtime.gate.token.forwarded_query(query));
    match query {
        _ if is_target(raw, &path, query.as_deref()) => None,
        Some(query) => Some(format!("{path}?{query}")),
        None => Some(path.into_owned()),
    }
}

fn is_target(raw: &[u8], path: &str, query: Option<&str>) -> bool {
    match (raw.strip_prefix(path.as_bytes()), query) {
        (Some(rest), Some(query)) => rest.strip_prefix(b"?") == Some(query.as_bytes()),
        (Some(rest), None) => rest.is_empty(),
        (None, _) => false,
    }
}

/// Whether a header of the client's goes on, its hop-by-hop headers aside: not what could be taken
/// for ours, nor the token, nor what is set anew. Where a header has several lines, all of them
/// must pass.
pub fn passes(name: &HeaderName, value: &HeaderValue, exchange: &Exchange) -> bool {
    let runtime = &exchange.runtime;
    let replaced = says_who_came_before(name, exchange.trusted_peer)
        || *name == REQUEST_ID
        || *name == TRACEPARENT;
    !(replaced
        || runtime.identity.owns(name)
        || runtime.gate.token.removes(name, value)
        || METHOD_OVERRIDES.contains(&name.as_str()))
}

/// `Forwarded` and `X-Forwarded-…`: all of them, or from a trusted proxy those that are set anew.
fn says_who_came_before(name: &HeaderName, trusted: bool) -> bool {
    let set = [FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO];
    match name.as_str().strip_prefix("x-forwarded-") {
        Some(_) => !trusted || set.contains(name),
        None => !trusted && *name == header::FORWARDED,
    }
}

/// What tells the upstream of the way that the request came; an empty value says nothing, and is
/// not sent.
pub fn forwarding_headers(exchange: &Exchange) -> [(HeaderName, &HeaderValue); 5] {
    let forwarded = &exchange.forwarded;
    [
        (FORWARDED_FOR, &forwarded.chain),
        (FORWARDED_HOST, &forwarded.host),
        (FORWARDED_PROTO, &forwarded.proto),
        (REQUEST_ID, &exchange.request_id),
        (TRACEPARENT, &exchange.trace.traceparent),
    ]
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The `Host` that the upstream gets in place of the client's: none with `preserve_host`, where
/// the client sent one.
pub fn host<'e>(headers: &HeaderMap, exchange: &'e Exchange) -> Option<&'e str> {
    let preserved = exchange.route.as_ref()?.leads_to.upstream.settings.preserve_host;
    match &exchange.authority {
        _ if preserved && headers.contains_key(header::HOST) => None,
        Some(authority) if preserved => Some(authority),
        _ => Some(&exchange.server()?.host),
    }
}

/// The client's cookies without the token: `None` where none has to be taken out.
pub fn cookies(headers: &HeaderMap, exchange: &Exchange) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let kept: Vec<Option<Cow<'_, str>>> =
        lines.map(|line| exchange.runtime.gate.token.forwarded_cookies(line)).collect();
    if kept.iter().all(|line| matches!(line, Some(Cow::Borrowed(_)))) {
        return None;
    }
    Some(kept.into_iter().flatten().collect::<Vec<_>>().join("; "))
}

pub fn value(text: &str) -> Result<HeaderValue> {
    HeaderValue::try_from(text).map_err(|_| Error::new(ErrorType::InternalError))
}
