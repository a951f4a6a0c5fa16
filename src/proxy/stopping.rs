//! Whether the listener of a connection closes. Every request asks, and all connections share the
//! place where the answer is: a look at it must not write there.

use pingora_core::server::ShutdownWatch;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// One connection's view of its listener.
pub struct Stopping {
    watch: ShutdownWatch,
    from_the_start: bool,
}

impl Stopping {
    pub fn of(shutdown: &ShutdownWatch) -> Self {
        let mut watch = shutdown.clone();
        let from_the_start = *watch.borrow_and_update();
        Self { watch, from_the_start }
    }

    /// Reading the value takes a lock, which is two writes. Whether there is a new one is a plain
    /// read.
    pub fn has_begun(&self) -> bool {
        self.from_the_start || (self.may_be_new() && *self.watch.borrow())
    }

    /// Whether the value was set since the connection began, perhaps to what it was.
    fn may_be_new(&self) -> bool {
        self.watch.has_changed().unwrap_or(true)
    }

    pub fn watch(&self) -> &ShutdownWatch {
        &self.watch
    }
}

/// Ready when the listener closes. As long as the value was not set, the inner future keeps the
/// waker of its last poll, and another poll would only take a lock.
pub struct StopSignal<'f, F> {
    pub stopping: Stopping,
    inner: Pin<&'f mut F>,
    registered: Option<Waker>,
}

impl<'f, F: Future> StopSignal<'f, F> {
    /// `inner` is ready when the value becomes true.
    pub fn new(stopping: Stopping, inner: Pin<&'f mut F>) -> Self {
        Self { stopping, inner, registered: None }
    }

    /// Must not be polled again once it was ready.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let waker = context.waker();
        let is_registered = self.registered.as_ref().is_some_and(|known| known.will_wake(waker));
        if is_registered && !self.stopping.may_be_new() {
            return Poll::Pending;
        }
        self.registered = Some(waker.clone());
        self.inner.as_mut().poll(context).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::pin::pin;
    use tokio::sync::watch;

    #[test]
    fn a_stop_is_seen_before_and_after_the_connection_began() {
        let (sender, receiver) = watch::channel(false);
        let early = Stopping::of(&receiver);
        assert!(!early.has_begun());
        sender.send_replace(false);
        assert!(!early.has_begun(), "a new value that is the old one");
        sender.send_replace(true);
        assert!(early.has_begun());
        assert!(Stopping::of(&receiver).has_begun());
        drop(sender);
        assert!(early.has_begun() && Stopping::of(&receiver).has_begun());
        let (sender, receiver) = watch::channel(false);
        let abandoned = Stopping::of(&receiver);
        drop(sender);
        assert!(!abandoned.has_begun());
    }

    /// Also when the task polls often before, and when the value is set to what it was.
    #[tokio::test]
    async fn the_signal_wakes_its_task() {
        let (sender, receiver) = watch::channel(false);
        let task = tokio::spawn(async move {
            let mut watch = receiver.clone();
            let inner = pin!(watch.wait_for(|stop| *stop));
            let mut signal = StopSignal::new(Stopping::of(&receiver), inner);
            for _ in 0..3 {
                let pending = poll_fn(|context| Poll::Ready(signal.poll(context).is_pending()));
                assert!(pending.await);
                tokio::task::yield_now().await;
            }
            poll_fn(|context| signal.poll(context)).await;
        });
        for stop in [false, false, true] {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            sender.send_replace(stop);
        }
        assert!(task.await.is_ok());
    }
}
