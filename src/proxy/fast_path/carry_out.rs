//! One plain request and its response.

use super::client::{Client, gone};
use super::plain::Plain;
use super::{Connection, FastPath, relay, response, upstream};
use crate::deny::Denial;
use crate::proxy::exchange::Exchange;
use crate::proxy::refuse::{Prepared, prepare, reason};
use crate::proxy::{judge, report, validate};
use http::StatusCode;
use pingora_core::Result;

/// What is read of a long body at once.
const PIECE: usize = 64 * 1024;

/// What became of a request.
struct Outcome {
    /// Of the response that was sent, or has begun.
    status: Option<StatusCode>,
    connection: Connection,
}

impl FastPath {
    /// Decides, and carries it out. `connection` says whether it may be kept.
    pub(super) async fn carry_out(
        &self,
        plain: &Plain,
        client: &mut Client,
        connection: Connection,
    ) -> Connection {
        let mut exchange = Exchange::begin(&self.process);
        let clean = validate::check(plain.head(), Vec::new);
        let outcome = match judge::judge(plain.head(), client.peer, clean, &mut exchange).await {
            Ok(()) => self.forward(plain, client, &mut exchange, connection).await,
            Err(denial) => refuse(plain, &denial, client, &mut exchange, connection).await,
        };
        report::report(&plain.method, outcome.status, &exchange);
        if outcome.connection == Connection::Ended {
            client.end().await;
        }
        outcome.connection
    }

    async fn forward(
        &self,
        plain: &Plain,
        client: &mut Client,
        exchange: &mut Exchange,
        connection: Connection,
    ) -> Outcome {
        let mut status = None;
        match self.respond(plain, client, exchange, connection, &mut status).await {
            Ok(()) => Outcome { status, connection },
            Err(error) => match reason(&error, exchange) {
                Some(reason) if status.is_none() => {
                    refuse(plain, &Denial::because(reason), client, exchange, connection).await
                }
                reason => {
                    exchange.reason = reason;
                    Outcome { status, connection: Connection::Ended }
                }
            },
        }
    }

    /// Asks the upstream and passes its response on. `status` is set as soon as something was sent.
    async fn respond(
        &self,
        plain: &Plain,
        client: &mut Client,
        exchange: &mut Exchange,
        connection: Connection,
        status: &mut Option<StatusCode>,
    ) -> Result<()> {
        let mut upstream = upstream::ask(&self.connectors, plain, client, exchange).await?;
        let mut to = Vec::with_capacity(upstream.read.len() + response::ADDED);
        let response = loop {
            match response::read(&upstream.read, &plain.method, &mut to) {
                response::Read::Whole(response) => break response,
                response::Read::Partly if upstream.read.len() < response::LONGEST => {
                    upstream.read_on(client).await?
                }
                _ => {
                    return relay::relay(upstream, plain, client, exchange, connection, status)
                        .await;
                }
            }
        };
        exchange.upstream_answered(response.status);
        connection.tell(&mut to);

        let (body, mut over) =
            parted(upstream.read.get(response.head..).unwrap_or_default(), response.body);
        to.extend_from_slice(body);
        client.write(&to).await.map_err(gone)?;
        *status = Some(response.status);

        let mut left = response.body - body.len();
        while left > 0 {
            upstream.read.clear();
            upstream.read.reserve(left.min(PIECE));
            upstream.read_on(client).await?;
            let (body, more) = parted(&upstream.read, left);
            client.write(body).await.map_err(gone)?;
            left -= body.len();
            over = more;
        }
        // data that nobody asked for would be taken for the next response
        if response.kept && !over {
            upstream.keep();
        }
        Ok(())
    }
}

/// What of `bytes` belongs to a body of which `left` is missing, and whether there is more.
fn parted(bytes: &[u8], left: usize) -> (&[u8], bool) {
    bytes.split_at_checked(left).map_or((bytes, false), |(body, more)| (body, !more.is_empty()))
}

async fn refuse(
    plain: &Plain,
    denial: &Denial,
    client: &mut Client,
    exchange: &mut Exchange,
    connection: Connection,
) -> Outcome {
    let Prepared { refusal, close } = prepare(plain.head(), denial, exchange);
    let connection = if close { Connection::Ended } else { connection };
    let to = response::refusal(&refusal, connection);
    match client.write(&to).await {
        Ok(()) => Outcome { status: Some(refusal.status), connection },
        Err(_) => Outcome { status: None, connection: Connection::Ended },
    }
}
