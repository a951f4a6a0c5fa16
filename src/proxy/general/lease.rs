//! Lends pingora's proxy a connection of the upstream's own pool, for one exchange.
//!
//! pingora decides from the first line of `Connection` and the length of the body whether it keeps
//! a connection. That is not enough: behind a response that announced a body which must not come,
//! the body may still come, and would answer another client's request. With a lease pingora keeps
//! no connection itself: behind a whole exchange the connection goes back to the pool, unless
//! something forbids it.

use crate::proxy::connectors::Connectors;
use crate::proxy::strict::Strict;
use crate::upstream::{Aim, Upstream};
use async_trait::async_trait;
use pingora_core::Result;
use pingora_core::connectors::L4Connect;
use pingora_core::protocols::Stream;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::protocols::l4::stream::Stream as L4Stream;
use pingora_core::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora_core::upstreams::peer::HttpPeer;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection for one attempt at an upstream.
#[derive(Clone, Debug)]
pub struct Lease(Arc<Terms>);

struct Terms {
    connectors: Arc<Connectors>,
    upstream: Arc<Upstream>,
    aim: Aim,
    peer: HttpPeer,
    /// The connection has served an exchange before.
    reused: AtomicBool,
    /// Some of a response was read.
    answered: AtomicBool,
    /// The response was read to its end.
    over: AtomicBool,
    /// The response's chunks are malformed.
    malformed: AtomicBool,
    /// The connection must not be used again.
    spoiled: AtomicBool,
}

impl Lease {
    /// For the server at `aim`, to which `peer` leads.
    pub fn new(
        connectors: Arc<Connectors>,
        upstream: Arc<Upstream>,
        aim: Aim,
        peer: HttpPeer,
    ) -> Self {
        let (reused, answered, over, malformed, spoiled) = Default::default();
        Self(Arc::new(Terms {
            connectors,
            upstream,
            aim,
            peer,
            reused,
            answered,
            over,
            malformed,
            spoiled,
        }))
    }

    pub fn is_reused(&self) -> bool {
        self.0.reused.load(Ordering::Relaxed)
    }

    /// The server may have closed a kept connection before it saw the request.
    pub fn may_have_been_closed(&self) -> bool {
        self.is_reused() && !self.0.answered.load(Ordering::Acquire)
    }

    /// The response has been read to its end.
    pub fn end(&self) {
        self.0.over.store(true, Ordering::Release);
    }

    /// The response is broken, although pingora takes it for whole.
    pub fn is_malformed(&self) -> bool {
        self.0.malformed.load(Ordering::Acquire)
    }

    /// The connection is closed behind the exchange, regardless of pingora's decision.
    pub fn spoil(&self) {
        self.0.spoiled.store(true, Ordering::Release);
    }
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("aim", &self.aim).finish_non_exhaustive()
    }
}

#[async_trait]
impl L4Connect for Lease {
    async fn connect(&self, _: &SocketAddr) -> Result<L4Stream> {
        let terms = &self.0;
        let connection = match terms.upstream.idle(terms.aim) {
            Some(connection) => {
                terms.reused.store(true, Ordering::Relaxed);
                connection
            }
            None => terms.connectors.connect(&terms.peer).await?,
        };
        let leased = Leased {
            connection: Some(connection),
            lease: self.clone(),
            strict: Strict::default(),
            released: false,
        };
        Ok(VirtualSocketStream::new(Box::new(leased)).into())
    }
}

/// The connection in pingora's hands.
#[derive(Debug)]
struct Leased {
    /// Always there, until it is dropped.
    connection: Option<Stream>,
    lease: Lease,
    strict: Strict,
    /// pingora would keep it.
    released: bool,
}

impl Leased {
    fn connection(&mut self) -> io::Result<Pin<&mut Stream>> {
        self.connection.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl AsyncRead for Leased {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // pingora reads behind the end of an exchange for one reason: to see whether it can keep
        // the connection. It sees a closed one, and lets go of it.
        if self.lease.0.over.load(Ordering::Acquire) {
            self.released = true;
            return Poll::Ready(Ok(()));
        }
        let before = to.filled().len();
        let read = self.connection()?.poll_read(context, to);
        if to.filled().len() > before {
            self.lease.0.answered.store(true, Ordering::Release);
            if !self.strict.advance(&to.filled()[before..]) {
                self.lease.0.malformed.store(true, Ordering::Release);
            }
        }
        read
    }
}

impl AsyncWrite for Leased {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.connection()?.poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.connection()?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lease.spoil();
        self.connection()?.poll_shutdown(context)
    }
}

impl VirtualSocket for Leased {
    /// They were set when the connection was made.
    fn set_socket_option(&self, _: VirtualSockOpt) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        let terms = &self.lease.0;
        if self.released
            && !terms.spoiled.load(Ordering::Acquire)
            && let Some(connection) = self.connection.take()
        {
            terms.upstream.keep(terms.aim, connection);
        }
    }
}
