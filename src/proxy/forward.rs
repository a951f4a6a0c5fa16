//! Carrying out a permit: to which server, and as what request.

use super::exchange::Exchange;
use http::{HeaderName, HeaderValue, header};
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
    let now = exchange.process.parts.clock.now();
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
    strip(request, |name, value| runtime.identity.owns(name) || METHOD_OVERRIDES.contains(&name.as_str()) || token.removes(name, value));
    remove_cookies(request, exchange)?;
    set_target(request, exchange)?;
    set_proxy_headers(request, exchange)?;
    if let Some(identity) = &exchange.identity {
        for (name, value) in &identity.headers {
            request.insert_header(name.clone(), value.clone())?;
        }
    }
    Ok(())
}

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
fn strip(request: &mut RequestHeader, unwanted: impl Fn(&HeaderName, &HeaderValue) -> bool) {
    let names: Vec<HeaderName> =
        request.headers.iter().filter(|(name, value)| unwanted(name, value)).map(|(name, _)| name.clone()).collect();
    for name in names {
        request.remove_header(&name);
    }
}

fn set_target(request: &mut RequestHeader, exchange: &Exchange) -> Result<()> {
    let path = match &exchange.route {
        Some(route) => route.leads_to.rewrite(&exchange.path),
        None => Cow::Borrowed(exchange.path.as_str()),
    };
    let query = exchange.query.as_deref().and_then(|query| exchange.runtime.gate.token.forwarded_query(query));
    match query {
        Some(query) => request.set_raw_path(format!("{path}?{query}").as_bytes()),
        None => request.set_raw_path(path.as_bytes()),
    }
}

fn remove_cookies(request: &mut RequestHeader, exchange: &Exchange) -> Result<()> {
    let cookies = request.headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let kept: Vec<Option<Cow<'_, str>>> = cookies.map(|line| exchange.runtime.gate.token.forwarded_cookies(line)).collect();
    if kept.iter().all(|line| matches!(line, Some(Cow::Borrowed(_)))) {
        return Ok(());
    }
    let kept: Vec<String> = kept.into_iter().flatten().map(Cow::into_owned).collect();
    request.remove_header(&header::COOKIE);
    if kept.is_empty() { Ok(()) } else { request.insert_header(header::COOKIE, kept.join("; ")) }
}

fn set_proxy_headers(request: &mut RequestHeader, exchange: &Exchange) -> Result<()> {
    let forwarded = &exchange.forwarded;
    if !exchange.trusted_peer {
        request.remove_header("forwarded");
        strip(request, |name, _| name.as_str().starts_with("x-forwarded-"));
    }
    for (name, text) in [
        ("X-Forwarded-For", &forwarded.chain),
        ("X-Forwarded-Host", &forwarded.host),
        ("X-Forwarded-Proto", &forwarded.proto),
        ("X-Request-Id", &exchange.request_id),
        ("traceparent", &exchange.trace.traceparent),
    ] {
        if text.is_empty() {
            request.remove_header(name);
        } else {
            request.insert_header(name, text.as_str())?;
        }
    }
    let settings = exchange.route.as_ref().map(|route| &route.leads_to.upstream.settings);
    if let (Some(false), Some(host)) = (settings.map(|settings| settings.preserve_host), &exchange.upstream.host) {
        request.insert_header(header::HOST, HeaderValue::try_from(&**host).map_err(|_| Error::new(ErrorType::InternalError))?)?;
    }
    Ok(())
}
