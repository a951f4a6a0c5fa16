//! `serves: forward_auth`: another proxy asks whether a request may pass (contract §10). The answer
//! is 200 with the identity headers, or the refusal that the client would get here.

use super::respond;
use crate::decisions::{Question, may_ask};
use crate::deny::Denial;
use crate::listen::{Arrival, Serves};
use crate::proxy::exchange::Exchange;
use crate::proxy::head::Head;
use crate::proxy::refuse::prepare;
use crate::proxy::{judge, validate};
use http::{HeaderMap, Method, StatusCode};
use pingora_core::Result;
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

/// Answers the question. Gives the method that was asked about, for the log.
pub async fn answer(
    session: &mut Session,
    exchange: &mut Exchange,
    arrival: &Arrival,
) -> Result<Option<Method>> {
    if !may_ask(arrival.peer, &exchange.runtime.trusted_proxies) {
        return stranger(session).await.map(|()| None);
    }
    exchange.on_behalf = true;
    let Serves::ForwardAuth { path_prefix } = &arrival.listener.serves else { return Ok(None) };
    let asking = session.req_header();
    let target = std::str::from_utf8(asking.raw_path()).unwrap_or_default();
    let question =
        match Question::read(&asking.method, target, &asking.headers, path_prefix.as_deref()) {
            Ok(question) => question,
            Err(denial) => {
                let head = Head::from(asking);
                judge::introduce(&head, arrival, exchange);
                return refuse(session, exchange, &denial).await.map(|()| None);
            }
        };
    let head = Head {
        method: &question.method,
        target: question.target.as_bytes(),
        authority: asking.uri.authority().map(http::uri::Authority::as_str),
        version: asking.version,
        headers: &question.headers,
    };
    let host = validate::check(head, Vec::new);
    match judge::judge(head, arrival, host, None, exchange).await {
        Ok(()) => permit(session, exchange).await?,
        Err(denial) => refuse(session, exchange, &denial).await?,
    }
    Ok(Some(question.method))
}

async fn permit(session: &mut Session, exchange: &Exchange) -> Result<()> {
    let mut response = ResponseHeader::build(StatusCode::OK, Some(20))?;
    response.append_header("Cache-Control", "no-store")?;
    response.append_header("X-Request-Id", exchange.request_id.clone())?;
    if let Some((entry, rendered)) = &exchange.identity {
        for (name, value) in exchange.runtime.identity.headers(rendered, &entry.facts) {
            response.append_header(name.clone(), value)?;
        }
    }
    response.set_content_length(0)?;
    session.write_response_header(Box::new(response), true).await
}

/// In the form of plain HTTP with any protocol of the client: a gRPC refusal has status 200, which
/// the proxy would take for a permit.
async fn refuse(session: &mut Session, exchange: &mut Exchange, denial: &Denial) -> Result<()> {
    let asking = session.req_header();
    let method = if asking.method == Method::HEAD { Method::HEAD } else { Method::GET };
    let headers = HeaderMap::new();
    let head = Head {
        method: &method,
        target: b"/",
        authority: None,
        version: asking.version,
        headers: &headers,
    };
    let prepared = prepare(head, denial, exchange);
    respond::send(session, prepared, false).await
}

async fn stranger(session: &mut Session) -> Result<()> {
    let body = "{\"type\":\"about:blank\",\"title\":\"Forbidden\",\"status\":403,\"detail\":\"This listener answers proxies in trusted_proxies only.\"}\n";
    let mut response = ResponseHeader::build(StatusCode::FORBIDDEN, Some(3))?;
    response.append_header("Content-Type", "application/problem+json")?;
    response.append_header("Cache-Control", "no-store")?;
    response.set_content_length(body.len())?;
    session.set_keepalive(None);
    session.write_response_header(Box::new(response), false).await?;
    session.write_response_body(Some(body.into()), true).await
}
