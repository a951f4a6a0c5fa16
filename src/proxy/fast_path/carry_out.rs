//! One plain request and its response.

use super::plain::Plain;
use super::response;
use super::upstream::UpstreamExchange;
use crate::deny::Denial;
use crate::proxy::client::{Client, gone};
use crate::proxy::connection::Connection;
use crate::proxy::connectors::Connectors;
use crate::proxy::exchange::Exchange;
use crate::proxy::refuse::{Prepared, prepare, reason};
use crate::proxy::{judge, report, validate};
use http::StatusCode;
use pingora_core::Result;
use pingora_core::server::ShutdownWatch;

/// Bytes of a long body that are read at once.
const PIECE: usize = 64 * 1024;

/// The exchange of a client with an upstream, about one plain request.
pub struct PlainExchange<'c> {
    pub plain: &'c Plain,
    pub client: &'c mut Client,
    pub exchange: Exchange,
    pub shutdown: &'c ShutdownWatch,
    /// Whether the client's connection is kept behind the response.
    pub connection: Connection,
    /// Of the response that was sent, or has begun.
    pub status: Option<StatusCode>,
}

impl PlainExchange<'_> {
    /// Asks the gate, and carries its decision out.
    pub async fn carry_out(mut self, connectors: &Connectors) -> Connection {
        let host = validate::check(self.plain.head(), Vec::new);
        let peer = self.client.arrival.peer;
        match judge::judge(self.plain.head(), peer, host, None, &mut self.exchange).await {
            Ok(()) => self.forward(connectors).await,
            Err(denial) => self.refuse(&denial).await,
        }
        report::report(&self.plain.method, self.status, &self.exchange);
        if self.connection == Connection::Ended {
            self.client.end().await;
        }
        self.connection
    }

    async fn forward(&mut self, connectors: &Connectors) {
        let Err(error) = self.respond(connectors).await else { return };
        match reason(&error, &self.exchange) {
            Some(reason) if self.status.is_none() => self.refuse(&Denial::because(reason)).await,
            reason => {
                self.exchange.reason = reason;
                self.connection = Connection::Ended;
            }
        }
    }

    /// Asks the upstream and passes its response on.
    async fn respond(&mut self, connectors: &Connectors) -> Result<()> {
        let mut upstream = self.ask(connectors).await?;
        let mut to = Vec::with_capacity(upstream.read.len() + response::ADDED);
        let response = loop {
            let private = self.exchange.private;
            match response::read(&upstream.read, &self.plain.method, private, &mut to) {
                response::Read::Whole(response) => break response,
                response::Read::Partly if upstream.read.len() < response::LONGEST => {
                    upstream.read_on(self.client).await?
                }
                _ => return self.relay(upstream).await,
            }
        };
        self.exchange.upstream_answered(response.status);
        self.settle_connection().end_head(&mut to);

        let (body, mut over) =
            parted(upstream.read.get(response.head..).unwrap_or_default(), response.body);
        to.extend_from_slice(body);
        self.client.write(&to).await.map_err(gone)?;
        self.status = Some(response.status);

        let mut left = response.body - body.len();
        while left > 0 {
            upstream.read.clear();
            upstream.read.reserve(left.min(PIECE));
            upstream.read_on(self.client).await?;
            let (body, more) = parted(&upstream.read, left);
            self.client.write(body).await.map_err(gone)?;
            left -= body.len();
            over = more;
        }
        // data that was not asked for would be taken for the next response
        if response.kept && !over {
            upstream.keep();
        }
        Ok(())
    }

    /// The last response of a process that stops says `Connection: close`.
    pub fn settle_connection(&mut self) -> Connection {
        if *self.shutdown.borrow() {
            self.connection = Connection::Ended;
        }
        self.connection
    }

    async fn ask(&mut self, connectors: &Connectors) -> Result<UpstreamExchange> {
        UpstreamExchange::ask(connectors, self.plain, self.client, &mut self.exchange).await
    }

    async fn refuse(&mut self, denial: &Denial) {
        let Prepared { refusal, close } = prepare(self.plain.head(), denial, &mut self.exchange);
        if close {
            self.connection = Connection::Ended;
        }
        let to = response::refusal(&refusal, self.settle_connection());
        match self.client.write(&to).await {
            Ok(()) => self.status = Some(refusal.status),
            Err(_) => self.connection = Connection::Ended,
        }
    }
}

/// What of `bytes` belongs to a body of which `left` is missing, and whether there is more.
fn parted(bytes: &[u8], left: usize) -> (&[u8], bool) {
    bytes.split_at_checked(left).map_or((bytes, false), |(body, more)| (body, !more.is_empty()))
}
