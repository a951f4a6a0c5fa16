//! One timer for all time limits of a connection. Arming and disarming a timer for each wait costs
//! more than most waits: this one is armed once, and when it goes off early it is armed again.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Poll, Waker};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

#[derive(Default)]
pub struct Deadline {
    timer: Option<Pin<Box<Sleep>>>,
    /// The task that the timer wakes up.
    wakes: Option<Waker>,
}

impl Deadline {
    /// The output of `future`, or `None` when that takes `limit` or longer. The time counts from
    /// the first time that `future` has to wait.
    pub async fn within<F: Future>(&mut self, limit: Duration, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut end = None;
        poll_fn(|context| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            let end = *end.get_or_insert_with(|| Instant::now() + limit);
            let sleep = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
            let wakes = self.wakes.as_ref().is_some_and(|task| task.will_wake(context.waker()));
            if wakes && sleep.deadline() <= end && !sleep.is_elapsed() {
                return Poll::Pending;
            }
            if end < sleep.deadline() {
                sleep.as_mut().reset(end);
            }
            while sleep.as_mut().poll(context).is_ready() {
                if Instant::now() >= end {
                    return Poll::Ready(None);
                }
                sleep.as_mut().reset(end);
            }
            self.wakes = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn each_wait_has_its_own_limit() {
        let mut deadline = Deadline::default();
        let start = Instant::now();
        let mut at = Duration::ZERO;
        // longer, shorter and equal ones in turn
        for seconds in [5, 5, 1, 60, 2, 2, 90, 1] {
            assert_eq!(deadline.within(SECOND * seconds, pending::<()>()).await, None);
            at += SECOND * seconds;
            let passed = start.elapsed();
            assert!(passed >= at && passed < at + SECOND / 100, "{passed:?} {at:?}");
            at = passed;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_ends_in_time_leaves_nothing_behind() {
        let mut deadline = Deadline::default();
        assert_eq!(deadline.within(SECOND * 3, tokio::time::sleep(SECOND)).await, Some(()));
        assert_eq!(deadline.within(SECOND * 10, tokio::time::sleep(SECOND * 9)).await, Some(()));
        assert_eq!(
            deadline.within(Duration::ZERO, ready(7)).await,
            Some(7),
            "a ready value is not late"
        );
    }
}
