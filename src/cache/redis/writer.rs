//! Writes to Redis, in the background: no request waits for it.

use super::Shared;
use super::health::RedisError;
use super::keys::EntryNames;
use futures::future::join_all;
use std::convert::Infallible;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc;

pub struct Write {
    pub names: EntryNames,
    pub content: WriteContent,
    /// Others wait for it.
    pub awaited: bool,
    /// Whether it ends an active answer.
    pub ends: bool,
    /// When it was known, milliseconds since the Unix epoch.
    pub at: i64,
}

pub enum WriteContent {
    /// Sealed, and how many milliseconds it may be kept.
    Answer(Vec<u8>, u64),
    /// There is to be no answer.
    Nothing,
    Unchanged,
}

/// Writes that wait at most. Further ones are left out.
pub const QUEUE: usize = 1024;

/// Under way together.
const TOGETHER: usize = 64;

impl Shared {
    pub(super) fn write(&self, write: Write) {
        if !self.is_up() {
            self.unwritten(&write);
        } else if let Err(error) = self.writes.try_send(write) {
            let (mpsc::error::TrySendError::Full(write) | mpsc::error::TrySendError::Closed(write)) =
                error;
            self.health.failed(&RedisError::Full);
            self.unwritten(&write);
        }
    }

    pub(super) async fn write_all(&self, queue: &mut mpsc::Receiver<Write>) -> Infallible {
        let mut writes = Vec::with_capacity(TOGETHER);
        loop {
            if queue.recv_many(&mut writes, TOGETHER).await == 0 {
                // all senders are gone, and we are one of them
                std::future::pending::<()>().await;
            }
            join_all(writes.drain(..).map(|write| self.put(write))).await;
        }
    }

    async fn put(&self, write: Write) {
        let mut pipeline = redis::pipe();
        match &write.content {
            WriteContent::Answer(sealed, kept_for) => {
                pipeline
                    .cmd("SET")
                    .arg(&write.names.answer)
                    .arg(sealed)
                    .arg("PX")
                    .arg(*kept_for)
                    .ignore();
            }
            WriteContent::Nothing => {
                pipeline.cmd("DEL").arg(&write.names.answer).ignore();
            }
            WriteContent::Unchanged => {}
        }
        if write.awaited {
            pipeline.cmd("DEL").arg(&write.names.asked).ignore();
        }
        if self.pipeline::<()>(&pipeline).await.is_some() {
            return;
        }
        // a full Redis still removes
        let removed = write.ends
            && self.command::<()>(redis::cmd("DEL").arg(&write.names.answer)).await.is_some();
        if !removed {
            self.unwritten(&write);
        }
    }

    fn unwritten(&self, write: &Write) {
        if write.ends {
            self.distrusted.fetch_max(write.at, Ordering::Relaxed);
        }
    }
}
