//! pingora's phases, a few lines each: they delegate, and decide nothing.

mod destination;
mod exchange;
mod forward;
mod forwarded;
mod hygiene;
mod judge;
mod refuse;
mod report;
mod trace;

pub use destination::Destination;

use crate::assemble::Process;
use async_trait::async_trait;
use exchange::Exchange;
use pingora_core::Result;
use pingora_core::modules::http::HttpModules;
use pingora_core::protocols::Digest;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::Error;
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use std::os::unix::io::RawFd;
use std::sync::Arc;

pub struct Proxy {
    process: Arc<Process>,
}

impl Proxy {
    pub fn new(process: Arc<Process>) -> Self {
        Self { process }
    }
}

#[async_trait]
impl ProxyHttp for Proxy {
    /// In a box: pingora moves it about with every request.
    type CTX = Box<Exchange>;

    fn new_ctx(&self) -> Box<Exchange> {
        Box::new(Exchange::begin(&self.process))
    }

    /// None: the gateway changes no bodies.
    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, exchange: &mut Box<Exchange>) -> Result<bool> {
        match judge::judge(session, exchange).await {
            Ok(()) => Ok(false),
            Err(denial) => refuse::refuse(session, exchange, denial).await.map(|()| true),
        }
    }

    async fn upstream_peer(&self, _: &mut Session, exchange: &mut Box<Exchange>) -> Result<Box<HttpPeer>> {
        forward::next_peer(exchange)
    }

    fn fail_to_connect(&self, _: &mut Session, _: &HttpPeer, exchange: &mut Box<Exchange>, error: Box<Error>) -> Box<Error> {
        forward::connection_failed(exchange, error)
    }

    async fn connected_to_upstream(
        &self,
        _: &mut Session,
        reused: bool,
        _: &HttpPeer,
        _: RawFd,
        _: Option<&Digest>,
        exchange: &mut Box<Exchange>,
    ) -> Result<()> {
        if !reused {
            exchange.upstream_is_up(true);
        }
        Ok(())
    }

    /// Once an attempt, each time on a new copy of the client's request.
    async fn upstream_request_filter(&self, _: &mut Session, request: &mut RequestHeader, exchange: &mut Box<Exchange>) -> Result<()> {
        forward::prepare(request, exchange)
    }

    async fn upstream_response_filter(&self, _: &mut Session, response: &mut ResponseHeader, exchange: &mut Box<Exchange>) -> Result<()> {
        exchange.upstream_answered(response.status);
        forward::strip_response(response);
        Ok(())
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, exchange: &mut Box<Exchange>) -> FailToProxy {
        let error_code = refuse::failed(session, error, exchange).await;
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, _: Option<&Error>, exchange: &mut Box<Exchange>) {
        report::report(session, exchange);
    }

    /// The library's own lines name the request's target, and its query may hold a token.
    fn suppress_error_log(&self, _: &Session, _: &Box<Exchange>, _: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(&self, _: &Session, _: &Box<Exchange>, _: &Error, _: ProxyWarnLogContext) -> bool {
        true
    }

    fn request_summary(&self, _: &Session, exchange: &Box<Exchange>) -> String {
        format!("request {}", exchange.request_id())
    }
}
