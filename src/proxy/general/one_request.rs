//! A client's connection as pingora sees it: one request, without the bytes behind it.
//!
//! pingora reads ahead, and drops the bytes that it read beyond a request with a body. Here it
//! cannot: the bytes of the next request stay with [`Client`](crate::proxy::client::Client), and
//! pipelined requests are answered in their order (RFC 9112 §9.3.2).

use crate::proxy::chunks::NotChunks;
use crate::proxy::client::linger;
use crate::proxy::connection::ConnectionUse;
use crate::proxy::deadline::Deadline;
use crate::proxy::delegate::delegate;
use crate::proxy::request_framing::RequestBody;
use bytes::{Buf, BytesMut};
use pingora_core::protocols::Stream;
use pingora_proxy::Session;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::runtime::Handle;

/// Bytes that are read at once.
const READ: usize = 16 * 1024;

#[derive(Debug)]
pub struct OneRequest {
    /// Read, and not given to pingora.
    read: BytesMut,
    connection: Stream,
    end: RequestEnd,
    /// Whether the client's connection can be kept behind the response.
    keeps: ConnectionUse,
}

/// Where the request ends.
#[derive(Debug)]
enum RequestEnd {
    /// Behind so many bytes of the header section, and the body.
    Behind { section: usize, body: RequestBody },
    /// With the connection.
    Never,
    /// The body is not chunked, against its header.
    Malformed,
}

impl OneRequest {
    /// `section` and `body` are those of the request that `read` begins with.
    pub fn new(
        read: BytesMut,
        connection: Stream,
        section: usize,
        body: RequestBody,
        keeps: ConnectionUse,
    ) -> Self {
        Self { read, connection, end: RequestEnd::Behind { section, body }, keeps }
    }

    /// A request whose end only the other end of the connection knows.
    pub fn endless(read: BytesMut, connection: Stream) -> Self {
        Self { read, connection, end: RequestEnd::Never, keeps: ConnectionUse::Ended }
    }

    /// The connection itself and the bytes read of the next request, once this one was read whole.
    pub fn unwrap(wrapped: Stream) -> Option<(Stream, BytesMut)> {
        let mut wrapped = wrapped.into_any().downcast::<Self>().ok()?;
        if !wrapped.is_over() {
            return None;
        }
        let read = std::mem::take(&mut wrapped.read);
        Some((wrapped.give_back(), read))
    }

    /// Leaves a closed connection in place of the client's.
    fn give_back(&mut self) -> Stream {
        std::mem::replace(&mut self.connection, Box::new(io::Cursor::new(Vec::new())))
    }

    /// Whether the client's connection can be kept behind the response to the request in `session`.
    pub fn connection(session: &Session) -> ConnectionUse {
        let wrapped = session.stream().and_then(|stream| stream.as_any().downcast_ref::<Self>());
        wrapped.map_or(ConnectionUse::Kept, |wrapped| wrapped.keeps)
    }

    /// The number of the request's own bytes among `some` bytes that were read.
    fn count(&mut self, some: usize) -> usize {
        let (section, body) = match &mut self.end {
            RequestEnd::Behind { section, body } => (section, body),
            RequestEnd::Never => return some,
            RequestEnd::Malformed => return 0,
        };
        if *section > 0 {
            let some = some.min(*section);
            *section -= some;
            return some;
        }
        match body.take(&self.read[..some]) {
            Ok(taken) => taken,
            Err(NotChunks) => {
                self.end = RequestEnd::Malformed;
                0
            }
        }
    }

    fn is_over(&self) -> bool {
        matches!(&self.end, RequestEnd::Behind { section: 0, body } if body.is_done())
    }

    /// Reads on. Ready with false at the end of the connection.
    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        self.read.reserve(READ);
        let reading = pin!(self.connection.read_buf(&mut self.read));
        let read = ready!(reading.poll(context))?;
        Poll::Ready(Ok(read > 0))
    }
}

impl AsyncRead for OneRequest {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_over() {
            // only whether the client is still there matters now
            let gone = self.read.is_empty() && !ready!(self.poll_more(context))?;
            return if gone { Poll::Ready(Ok(())) } else { Poll::Pending };
        }
        let malformed = matches!(self.end, RequestEnd::Malformed);
        if !malformed && self.read.is_empty() && !ready!(self.poll_more(context))? {
            return Poll::Ready(Ok(()));
        }
        let some = self.read.len().min(to.remaining());
        let some = self.count(some);
        if let RequestEnd::Malformed = self.end {
            // pingora reads chunks less strictly; this it refuses, wherever it is
            to.put_slice(&[0; 64][..to.remaining().min(64)]);
            return Poll::Ready(Ok(()));
        }
        to.put_slice(&self.read[..some]);
        self.read.advance(some);
        Poll::Ready(Ok(()))
    }
}

/// pingora drops the connection behind the last response. Closing it with unread bytes would reset
/// it, and the client could lose responses that it has not read yet (RFC 9112 §9.6).
impl Drop for OneRequest {
    fn drop(&mut self) {
        if self.read.is_empty() && self.is_over() {
            return;
        }
        let Ok(tokio) = Handle::try_current() else { return };
        let mut connection = self.give_back();
        tokio.spawn(async move {
            connection.shutdown().await;
            linger(&mut connection, &mut Deadline::default()).await;
        });
    }
}

delegate!(OneRequest);
