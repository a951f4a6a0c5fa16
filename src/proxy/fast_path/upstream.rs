//! The upstream's end: a connection, the request sent over it, and what is read of the response.

use super::plain::Plain;
use super::request;
use super::rewound::Rewound;
use crate::proxy::attempt::{
    Attempt, budget, connected, connection_failed, next_attempt, no_address,
};
use crate::proxy::client::{Client, gone};
use crate::proxy::connectors::Connectors;
use crate::proxy::exchange::Exchange;
use crate::upstream::{Aim, Upstream};
use bytes::BytesMut;
use pingora_core::Result;
use pingora_core::protocols::Stream;
use pingora_error::{Error, ErrorSource, ErrorType};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What is read at once of a response at first.
const READ: usize = 8192;

/// A connection over which the request went.
pub struct UpstreamExchange {
    pub connection: Stream,
    /// Of the response.
    pub read: BytesMut,
    way: Way,
}

/// Where the connection leads.
pub struct Way {
    upstream: Arc<Upstream>,
    aim: Aim,
}

async fn connect(
    connectors: &Connectors,
    upstream: &Upstream,
    attempt: &Attempt,
) -> Result<Stream> {
    let peer = upstream.peer(attempt.aim, attempt.budget).ok_or_else(no_address)?;
    connectors.connect(&peer).await
}

impl UpstreamExchange {
    /// Sends the request to the upstream and waits for the first bytes of its response. The server
    /// may have closed a kept connection at the same moment: then nothing is lost, and the request,
    /// which changes nothing, goes out again over a new one (RFC 9110 §9.2.2).
    pub async fn ask(
        connectors: &Connectors,
        plain: &Plain,
        client: &mut Client,
        exchange: &mut Exchange,
    ) -> Result<Self> {
        let route = exchange.route.as_ref().ok_or_else(no_address)?;
        let upstream = route.leads_to.upstream.clone();
        let mut attempt = next_attempt(exchange).await?;
        let mut kept = upstream.idle(attempt.aim);
        loop {
            let reused = kept.is_some();
            let connection = match kept.take() {
                Some(connection) => connection,
                None => match connect(connectors, &upstream, &attempt).await {
                    Ok(connection) => {
                        connected(exchange);
                        connection
                    }
                    Err(error) => {
                        let error = connection_failed(exchange, error);
                        if !error.retry() {
                            return Err(error.into_up());
                        }
                        attempt = next_attempt(exchange).await?;
                        kept = upstream.idle(attempt.aim);
                        continue;
                    }
                },
            };
            let mut asked = Self {
                connection,
                read: BytesMut::with_capacity(READ),
                way: Way { upstream: upstream.clone(), aim: attempt.aim },
            };
            match asked.first(&request::bytes(plain, exchange), attempt.budget, client).await {
                Ok(()) => return Ok(asked),
                Err(error) if reused && is_broken(&error) => {
                    attempt.budget = budget(exchange, exchange.now())?
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends the request and waits for some of the response, `budget` at most.
    async fn first(&mut self, request: &[u8], budget: Duration, client: &mut Client) -> Result<()> {
        let settings = &self.way.upstream.settings;
        let sending = async {
            self.connection.write_all(request).await?;
            self.connection.flush().await
        };
        match client.deadline.within(settings.write_timeout, sending).await {
            None => return Err(failed(ErrorType::WriteTimedout)),
            Some(Err(error)) => return Err(broken(ErrorType::WriteError, error)),
            Some(Ok(())) => {}
        }
        self.read_within(settings.read_timeout.min(budget), client).await
    }

    /// More of the response, as long as the client is there.
    pub async fn read_on(&mut self, client: &mut Client) -> Result<()> {
        self.read_within(self.way.read_timeout(), client).await
    }

    async fn read_within(&mut self, limit: Duration, client: &mut Client) -> Result<()> {
        self.read.reserve(1);
        let Client { stream, read, deadline, .. } = client;
        let coming = async {
            tokio::select! {
                biased;
                read = self.connection.read_buf(&mut self.read) => Ok(read),
                () = Client::gone(stream, read) => Err(gone(io::ErrorKind::ConnectionAborted.into())),
            }
        };
        match deadline.within(limit, coming).await {
            None => Err(failed(ErrorType::ReadTimedout)),
            Some(Err(gone)) => Err(gone),
            Some(Ok(Ok(0))) => Err(failed(ErrorType::ConnectionClosed)),
            Some(Ok(Ok(_))) => Ok(()),
            Some(Ok(Err(error))) => Err(broken(ErrorType::ReadError, error)),
        }
    }

    /// The response is over, and the connection can take another request.
    pub fn keep(self) {
        self.way.keep(self.connection);
    }

    /// The connection, from which what was read can be read again.
    pub fn rewind(self) -> (Stream, Way) {
        (Box::new(Rewound::new(self.read, self.connection)), self.way)
    }
}

impl Way {
    pub fn keep(&self, connection: Stream) {
        self.upstream.keep(self.aim, connection);
    }

    /// How long to wait for more of a response.
    pub fn read_timeout(&self) -> Duration {
        self.upstream.settings.read_timeout
    }
}

/// Whether the connection broke, and did not just take too long.
fn is_broken(error: &Error) -> bool {
    *error.esource() == ErrorSource::Upstream
        && matches!(
            error.etype(),
            ErrorType::WriteError | ErrorType::ReadError | ErrorType::ConnectionClosed
        )
}

fn failed(what: ErrorType) -> Box<Error> {
    Error::new_up(what)
}

fn broken(what: ErrorType, error: io::Error) -> Box<Error> {
    Error::because(what, "the upstream's connection", error).into_up()
}
