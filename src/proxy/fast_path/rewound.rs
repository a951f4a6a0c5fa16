//! A connection of which something was read already, and is read again.

use crate::proxy::delegate::delegate;
use crate::proxy::strict::Strict;
use bytes::{Buf, BytesMut};
use http::Method;
use pingora_core::protocols::Stream;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};

#[derive(Debug)]
pub struct Rewound {
    read: BytesMut,
    connection: Stream,
    strict: Strict,
}

impl Rewound {
    /// For the response to a request with `method`.
    pub fn new(read: BytesMut, connection: Stream, method: &Method) -> Self {
        Self { read, connection, strict: Strict::for_response_to(method) }
    }

    /// The connection itself, once everything was read again.
    pub fn unwrap(rewound: Stream) -> Option<Stream> {
        let rewound = rewound.into_any().downcast::<Self>().ok()?;
        rewound.read.is_empty().then_some(rewound.connection)
    }
}

impl AsyncRead for Rewound {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = to.filled().len();
        if self.read.is_empty() {
            ready!(Pin::new(&mut self.connection).poll_read(context, to))?;
        } else {
            let some = self.read.len().min(to.remaining());
            to.put_slice(&self.read[..some]);
            self.read.advance(some);
        }
        if self.strict.advance(&to.filled()[before..]) {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "the body is not chunked")))
    }
}

delegate!(Rewound);
