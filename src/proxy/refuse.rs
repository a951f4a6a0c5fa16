//! The gateway's own responses: refusals, before or after an upstream was tried, and documents.

use super::body_limit;
use super::exchange::Exchange;
use super::head::Head;
use crate::deny::{Denial, Fault, OwnResponse, Reason, Shape};
use http::{HeaderMap, Method, Version, header};
use pingora_error::{Error, ErrorSource, ErrorType};

/// An unread request body up to this size is read to its end, so that the connection can be used
/// again; beyond it the connection is closed.
const DRAINED: u64 = 64 * 1024;

/// A response of the gateway's own that is ready to be written.
pub struct Prepared {
    pub response: OwnResponse,
    /// Whether the connection ends with it.
    pub close: bool,
}

pub fn prepare(head: Head<'_>, denial: &Denial, exchange: &mut Exchange) -> Prepared {
    exchange.reason = Some(denial.reason);
    // after an upstream was tried the connection is closed in any case
    let tried = exchange.upstream.attempts.made() > 0;
    let close = denial.reason == Reason::BadRequest || tried || leaves_body(head);
    let challenge =
        exchange.route.as_ref().map_or(&exchange.runtime.challenge, |route| &*route.challenge);
    let mut response = denial.respond(
        challenge,
        Shape::for_request(head.method, head.headers),
        exchange.request_id(),
    );
    response.headers.extend(exchange.trail.nonce.clone().map(|nonce| ("DPoP-Nonce", nonce)));
    Prepared { response, close }
}

/// The same for a document.
pub fn prepare_document(
    head: Head<'_>,
    mut response: OwnResponse,
    exchange: &Exchange,
) -> Prepared {
    response.headers.push(("X-Request-Id", exchange.request_id.to_value()));
    Prepared { response, close: leaves_body(head) }
}

/// Whether the client may send a body that is not read to its end.
fn leaves_body(head: Head<'_>) -> bool {
    head.headers.contains_key(header::EXPECT) || !small_body(head)
}

/// For another proxy that asks about a request. In the form of plain HTTP with any protocol of the
/// client: a gRPC refusal has status 200, which the proxy would take for a permit. `method` is
/// `HEAD` where the refusal has no body.
pub fn prepare_for_proxy(
    method: &Method,
    version: Version,
    denial: &Denial,
    exchange: &mut Exchange,
) -> Prepared {
    let method = if *method == Method::HEAD { Method::HEAD } else { Method::GET };
    let headers = HeaderMap::new();
    let head = Head { method: &method, target: b"/", authority: None, version, headers: &headers };
    prepare(head, denial, exchange)
}

fn small_body(head: Head<'_>) -> bool {
    let length = head
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    !head.headers.contains_key(header::TRANSFER_ENCODING) && length.unwrap_or(0) <= DRAINED
}

/// Why a request that was permitted could not be carried out; `None`: the client is gone.
pub fn reason(error: &Error, exchange: &Exchange) -> Option<Reason> {
    let reason = match (error.esource(), error.etype()) {
        (
            ErrorSource::Downstream,
            ErrorType::ReadError | ErrorType::WriteError | ErrorType::ConnectionClosed,
        ) => return None,
        (_, etype) if *etype == body_limit::TOO_LARGE => Reason::BodyTooLarge,
        (ErrorSource::Downstream, _) => Reason::BadRequest,
        (
            _,
            ErrorType::ConnectTimedout
            | ErrorType::ReadTimedout
            | ErrorType::WriteTimedout
            | ErrorType::TLSHandshakeTimedout,
        ) => Reason::UpstreamTimeout,
        _ => Reason::UpstreamUnavailable,
    };
    if reason.fault() == Fault::Upstream {
        tell(error, exchange);
    }
    Some(reason)
}

fn tell(error: &Error, exchange: &Exchange) {
    let Some(route) = &exchange.route else { return };
    let upstream = &route.leads_to.upstream;
    if let Some(skipped) = upstream.log.now("failed", exchange.process.parts.clock.now().mono) {
        tracing::warn!(
            upstream = &*upstream.settings.name,
            server = exchange.server().map(|server| &**server.label()),
            error = error.etype().as_str(),
            request_id = exchange.request_id(),
            not_logged_since = skipped.count(),
            "an upstream failed"
        );
    }
}
