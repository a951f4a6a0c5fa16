//! One plain request and its response.

use super::handshake::Switch;
use super::plain::Plain;
use super::response::{self, ResponseBody};
use super::upstream::UpstreamExchange;
use crate::cache::StreamEnd;
use crate::deny::{Denial, OwnResponse};
use crate::per_thread::Counted;
use crate::proxy::body_limit::{self, BodyLimit};
use crate::proxy::client::{Client, LINGER};
use crate::proxy::connection::ConnectionUse;
use crate::proxy::connectors::Connectors;
use crate::proxy::exchange::Exchange;
use crate::proxy::judge::{self, JudgedRequest};
use crate::proxy::refuse::{Prepared, prepare, prepare_document, reason};
use crate::proxy::stopping::Stopping;
use crate::proxy::stream::{self, Ending};
use crate::proxy::{report, validate};
use bytes::{Buf, BytesMut};
use futures::FutureExt;
use futures::future::{Either, select};
use http::{StatusCode, header};
use pingora_core::Result;
use pingora_error::Error;
use tokio::io::AsyncReadExt;

/// The exchange of a client with an upstream, about one plain request.
pub struct PlainExchange<'c> {
    pub plain: &'c Plain,
    pub client: &'c mut Client,
    pub exchange: Exchange,
    pub stopping: &'c Stopping,
    /// Whether the client's connection is kept behind the response.
    pub connection: ConnectionUse,
    /// Of the response that was sent, or has begun.
    pub status: Option<StatusCode>,
    /// Of the response that is being written.
    pub coming: Option<StatusCode>,
    /// The client may still send parts of its body, which are of no use any more.
    pub unread: bool,
    /// The connection is no longer one of HTTP.
    pub upgraded: Option<Counted>,
}

