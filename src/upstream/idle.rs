//! Connections to one server that wait for their next request.
//!
//! No task watches them: whether one is still good is seen when it is taken, from the state of the
//! event loop, and the rest is swept now and then.

use super::Upstream;
use crate::per_thread::{PerThread, places};
use futures::FutureExt;
use parking_lot::Mutex;
use pingora_core::protocols::Stream;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;

/// The oldest one goes when there are more. Of several lists each may have its share of this number
/// in any case, so that all together have less than twice as many.
const AT_MOST: usize = 1024;

/// A connection that was idle for so long is not in constant use.
const RESTED: Duration = Duration::from_secs(1);

/// The idle connections of one server: one list, until two threads meet at its lock; then a list for
/// each thread, which takes from the others when its own has none.
#[derive(Default)]
pub struct Idle {
    first: IdleList,
    split: OnceLock<PerThread<IdleList>>,
}

/// The longest-waiting first.
#[derive(Default)]
struct IdleList {
    waiting: Mutex<VecDeque<IdleConnection>>,
    /// How many there are, so that an empty list of another thread is not locked.
    length: AtomicUsize,
}

struct IdleConnection {
    connection: Stream,
    /// Where it leads; the name of a server may lead elsewhere by now.
    address: Option<SocketAddr>,
    since: Instant,
}

impl IdleList {
    /// Changes the list. `None`, and nothing happens, where `wait` is false and another thread has it.
    fn change<T>(
        &self,
        wait: bool,
        change: impl FnOnce(&mut VecDeque<IdleConnection>) -> T,
    ) -> Option<T> {
        let mut waiting = if wait { self.waiting.lock() } else { self.waiting.try_lock()? };
        let changed = change(&mut waiting);
        self.length.store(waiting.len(), Ordering::Relaxed);
        Some(changed)
    }

    /// The newest that leads there.
    fn take(&self, address: Option<SocketAddr>) -> Option<IdleConnection> {
        if self.length.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.change(true, |all| {
            let newest = all.iter().rposition(|waiting| waiting.address == address)?;
            all.remove(newest)
        })?
    }
}

impl Idle {
    /// One that has waited for less than `longest`: of this thread's the one that was used last.
    pub fn take(&self, address: Option<SocketAddr>, longest: Duration) -> Option<Stream> {
        loop {
            let mine = self.split.get().and_then(|split| split.mine().take(address));
            // the other lists in turn, this thread's own again among them
            let mut waiting = match mine {
                Some(waiting) => waiting,
                None => self.lists().find_map(|list| list.take(address))?,
            };
            if waiting.since.elapsed() < longest && is_quiet(&mut waiting.connection) {
                return Some(waiting.connection);
            }
        }
    }

    /// Keeps a connection that waits for its next request.
    pub fn put(&self, address: Option<SocketAddr>, connection: Stream) {
        let mut kept = Some(IdleConnection { connection, address, since: Instant::now() });
        let mut push = |all: &mut VecDeque<IdleConnection>, full: bool| {
            let oldest = if full { all.pop_front() } else { None };
            all.extend(kept.take());
            oldest
        };
        let oldest = match self.split.get() {
            None => match self.first.change(false, |all| push(all, all.len() >= AT_MOST)) {
                Some(oldest) => oldest,
                None => self.put_into(self.split.get_or_init(PerThread::default).mine(), push),
            },
            Some(split) => self.put_into(split.mine(), push),
        };
        // closed only now, outside the lock
        drop(oldest);
    }

    fn put_into(
        &self,
        list: &IdleList,
        push: impl FnOnce(&mut VecDeque<IdleConnection>, bool) -> Option<IdleConnection>,
    ) -> Option<IdleConnection> {
        // the others, whose threads write their lengths all the time, are looked at last
        let has_share = list.length.load(Ordering::Relaxed) >= AT_MOST / places();
        let full = has_share && self.length() >= AT_MOST;
        list.change(true, |all| push(all, full)).flatten()
    }

    /// All lists.
    fn lists(&self) -> impl Iterator<Item = &IdleList> {
        std::iter::once(&self.first).chain(self.split.get().into_iter().flat_map(PerThread::all))
    }

    /// Connections that wait.
    fn length(&self) -> usize {
        self.lists().map(|list| list.length.load(Ordering::Relaxed)).sum()
    }

    /// Closes those that have waited for `longest`, and those that the server has closed. Those in
    /// use all the time are looked at when they are taken.
    pub fn sweep(&self, longest: Duration) {
        for list in self.lists().filter(|list| list.length.load(Ordering::Relaxed) > 0) {
            list.sweep(longest);
        }
    }
}

impl IdleList {
    fn sweep(&self, longest: Duration) {
        let rested = |all: &mut VecDeque<IdleConnection>| {
            let rested = all.iter().take_while(|waiting| waiting.since.elapsed() >= RESTED).count();
            all.drain(..rested).collect()
        };
        let mut rested: VecDeque<IdleConnection> = self.change(true, rested).unwrap_or_default();
        rested.retain_mut(|waiting| {
            waiting.since.elapsed() < longest && is_quiet(&mut waiting.connection)
        });
        if rested.is_empty() {
            return;
        }
        self.change(true, |all| {
            for waiting in rested.into_iter().rev() {
                all.push_front(waiting);
            }
        });
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
        assert_eq!(idle.length(), 3, "the one that the server closed is gone");
        assert_eq!(
            idle.take(Some(server.1), LONG).map(|connection| connection.id()),
            Some(fresh_id)
        );
        idle.sweep(Duration::ZERO);
        assert_eq!(idle.length(), 0);
        Ok(())
    }

    /// Lists of several threads: none is lost, each is given out once, and their number is bounded.
    #[tokio::test]
    async fn threads_share_what_they_keep() -> std::io::Result<()> {
        let (server, idle) = (Server::start().await?, Idle::default());
        let split = idle.split.get_or_init(PerThread::default);
        let mut theirs = Vec::new();
        let mut ids = Vec::new();
        // in the first list, in another thread's, and in this one's
        for list in [Some(&idle.first), split.all().last(), None] {
            let (ours, id, other) = server.connection().await?;
            let kept =
                IdleConnection { connection: ours, address: Some(server.1), since: Instant::now() };
            match list {
                Some(list) => {
                    list.change(true, |all| all.push_back(kept));
                }
                None => idle.put(kept.address, kept.connection),
            }
            theirs.push(other);
            ids.push(id);
        }
        assert_eq!(idle.length(), 3);
        let mut taken: Vec<_> =
            std::iter::from_fn(|| idle.take(Some(server.1), LONG)).map(|one| one.id()).collect();
        assert_eq!(taken.first(), ids.last(), "its own first");
        taken.sort_unstable();
        ids.sort_unstable();
        assert_eq!(taken, ids);
        assert_eq!(idle.length(), 0);
        Ok(())
    }
}
