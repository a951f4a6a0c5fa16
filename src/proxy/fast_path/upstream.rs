//! The upstream's end: a connection, the request sent over it, and the data read of the response.

use super::plain::Plain;
use super::request;
use super::rewound::Rewound;
use super::upload::Upload;
use crate::proxy::attempt::{
    Attempt, budget, connected, connection_failed, next_attempt, no_address,
};
use crate::proxy::client::{Client, LINGER, gone};
use crate::proxy::connectors::Connectors;
use crate::proxy::exchange::Exchange;
use crate::runtime::RouteHandle;
use crate::upstream::{Aim, Upstream};
use bytes::BytesMut;
use futures::FutureExt;
use http::Method;
use pingora_core::Result;
use pingora_core::protocols::Stream;
use pingora_error::{Error, ErrorSource, ErrorType};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How long a client may pause within a body.
const PAUSE: Duration = Duration::from_secs(60);

/// Bytes of a response in the first read.
const READ: usize = 8192;

/// A connection over which the request went.
pub struct UpstreamExchange {
    pub connection: Stream,
    /// Of the response.
    pub read: BytesMut,
    /// Of the request's body.
    pub upload: Upload,
    /// A buffer that was used for the request.
    pub spare: BytesMut,
    way: UpstreamAddress,
}

