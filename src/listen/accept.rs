//! The accept loop of one listener.

use super::arrival::{Arrival, Listener};
use super::connection::Connection;
use super::quota::Quota;
use super::socket::Socket;
use super::socket_stream::{Connected, SocketStream};
use arc_swap::ArcSwap;
use pingora_core::apps::ServerApp;
use pingora_core::server::ShutdownWatch;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::OwnedSemaphorePermit;

/// How long the loop pauses when a connection cannot be accepted for want of something that other
/// connections hold.
const PAUSE: Duration = Duration::from_millis(100);

/// What a listener's loop works with.
pub struct Acceptor<A> {
    /// Serves the connections.
    pub app: Arc<A>,
    /// Read again for each connection, since a reload may replace it.
    pub listener: Arc<ArcSwap<Listener>>,
    /// Each must have room for a connection before it is accepted.
    pub quotas: Vec<Arc<Quota>>,
    /// True once the listener closes.
    pub closing: ShutdownWatch,
}

/// Accepts connections until the listener closes. Must be called inside of a runtime.
///
/// # Errors
///
/// Fails when the runtime cannot watch the socket.
pub async fn accept<A>(acceptor: Acceptor<A>, socket: Socket) -> io::Result<()>
where
    A: ServerApp + Send + Sync + 'static,
{
    let socket = Listening::new(socket)?;
    let mut closing = acceptor.closing.clone();
    tokio::select! {
        _ = closing.wait_for(|closing| *closing) => {}
        () = acceptor.run(&socket) => {}
    }
    Ok(())
}

impl<A: ServerApp + Send + Sync + 'static> Acceptor<A> {
    async fn run(&self, socket: &Listening) {
        let mut exhausted = false;
        loop {
            let permits = self.permits().await;
            match socket.accept().await {
                Ok((connected, peer)) => {
                    exhausted = false;
                    self.serve(connected, peer, permits);
                }
                // the client is gone already
                Err(error) if is_of_the_client(&error) => {}
                Err(error) => {
                    if !exhausted {
                        let listener = &*self.listener.load().name;
                        tracing::error!(listener, %error, "connections cannot be accepted");
                    }
                    exhausted = true;
                    drop(permits);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn permits(&self) -> Vec<OwnedSemaphorePermit> {
        let mut permits = Vec::with_capacity(self.quotas.len());
        for quota in &self.quotas {
            permits.extend(quota.take().await);
        }
        permits
    }

    fn serve(
        &self,
        connected: Connected,
        peer: Option<IpAddr>,
        permits: Vec<OwnedSemaphorePermit>,
    ) {
        let listener = self.listener.load_full();
        let stream = SocketStream::new(connected, listener.limits.write_timeout);
        let arrival = Arc::new(Arrival { listener, peer });
        let connection = Connection::new(stream, arrival, permits);
        let (app, closing) = (self.app.clone(), self.closing.clone());
        tokio::spawn(async move {
            let mut stream = Some(Box::new(connection) as pingora_core::protocols::Stream);
            while let Some(open) = stream {
                stream = app.process_new(open, &closing).await;
            }
        });
    }
}

/// A listening socket that the runtime watches.
enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listening {
    fn new(socket: Socket) -> io::Result<Self> {
        match socket {
            Socket::Tcp(socket) => TcpListener::from_std(socket).map(Self::Tcp),
            Socket::Unix(socket) => UnixListener::from_std(socket).map(Self::Unix),
        }
    }

    async fn accept(&self) -> io::Result<(Connected, Option<IpAddr>)> {
        match self {
            Self::Tcp(socket) => {
                let (stream, peer) = socket.accept().await?;
                Ok((Connected::Tcp(stream), Some(peer.ip())))
            }
            Self::Unix(socket) => {
                let (stream, _) = socket.accept().await?;
                Ok((Connected::Unix(stream), None))
            }
        }
    }
}

fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
