//! From a request to the gate's question, and its answer kept for the later phases.

use super::exchange::Exchange;
use super::forwarded::ClientOrigin;
use super::head::Head;
use super::trace::{TraceContext, request_id};
use crate::cache::Entry;
use crate::clock::Now;
use crate::deny::{Denial, OwnResponse, Reason};
use crate::identity::{Rendered, Unfit};
use crate::listen::Arrival;
use crate::policy::Admission;
use crate::request::RequestView;
use crate::route::{Host, normalise};
use crate::runtime::RouteHandle;
use crate::token::Thumbprint;
use compact_str::CompactString;
use http::header;
use ipnet::IpNet;
use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// The outcome for a request that is not refused.
pub enum JudgedRequest {
    /// It goes to the upstream.
    Permitted,
    /// The gateway answers it itself.
    Answered(OwnResponse),
}

/// Decides, and keeps in `exchange` the parts that the later phases need.
///
/// `host` is the result of [`super::validate::check`]. `form` is the body, where it was read to be
/// searched for the token. `at` is the time at which everything that the gate looks at had come.
pub async fn judge(
    head: Head<'_>,
    arrival: &Arrival,
    host: Result<Host, Denial>,
    form: Option<&[u8]>,
    at: Now,
    exchange: &mut Exchange,
) -> Result<JudgedRequest, Denial> {
    let doubt = introduce(&head, arrival, exchange);
    match host {
        Ok(host) => exchange.host = host.name,
        Err(denial) => {
            exchange.host = written_host(&head);
            return Err(denial);
        }
    }
    if let Some(doubt) = doubt {
        return Err(Denial::with_detail(Reason::BadRequest, doubt));
    }
    let mut target = normalise(head.target)
        .map_err(|why| Denial::with_detail(Reason::BadRequest, why.sentence()))?;
    exchange.query = target.query.map(CompactString::from);
    exchange.path = std::mem::take(&mut target.path).into();
    let comparable = target.into_comparable();

    let path = comparable.as_deref().unwrap_or(&exchange.path);
    // another proxy asks about requests that it forwards itself
    if let Some(metadata) = &exchange.runtime.resource_metadata
        && !exchange.on_behalf
        && metadata.owns(path)
    {
        exchange.is_for_metadata = true;
        return metadata.respond(head.method, path).map(JudgedRequest::Answered);
    }
    let view = view(&head, arrival, path, form, at, exchange);
    // RFC 6750 §2.3
    let private = exchange.runtime.gate.token.is_seen_by_caches(&view);
    let decision = exchange.runtime.gate.check(&view, exchange.trace.recorder()).await;
    exchange.route = decision.route.and_then(|place| RouteHandle::new(&exchange.runtime, place));
    exchange.trail = decision.trail;
    if let Some(denial) = decision.outcome.as_ref().err().or(exchange.trail.unenforced.as_ref()) {
        log_cause(denial, exchange);
    }
    let mut permit = decision.outcome?;
    if permit.admission() == Admission::Identified {
        exchange.private = private;
        match identity(exchange) {
            Ok(identity) => exchange.identity = Some(identity),
            Err(denial) => {
                let policy = exchange.route.as_ref().map(|route| &route.policy);
                let unenforced = policy.and_then(|policy| policy.unenforced(&denial));
                permit = unenforced.ok_or_else(|| denial.clone())?;
                exchange.trail.unenforced = Some(denial);
            }
        }
    }
    exchange.permit = Some(permit);
    Ok(JudgedRequest::Permitted)
}

/// The gate's view of a request. `path` is the one that routes are matched by.
pub fn view<'r>(
    head: &Head<'r>,
    arrival: &Arrival,
    path: &'r str,
    form: Option<&'r [u8]>,
    at: Now,
    exchange: &'r Exchange,
) -> RequestView<'r> {
    RequestView {
        method: head.method,
        host: &exchange.host,
        path,
        query: exchange.query.as_deref(),
        headers: head.headers,
        form,
        forwarded: &exchange.forwarded,
        trusted_peer: exchange.trusted_peer,
        // a proxy that asks shows its own certificate, not the client's
        certificate: arrival
            .certificate
            .as_deref()
            .filter(|_| !exchange.on_behalf)
            .map(Thumbprint::hash),
        public_url: exchange.runtime.settings.public_url.as_deref(),
        at,
    }
}

/// Notes what the log and a refusal report of every request, also of a malformed one. Returns why
/// the proxies in front are not believed, where they contradict themselves.
pub fn introduce(
    head: &Head<'_>,
    arrival: &Arrival,
    exchange: &mut Exchange,
) -> Option<&'static str> {
    if !head.headers.contains_key(header::HOST) {
        exchange.authority = head.target_authority().map(str::to_owned);
    }
    let mut trusted = Cow::Borrowed(exchange.runtime.trusted_proxies.as_slice());
    if exchange.on_behalf {
        // proxies on this machine may ask without being configured
        trusted
            .to_mut()
            .extend([IpAddr::from([127, 0, 0, 1]), Ipv6Addr::LOCALHOST.into()].map(IpNet::from));
    }
    let authority = exchange.authority.as_deref();
    let ClientOrigin { trusted_peer, forwarded, doubt } =
        ClientOrigin::from_request(arrival.peer, arrival.secure, head.headers, authority, &trusted);
    drop(trusted);
    exchange.request_id = request_id(head.headers);
    let tracer = exchange.runtime.tracer.as_ref();
    exchange.trace = TraceContext::from_headers(head.headers, tracer, exchange.began, head.version);
    exchange.trusted_peer = trusted_peer;
    exchange.forwarded = forwarded;
    doubt
}

/// The host of a request that is refused, for the log.
fn written_host(head: &Head<'_>) -> CompactString {
    let line = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    line.or(head.target_authority()).unwrap_or_default().to_ascii_lowercase().into()
}

/// Logs why a request was refused, where its reason does not say it.
fn log_cause(denial: &Denial, exchange: &Exchange) {
    let (Some(cause), Some(route)) = (&denial.cause, &exchange.route) else { return };
    let reason = denial.reason.as_str();
    if let Some(skipped) = route.log.now(reason, exchange.now().mono) {
        tracing::warn!(
            route = &*route.name,
            reason,
            cause = &**cause,
            request_id = exchange.request_id(),
            not_logged_since = skipped.count(),
            "a request was refused since a check could not be carried out"
        );
    }
}

const UNSIGNED: &str = "The assertion for the service cannot be signed.";

/// The facts that were judged, and the headers that they make.
fn identity(exchange: &Exchange) -> Result<(Arc<Entry>, Arc<Rendered>), Denial> {
    let entry = exchange.trail.entry.as_ref().ok_or(Denial::because(Reason::AsUnavailable))?;
    match entry.headers(&exchange.runtime.identity, exchange.began) {
        Ok(headers) => Ok((entry.clone(), headers)),
        Err(Unfit::TooLarge) => Err(Denial::because(Reason::IdentityTooLarge)),
        Err(Unfit::Unsigned) => Err(Denial::with_detail(Reason::IdentityTooLarge, UNSIGNED)),
    }
}
