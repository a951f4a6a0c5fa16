//! pingora's phases, a few lines each.

use super::form::Form;
use super::lease::Lease;
use super::one_request::OneRequest;
use super::{KEPT, ending, forward_auth, request, respond};
use crate::deny::{Denial, Reason};
use crate::listen::{Arrival, Limits, Serves};
use crate::per_thread::Spread;
use crate::proxy::body_limit::{self, BodyLimit};
use crate::proxy::connection::ConnectionUse;
use crate::proxy::connectors::Connectors;
use crate::proxy::exchange::Exchange;
use crate::proxy::head::Head;
use crate::proxy::hop_by_hop::unasked_switch;
use crate::proxy::judge::{JudgedRequest, judge};
use crate::proxy::upstream_response::{has_no_body, keep_private, tidy};
use crate::proxy::{attempt, report, stream, validate};
use crate::runtime::Process;
use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, StatusCode, header};
use pingora_core::Result;
use pingora_core::modules::http::HttpModules;
use pingora_core::protocols::Digest;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorType};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use std::os::unix::io::RawFd;
use std::sync::Arc;
use std::time::Duration;

pub struct Phases {
    process: Spread<Process>,
    connectors: Arc<Connectors>,
}

impl Phases {
    pub fn new(process: Spread<Process>, connectors: Arc<Connectors>) -> Self {
        Self { process, connectors }
    }
}

/// A request on the general way.
pub struct GeneralExchange {
    exchange: Exchange,
    /// The upstream's connection of the last attempt.
    lease: Option<Lease>,
    form: Form,
    /// The method of the request that another proxy asked about.
    asked: Option<Method>,
    /// Of a response that goes on: the request's method, and the status.
    watched: Option<(Method, StatusCode)>,
}

#[async_trait]
impl ProxyHttp for Phases {
    /// In a box: pingora moves it about with every request.
    type CTX = Box<GeneralExchange>;

    fn new_ctx(&self) -> Box<GeneralExchange> {
        Box::new(GeneralExchange {
            exchange: Exchange::begin(&self.process),
            lease: None,
            form: Form::default(),
            asked: None,
            watched: None,
        })
    }

    /// None: the gateway changes no bodies.
    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    async fn request_filter(
        &self,
        session: &mut Session,
        general: &mut Box<GeneralExchange>,
    ) -> Result<bool> {
        let exchange = &mut general.exchange;
        if session.get_keepalive().is_some() {
            let kept = OneRequest::connection(session) == ConnectionUse::Kept;
            session.set_keepalive(kept.then_some(KEPT));
        }
        // every session comes from a listener's connection; another one is not served
        let Some(arrival) = session.digest().and_then(Arrival::from_digest).cloned() else {
            return Err(Error::explain(ErrorType::InternalError, "not a listener's connection"));
        };
        let limits = &arrival.listener.limits;
        if session.is_http2() {
            // a stream waits for the client's window; other connections have this limit below
            session.set_write_timeout(Some(limits.write_timeout));
        }
        exchange.body = BodyLimit::new(limits);
        if arrival.listener.serves != Serves::Proxy {
            general.asked = forward_auth::answer(session, exchange, &arrival).await?;
            return Ok(true);
        }
        let head = Head::from(session.req_header());
        let mut host = validate::check(head, || raw_headers(session))
            .and_then(|host| header_count(head, limits).map(|()| host))
            .and_then(|host| body_limit::check(head, limits).map(|()| host));
        if host.is_ok() {
            match Form::buffer(session, &exchange.runtime.gate.token).await {
                Ok(form) => general.form = form,
                Err(error) => host = Err(respond::unreadable(&error)),
            }
        }
        let form = general.form.searched();
        let (head, at) = (session.req_header().into(), exchange.now());
        match judge(head, &arrival, host, form, at, exchange).await {
            Ok(JudgedRequest::Answered(document)) => {
                respond::answer(session, exchange, document).await.map(|()| true)
            }
            Ok(JudgedRequest::Permitted) => {
                request::forget_upgrade(session);
                request::forget_expectation(session);
                request::join_cookies(session);
                request::forget_spelling(session);
                Ok(false)
            }
            Err(denial) => respond::refuse(session, exchange, &denial).await.map(|()| true),
        }
    }

    async fn upstream_peer(
        &self,
        _: &mut Session,
        general: &mut Box<GeneralExchange>,
    ) -> Result<Box<HttpPeer>> {
        let (peer, lease) = request::next_peer(&mut general.exchange, &self.connectors).await?;
        general.lease = lease;
        Ok(peer)
    }

    fn fail_to_connect(
        &self,
        _: &mut Session,
        _: &HttpPeer,
        general: &mut Box<GeneralExchange>,
        error: Box<Error>,
    ) -> Box<Error> {
        attempt::connection_failed(&mut general.exchange, error)
    }

    async fn connected_to_upstream(
        &self,
        _: &mut Session,
        reused: bool,
        _: &HttpPeer,
        _: RawFd,
        _: Option<&Digest>,
        general: &mut Box<GeneralExchange>,
    ) -> Result<()> {
        if !reused && !general.is_reused() {
            attempt::connected(&general.exchange);
        }
        Ok(())
    }

