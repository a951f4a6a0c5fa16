//! `serves: forward_auth`: another proxy asks whether a request may pass (contract §10). The answer
//! is 200 with the identity headers, or the refusal that the client would get here.

use super::respond;
use crate::decisions::{HeldRequest, may_ask};
use crate::deny::{Denial, Reason};
use crate::listen::{Arrival, Serves};
use crate::proxy::exchange::Exchange;
use crate::proxy::head::Head;
use crate::proxy::judge::{JudgedRequest, introduce, judge};
use crate::proxy::refuse::prepare_for_proxy;
use crate::proxy::validate;
use crate::route::normalise;
use crate::telemetry::Stranger;
use http::{Method, StatusCode};
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
        Stranger::at(&arrival.listener.name, arrival.peer, exchange.now().mono)
            .emit(&exchange.process.parts.strangers);
        return stranger(session).await.map(|()| None);
    }
    let Serves::ForwardAuth { path_prefix } = &arrival.listener.serves else { return Ok(None) };
    let asking = session.req_header();
    let target = std::str::from_utf8(asking.raw_path()).unwrap_or_default();
    if path_prefix.is_some()
        && !HeldRequest::is_described(&asking.headers)
        && is_for_metadata(target, exchange)
    {
        let head = Head::from(asking);
        let host = validate::check(head, Vec::new);
        let at = exchange.now();
        match judge(head, arrival, host, None, at, exchange).await {
            Ok(JudgedRequest::Answered(document)) => {
                respond::answer(session, exchange, document).await?
            }
            // the path belongs to the metadata, so that nothing else is permitted
            Ok(JudgedRequest::Permitted) => {
                let denial = Denial::because(Reason::NoRoute);
                respond::refuse(session, exchange, &denial).await?;
            }
            Err(denial) => respond::refuse(session, exchange, &denial).await?,
        }
        return Ok(None);
    }
    exchange.on_behalf = true;
    let question = match HeldRequest::from_headers(
        &asking.method,
        target,
        &asking.headers,
        path_prefix.as_deref(),
    ) {
        Ok(question) => question,
        Err(denial) => {
            let head = Head::from(asking);
            introduce(&head, arrival, exchange);
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
    let at = exchange.now();
    match judge(head, arrival, host, None, at, exchange).await {
        Ok(JudgedRequest::Permitted) => permit(session, exchange).await?,
        // documents are for requests that are meant for the gateway itself
        Ok(JudgedRequest::Answered(_)) => {
            refuse(session, exchange, &Denial::because(Reason::NoRoute)).await?
        }
        Err(denial) => refuse(session, exchange, &denial).await?,
    }
    Ok(Some(question.method))
}

/// Whether a request that the proxy forwards to this listener is for the resource metadata. With a
/// `path_prefix` it cannot be a question: the paths of all questions begin with the prefix.
fn is_for_metadata(target: &str, exchange: &Exchange) -> bool {
    let Some(metadata) = &exchange.runtime.resource_metadata else { return false };
    normalise(target.as_bytes()).is_ok_and(|target| metadata.owns(target.comparable()))
}

async fn permit(session: &mut Session, exchange: &Exchange) -> Result<()> {
    let mut response = ResponseHeader::build(StatusCode::OK, Some(20))?;
    response.append_header("Cache-Control", "no-store")?;
    response.append_header("X-Request-Id", exchange.request_id.to_value())?;
    if let Some((entry, rendered)) = &exchange.identity {
        for (name, value) in exchange.runtime.identity.headers(rendered, &entry.facts) {
            response.append_header(name.clone(), value)?;
        }
    }
    response.set_content_length(0)?;
    session.write_response_header(Box::new(response), true).await
}

async fn refuse(session: &mut Session, exchange: &mut Exchange, denial: &Denial) -> Result<()> {
    let asking = session.req_header();
    let prepared = prepare_for_proxy(&asking.method, asking.version, denial, exchange);
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
