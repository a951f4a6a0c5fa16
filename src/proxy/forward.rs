//! Carrying out a permit: to which server, and as what request.

use super::exchange::Exchange;
use super::judge::nothing;
use super::trace::{REQUEST_ID, TRACEPARENT};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use pingora_core::Result;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorType};
use pingora_http::{RequestHeader, ResponseHeader};
use std::borrow::Cow;
use std::time::Duration;

/// Headers by which a client asks an upstream to take its method for another one: the route was
/// chosen by the method on the wire.
const METHOD_OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// The next server to try.
pub fn next_peer(exchange: &mut Exchange) -> Result<Box<HttpPeer>> {
    let now = exchange.now();
    let (Some(route), Some(_)) = (&exchange.route, &exchange.permit) else {
        // unreachable by construction, and closed if it is ever reached
        return Err(Error::explain(ErrorType::InternalError, "no permit"));
    };
    let trail = &mut exchange.upstream;
    if trail.attempts == 0 {
        trail.turn = route.leads_to.upstream.take_turn();
        trail.began = Some(now);
    }
    let spent = trail.began.map_or(Duration::ZERO, |began| now.since(began));
    let budget = route.leads_to.timeout.saturating_sub(spent);
    if budget.is_zero() {
        return Err(Error::explain(ErrorType::ConnectTimedout, "no time left for another attempt"));
    }
    let attempt = route.leads_to.upstream.attempt(trail.turn, trail.attempts, budget);
    trail.attempts += 1;
    let Some(mut attempt) = attempt else {
        return Err(Error::explain(ErrorType::ConnectNoRoute, "the upstream has no address"));
    };
    if let Some(read) = &mut attempt.peer.options.read_timeout {
        *read = (*read).min(budget);
    }
    trail.server = Some(attempt.server);
    trail.host = Some(attempt.host);
    Ok(attempt.peer)
}

/// Nothing has been sent yet, so another server may be tried.
pub fn connection_failed(exchange: &mut Exchange, mut error: Box<Error>) -> Box<Error> {
    exchange.upstream_is_up(false);
    let retries = exchange.route.as_ref().map_or(0, |route| route.leads_to.upstream.settings.retries);
    error.set_retry(exchange.upstream.attempts <= retries as usize);
    error
}

/// Makes the upstream's request out of a copy of the client's, from which hop-by-hop headers and
/// those that `Connection` names are gone already.
pub fn prepare(request: &mut RequestHeader, exchange: &Exchange) -> Result<()> {
    let runtime = &exchange.runtime;
    let token = &runtime.gate.token;
    let target = target(request, exchange);

    // names are sent in lower case, as in HTTP/2: pingora's second map, which remembers how each was
    // written, would cost more than everything else here
    let mut parts = Parts::from(std::mem::replace(request, nothing()));
    let headers = &mut parts.headers;
    headers.reserve(SET_AT_MOST);
    strip(headers, |name, value| {
        runtime.identity.owns(name)
            || token.removes(name, value)
            || METHOD_OVERRIDES.contains(&name.as_str())
            || !exchange.trusted_peer && says_who_came_before(name)
    });
    remove_cookies(headers, exchange)?;
    set_proxy_headers(headers, exchange)?;
    if let Some((entry, rendered)) = &exchange.identity {
        for (name, value) in runtime.identity.headers(rendered, &entry.facts) {
            headers.insert(name.clone(), value);
        }
    }
    *request = RequestHeader::from(parts);
    target.map_or(Ok(()), |target| request.set_raw_path(target.as_bytes()))
}

/// Room for the headers that are set, so that the map grows once.
const SET_AT_MOST: usize = 20;

/// Removes what the upstream's `Connection` names (RFC 9110 §7.6.1); the rest of the hop-by-hop
/// headers is pingora's business.
pub fn strip_response(response: &mut ResponseHeader) {
    let Some(connection) = response.headers.get(header::CONNECTION).and_then(|value| value.to_str().ok()) else { return };
    let kept = |name: &str| {
        ["close", "keep-alive", "upgrade", "connection", "transfer-encoding", "content-length"]
            .iter()
            .any(|kept| name.eq_ignore_ascii_case(kept))
    };
    let named = connection.split(',').map(str::trim).filter(|name| !kept(name)).filter_map(|name| HeaderName::try_from(name).ok());
    for name in named.collect::<Vec<_>>() {
        response.remove_header(&name);
    }
}

/// Removes headers, all lines of each.
fn strip(headers: &mut HeaderMap, unwanted: impl Fn(&HeaderName, &HeaderValue) -> bool) {
    let names: Vec<HeaderName> = headers.iter().filter(|(name, value)| unwanted(name, value)).map(|(name, _)| name.clone()).collect();
    for name in names {
        headers.remove(name);
    }
}

fn says_who_came_before(name: &HeaderName) -> bool {
    *name == header::FORWARDED || name.as_str().starts_with("x-forwarded-")
}

/// The upstream's request target; `None` where it is the client's, as it mostly is.
fn target(request: &RequestHeader, exchange: &Exchange) -> Option<String> {
    let path = match &exchange.route {
        Some(route) => route.leads_to.rewrite(&exchange.path),
        None => Cow::Borrowed(exchange.path.as_str()),
    };
    let query = exchange.query.as_deref().and_then(|query| exchange.runtime.gate.token.forwarded_query(query));
    match query {
        _ if is_target(request.raw_path(), &path, query.as_deref()) => None,
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

fn remove_cookies(headers: &mut HeaderMap, exchange: &Exchange) -> Result<()> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let kept: Vec<Option<Cow<'_, str>>> = cookies.map(|line| exchange.runtime.gate.token.forwarded_cookies(line)).collect();
    if kept.iter().all(|line| matches!(line, Some(Cow::Borrowed(_)))) {
        return Ok(());
    }
    let kept: Vec<String> = kept.into_iter().flatten().map(Cow::into_owned).collect();
    headers.remove(header::COOKIE);
    if !kept.is_empty() {
        headers.insert(header::COOKIE, value(&kept.join("; "))?);
    }
    Ok(())
}

fn set_proxy_headers(headers: &mut HeaderMap, exchange: &Exchange) -> Result<()> {
    let forwarded = &exchange.forwarded;
    for (name, value) in [
        (FORWARDED_FOR, &forwarded.chain),
        (FORWARDED_HOST, &forwarded.host),
        (FORWARDED_PROTO, &forwarded.proto),
        (REQUEST_ID, &exchange.request_id),
        (TRACEPARENT, &exchange.trace.traceparent),
    ] {
        if value.is_empty() {
            headers.remove(name);
        } else {
            headers.insert(name, value.clone());
        }
    }
    let settings = exchange.route.as_ref().map(|route| &route.leads_to.upstream.settings);
    if let (Some(false), Some(host)) = (settings.map(|settings| settings.preserve_host), &exchange.upstream.host) {
        headers.insert(header::HOST, value(host)?);
    }
    Ok(())
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

fn value(text: &str) -> Result<HeaderValue> {
    HeaderValue::try_from(text).map_err(|_| Error::new(ErrorType::InternalError))
}
