//! The client's end: what was read of it and not used yet, and whether it is still there.

use super::deadline::Deadline;
use crate::proxy::IDLE;
use bytes::BytesMut;
use pingora_core::protocols::Stream;
use pingora_error::{Error, ErrorType};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What is read at once at most: more than nearly every header section has.
const READ: usize = 4096;

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

    /// Waits for the next request. False when none comes: the client is gone, was idle for too
    /// long, or the gateway is `stopping`.
    pub async fn wait(&mut self, stopping: Pin<&mut impl Future>) -> bool {
        self.read.reserve(READ);
        let Self { stream, read, deadline, .. } = self;
        let coming = async {
            tokio::select! {
                biased; // what is there already is not dropped
                read = stream.read_buf(read) => matches!(read, Ok(1..)),
                _ = stopping => false,
            }
        };
        deadline.within(IDLE, coming).await.unwrap_or(false)
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

    /// Says that nothing more will come.
    pub async fn end(&mut self) {
        self.stream.as_mut().shutdown().await;
    }
}

/// The client's connection broke.
pub fn gone(error: io::Error) -> Box<Error> {
    Error::because(ErrorType::ConnectionClosed, "the client's connection", error).into_down()
}
