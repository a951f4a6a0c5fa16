//! Connections to authorization servers that wait for their next call.

use super::Caller;
use crate::clock::{Clock, Mono};
use crate::introspect::broken_call::Broken;
use crate::introspect::http_client::{LONGEST_WAIT, MOST_WAITING};
use http::{HeaderValue, Uri};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

/// The waiting connections of all origins that one client calls.
#[derive(Default)]
pub struct IdleCallers {
    /// Those of one server's configuration and metadata: few.
    origins: Mutex<Vec<Arc<Origin>>>,
    /// Whether a task closes connections that have waited too long.
    is_swept: AtomicBool,
}

/// Host and port of a server, and the connections to it.
pub struct Origin {
    /// The value of `Host`: the port is in it if it is not 80.
    pub authority: HeaderValue,
    /// Where connections lead.
    pub uri: Uri,
    /// The one that has waited longest is the first.
    waiting: Mutex<VecDeque<WaitingCaller>>,
}

struct WaitingCaller {
    caller: Caller,
    since: Mono,
}

impl IdleCallers {
    /// `authority`: host and port as they are in a URL.
    pub fn origin(&self, authority: &str) -> Result<Arc<Origin>, Broken> {
        let mut origins = self.origins.lock();
        if let Some(known) = origins.iter().find(|origin| origin.authority == authority) {
            return Ok(known.clone());
        }
        let origin = Arc::new(Origin {
            authority: authority.try_into().map_err(|_| Broken::UnusableUrl)?,
            uri: format!("http://{authority}/").try_into().map_err(|_| Broken::UnusableUrl)?,
            waiting: Mutex::default(),
        });
        origins.push(origin.clone());
        Ok(origin)
    }

    /// Keeps a connection for the next call, unless it is closed. The response was read to its end;
    /// where the request was not sent to its end yet, the connection waits for that first.
    pub fn keep(self: &Arc<Self>, origin: &Arc<Origin>, mut caller: Caller, clock: &Clock) {
        if caller.is_ready() {
            origin.put(caller, clock.now().mono);
        } else if !caller.is_closed() {
            let (origin, clock) = (origin.clone(), clock.clone());
            tokio::spawn(async move {
                let ready = tokio::time::timeout(LONGEST_WAIT, caller.ready()).await;
                if matches!(ready, Ok(Ok(()))) {
                    origin.put(caller, clock.now().mono);
                }
            });
        }
        if !self.is_swept.swap(true, Ordering::Relaxed) {
            tokio::spawn(sweep_forever(Arc::downgrade(self), clock.clone()));
        }
    }

    /// Closes the connections that have waited for too long, and forgets those that the server has
    /// closed.
    fn sweep(&self, now: Mono) {
        let origins = self.origins.lock().clone();
        for origin in origins {
            let waiting = std::mem::take(&mut *origin.waiting.lock());
            let (good, bad): (VecDeque<_>, VecDeque<_>) = waiting
                .into_iter()
                .partition(|waiting| !waiting.is_over(now) && !waiting.caller.is_closed());
            // closed outside of the lock
            drop(bad);
            let mut waiting = origin.waiting.lock();
            let newer = std::mem::replace(&mut *waiting, good);
            waiting.extend(newer);
        }
    }
}

/// Until the client is gone.
async fn sweep_forever(idle: Weak<IdleCallers>, clock: Clock) {
    loop {
        tokio::time::sleep(LONGEST_WAIT).await;
        let Some(idle) = idle.upgrade() else { return };
        idle.sweep(clock.now().mono);
    }
}

impl Origin {
    /// The connection that was used last, if it has not waited for too long and is open.
    pub fn take(&self, now: Mono) -> Option<Caller> {
        loop {
            let newest = self.waiting.lock().pop_back()?;
            if !newest.is_over(now) && newest.caller.is_ready() {
                return Some(newest.caller);
            }
        }
    }

    fn put(&self, caller: Caller, since: Mono) {
        let mut waiting = self.waiting.lock();
        let oldest = if waiting.len() >= MOST_WAITING { waiting.pop_front() } else { None };
        waiting.push_back(WaitingCaller { caller, since });
        drop(waiting);
        // closed outside of the lock
        drop(oldest);
    }
}

impl WaitingCaller {
    fn is_over(&self, now: Mono) -> bool {
        now - self.since >= LONGEST_WAIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use hyper::client::conn::http1;
    use hyper_util::rt::TokioIo;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, DuplexStream, duplex};

