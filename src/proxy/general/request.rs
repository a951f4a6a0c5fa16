//! The upstream's request, in pingora's types.

use super::lease::Lease;
use crate::proxy::attempt::{Attempt, next_attempt, no_address};
use crate::proxy::connectors::Connectors;
use crate::proxy::exchange::Exchange;
use crate::proxy::forward::{cookies, forwarding_headers, host, passes, target, value};
use crate::upstream::UpstreamProtocol;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Version, header};
use pingora_core::Result;
use pingora_core::upstreams::peer::{HttpPeer, Scheme};
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use std::sync::Arc;

/// The next server to try, and the connection to it. pingora sees a server without TLS: the lease
/// makes the connection, with TLS where needed. An HTTP/2 connection has many requests at once and
/// no lease: pingora makes and keeps it.
pub async fn next_peer(
    exchange: &mut Exchange,
    connectors: &Arc<Connectors>,
) -> Result<(Box<HttpPeer>, Option<Lease>)> {
    let Attempt { aim, budget } = next_attempt(exchange).await?;
    let route = exchange.route.as_ref().ok_or_else(no_address)?;
    let upstream = &route.leads_to.upstream;
    let mut peer = upstream.peer(aim, budget).ok_or_else(no_address)?;
    let original = (*peer).clone();
    if let Some(read) = &mut peer.options.read_timeout {
        *read = (*read).min(budget);
    }
    if upstream.settings.protocol == UpstreamProtocol::H2 {
        return Ok((peer, None));
    }
    let lease = Lease::new(connectors.clone(), upstream.clone(), aim, original);
    peer.scheme = Scheme::HTTP;
    peer.options.custom_l4 = Some(Arc::new(lease.clone()));
    Ok((peer, Some(lease)))
}

/// `Upgrade` is removed: both pingora and the upstream see a plain request. The upgrades that are
/// carried out (contract §3) take another way.
pub fn forget_upgrade(session: &mut Session) {
    if session.req_header().headers.contains_key(header::UPGRADE) {
        session.req_header_mut().remove_header(&header::UPGRADE);
    }
}

/// An HTTP/1.0 client understands no `100 Continue` (RFC 9110 §10.1.1).
pub fn forget_expectation(session: &mut Session) {
    if session.req_header().version < Version::HTTP_11 {
        session.req_header_mut().remove_header(&header::EXPECT);
        session.set_ignore_info_resp(true);
    }
}

/// HTTP/2 may split `Cookie` into several fields; HTTP/1.1 has one (RFC 9113 §8.2.3).
pub fn join_cookies(session: &mut Session) {
    let request = session.req_header();
    if request.version != Version::HTTP_2 {
        return;
    }
    let crumbs: Vec<&[u8]> =
        request.headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        // only a malformed value could fail, and this one is parsed
        let _ = session.req_header_mut().insert_header(header::COOKIE, joined);
    }
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
    if let Some(kept) = cookies(headers, exchange) {
        headers.remove(header::COOKIE);
        for line in kept {
            headers.append(header::COOKIE, line);
        }
    }
    for (name, value) in forwarding_headers(exchange) {
        if !value.is_empty() {
            headers.insert(name, self::value(value)?);
        }
    }
    if let Some(host) = host(headers, exchange) {
        headers.insert(header::HOST, value(host.as_bytes())?);
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
