//! A request's body on its way from the client to the upstream.

use crate::proxy::body_limit::BodyLimit;
use crate::proxy::client::gone;
use crate::proxy::request_framing::RequestBody;
use bytes::{Buf, BytesMut};
use pingora_core::Result;
use pingora_core::protocols::Stream;
use pingora_error::{Error, ErrorType};
use std::io::{self, Write};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncReadExt, AsyncWrite};

/// Bytes that are on their way at once. A client that is faster than the upstream waits.
const PIECE: usize = 32 * 1024;

pub struct Upload {
    /// The part that is still to be read from the client.
    body: RequestBody,
    limit: BodyLimit,
    /// Read, framed, and not sent yet.
    out: BytesMut,
    state: UploadState,
    /// Something was read or sent since it was last asked.
    moved: bool,
}

#[derive(PartialEq)]
enum UploadState {
    Sending,
    Sent,
    /// The upstream takes no more; it may have answered.
    Abandoned,
}

impl Upload {
    /// Errors of the other functions: the body grows beyond `limit`, or those that they name.
    pub fn new(body: RequestBody, limit: BodyLimit) -> Self {
        let state = if body.is_done() { UploadState::Sent } else { UploadState::Sending };
        Self { body, limit, out: BytesMut::new(), state, moved: false }
    }

    /// The body's bytes that are there already, as they are sent: they leave with the head.
    ///
    /// Errors: the body contradicts its header section.
    pub fn first(&mut self, read: &mut BytesMut) -> Result<BytesMut> {
        if self.is_sent() {
            return Ok(BytesMut::new());
        }
        self.fill(read)?;
        if self.body.is_done() {
            self.state = UploadState::Sent;
        }
        Ok(std::mem::take(&mut self.out))
    }

    /// The whole body was sent.
    pub fn is_sent(&self) -> bool {
        self.state == UploadState::Sent
    }

    /// Nothing more is sent.
    pub fn is_over(&self) -> bool {
        self.state != UploadState::Sending
    }

    /// The client has to send something before anything else can happen.
    pub fn waits_for_client(&self) -> bool {
        !self.is_over() && self.out.is_empty() && !self.body.is_done()
    }

    pub fn abandon(&mut self) {
        if !self.is_over() {
            self.state = UploadState::Abandoned;
        }
    }

    /// Whether something moved since the last call.
    pub fn has_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Moves available data, without waiting for one end longer than for the other. Ready when all
    /// is sent.
    ///
    /// Errors: the client is gone, or its body contradicts its header section. An upstream that
    /// stops reading is not an error: its response has the reason.
    pub fn poll(
        &mut self,
        context: &mut Context<'_>,
        client: &mut Stream,
        read: &mut BytesMut,
        upstream: &mut Stream,
    ) -> Poll<Result<()>> {
        while !self.is_over() {
            if !self.out.is_empty() {
                match ready!(Pin::new(&mut *upstream).poll_write(context, &self.out)) {
                    Ok(sent @ 1..) => self.out.advance(sent),
                    Ok(0) | Err(_) => self.state = UploadState::Abandoned,
                }
                self.moved = true;
            } else if self.body.is_done() {
                match ready!(Pin::new(&mut *upstream).poll_flush(context)) {
                    Ok(()) => self.state = UploadState::Sent,
                    Err(_) => self.state = UploadState::Abandoned,
                }
            } else if !read.is_empty() {
                self.fill(read)?;
            } else {
                read.reserve(PIECE);
                let reading = pin!(client.read_buf(read));
                match reading.poll(context) {
                    Poll::Ready(Ok(1..)) => self.moved = true,
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(left())),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(gone(error))),
                    Poll::Pending => {
                        if let Poll::Ready(Err(_)) = Pin::new(&mut *upstream).poll_flush(context) {
                            self.state = UploadState::Abandoned;
                        }
                        return Poll::Pending;
                    }
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Frames the data that was read. A body with a length is forwarded unchanged, without a copy.
    fn fill(&mut self, read: &mut BytesMut) -> Result<()> {
        let RequestBody::Chunked(chunks) = &mut self.body else {
            let some = self.body.take(&read[..]).map_err(|_| not_chunks())?;
            self.limit.count(some)?;
            self.out = read.split_to(some);
            return Ok(());
        };
        while !read.is_empty() && !chunks.is_done() && self.out.len() < PIECE {
            let taken = chunks.take(&read[..]).map_err(|_| not_chunks())?;
            self.limit.count(taken.data)?;
            read.advance(taken.framing);
            if taken.data > 0 {
                chunk(&mut self.out, &read[..taken.data]);
                read.advance(taken.data);
            }
        }
        if chunks.is_done() {
            self.out.extend_from_slice(LAST_CHUNK);
        }
        Ok(())
    }
}

/// Ends a chunked body.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Appends one chunk. The sizes and extensions of the sender's chunks are not forwarded: another
/// reader might read them in another way (RFC 9112 §7.1.1).
pub fn chunk(to: &mut BytesMut, data: &[u8]) {
    to.reserve(data.len() + 20);
    to.extend_from_slice(size_line(data.len(), &mut [0; 18]));
    to.extend_from_slice(data);
    to.extend_from_slice(b"\r\n");
}

/// The line in front of a chunk of this size.
pub fn size_line(size: usize, line: &mut [u8; 18]) -> &[u8] {
    let mut rest = line.as_mut_slice();
    let _ = write!(rest, "{size:x}\r\n"); // sixteen digits at most
    let free = rest.len();
    &line[..line.len() - free]
}

fn not_chunks() -> Box<Error> {
    Error::explain(ErrorType::InvalidHTTPHeader, "the request's body is not chunked").into_down()
}

fn left() -> Box<Error> {
    gone(io::ErrorKind::UnexpectedEof.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::chunks::Chunks;

    fn first(body: RequestBody, text: &str) -> Option<(String, String, bool)> {
        let (mut upload, mut read) =
            (Upload::new(body, BodyLimit::default()), BytesMut::from(text));
        let sent = upload.first(&mut read).ok()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some((text(&sent), text(&read), upload.is_sent()))
    }

    #[test]
    fn a_body_that_is_there_leaves_with_the_head() {
        let of = |sent: &str, left: &str, whole| Some((sent.to_owned(), left.to_owned(), whole));
        assert_eq!(first(RequestBody::Length(0), "GET"), of("", "GET", true));
        assert_eq!(first(RequestBody::Length(3), "abcGET"), of("abc", "GET", true));
        assert_eq!(first(RequestBody::Length(5), "abc"), of("abc", "", false));
        let chunked = || RequestBody::Chunked(Chunks::default());
        assert_eq!(
            first(chunked(), "002;x\r\nab\r\n1\r\nc\r\n0\r\nT: 1\r\n\r\nGET"),
            of("2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", "GET", true)
        );
        assert_eq!(first(chunked(), "5\r\nab"), of("2\r\nab\r\n", "", false));
        assert_eq!(first(chunked(), "5\nab"), None);
    }
}
