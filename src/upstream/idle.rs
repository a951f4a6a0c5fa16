//! Connections to one server that wait for their next request.
//!
//! No task watches them: whether one is still good is seen when it is taken, from the state of the
//! event loop, and the rest is swept now and then.

use super::Upstream;
use futures::FutureExt;
use parking_lot::Mutex;
use pingora_core::protocols::Stream;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;

/// The oldest one goes when there are more.
const AT_MOST: usize = 1024;

/// A connection that was idle for so long is not in constant use.
const RESTED: Duration = Duration::from_secs(1);

/// The longest-waiting first.
#[derive(Default)]
pub struct Idle(Mutex<VecDeque<IdleConnection>>);

struct IdleConnection {
    connection: Stream,
    /// Where it leads; the name of a server may lead elsewhere by now.
    address: Option<SocketAddr>,
    since: Instant,
}

impl Idle {
    /// The one that was used last, if it has waited for less than `longest`.
    pub fn take(&self, address: Option<SocketAddr>, longest: Duration) -> Option<Stream> {
        loop {
            let mut waiting = {
                let mut all = self.0.lock();
                let newest = all.iter().rposition(|waiting| waiting.address == address)?;
                all.remove(newest)?
            };
            if waiting.since.elapsed() < longest && is_quiet(&mut waiting.connection) {
                return Some(waiting.connection);
            }
        }
    }

    pub fn put(&self, address: Option<SocketAddr>, connection: Stream) {
        let mut all = self.0.lock();
        let oldest = if all.len() >= AT_MOST { all.pop_front() } else { None };
        all.push_back(IdleConnection { connection, address, since: Instant::now() });
        drop(all);
        // closed only now, outside the lock
        drop(oldest);
    }

    /// Closes those that have waited for `longest`, and those that the server has closed. Those in
    /// use all the time are looked at when they are taken.
    pub fn sweep(&self, longest: Duration) {
        let mut rested: VecDeque<IdleConnection> = {
            let mut all = self.0.lock();
            let rested = all.iter().take_while(|waiting| waiting.since.elapsed() >= RESTED).count();
            all.drain(..rested).collect()
        };
        rested.retain_mut(|waiting| {
            waiting.since.elapsed() < longest && is_quiet(&mut waiting.connection)
        });
        let mut all = self.0.lock();
        for waiting in rested.into_iter().rev() {
            all.push_front(waiting);
        }
    }
}

/// Nothing is expected from a server that was asked nothing: neither its end of the connection nor
/// data, which would be taken for the answer to the next request.
fn is_quiet(connection: &mut Stream) -> bool {
    // it must not count against the task's turn, or it would seem quiet when the turn is used up
    tokio::task::unconstrained(connection.read(&mut [0])).now_or_never().is_none()
}

/// Sweeps for ever, the upstreams that are in force each time.
pub async fn keep_sweeping(upstreams: impl Fn() -> Vec<Arc<Upstream>>) {
    loop {
        tokio::time::sleep(RESTED).await;
        for upstream in upstreams() {
            upstream.sweep();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pingora_core::protocols::l4::stream::Stream as TcpStream;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    const LONG: Duration = Duration::from_secs(60);

    struct Server(TcpListener, SocketAddr);

    impl Server {
        async fn start() -> std::io::Result<Self> {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?;
            Ok(Self(listener, address))
        }

        /// Both ends of a connection, and the descriptor that identifies the gateway's.
        async fn connection(&self) -> std::io::Result<(Stream, i32, tokio::net::TcpStream)> {
            let ours: Stream =
                Box::new(TcpStream::from(tokio::net::TcpStream::connect(self.1).await?));
            let (theirs, _) = self.0.accept().await?;
            let id = ours.id();
            Ok((ours, id, theirs))
        }
    }

    #[tokio::test]
    async fn the_one_used_last_is_taken_first() -> std::io::Result<()> {
        let (server, idle) = (Server::start().await?, Idle::default());
        let (first, first_id, _a) = server.connection().await?;
        let (second, second_id, _b) = server.connection().await?;
        let (elsewhere, _, _c) = server.connection().await?;
        idle.put(Some(server.1), first);
        idle.put(Some(server.1), second);
        idle.put(None, elsewhere);
        let mut taken = Vec::new();
        while let Some(connection) = idle.take(Some(server.1), LONG) {
            taken.push(connection.id());
        }
        assert_eq!(taken, [second_id, first_id], "and a connection to another address is left");
        Ok(())
    }

    #[tokio::test]
    async fn a_connection_with_news_is_not_taken() -> std::io::Result<()> {
        let (server, idle) = (Server::start().await?, Idle::default());
        let (closed, _, theirs) = server.connection().await?;
        let (spoken, _, mut speaker) = server.connection().await?;
        let (old, _, _kept) = server.connection().await?;
        drop(theirs);
        speaker.write_all(b"HTTP/1.1 200 OK\r\n").await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
        idle.put(Some(server.1), closed);
        idle.put(Some(server.1), spoken);
        assert!(idle.take(Some(server.1), LONG).is_none());
        idle.put(Some(server.1), old);
        assert!(idle.take(Some(server.1), Duration::ZERO).is_none());
        Ok(())
    }

    #[tokio::test]
    async fn idle_connections_are_swept_and_their_number_is_bounded() -> std::io::Result<()> {
        let (server, idle) = (Server::start().await?, Idle::default());
        let mut theirs = Vec::new();
        for _ in 0..3 {
            let (ours, _, other) = server.connection().await?;
            idle.put(Some(server.1), ours);
            theirs.push(other);
        }
        theirs.remove(1);
        tokio::time::sleep(RESTED + Duration::from_millis(50)).await;
        let (fresh, fresh_id, _kept) = server.connection().await?;
        idle.put(Some(server.1), fresh);
        idle.sweep(LONG);
        assert_eq!(idle.0.lock().len(), 3, "the one that the server closed is gone");
        assert_eq!(
            idle.take(Some(server.1), LONG).map(|connection| connection.id()),
            Some(fresh_id)
        );
        idle.sweep(Duration::ZERO);
        assert_eq!(idle.0.lock().len(), 0);
        Ok(())
    }
}