/// Where the connection leads.
pub struct UpstreamAddress {
    /// Of the upstream.
    route: RouteHandle,
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
    /// may have closed a kept connection at the same moment: then nothing is lost, and a request that
    /// may be repeated goes out again over a new one (RFC 9110 §9.2.2).
    pub async fn ask(
        connectors: &Connectors,
        plain: &Plain,
        client: &mut Client,
        exchange: &mut Exchange,
    ) -> Result<Self> {
        let route = exchange.route.as_ref().ok_or_else(no_address)?;
        let route = route.clone();
        let upstream = &route.leads_to.upstream;
        let mut upload = Upload::new(plain.body(), std::mem::take(&mut exchange.body));
        let first = upload.first(&mut client.read)?;
        let repeatable = plain.method.is_idempotent() && plain.body().is_done();
        let mut attempt = next_attempt(exchange).await?;
        let mut kept = upstream.idle(attempt.aim);
        loop {
            let reused = kept.is_some();
            let connection = match kept.take() {
                Some(connection) => connection,
                // in a box: its state is seven times all of the rest, and few requests connect
                None => match connect(connectors, upstream, &attempt).boxed().await {
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
                upload,
                spare: BytesMut::new(),
                way: UpstreamAddress { route: route.clone(), aim: attempt.aim },
            };
            let mut request = request::bytes(plain, exchange, first.len());
            request.extend_from_slice(&first);
            match asked.first(&request, attempt.budget, client).await {
                Ok(()) => {
                    request.clear();
                    asked.spare = request;
                    return Ok(asked);
                }
                Err(error) if reused && repeatable && is_broken(&error) => {
                    attempt.budget = budget(exchange, exchange.now())?;
                    upload = asked.upload;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends the request and waits for some of the response, `budget` at most.
    async fn first(&mut self, request: &[u8], budget: Duration, client: &mut Client) -> Result<()> {
        let settings = &self.way.upstream().settings;
        let limit = settings.read_timeout.min(budget);
        let sending = async {
            self.connection.write_all(request).await?;
            self.connection.flush().await
        };
        match client.deadline.within(settings.write_timeout, sending).await {
            None => return Err(failed(ErrorType::WriteTimedout)),
            Some(Err(error)) => {
                // the server may have answered before it closed
                self.upload.abandon();
                let answer = self.read_within(limit, client).boxed().await;
                return answer.map_err(|_| broken(ErrorType::WriteError, error));
            }
            Some(Ok(())) => {}
        }
        self.read_within(limit, client).await
    }

    /// More of the response, as long as the client is there.
    pub async fn read_on(&mut self, client: &mut Client) -> Result<()> {
        self.read_within(self.way.read_timeout(), client).await
    }

    async fn read_within(&mut self, limit: Duration, client: &mut Client) -> Result<()> {
        if self.read_some(limit, client).await? {
            Ok(())
        } else {
            Err(failed(ErrorType::ConnectionClosed))
        }
    }

    /// As much more of the response as is there already. The end of the connection is left for the
    /// next read.
    pub async fn read_present(&mut self) {
        poll_fn(|context| {
            let reading = pin!(self.connection.read_buf(&mut self.read));
            let _ = reading.poll(context);
            Poll::Ready(())
        })
        .await;
    }

    /// More of a response that ends with its connection; false at its end.
    pub async fn read_or_end(&mut self, client: &mut Client) -> Result<bool> {
        self.read_some(self.way.read_timeout(), client).await
    }

    /// Reads on, and sends the request's body meanwhile. The time counts from the last time that
    /// something of the body moved. False at the end of the connection.
    async fn read_some(&mut self, limit: Duration, client: &mut Client) -> Result<bool> {
        self.read.reserve(1);
        loop {
            let waits_for_client = self.upload.waits_for_client();
            let limit = if waits_for_client { PAUSE } else { limit };
            // moved out, so that the clock and the rest of the client can be used at once
            let mut deadline = std::mem::take(&mut client.deadline);
            let event = deadline.within(limit, poll_fn(|context| self.poll(context, client))).await;
            client.deadline = deadline;
            match event {
                Some(UpstreamEvent::Read(Ok(some))) => return Ok(some > 0),
                Some(UpstreamEvent::Read(Err(error))) => {
                    return Err(broken(ErrorType::ReadError, error));
                }
                Some(UpstreamEvent::Moved) => {}
                Some(UpstreamEvent::Failed(error)) => return Err(error),
                None if waits_for_client => {
                    return Err(failed(ErrorType::ReadTimedout).into_down());
                }
                None => return Err(failed(ErrorType::ReadTimedout)),
            }
        }
    }

    fn poll(&mut self, context: &mut Context<'_>, client: &mut Client) -> Poll<UpstreamEvent> {
        let reading = pin!(self.connection.read_buf(&mut self.read));
        if let Poll::Ready(read) = reading.poll(context) {
            return Poll::Ready(UpstreamEvent::Read(read));
        }
        if !self.upload.is_over() {
            match self.poll_upload(context, client) {
                Poll::Ready(Err(error)) => return Poll::Ready(UpstreamEvent::Failed(error)),
                Poll::Pending if !self.upload.has_moved() => return Poll::Pending,
                Poll::Ready(Ok(())) | Poll::Pending => return Poll::Ready(UpstreamEvent::Moved),
            }
        }
        client
            .poll_gone(context)
            .map(|()| UpstreamEvent::Failed(gone(io::ErrorKind::ConnectionAborted.into())))
    }

    fn poll_upload(&mut self, context: &mut Context<'_>, client: &mut Client) -> Poll<Result<()>> {
        let Client { stream, read, .. } = client;
        self.upload.poll(context, stream, read, &mut self.connection)
    }

    /// Writes to the client, and sends the request's body meanwhile: a client that reads nothing
    /// before it has sent everything would wait for ever.
    pub async fn write(&mut self, client: &mut Client, bytes: &[u8]) -> Result<()> {
        self.write_parts(client, &mut [IoSlice::new(bytes)]).await
    }

    /// The same for several pieces.
    pub async fn write_parts(
        &mut self,
        client: &mut Client,
        mut parts: &mut [IoSlice<'_>],
    ) -> Result<()> {
        IoSlice::advance_slices(&mut parts, 0);
        poll_fn(|context| {
            while !parts.is_empty() {
                match Pin::new(&mut client.stream).poll_write_vectored(context, parts) {
                    Poll::Ready(Ok(some @ 1..)) => IoSlice::advance_slices(&mut parts, some),
                    Poll::Ready(Ok(0)) => {
                        return Poll::Ready(Err(gone(io::ErrorKind::WriteZero.into())));
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(gone(error))),
                    Poll::Pending if self.upload.is_over() => return Poll::Pending,
                    Poll::Pending => {
                        return match self.poll_upload(context, client) {
                            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
                        };
                    }
                }
            }
            Pin::new(&mut client.stream).poll_flush(context).map_err(gone)
        })
        .await
    }

    /// Sends the rest of the request's body behind an early answer, for a moment. Gives whether
    /// everything was sent.
    pub async fn finish_upload(&mut self, client: &mut Client) -> bool {
        if !self.upload.is_over() {
            let mut deadline = std::mem::take(&mut client.deadline);
            let sending = poll_fn(|context| self.poll_upload(context, client));
            let sent = deadline.within(LINGER, sending).await;
            client.deadline = deadline;
            if !matches!(sent, Some(Ok(()))) {
                self.upload.abandon();
            }
        }
        self.upload.is_sent()
    }

    /// The response is over, and the connection can take another request.
    pub fn keep(self) {
        self.way.keep(self.connection);
    }

    /// The connection, the bytes that were read of it, and its limits as a part of a tunnel.
    pub fn into_parts(self) -> (Stream, BytesMut, TunnelLimits) {
        let settings = &self.way.upstream().settings;
        let limits = TunnelLimits { idle: settings.read_timeout, write: settings.write_timeout };
        (self.connection, self.read, limits)
    }

    /// The connection, which yields the bytes already read again.
    pub fn rewind(self, method: &Method) -> (Stream, UpstreamAddress) {
        (Box::new(Rewound::new(self.read, self.connection, method)), self.way)
    }
}

/// Time limits of an upgraded connection.
#[derive(Clone, Copy)]
pub struct TunnelLimits {
    /// How long both ends may be silent: `read_timeout` of the upstream.
    pub idle: Duration,
    /// How long the upstream may take nothing of the bytes that wait for it, while nothing else
    /// moves: its `write_timeout`. The client's is the listener's.
    pub write: Duration,
}

/// Events while the response is awaited.
enum UpstreamEvent {
    Read(io::Result<usize>),
    /// Something of the request's body was read or sent.
    Moved,
    Failed(Box<Error>),
}

impl UpstreamAddress {
    fn upstream(&self) -> &Upstream {
        &self.route.leads_to.upstream
    }

    pub fn keep(&self, connection: Stream) {
        self.upstream().keep(self.aim, connection);
    }

    /// How long to wait for more of a response.
    pub fn read_timeout(&self) -> Duration {
        self.upstream().settings.read_timeout
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

pub fn failed(what: ErrorType) -> Box<Error> {
    Error::new_up(what)
}

pub fn broken(what: ErrorType, error: io::Error) -> Box<Error> {
    Error::because(what, "the upstream's connection", error).into_up()
}
