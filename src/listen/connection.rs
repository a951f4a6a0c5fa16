//! A client's connection as pingora sees it.

use super::arrival::{Arrival, Listener};
use super::socket_stream::SocketStream;
use async_trait::async_trait;
use bytes::BytesMut;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream,
    TimingDigest, UniqueID, UniqueIDType,
};
use pingora_http::ResponseHeader;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::server::TlsStream;

/// The bytes of a connection, with or without TLS around them.
pub enum Layers {
    Plain(SocketStream),
    Tls(Box<TlsStream<SocketStream>>),
}

impl Layers {
    fn socket(&self) -> &SocketStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }

    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            // bytes that were decrypted already do not show at the socket
            Self::Tls(stream) if !stream.get_ref().1.wants_read() => Poll::Ready(Ok(())),
            _ => self.socket().poll_readable(context),
        }
    }

    fn as_io(&mut self) -> Pin<&mut dyn Layer> {
        match self {
            Self::Plain(socket) => Pin::new(socket),
            Self::Tls(stream) => Pin::new(&mut **stream),
        }
    }
}

/// A stream for reading and writing.
trait Layer: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Layer for T {}

/// Counts a connection as open for as long as it lives, and gives its permits back then.
pub struct OpenConnection {
    listener: Arc<Listener>,
    _permits: Vec<OwnedSemaphorePermit>,
}

impl OpenConnection {
    pub fn new(listener: Arc<Listener>, permits: Vec<OwnedSemaphorePermit>) -> Self {
        listener.accepted.inc();
        listener.open.inc();
        Self { listener, _permits: permits }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.listener.open.dec();
    }
}

pub struct ClientConnection {
    stream: Layers,
    arrival: Arc<Arrival>,
    _open: OpenConnection,
}

impl ClientConnection {
    pub fn new(stream: Layers, arrival: Arc<Arrival>, open: OpenConnection) -> Self {
        Self { stream, arrival, _open: open }
    }

    /// The connection behind a stream of pingora's, where it is one of a listener's.
    pub fn behind(stream: &Stream) -> Option<&Self> {
        (**stream).as_any().downcast_ref()
    }

    pub fn arrival(&self) -> &Arc<Arrival> {
        &self.arrival
    }

    /// The same connection, on which `bytes` are read before those that come. `None` where the
    /// stream is not a listener's connection, or is one over TLS.
    pub fn unread(stream: Stream, bytes: BytesMut) -> Option<Stream> {
        let mut connection = stream.into_any().downcast::<Self>().ok()?;
        let Layers::Plain(socket) = &mut connection.stream else { return None };
        socket.unread(bytes);
        Some(connection)
    }

    /// Ready when there is something to read, or the client's end of the connection.
    pub fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_readable(context)
    }

    /// Waits for that.
    pub async fn readable(&self) -> io::Result<()> {
        poll_fn(|context| self.poll_readable(context)).await
    }
}

impl fmt::Debug for ClientConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a connection of {}", self.arrival.listener.name)
    }
}

impl AsyncRead for ClientConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream.as_io().poll_read(context, to)
    }
}

impl AsyncWrite for ClientConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_io().poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_io().poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_io().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_io().poll_shutdown(context)
    }
}

#[async_trait]
impl Shutdown for ClientConnection {
    async fn shutdown(&mut self) {
        // it fails when the client is gone, which ends the connection too
        let _ = AsyncWriteExt::shutdown(self).await;
    }
}

impl UniqueID for ClientConnection {
    fn id(&self) -> UniqueIDType {
        self.stream.socket().as_raw_fd()
    }
}

impl Ssl for ClientConnection {}

impl Peek for ClientConnection {}

impl GetTimingDigest for ClientConnection {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

/// Carries the [`Arrival`] to wherever a session is seen; see [`Arrival::of`].
impl GetProxyDigest for ClientConnection {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        let nothing = ResponseHeader::build(200, Some(0)).ok()?;
        let digest = ProxyDigest::new(Box::new(nothing), Some(Box::new(self.arrival.clone())));
        Some(Arc::new(digest))
    }
}

/// None: addresses are in the [`Arrival`].
impl GetSocketDigest for ClientConnection {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}