    /// A connection, and its server's end.
    async fn connected() -> (Caller, DuplexStream) {
        let (ours, theirs) = duplex(1000);
        let Ok((mut caller, connection)) = http1::handshake(TokioIo::new(ours)).await else {
            panic!("no connection");
        };
        tokio::spawn(async move { drop(connection.await) });
        assert!(caller.ready().await.is_ok());
        (caller, theirs)
    }

    fn origin_at(idle: &IdleCallers, authority: &str) -> Arc<Origin> {
        let Ok(origin) = idle.origin(authority) else { panic!("{authority} is no origin") };
        origin
    }

    fn waiting(idle: &IdleCallers) -> usize {
        idle.origins.lock().iter().map(|origin| origin.waiting.lock().len()).sum()
    }

    #[tokio::test]
    async fn each_origin_has_its_own_connections() {
        let (idle, now) = (Arc::<IdleCallers>::default(), Mono::START);
        let clock = Clock::Manual(ManualClock::at(0));
        let (caller, _server) = connected().await;
        let origin = origin_at(&idle, "as.test:8080");
        idle.keep(&origin, caller, &clock);
        for other in ["as.test", "as.test:80800", "[::1]:8080"] {
            assert!(origin_at(&idle, other).take(now).is_none(), "{other}");
        }
        let same = origin_at(&idle, "as.test:8080");
        assert_eq!(
            (same.authority.as_bytes(), same.uri.port_u16()),
            (&b"as.test:8080"[..], Some(8080))
        );
        assert!(same.take(now).is_some() && same.take(now).is_none());
        assert!(idle.origin("a b").is_err() && idle.origin("a\n").is_err());
    }

    #[tokio::test]
    async fn a_connection_that_the_server_closed_is_not_taken() {
        let (idle, clock) = (Arc::<IdleCallers>::default(), Clock::Manual(ManualClock::at(0)));
        let origin = origin_at(&idle, "as.test");
        let (older, _server) = connected().await;
        let (newer, server) = connected().await;
        idle.keep(&origin, older, &clock);
        idle.keep(&origin, newer, &clock);
        drop(server);
        while origin.waiting.lock().back().is_some_and(|newest| !newest.caller.is_closed()) {
            tokio::task::yield_now().await;
        }
        assert!(origin.take(Mono::START).is_some_and(|caller| caller.is_ready()), "the older one");
        assert!(origin.take(Mono::START).is_none());
    }

    #[tokio::test]
    async fn a_connection_waits_for_a_limited_time() {
        let (idle, hand) = (Arc::<IdleCallers>::default(), ManualClock::at(0));
        let clock = Clock::Manual(hand.clone());
        let origin = origin_at(&idle, "as.test");
        let (caller, _server) = connected().await;
        idle.keep(&origin, caller, &clock);
        hand.advance(LONGEST_WAIT - Duration::from_millis(1));
        let Some(caller) = origin.take(clock.now().mono) else { panic!("it was closed too early") };
        idle.keep(&origin, caller, &clock);
        hand.advance(LONGEST_WAIT);
        assert!(origin.take(clock.now().mono).is_none());
        assert_eq!(waiting(&idle), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn connections_are_closed_without_a_call() {
        let (idle, hand) = (Arc::<IdleCallers>::default(), ManualClock::at(0));
        let clock = Clock::Manual(hand.clone());
        let origin = origin_at(&idle, "as.test");
        let (caller, mut server) = connected().await;
        idle.keep(&origin, caller, &clock);
        hand.advance(LONGEST_WAIT);
        // the sweeper's sleep is the only thing to wait for
        assert_eq!(server.read(&mut [0]).await.ok(), Some(0), "closed");
        assert_eq!(waiting(&idle), 0);
    }

    #[tokio::test]
    async fn there_are_not_too_many() {
        let (idle, clock) = (Arc::<IdleCallers>::default(), Clock::Manual(ManualClock::at(0)));
        let origin = origin_at(&idle, "as.test");
        let mut servers = Vec::new();
        for _ in 0..MOST_WAITING + 1 {
            let (caller, server) = connected().await;
            idle.keep(&origin, caller, &clock);
            servers.push(server);
        }
        assert_eq!(waiting(&idle), MOST_WAITING);
        assert_eq!(servers[0].read(&mut [0]).await.ok(), Some(0), "the oldest one is closed");
    }
}
