//! The upstream's request, in pingora's types.

use crate::proxy::exchange::Exchange;
use crate::proxy::forward::{
    Attempt, cookies, forwarding_headers, host, next_attempt, no_address, passes, target, value,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use pingora_core::Result;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_http::RequestHeader;
use pingora_proxy::Session;

/// The next server to try.
pub fn next_peer(exchange: &mut Exchange) -> Result<Box<HttpPeer>> {
    let Attempt { aim, budget } = next_attempt(exchange)?;
    let upstream = exchange.route.as_ref().map(|route| &route.leads_to.upstream);
    let mut peer =
        upstream.and_then(|upstream| upstream.peer(aim, budget)).ok_or_else(no_address)?;
    if let Some(read) = &mut peer.options.read_timeout {
        *read = (*read).min(budget);
    }
    Ok(peer)
}

/// pingora remembers in a second map how each header's name was written, and copies both for the
/// upstream, which gets names in lower case. A target that its URI does not say is kept by pingora
/// beside it, and that only with the map.
pub fn forget_spelling(session: &mut Session) {
    let request = session.req_header_mut();
    let plain = request
        .uri
        .path_and_query()
        .is_some_and(|target| target.as_str().as_bytes() == request.raw_path());
    if request.has_case() && plain && request.uri.authority().is_none() {
        *request = RequestHeader::from(Parts::from(std::mem::replace(request, nothing())));
    }
}

/// Makes the upstream's request out of a copy of the client's, from which hop-by-hop headers and
/// those that `Connection` names are gone already.
pub fn prepare(request: &mut RequestHeader, exchange: &Exchange) -> Result<()> {
    let target = target(request.raw_path(), exchange);

    // names are sent in lower case, as in HTTP/2: pingora's second map, which remembers how each
    // was written, would cost more than everything else here
    let mut parts = Parts::from(std::mem::replace(request, nothing()));
    let headers = &mut parts.headers;
    headers.reserve(SET_AT_MOST);
    strip(headers, |name, value| !passes(name, value, exchange));
    match cookies(headers, exchange).as_deref() {
        None => {}
        Some("") => drop(headers.remove(header::COOKIE)),
        Some(kept) => drop(headers.insert(header::COOKIE, value(kept)?)),
    }
    for (name, value) in forwarding_headers(exchange) {
        if !value.is_empty() {
            headers.insert(name, value.clone());
        }
    }
    if let Some(host) = host(exchange) {
        headers.insert(header::HOST, value(host)?);
    }
    if let Some((entry, rendered)) = &exchange.identity {
        for (name, value) in exchange.runtime.identity.headers(rendered, &entry.facts) {
            headers.insert(name.clone(), value);
        }
    }
    *request = RequestHeader::from(parts);
    target.map_or(Ok(()), |target| request.set_raw_path(target.as_bytes()))
}

/// Room for the headers that are set, so that the map grows once.
const SET_AT_MOST: usize = 20;

/// Removes headers, all lines of each.
fn strip(headers: &mut HeaderMap, unwanted: impl Fn(&HeaderName, &HeaderValue) -> bool) {
    let names: Vec<HeaderName> = headers
        .iter()
        .filter(|(name, value)| unwanted(name, value))
        .map(|(name, _)| name.clone())
        .collect();
    for name in names {
        headers.remove(name);
    }
}

/// A request to put in the place of one that is being changed.
fn nothing() -> RequestHeader {
    RequestHeader::from(Request::new(()).into_parts().0)
}