    /// A kept connection that the server has closed at the same moment costs a second attempt,
    /// where the request changes nothing more (RFC 9110 §9.2.2) and has no body.
    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        general: &mut Box<GeneralExchange>,
        _: bool,
    ) -> Box<Error> {
        let repeatable = session.req_header().method.is_idempotent()
            && session.downstream_session.is_body_empty();
        if repeatable {
            let lease = general.lease.as_ref();
            error.retry.decide_reuse(lease.is_some_and(Lease::may_have_been_closed));
        } else {
            error.set_retry(false);
        }
        error
    }

    /// Once an attempt, each time on a new copy of the client's request.
    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        request: &mut RequestHeader,
        general: &mut Box<GeneralExchange>,
    ) -> Result<()> {
        request::prepare(request, &general.exchange)?;
        general.form.announce(request)
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        general: &mut Box<GeneralExchange>,
    ) -> Result<()> {
        general.exchange.body.count(body.as_ref().map_or(0, Bytes::len))?;
        general.form.pass(body);
        // pingora writes an empty piece as a last chunk, and behind it the last chunk of the body
        if end && body.as_ref().is_some_and(Bytes::is_empty) {
            *body = None;
        }
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        general: &mut Box<GeneralExchange>,
    ) -> Result<()> {
        if response.status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(unasked_switch());
        }
        general.exchange.upstream_answered(response.status);
        let method = &session.req_header().method;
        let empty = response.headers.get(header::CONTENT_LENGTH).is_some_and(|n| n == "0");
        let over = empty || has_no_body(response.status, method);
        if !tidy(response, method)? {
            general.spoil();
        }
        if response.status.is_informational() {
            return Ok(());
        }
        if general.exchange.private {
            keep_private(response)?;
        }
        general.exchange.add_to_response(response)?;
        if over {
            general.end();
        } else {
            general.watch(session, response);
        }
        Ok(())
    }

    fn upstream_response_body_filter(
        &self,
        _: &mut Session,
        _: &mut Option<Bytes>,
        end: bool,
        general: &mut Box<GeneralExchange>,
    ) -> Result<Option<Duration>> {
        if general.lease.as_ref().is_some_and(Lease::is_malformed) {
            let broken = Error::explain(ErrorType::ReadError, "the body is not chunked");
            return Err(broken.into_up());
        }
        if end {
            general.end();
        }
        Ok(None)
    }

    /// Behind pingora's own changes to the head.
    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        _: &mut Box<GeneralExchange>,
    ) -> Result<()> {
        respond::suit_client(session, response);
        Ok(())
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        general: &mut Box<GeneralExchange>,
    ) -> FailToProxy {
        let error_code = respond::failed(session, error, &mut general.exchange).await;
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    async fn logging(
        &self,
        session: &mut Session,
        _: Option<&Error>,
        general: &mut Box<GeneralExchange>,
    ) {
        general.watched = None;
        report::report(
            general.asked.as_ref().unwrap_or(&session.req_header().method),
            session.response_written().map(|response| response.status),
            &general.exchange,
        );
    }

    /// The library's own lines name the request's target, and its query may hold a token.
    fn suppress_error_log(&self, _: &Session, _: &Box<GeneralExchange>, _: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _: &Session,
        _: &Box<GeneralExchange>,
        _: &Error,
        _: ProxyWarnLogContext,
    ) -> bool {
        true
    }

    fn request_summary(&self, _: &Session, general: &Box<GeneralExchange>) -> String {
        format!("request {}", general.exchange.request_id())
    }
}

impl GeneralExchange {
    /// Watches the token of a response that goes on.
    fn watch(&mut self, session: &Session, response: &ResponseHeader) {
        let Some(arrival) = session.digest().and_then(Arrival::from_digest) else { return };
        let request = session.req_header();
        let is_stream = stream::is_stream(&response.headers);
        let head = Head::from(request);
        let form = self.form.searched();
        if let Some(ending) = stream::watch(&self.exchange, &head, arrival, form, is_stream) {
            self.watched = Some((request.method.clone(), response.status));
            ending::watch(ending);
        }
    }

    fn is_reused(&self) -> bool {
        self.lease.as_ref().is_some_and(Lease::is_reused)
    }

    fn spoil(&self) {
        self.lease.iter().for_each(Lease::spoil);
    }

    fn end(&self) {
        self.lease.iter().for_each(Lease::end);
    }
}

/// A response that ended with its token has no last phase.
impl Drop for GeneralExchange {
    fn drop(&mut self) {
        if let Some((method, status)) = self.watched.take() {
            self.exchange.end = ending::end();
            report::report(&method, Some(status), &self.exchange);
        }
    }
}

/// HTTP/1 header sections were counted while they were read.
fn header_count(head: Head<'_>, limits: &Limits) -> std::result::Result<(), Denial> {
    if head.headers.len() > limits.headers {
        return Err(Denial::because(Reason::HeaderTooLarge));
    }
    Ok(())
}

fn raw_headers(session: &Session) -> Vec<u8> {
    session
        .as_downstream()
        .as_http1()
        .map(|http1| http1.get_headers_raw_bytes().to_vec())
        .unwrap_or_default()
}
