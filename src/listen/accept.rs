//! The accept loop of one listener.

use super::arrival::{Arrival, Listener};
use super::connection::{ClientConnection, Layers, OpenConnection};
use super::proxy_protocol::{self, Untrue};
use super::quota::Quota;
use super::socket::Socket;
use super::socket_stream::{Connected, SocketStream};
use super::tls::{Handshake, Secured};
use arc_swap::ArcSwap;
use pingora_core::apps::ServerApp;
use pingora_core::server::ShutdownWatch;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

/// How long the loop pauses when a connection cannot be accepted for want of something that other
/// connections hold.
const PAUSE: Duration = Duration::from_millis(100);

/// The parts of a listener's loop.
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
    let socket = ListeningSocket::new(socket)?;
    let mut closing = acceptor.closing.clone();
    tokio::select! {
        _ = closing.wait_for(|closing| *closing) => {}
        () = acceptor.run(&socket) => {}
    }
    Ok(())
}

impl<A: ServerApp + Send + Sync + 'static> Acceptor<A> {
    async fn run(&self, socket: &ListeningSocket) {
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
        let open = OpenConnection::new(listener.clone(), permits);
        let (app, closing) = (self.app.clone(), self.closing.clone());
        tokio::spawn(async move {
            let Some(connection) = admit(connected, peer, listener, open).await else { return };
            let mut stream = Some(Box::new(connection) as pingora_core::protocols::Stream);
            while let Some(open) = stream {
                stream = app.process_new(open, &closing).await;
            }
        });
    }
}

/// Everything that comes before the first request. `None`: the connection has ended.
async fn admit(
    connected: Connected,
    peer: Option<IpAddr>,
    listener: Arc<Listener>,
    open: OpenConnection,
) -> Option<ClientConnection> {
    let limit = listener.limits.header_timeout;
    let mut stream = SocketStream::new(connected, listener.limits.write_timeout);
    let mut arrival = Arrival { listener, peer, secure: false, h2: false, certificate: None };
    if let Some(proxies) = &arrival.listener.proxies {
        let header = proxy_protocol::read_header(&mut stream, peer, proxies);
        // in a box, as the handshake below: the task of a connection has room for the largest of
        // its states all the time, and these are short
        match Box::pin(timeout(limit, header)).await.unwrap_or(Err(Untrue::Slow)) {
            Ok(Some(client)) => arrival.peer = Some(client),
            Ok(None) => {}
            Err(untrue) => {
                let listener = &*arrival.listener.name;
                tracing::debug!(listener, peer = ?peer, why = %untrue, "a connection was closed");
                return None;
            }
        }
    }
    let Some(tls) = &arrival.listener.tls else {
        return Some(ClientConnection::new(Layers::Plain(stream), Arc::new(arrival), open));
    };
    let secured = Box::pin(timeout(limit, tls.secure(stream))).await;
    let secured = secured.unwrap_or(Err(Handshake::TimedOut));
    match secured {
        Ok(Secured { stream, h2, certificate }) => {
            arrival.listener.count(Handshake::Done);
            (arrival.secure, arrival.h2, arrival.certificate) = (true, h2, certificate);
            Some(ClientConnection::new(Layers::Tls(stream), Arc::new(arrival), open))
        }
        Err(failed) => {
            arrival.listener.count(failed);
            None
        }
    }
}

/// A listening socket that the runtime watches.
enum ListeningSocket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl ListeningSocket {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<F: Future>(
        _: impl FnOnce(Connected, Option<IpAddr>, Arc<Listener>, OpenConnection) -> F,
    ) -> usize {
        size_of::<F>()
    }

    /// The task of each connection holds one, also behind it.
    #[test]
    fn the_future_before_the_first_request_is_small() {
        let bytes = size_of_future(admit);
        assert!(bytes <= LARGEST, "{bytes} bytes");
    }

    /// Bytes.
    const LARGEST: usize = 600;
}
