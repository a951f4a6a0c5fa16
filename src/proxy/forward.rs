//! The upstream's request for the client's.

pub use super::client_headers::passes;

use super::exchange::Exchange;
use super::trace::{REQUEST_ID, TRACEPARENT};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use pingora_core::Result;
use pingora_error::{Error, ErrorType};
use std::borrow::Cow;

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

/// Headers that describe the request's way to the upstream. Empty values are not sent.
pub fn forwarding_headers(exchange: &Exchange) -> [(HeaderName, &[u8]); 5] {
    let forwarded = &exchange.forwarded;
    [
        (FORWARDED_FOR, forwarded.chain.as_bytes()),
        (FORWARDED_HOST, forwarded.host.as_bytes()),
        (FORWARDED_PROTO, forwarded.proto.as_bytes()),
        (REQUEST_ID, exchange.request_id.as_str().as_bytes()),
        (TRACEPARENT, exchange.trace.traceparent.as_str().as_bytes()),
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

/// The client's `Cookie` lines without the token, in their order: `None` where none has to be taken
/// out.
pub fn cookies(headers: &HeaderMap, exchange: &Exchange) -> Option<Vec<HeaderValue>> {
    let token = &exchange.runtime.gate.token;
    if !token.removes_cookies() || !headers.contains_key(header::COOKIE) {
        return None;
    }
    let lines = headers.get_all(header::COOKIE).iter();
    let kept = |line: &HeaderValue| match token.forwarded_cookies(line.as_bytes())? {
        Cow::Borrowed(_) => Some(line.clone()),
        Cow::Owned(kept) => HeaderValue::from_bytes(&kept).ok(),
    };
    Some(lines.filter_map(kept).collect())
}

pub fn value(text: &[u8]) -> Result<HeaderValue> {
    HeaderValue::try_from(text).map_err(|_| Error::new(ErrorType::InternalError))
}
