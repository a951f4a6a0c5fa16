//! How many connections there may be at once; a number that a reload may change.

use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

#[derive(Debug)]
pub struct Quota {
    free: Arc<Semaphore>,
    state: Mutex<QuotaState>,
}

#[derive(Debug)]
struct QuotaState {
    most: usize,
    /// How many of the open connections must end without making room.
    surplus: usize,
}

impl Quota {
    /// `most` above a semaphore's maximum is no limit in practice.
    pub fn new(most: usize) -> Self {
        let most = most.min(Semaphore::MAX_PERMITS);
        let state = Mutex::new(QuotaState { most, surplus: 0 });
        Self { free: Arc::new(Semaphore::new(most)), state }
    }

    /// Waits until there is room for one more. The room is free again when the permit is dropped.
    /// `None` never happens: it would mean that the semaphore is closed.
    pub async fn take(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            let permit = self.free.clone().acquire_owned().await.ok()?;
            let surplus = &mut self.state.lock().surplus;
            if *surplus == 0 {
                return Some(permit);
            }
            *surplus -= 1;
            permit.forget();
        }
    }

    /// Connections that are open stay open, also where there are more of them than `most`: as many
    /// as are too many must end before there is room for a new one.
    pub fn set(&self, most: usize) {
        let most = most.min(Semaphore::MAX_PERMITS);
        let mut state = self.state.lock();
        let before = std::mem::replace(&mut state.most, most);
        if most < before {
            let less = before - most;
            state.surplus += less - self.free.forget_permits(less);
        } else {
            let more = most - before;
            let paid = more.min(state.surplus);
            state.surplus -= paid;
            self.free.add_permits(more - paid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn has_room(quota: &Quota) -> Option<OwnedSemaphorePermit> {
        tokio::time::timeout(Duration::from_millis(1), quota.take()).await.ok().flatten()
    }

    #[tokio::test(start_paused = true)]
    async fn a_smaller_number_holds_once_enough_connections_have_ended() {
        let quota = Quota::new(3);
        let mut taken = Vec::new();
        for _ in 0..3 {
            taken.extend(has_room(&quota).await);
        }
        assert_eq!(taken.len(), 3);
        quota.set(1);
        quota.set(2);
        quota.set(1);
        for _ in 0..2 {
            taken.pop();
            assert!(has_room(&quota).await.is_none());
        }
        taken.pop();
        let one = has_room(&quota).await;
        assert!(one.is_some() && has_room(&quota).await.is_none());
        quota.set(2);
        let two = has_room(&quota).await;
        assert!(two.is_some() && has_room(&quota).await.is_none());
    }
}
