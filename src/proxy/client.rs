//! The client's end: what was read of it and not used yet, and whether it is still there.

use super::IDLE;
use super::deadline::Deadline;
use bytes::BytesMut;
use pingora_core::protocols::Stream;
use pingora_core::server::ShutdownWatch;
use pingora_error::{Error, ErrorType};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What is read at once at most: more than nearly every header section has.
const READ: usize = 4096;

/// How long a connection of a stopping process waits for one more request: the client may have sent
/// it before it could know.
const LAST_CALL: Duration = Duration::from_secs(1);

/// What is taken in at most before a connection is closed, in bytes and in time: closing with
/// unread data would reset the connection, and the client might never see the response.
const LINGERED: usize = 1024 * 1024;
const LINGER: Duration = Duration::from_secs(2);

pub struct Client {
    pub stream: Stream,
    /// Read, and not used yet.
    pub read: BytesMut,
    /// `None` on a Unix socket.
    pub peer: Option<IpAddr>,
    pub deadline: Deadline,
}

impl Client {
    pub fn new(stream: Stream) -> Self {
        let digest = stream.get_socket_digest();
        let peer = digest.and_then(|digest| Some(digest.peer_addr()?.as_inet()?.ip()));
        Self { stream, read: BytesMut::new(), peer, deadline: Deadline::default() }
    }

    /// Whether nothing that it sent is waiting.
    pub fn is_quiet(&self) -> bool {
        self.read.is_empty()
    }

    /// Waits for the next request. False when none comes: the client is gone or was idle for too
    /// long. `stopping` ends when the process begins to stop; then there is a last call.
    pub async fn wait(
        &mut self,
        shutdown: &ShutdownWatch,
        stopping: Pin<&mut impl Future>,
    ) -> bool {
        self.read.reserve(READ);
        let Self { stream, read, deadline, .. } = self;
        let coming = async {
            if *shutdown.borrow() {
                return None;
            }
            tokio::select! {
                biased; // what is there already is not dropped
                read = stream.read_buf(read) => Some(matches!(read, Ok(1..))),
                _ = stopping => None,
            }
        };
        match deadline.within(IDLE, coming).await {
            None => false,
            Some(Some(came)) => came,
            Some(None) => {
                let last = deadline.within(LAST_CALL, stream.read_buf(read)).await;
                matches!(last, Some(Ok(1..)))
            }
        }
    }

    /// Reads on in a request of which something is there. False when nothing comes.
    pub async fn read_on(&mut self) -> bool {
        self.read.reserve(READ);
        let Self { stream, read, deadline, .. } = self;
        matches!(deadline.within(IDLE, stream.read_buf(read)).await, Some(Ok(1..)))
    }

    /// Never comes to an end while the client is there. What it sends meanwhile is kept.
    pub async fn gone(stream: &mut Stream, read: &mut BytesMut) {
        if read.is_empty() {
            read.reserve(READ);
            if !matches!(stream.read_buf(read).await, Ok(1..)) {
                return;
            }
        }
        std::future::pending().await
    }

    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Says that nothing more will come. Where the client has sent more than was used, it gets the
    /// time to read the response.
    pub async fn end(&mut self) {
        self.stream.as_mut().shutdown().await;
        if self.is_quiet() {
            return;
        }
        let Self { stream, read, deadline, .. } = self;
        let mut left = LINGERED;
        let reading = async {
            while left > 0 {
                read.clear();
                match stream.read_buf(read).await {
                    Ok(some @ 1..) => left = left.saturating_sub(some),
                    _ => break,
                }
            }
        };
        deadline.within(LINGER, reading).await;
    }
}

/// The client's connection broke.
pub fn gone(error: io::Error) -> Box<Error> {
    Error::because(ErrorType::ConnectionClosed, "the client's connection", error).into_down()
}
