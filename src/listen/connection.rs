//! A client's connection as pingora sees it.

use super::arrival::Arrival;
use super::socket_stream::SocketStream;
use async_trait::async_trait;
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream,
    TimingDigest, UniqueID, UniqueIDType,
};
use pingora_http::ResponseHeader;
use std::future::poll_fn;
use std::io;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;

/// Counted as open for as long as it lives.
#[derive(Debug)]
pub struct Connection {
    stream: SocketStream,
    arrival: Arc<Arrival>,
    _permits: Vec<OwnedSemaphorePermit>,
}

impl Connection {
    /// `permits` are given back when the connection ends.
    pub fn new(
        stream: SocketStream,
        arrival: Arc<Arrival>,
        permits: Vec<OwnedSemaphorePermit>,
    ) -> Self {
        arrival.listener.accepted.inc();
        arrival.listener.open.inc();
        Self { stream, arrival, _permits: permits }
    }

    /// The connection behind a stream of pingora's, where it is one of a listener's.
    pub fn behind(stream: &Stream) -> Option<&Self> {
        (**stream).as_any().downcast_ref()
    }

    pub fn arrival(&self) -> &Arc<Arrival> {
        &self.arrival
    }

    /// Waits until there is something to read, or the client's end of the connection.
    pub async fn readable(&self) -> io::Result<()> {
        poll_fn(|context| self.stream.poll_readable(context)).await
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.arrival.listener.open.dec();
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, to)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[async_trait]
impl Shutdown for Connection {
    async fn shutdown(&mut self) {
        // it fails when the client is gone, which is what was wanted
        let _ = self.stream.shutdown().await;
    }
}

impl UniqueID for Connection {
    fn id(&self) -> UniqueIDType {
        self.stream.as_raw_fd()
    }
}

impl Ssl for Connection {}

impl Peek for Connection {}

impl GetTimingDigest for Connection {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

/// Carries the [`Arrival`] to wherever a session is seen; see [`Arrival::of`].
impl GetProxyDigest for Connection {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        let nothing = ResponseHeader::build(200, Some(0)).ok()?;
        let digest = ProxyDigest::new(Box::new(nothing), Some(Box::new(self.arrival.clone())));
        Some(Arc::new(digest))
    }
}

/// None: addresses are in the [`Arrival`].
impl GetSocketDigest for Connection {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}
