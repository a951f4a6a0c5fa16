//! The client's end: its unused bytes, and whether it is still connected.

use super::deadline::Deadline;
use super::header_section::{HeaderSection, Progress};
use super::stopping::{StopSignal, Stopping};
use crate::listen::{self, Arrival};
use bytes::BytesMut;
use pingora_core::protocols::Stream;
use pingora_core::server::ShutdownWatch;
use pingora_error::{Error, ErrorType};
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Bytes per read at most: more than nearly every header section.
const READ: usize = 4096;

/// How long a connection of a stopping process waits for one more request: the client may have sent
/// it before it could know.
const LAST_CALL: Duration = Duration::from_secs(1);

/// Limits on the data that is drained before a connection is closed, in bytes and in time: closing
/// with unread data would reset the connection, and the client might never see the response.
pub const LINGERED: usize = 1024 * 1024;
pub const LINGER: Duration = Duration::from_secs(2);

pub struct Client {
    pub stream: Stream,
    /// Read, and not used yet.
    pub read: BytesMut,
    pub arrival: Arc<Arrival>,
    pub deadline: Deadline,
}

/// Why there is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRequest {
    /// The client is gone, was idle for too long, or the process stops.
    Ended,
    /// The header section took too long.
    TooSlow,
    TooLarge,
}

impl Client {
    /// `None` where the stream is not a listener's connection.
    pub fn new(stream: Stream) -> Option<Self> {
        let arrival = listen::ClientConnection::behind(&stream)?.arrival().clone();
        Some(Self { stream, read: BytesMut::new(), arrival, deadline: Deadline::default() })
    }

    /// Whether nothing that it sent is waiting.
    pub fn is_quiet(&self) -> bool {
        self.read.is_empty()
    }

    /// Waits for the next request and reads its header section under the listener's limits. The
    /// bytes are in `read`; the parser may refuse them.
    pub async fn next_request(
        &mut self,
        signal: &mut StopSignal<'_, impl Future>,
    ) -> Result<(), NoRequest> {
        if self.is_quiet() && !self.wait(signal).await {
            return Err(NoRequest::Ended);
        }
        let Self { stream, read, arrival, deadline } = self;
        let limits = &arrival.listener.limits;
        let mut section = HeaderSection::default();
        let reading = async {
            loop {
                match section.progress(read, limits) {
                    Progress::Whole => return Ok(()),
                    Progress::TooLarge => return Err(NoRequest::TooLarge),
                    Progress::Partly => {}
                }
                read.reserve(READ);
                if !matches!(stream.read_buf(read).await, Ok(1..)) {
                    return Err(NoRequest::Ended);
                }
            }
        };
        let in_time = deadline.within(limits.header_timeout, reading).await;
        in_time.unwrap_or(Err(NoRequest::TooSlow))
    }

    /// Whether the connection begins with these bytes. Reads as many of its first bytes as it takes
    /// to know. `None` where none come.
    pub async fn begins_with(&mut self, prefix: &[u8], shutdown: &ShutdownWatch) -> Option<bool> {
        let mut watch = shutdown.clone();
        let stop = pin!(watch.wait_for(|stop| *stop));
        let mut signal = StopSignal::new(Stopping::of(shutdown), stop);
        if self.is_quiet() && !self.wait(&mut signal).await {
            return None;
        }
        let Self { stream, read, arrival, deadline } = self;
        let reading = async {
            while read.len() < prefix.len() && prefix.starts_with(read) {
                read.reserve(READ);
                if !matches!(stream.read_buf(read).await, Ok(1..)) {
                    return None;
                }
            }
            Some(read.starts_with(prefix))
        };
        deadline.within(arrival.listener.limits.header_timeout, reading).await.flatten()
    }

    /// Waits for the first bytes of a request. False when none come: the client is gone or was idle
    /// for too long. When the process stops there is a last call.
    async fn wait(&mut self, signal: &mut StopSignal<'_, impl Future>) -> bool {
        // the buffer of an earlier wait is not kept
        self.read = BytesMut::new();
        let Self { stream, read, arrival, deadline } = self;
        let coming = async {
            if signal.stopping.has_begun() {
                return None;
            }
            tokio::select! {
                biased; // bytes that have arrived are not dropped
                came = first_bytes(stream, read) => Some(came),
                () = poll_fn(|context| signal.poll(context)) => None,
            }
        };
        match deadline.within(arrival.listener.limits.idle_timeout, coming).await {
            None => false,
            Some(Some(came)) => came,
            Some(None) => {
                deadline.within(LAST_CALL, first_bytes(stream, read)).await.unwrap_or(false)
            }
        }
    }

    /// Ready when the client is gone. Data that it sends meanwhile is kept.
    pub fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.read.is_empty() {
            return Poll::Pending;
        }
        // first without a buffer: most clients wait for the response
        if let Some(connection) = listen::ClientConnection::behind(&self.stream)
            && connection.poll_readable(context).is_pending()
        {
            return Poll::Pending;
        }
        self.read.reserve(READ);
        let reading = pin!(self.stream.read_buf(&mut self.read));
        match reading.poll(context) {
            Poll::Pending | Poll::Ready(Ok(1..)) => Poll::Pending,
            Poll::Ready(_) => Poll::Ready(()),
        }
    }

    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Closes the write side. Where the client has sent unused data, or is about to, it gets the
    /// time to read the response.
    pub async fn end(&mut self, expects_more: bool) {
        self.stream.as_mut().shutdown().await;
        if self.is_quiet() && !expects_more {
            return;
        }
        self.read = BytesMut::new();
        linger(&mut self.stream, &mut self.deadline).await;
    }
}

/// Takes in the bytes that a client still sends to a connection that is being closed.
pub async fn linger(stream: &mut Stream, deadline: &mut Deadline) {
    let (mut left, mut read) = (LINGERED, BytesMut::new());
    let reading = async {
        while left > 0 {
            read.clear();
            read.reserve(READ);
            match stream.read_buf(&mut read).await {
                Ok(some @ 1..) => left = left.saturating_sub(some),
                _ => break,
            }
        }
    };
    deadline.within(LINGER, reading).await;
}

/// Reads the first bytes. False at the end of the connection. There is no buffer before they
/// arrive: most connections are idle most of the time.
async fn first_bytes(stream: &mut Stream, read: &mut BytesMut) -> bool {
    if let Some(connection) = listen::ClientConnection::behind(stream)
        && connection.readable().await.is_err()
    {
        return false;
    }
    read.reserve(READ);
    matches!(stream.read_buf(read).await, Ok(1..))
}

/// The client's connection broke.
pub fn gone(error: io::Error) -> Box<Error> {
    Error::because(ErrorType::ConnectionClosed, "the client's connection", error).into_down()
}
