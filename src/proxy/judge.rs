//! From pingora's request to the gate's question, and its answer kept for the later phases.

use super::exchange::Exchange;
use super::forwarded::Origin;
use super::hygiene;
use super::trace::{TraceContext, request_id};
use crate::deny::{Denial, Reason};
use crate::policy::Admission;
use crate::request::RequestView;
use crate::route::{Target, host_of, normalise};
use http::request::Parts;
use http::{Request, header};
use pingora_http::RequestHeader;
use pingora_proxy::Session;

/// Seconds for which a client's connection may be idle between two requests.
const IDLE: u64 = 75;

/// Decides, and keeps in `exchange` what the later phases need.
pub async fn judge(session: &mut Session, exchange: &mut Exchange) -> Result<(), Denial> {
    if session.get_keepalive().is_some() {
        session.set_keepalive(Some(IDLE));
    }
    let peer = session.client_addr().and_then(|address| address.as_inet()).map(std::net::SocketAddr::ip);
    let clean = hygiene::check(session.req_header(), || raw_headers(session));
    let request = session.req_header();

    let Origin { trusted_peer, forwarded } = Origin::of(peer, &request.headers, &exchange.runtime.trusted_proxies);
    exchange.request_id = request_id(&request.headers);
    exchange.trace = TraceContext::of(&request.headers);
    exchange.trusted_peer = trusted_peer;
    exchange.forwarded = forwarded;
    exchange.host = host(request);
    clean?;
    let Target { path, query } = normalise(request.raw_path()).map_err(|why| Denial::with_detail(Reason::BadRequest, why.sentence()))?;
    exchange.path = path.into_owned();
    exchange.query = query.map(str::to_owned);

    let view = RequestView {
        method: &request.method,
        host: &exchange.host,
        path: &exchange.path,
        query: exchange.query.as_deref(),
        headers: &request.headers,
        forwarded: &exchange.forwarded,
    };
    let decision = exchange.runtime.gate.check(&view).await;
    exchange.route = decision.route;
    exchange.trail = decision.trail;
    let permit = decision.outcome?;
    if permit.admission() == Admission::Identified {
        let entry = exchange.trail.entry.as_ref().ok_or(Denial::because(Reason::AsUnavailable))?;
        let headers = entry.headers(&exchange.runtime.identity).map_err(|_| Denial::because(Reason::IdentityTooLarge))?;
        exchange.identity = Some((entry.clone(), headers));
    }
    exchange.permit = Some(permit);
    forget_spelling(session);
    Ok(())
}

/// pingora remembers in a second map how each header's name was written, and copies both for the
/// upstream, which gets names in lower case. A target that its URI does not say is kept by pingora
/// beside it, and that only with the map.
fn forget_spelling(session: &mut Session) {
    let request = session.req_header_mut();
    let plain = request.uri.path_and_query().is_some_and(|target| target.as_str().as_bytes() == request.raw_path());
    if request.has_case() && plain && request.uri.authority().is_none() {
        *request = RequestHeader::from(Parts::from(std::mem::replace(request, nothing())));
    }
}

/// A request to put in the place of one that is being changed.
pub fn nothing() -> RequestHeader {
    RequestHeader::from(Request::new(()).into_parts().0)
}

/// The host that routes are matched by: of the absolute target, which equals `Host` by now, or of
/// `Host`.
fn host(request: &pingora_http::RequestHeader) -> String {
    let authority = request.uri.authority().map(http::uri::Authority::as_str);
    let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    host_of(host.or(authority).unwrap_or_default())
}

fn raw_headers(session: &Session) -> Vec<u8> {
    session.as_downstream().as_http1().map(|http1| http1.get_headers_raw_bytes().to_vec()).unwrap_or_default()
}
