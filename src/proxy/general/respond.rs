//! Responses of the gateway's own, written by pingora's session.

use crate::deny::{Denial, OwnResponse, Reason};
use crate::proxy::client::{LINGER, LINGERED};
use crate::proxy::exchange::Exchange;
use crate::proxy::head::Head;
use crate::proxy::refuse::{Prepared, prepare, prepare_document, reason};
use http::{Version, header};
use pingora_core::Result;
use pingora_core::protocols::http::ServerSession;
use pingora_error::{Error, ErrorType};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

pub async fn refuse(session: &mut Session, exchange: &mut Exchange, denial: &Denial) -> Result<()> {
    end_when_stopping(session);
    let head = Head::from(session.req_header());
    let expects_continue = head.headers.contains_key(header::EXPECT);
    let prepared = prepare(head, denial, exchange);
    send(session, prepared, expects_continue).await
}

/// Answers with a document.
pub async fn answer(
    session: &mut Session,
    exchange: &Exchange,
    document: OwnResponse,
) -> Result<()> {
    end_when_stopping(session);
    let head = Head::from(session.req_header());
    let expects_continue = head.headers.contains_key(header::EXPECT);
    let prepared = prepare_document(head, document, exchange);
    send(session, prepared, expects_continue).await
}

/// Writes a response. A client that `expects_continue` sends no body behind it.
pub async fn send(session: &mut Session, prepared: Prepared, expects_continue: bool) -> Result<()> {
    let Prepared { response: own, close } = prepared;
    let mut response = ResponseHeader::build(own.status, Some(own.headers.len() + 2))?;
    for (name, value) in own.headers {
        response.append_header(name, value)?;
    }
    response.set_content_length(own.length)?;
    if close {
        session.set_keepalive(None);
    } else {
        // pingora takes the rest of a small body in, and the connection is kept
        session.set_close_on_response_before_downstream_finish(false);
    }
    session.set_total_drain_timeout(Some(LINGER));
    let end = own.body.is_empty();
    if end && let ServerSession::H2(session) = session.as_mut() {
        // a gRPC client takes a status in the headers only where they end the stream; pingora's own
        // way would end it with an empty DATA frame
        session.write_response_header(Box::new(response), true)?;
    } else {
        session.write_response_header(Box::new(response), end).await?;
    }
    if !end {
        session.write_response_body(Some(own.body), true).await?;
    }
    if close && !expects_continue {
        linger(session).await;
    }
    Ok(())
}

/// Drains some of an unwanted body: closing with unread data would reset the connection, and the
/// client might never see the refusal.
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

/// A body that had to be read before the decision, and could not be.
pub fn unreadable(error: &Error) -> Denial {
    match error.etype() {
        ErrorType::ReadTimedout => Denial::because(Reason::RequestTimeout),
        _ => Denial::with_detail(Reason::BadRequest, "The body could not be read."),
    }
}

/// A request that was permitted could not be carried out. Gives the status that was sent, 0 for
/// none: the client is gone, or its response had begun.
pub async fn failed(session: &mut Session, error: &Error, exchange: &mut Exchange) -> u16 {
    let Some(reason) = reason(error, exchange) else { return 0 };
    let begun = session.response_written().is_some_and(|head| !head.status.is_informational());
    if begun {
        exchange.reason = Some(reason);
        return 0;
    }
    match refuse(session, exchange, &Denial::because(reason)).await {
        Ok(()) => Reason::status(reason).as_u16(),
        Err(_) => 0,
    }
}

/// Adapts a response to its client's protocol, once pingora has framed its body.
pub fn suit_client(session: &mut Session, response: &mut ResponseHeader) {
    // RFC 9110 §2.5: the version is that of the gateway, not that of the upstream
    response.set_version(Version::HTTP_11);
    if response.status.is_informational() {
        return;
    }
    end_when_stopping(session);
    // RFC 9112 §6.1: a body without a length ends with the connection
    if session.req_header().version < Version::HTTP_11
        && response.headers.contains_key(header::TRANSFER_ENCODING)
    {
        response.remove_header(&header::TRANSFER_ENCODING);
        session.set_keepalive(None);
    }
}

/// The last response of a stopping process has `Connection: close`.
fn end_when_stopping(session: &mut Session) {
    if session.is_process_shutting_down() {
        session.set_keepalive(None);
    }
}
