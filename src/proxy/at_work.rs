//! Counts the requests of a connection that are at work: without one, the connection is idle.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// The requests of a connection that are at work.
#[derive(Default)]
pub struct Requests(Arc<watch::Sender<usize>>);

/// One of them; dropping it ends it.
pub struct AtWork(Arc<watch::Sender<usize>>);

impl Requests {
    /// `None` where there are `most` already.
    pub fn begin(&self, most: usize) -> Option<AtWork> {
        if *self.0.borrow() >= most {
            return None;
        }
        self.0.send_modify(|count| *count += 1);
        Some(AtWork(self.0.clone()))
    }

    /// Returns when there was none for so long.
    pub async fn idle_for(&self, time: Duration) {
        let mut count = self.0.subscribe();
        loop {
            // both fail without a sender, which `self` holds
            let _ = count.wait_for(|count| *count == 0).await;
            tokio::select! {
                () = sleep(time) => return,
                _ = count.changed() => {}
            }
        }
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_while_no_request_is_at_work() {
        let requests = Requests::default();
        let (first, second) = (requests.begin(2), requests.begin(2));
        assert!(first.is_some() && second.is_some() && requests.begin(2).is_none());
        let start = Instant::now();
        tokio::spawn(async move {
            sleep(Duration::from_secs(5)).await;
            drop((first, second));
        });
        requests.idle_for(Duration::from_secs(3)).await;
        assert_eq!(start.elapsed().as_secs(), 8);
        assert!(requests.begin(1).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_comes_and_goes_begins_the_time_anew() {
        let requests = Arc::new(Requests::default());
        let (other, start) = (requests.clone(), Instant::now());
        tokio::spawn(async move {
            sleep(Duration::from_secs(2)).await;
            drop(other.begin(1));
        });
        requests.idle_for(Duration::from_secs(3)).await;
        assert_eq!(start.elapsed().as_secs(), 5);
    }
}
