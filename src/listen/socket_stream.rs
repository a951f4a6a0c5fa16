//! The bytes of a connection. A write that makes no progress for too long fails.

use bytes::BytesMut;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Sleep, sleep};

/// Bytes that are read when only the first one counts.
const FIRST: usize = 1024;

/// A connected socket.
#[derive(Debug)]
pub struct SocketStream {
    socket: Connected,
    write_timeout: Duration,
    /// Read already, and to be read again.
    early: BytesMut,
    /// There only while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
pub enum Connected {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl SocketStream {
    pub fn new(socket: Connected, write_timeout: Duration) -> Self {
        Self { socket, write_timeout, early: BytesMut::new(), stalled: None }
    }

    /// Puts bytes back in front of those that come.
    pub fn unread(&mut self, bytes: BytesMut) {
        if self.early.is_empty() {
            self.early = bytes;
        } else {
            let later = std::mem::replace(&mut self.early, bytes);
            self.early.extend_from_slice(&later);
        }
    }

    /// Waits for the first byte, and leaves it to be read. `None` at the end of the connection.
    pub async fn look_ahead(&mut self) -> io::Result<Option<u8>> {
        if self.early.is_empty() {
            let mut read = BytesMut::with_capacity(FIRST);
            self.read_buf(&mut read).await?;
            self.early = read;
        }
        Ok(self.early.first().copied())
    }

    /// Waits until there is something to read, or the client's end of the connection. Unlike a
    /// read it needs no buffer, which counts where thousands of connections wait.
    pub fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.early.is_empty() {
            return Poll::Ready(Ok(()));
        }
        match &self.socket {
            Connected::Tcp(socket) => socket.poll_read_ready(context),
            Connected::Unix(socket) => socket.poll_read_ready(context),
        }
    }

    /// `poll` does a write; it fails when it has waited for the whole of the time limit.
    fn in_time<T>(
        &mut self,
        context: &mut Context<'_>,
        poll: impl FnOnce(&mut Connected, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(outcome) = poll(&mut self.socket, context) {
            self.stalled = None;
            return Poll::Ready(outcome);
        }
        let limit = self.write_timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsRawFd for SocketStream {
    fn as_raw_fd(&self) -> RawFd {
        match &self.socket {
            Connected::Tcp(socket) => socket.as_raw_fd(),
            Connected::Unix(socket) => socket.as_raw_fd(),
        }
    }
}

impl AsyncRead for SocketStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.early.is_empty() {
            let some = self.early.len().min(to.remaining());
            to.put_slice(&self.early.split_to(some));
            if self.early.is_empty() {
                self.early = BytesMut::new();
            }
            return Poll::Ready(Ok(()));
        }
        match &mut self.socket {
            Connected::Tcp(socket) => Pin::new(socket).poll_read(context, to),
            Connected::Unix(socket) => Pin::new(socket).poll_read(context, to),
        }
    }
}

impl AsyncWrite for SocketStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.in_time(context, |socket, context| match socket {
            Connected::Tcp(socket) => Pin::new(socket).poll_write(context, bytes),
            Connected::Unix(socket) => Pin::new(socket).poll_write(context, bytes),
        })
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.in_time(context, |socket, context| match socket {
            Connected::Tcp(socket) => Pin::new(socket).poll_write_vectored(context, parts),
            Connected::Unix(socket) => Pin::new(socket).poll_write_vectored(context, parts),
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing is held back.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Connected::Tcp(socket) => Pin::new(socket).poll_shutdown(context),
            Connected::Unix(socket) => Pin::new(socket).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    #[tokio::test]
    async fn a_write_that_makes_no_progress_fails_in_time_and_one_that_does_goes_on() {
        let Ok((ours, mut theirs)) = UnixStream::pair() else { panic!("no sockets") };
        let limit = Duration::from_millis(500);
        let mut stream = SocketStream::new(Connected::Unix(ours), limit);
        let sending = tokio::spawn(async move {
            stream.write_all(&vec![1; 64 << 20]).await.map_err(|error| error.kind())
        });
        // three pauses that are together longer than the limit, with much taken after each
        let mut some = vec![0; 1 << 20];
        for _ in 0..3 {
            tokio::time::sleep(limit / 2).await;
            assert!(theirs.read_exact(&mut some).await.is_ok());
        }
        let taken = tokio::time::Instant::now();
        assert!(matches!(sending.await, Ok(Err(io::ErrorKind::TimedOut))));
        let passed = taken.elapsed();
        assert!(passed >= limit / 2 && passed < limit * 4, "{passed:?}");
    }
}
