//! Writing a refusal, before or after an upstream was tried.

use super::exchange::Exchange;
use crate::deny::{Denial, Reason, Shape};
use http::header;
use pingora_core::Result;
use pingora_error::{Error, ErrorSource, ErrorType};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;
use std::time::Duration;

/// An unread request body up to this size is read to its end, so that the connection can be used
/// again; beyond it the connection is closed.
const DRAINED: u64 = 64 * 1024;

/// What is taken in at most before a connection is closed, in bytes and in time.
const LINGERED: usize = 1024 * 1024;
const LINGER: Duration = Duration::from_secs(2);

pub async fn refuse(session: &mut Session, exchange: &mut Exchange, denial: Denial) -> Result<()> {
    exchange.reason = Some(denial.reason);
    let request = session.req_header();
    let shape = Shape::of(&request.method, &request.headers);
    let expects_continue = request.headers.contains_key(header::EXPECT);
    // after an upstream was tried the proxy closes the connection in any case
    let tried = exchange.upstream.attempts > 0;
    let close = denial.reason == Reason::BadRequest || tried || expects_continue || !small_body(request);
    let challenge = exchange.route.as_ref().map_or(&exchange.runtime.challenge, |route| &route.challenge);
    let refusal = denial.respond(challenge, shape, exchange.request_id());

    let mut response = ResponseHeader::build(refusal.status, Some(refusal.headers.len() + 2))?;
    for (name, value) in refusal.headers {
        response.append_header(name, value)?;
    }
    response.set_content_length(refusal.length)?;
    if close {
        session.set_keepalive(None);
    }
    session.set_total_drain_timeout(Some(LINGER));
    let end = refusal.body.is_empty();
    session.write_response_header(Box::new(response), end).await?;
    if !end {
        session.write_response_body(Some(refusal.body), true).await?;
    }
    if close && !expects_continue {
        linger(session).await;
    }
    Ok(())
}

/// Takes in some of a body that nobody wants: closing with unread data would reset the connection,
/// and the client might never see the refusal.
async fn linger(session: &mut Session) {
    let mut left = LINGERED;
    let reading = async {
        while let Ok(Some(chunk)) = session.as_mut().read_request_body().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(LINGER, reading).await;
}

fn small_body(request: &pingora_http::RequestHeader) -> bool {
    let length = request.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    !request.headers.contains_key(header::TRANSFER_ENCODING) && length.unwrap_or(0) <= DRAINED
}

/// A request that was permitted could not be carried out. Gives the status that was sent, 0 for
/// none: the client is gone, or its response had begun.
pub async fn failed(session: &mut Session, error: &Error, exchange: &mut Exchange) -> u16 {
    let reason = match (error.esource(), error.etype()) {
        (ErrorSource::Downstream, ErrorType::ReadError | ErrorType::WriteError | ErrorType::ConnectionClosed) => return 0,
        (ErrorSource::Downstream, _) => Reason::BadRequest,
        (_, ErrorType::ConnectTimedout | ErrorType::ReadTimedout | ErrorType::WriteTimedout | ErrorType::TLSHandshakeTimedout) => {
            Reason::UpstreamTimeout
        }
        _ => Reason::UpstreamUnavailable,
    };
    if reason != Reason::BadRequest {
        tell(error, exchange);
    }
    if session.response_written().is_some() {
        exchange.reason = Some(reason);
        return 0;
    }
    match refuse(session, exchange, Denial::because(reason)).await {
        Ok(()) => reason.status().as_u16(),
        Err(_) => 0,
    }
}

fn tell(error: &Error, exchange: &Exchange) {
    let Some(route) = &exchange.route else { return };
    let upstream = &route.leads_to.upstream;
    if let Some(untold) = upstream.log.now("failed", exchange.process.parts.clock.now().mono) {
        let also = (untold > 0).then_some(untold);
        tracing::warn!(
            upstream = &*upstream.settings.name,
            server = exchange.upstream.server.as_deref(),
            error = error.etype().as_str(),
            request_id = exchange.request_id(),
            not_logged_since = also,
            "an upstream failed"
        );
    }
}