impl PlainExchange<'_> {
    /// Asks the gate, carries its decision out, and reports it.
    pub async fn carry_out(&mut self, connectors: &Connectors) {
        let arrival = self.client.arrival.clone();
        let (head, limits) = (self.plain.head(), &arrival.listener.limits);
        self.exchange.body = BodyLimit::new(limits);
        let host = match &self.plain.host {
            Some(host) => Ok(host.clone()),
            None => validate::check(head, Vec::new),
        };
        let host = host.and_then(|host| body_limit::check(head, limits).map(|()| host));
        let at = self.exchange.began;
        match judge::judge(head, &arrival, host, None, at, &mut self.exchange).await {
            Ok(JudgedRequest::Permitted) => self.forward(connectors).await,
            // in a box, as all that is rare: other requests would pay for the room
            Ok(JudgedRequest::Answered(document)) => self.answer(document).boxed().await,
            Err(denial) => self.deny(&denial).boxed().await,
        }
        report::report(&self.plain.method, self.status, &self.exchange);
    }

    async fn forward(&mut self, connectors: &Connectors) {
        let Err(error) = self.respond(connectors).await else { return };
        // of a body that broke off, more may come
        self.unread |= !self.plain.body().is_done();
        match reason(&error, &self.exchange) {
            Some(reason) if self.status.is_none() => {
                self.refuse(&Denial::because(reason)).boxed().await;
            }
            reason => {
                self.exchange.reason = reason;
                self.connection = ConnectionUse::Ended;
            }
        }
    }

    /// Asks the upstream and passes its response on.
    async fn respond(&mut self, connectors: &Connectors) -> Result<()> {
        let mut upstream = self.ask(connectors).await?;
        let mut to = std::mem::take(&mut upstream.spare);
        to.reserve(upstream.read.len() + response::ADDED);
        let response = loop {
            if self.plain.handshake.is_some()
                && let Some(switch) = Switch::parse(&upstream.read)
            {
                return self.upgrade(upstream, switch).boxed().await;
            }
            let private = self.exchange.private;
            match response::read_head(&upstream.read, &self.plain.method, private, &mut to) {
                response::Read::Whole(response) if self.exchange.trail.nonce.is_none() => {
                    break response;
                }
                response::Read::Interim(length) => {
                    upstream.write(self.client, &to).await?;
                    upstream.read.advance(length);
                }
                response::Read::Partly if upstream.read.len() < response::LONGEST => {
                    upstream.read_on(self.client).await?
                }
                _ => return self.relay(upstream).boxed().await,
            }
        };
        self.exchange.upstream_answered(response.status);
        self.coming = Some(response.status);
        // RFC 9112 §9.3: who answers before the whole request is there closes behind the answer
        if !upstream.upload.is_sent() {
            self.connection = ConnectionUse::Ended;
        }
        self.settle_connection().end_head(&mut to);
        upstream.read.advance(response.head);
        let over =
            matches!(response.body, ResponseBody::Length(length) if length <= upstream.read.len());
        let ending = if over { None } else { self.ending(response.is_stream) };
        let alone = match ending {
            None => self.pass(&mut upstream, to, response.body).await?,
            Some(ending) => {
                // in a box: few responses go on, and all others would pay for the room
                let passing = Box::pin(self.pass(&mut upstream, to, response.body));
                // the end first: bytes that come without a pause would leave it no time
                let passed = match select(ending, passing).await {
                    Either::Left((end, _)) => Err(end),
                    Either::Right((alone, _)) => Ok(alone?),
                };
                passed.map_err(|end| self.break_off(end))?
            }
        };
        self.unread = !upstream.finish_upload(self.client).await;
        // data that was not asked for would be taken for the next response
        if response.kept && alone && !self.unread {
            upstream.keep();
        }
        Ok(())
    }

    async fn pass(
        &mut self,
        upstream: &mut UpstreamExchange,
        to: BytesMut,
        body: ResponseBody,
    ) -> Result<bool> {
        match body {
            ResponseBody::Length(length) => self.pass_length(upstream, to, length).await,
            ResponseBody::Chunked => self.pass_chunks(upstream, to).await,
            ResponseBody::Rest => self.pass_rest(upstream, to).boxed().await.map(|()| false),
        }
    }

    /// The end of the token, for a response that goes on.
    pub fn ending(&self, is_stream: bool) -> Option<Ending> {
        stream::watch(&self.exchange, &self.plain.head(), &self.client.arrival, None, is_stream)
    }

    /// The response ends with its token.
    pub fn break_off(&mut self, end: StreamEnd) -> Box<Error> {
        self.exchange.end = Some(end);
        stream::broken_off()
    }

    /// Takes a small body in over which the request was refused, so that the next request can be
    /// read; a large one ends the connection.
    async fn skip_body(&mut self) {
        let (mut body, kept) = (self.plain.body(), self.connection == ConnectionUse::Kept);
        let Client { stream, read, deadline, .. } = &mut *self.client;
        let skipping = async {
            while let Ok(taken) = body.take(read) {
                read.advance(taken);
                if body.is_done() {
                    return true;
                }
                if !kept || !matches!(stream.read_buf(read).await, Ok(1..)) {
                    break;
                }
            }
            false
        };
        // the time counts for all of it: a slow body holds nothing up
        if deadline.within(LINGER, skipping).await == Some(true) {
            return;
        }
        self.connection = ConnectionUse::Ended;
        // who waits for leave to send a body sends none now
        self.unread = !self.plain.headers.contains_key(header::EXPECT);
    }

    /// The last response of a stopping process has `Connection: close`. So has the response to a
    /// request for an upgrade that is not carried out, where the client did not wait for it: the
    /// bytes that it sent are no request.
    pub fn settle_connection(&mut self) -> ConnectionUse {
        let early = self.plain.handshake.is_some() && !self.client.is_quiet();
        if early || self.stopping.has_begun() {
            self.connection = ConnectionUse::Ended;
        }
        self.connection
    }

    async fn ask(&mut self, connectors: &Connectors) -> Result<UpstreamExchange> {
        UpstreamExchange::ask(connectors, self.plain, self.client, &mut self.exchange).await
    }

    /// Gives a document of the gateway's own.
    async fn answer(&mut self, document: OwnResponse) {
        let prepared = prepare_document(self.plain.head(), document, &self.exchange);
        self.write(prepared).await;
        self.skip_body().await;
    }

    async fn deny(&mut self, denial: &Denial) {
        self.refuse(denial).await;
        self.skip_body().await;
    }

    async fn refuse(&mut self, denial: &Denial) {
        let prepared = prepare(self.plain.head(), denial, &mut self.exchange);
        self.write(prepared).await;
    }

    async fn write(&mut self, Prepared { response, close }: Prepared) {
        if close {
            self.connection = ConnectionUse::Ended;
        }
        let to = response::own(&response, self.settle_connection());
        match self.client.write(&to).await {
            Ok(()) => self.status = Some(response.status),
            Err(_) => self.connection = ConnectionUse::Ended,
        }
    }
}
