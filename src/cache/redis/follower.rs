//! The connection: made, watched, made again; and the log of purges, read as it grows.

use super::Shared;
use super::connection::RedisConnection;
use super::health::RedisError;
use super::ledger::{LIMIT, LogPosition};
use crate::cache::{Purge, PurgeSelector, StreamEnd};
use crate::token::TokenDigest;
use redis::{Cmd, RedisResult, cmd};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// An entry of the log, sealed under the log's name.
#[derive(Serialize, Deserialize)]
struct LogMessage {
    /// The gateway that wrote it.
    from: u64,
    forget: Forget,
}

/// A purge, as published to other gateways.
#[derive(Serialize, Deserialize)]
pub enum Forget {
    All,
    Tokens(Vec<[u8; 32]>),
    Matching(Vec<PurgeSelector>),
}

/// A stream's entries: their ids, and name and value by turns.
type Entries = Vec<(String, Vec<Vec<u8>>)>;

/// For how long a quiet log is listened to at a time: also how soon a Redis that hangs is noticed.
const LISTEN: Duration = Duration::from_millis(250);

/// How long an answer may take besides, on the connection that no request waits for.
const PATIENCE: Duration = Duration::from_millis(500);

/// To connect and to read the log from its beginning.
const PREPARE: Duration = Duration::from_secs(5);

/// Entries read at a time.
const BATCH: usize = 1000;

/// Missed purges that are carried out one by one. With more, everything is forgotten: each is a
/// walk through the whole cache.
const ONE_BY_ONE: usize = 64;

/// Between two attempts to connect, at first and at last.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// A connection that held for so long was a good one.
const HELD: Duration = Duration::from_secs(5);

/// Takes the link away when following ends, however it ends.
struct Linked<'a>(&'a Shared);

impl Drop for Linked<'_> {
    fn drop(&mut self) {
        self.0.link.store(None);
    }
}

impl Shared {
    pub(super) async fn stay_connected(&self) -> Infallible {
        let mut pause = PAUSE.0;
        loop {
            let started = Instant::now();
            if let Err(Some(trouble)) = self.follow().await {
                self.health.failed(&trouble);
            }
            if started.elapsed() >= HELD {
                pause = PAUSE.0;
            }
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// Until something goes wrong; `None`: it has been logged.
    async fn follow(&self) -> Result<Infallible, Option<RedisError>> {
        let _linked = Linked(self);
        let patience = LISTEN + PATIENCE.max(self.settings.timeout);
        let (commands, listening) = within(PREPARE, async {
            let commands = RedisConnection::open(&self.settings, patience).await?;
            Ok::<_, redis::RedisError>((
                commands,
                RedisConnection::open(&self.settings, patience).await?,
            ))
        })
        .await?;
        within(PREPARE, self.catch_up(&listening)).await?;
        // one that is too slow stays bypassed
        self.in_time(commands.command::<()>(&cmd("PING"))).await?;
        let commands = Arc::new(commands);
        self.tell_unsent(&commands).await?;
        self.link.store(Some(commands.clone()));
        self.health.up();
        loop {
            let read = tokio::select! {
                () = self.tripped.notified() => return Err(None),
                read = within(patience, self.read_log(&listening, Some(LISTEN))) => read?,
            };
            if read.is_empty() {
                // it may have been emptied, evicted, or lost in a failover
                if self.is_lost(&listening).await? {
                    self.link.store(None);
                    within(PREPARE, self.catch_up(&listening)).await?;
                    self.link.store(Some(commands.clone()));
                }
            } else {
                self.forget(&self.note(read));
            }
            self.tell_unsent(&commands).await?;
        }
    }

    /// Reads the missed purges, and forgets the answers that they select.
    async fn catch_up(&self, listening: &RedisConnection) -> Result<(), RedisError> {
        let mut unknown = self.ledger.lock().seen().is_none();
        if self.is_lost(listening).await? {
            unknown = true;
            // once, also where a full Redis lets no new log begin for a long time
            if !self.lost.swap(true, Ordering::Relaxed) {
                self.store.forget_all();
            }
            self.begin_log(listening).await?;
        }
        let mut missed = Vec::new();
        loop {
            let read = self.read_log(listening, None).await?;
            if read.is_empty() {
                break;
            }
            missed.extend(self.note(read));
        }
        if unknown {
            self.store.forget_all();
            missed.iter().for_each(|purge| self.store.streams.purge(purge, StreamEnd::Purged));
        } else {
            self.forget(&missed);
        }
        self.lost.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn forget(&self, purges: &[Purge]) {
        if purges.len() > ONE_BY_ONE {
            self.store.forget_all();
            purges.iter().for_each(|purge| self.store.streams.purge(purge, StreamEnd::Purged));
        } else {
            for purge in purges {
                self.store.purge(purge);
            }
        }
    }

    /// Whether the log does not reach to where it had been read.
    async fn is_lost(&self, listening: &RedisConnection) -> Result<bool, RedisError> {
        let last: Entries = listening
            .command(cmd("XREVRANGE").arg(self.keys.log()).arg("+").arg("-").arg("COUNT").arg(1))
            .await?;
        let Some((id, _)) = last.first() else { return Ok(true) };
        let last: LogPosition =
            id.parse().map_err(|()| RedisError::Garbled("an id in the log of purges"))?;
        Ok(self.ledger.lock().seen().is_some_and(|seen| last < seen))
    }

    /// A new log, or a new beginning of it: all older answers are dead for all gateways.
    async fn begin_log(&self, listening: &RedisConnection) -> Result<(), RedisError> {
        let seen = self.ledger.lock().seen();
        if let Some(LogPosition(time, number)) = seen {
            // behind the last place that was read, even if Redis's clock went back
            let next = LogPosition(time, number.saturating_add(1)).to_string();
            if listening.command::<()>(&self.entry(&next, &Purge::All)?).await.is_ok() {
                return Ok(());
            }
            // another gateway was faster
        }
        Ok(listening.command(&self.entry("*", &Purge::All)?).await?)
    }

    /// Writes a purge into the log.
    pub(super) async fn tell(
        &self,
        link: &RedisConnection,
        purge: &Purge,
    ) -> Result<(), RedisError> {
        let written = self.in_time(link.command::<String>(&self.entry("*", purge)?)).await;
        match written {
            Ok(_) => {}
            Err(trouble) if trouble.is_of_the_connection() => return Err(trouble),
            Err(trouble) => {
                // a full Redis still deletes keys: without a log all gateways forget everything
                self.health.failed(&trouble);
                self.in_time(link.command::<()>(cmd("DEL").arg(self.keys.log()))).await?;
            }
        }
        self.ledger.lock().sent(purge);
        Ok(())
    }

    async fn tell_unsent(&self, link: &RedisConnection) -> Result<(), RedisError> {
        let unsent = self.ledger.lock().unsent();
        for purge in &unsent {
            self.tell(link, purge).await?;
        }
        Ok(())
    }

    fn entry(&self, at: &str, purge: &Purge) -> Result<Cmd, RedisError> {
        let (log, message) =
            (self.keys.log(), LogMessage { from: self.origin, forget: purge.into() });
        let sealed =
            serde_json::to_vec(&message).ok().and_then(|bytes| self.keys.seal(&log, &bytes));
        let sealed = sealed.ok_or(RedisError::Garbled("a purge that cannot be sealed"))?;
        Ok(cmd("XADD")
            .arg(log)
            .arg("MAXLEN")
            .arg("~")
            .arg(LIMIT)
            .arg(at)
            .arg("p")
            .arg(sealed)
            .take())
    }

    /// Entries of the log since the last read.
    async fn read_log(
        &self,
        listening: &RedisConnection,
        wait: Option<Duration>,
    ) -> RedisResult<Entries> {
        let seen = self.ledger.lock().seen().unwrap_or(LogPosition(0, 0));
        let mut read = cmd("XREAD");
        read.arg("COUNT").arg(BATCH);
        if let Some(wait) = wait {
            read.arg("BLOCK").arg(wait.as_millis().to_string());
        }
        read.arg("STREAMS").arg(self.keys.log()).arg(seen.to_string());
        let streams: Option<Vec<(Vec<u8>, Entries)>> = listening.command(&read).await?;
        Ok(streams.into_iter().flatten().flat_map(|(_, entries)| entries).collect())
    }

    /// Takes note of purges, and gives those of others.
    fn note(&self, entries: Entries) -> Vec<Purge> {
        let mut ledger = self.ledger.lock();
        let mut others = Vec::new();
        for (id, fields) in entries {
            let Ok(place) = id.parse() else { continue };
            let opened = fields.get(1).and_then(|sealed| self.keys.open(&self.keys.log(), sealed));
            let Some(LogMessage { from, forget }) =
                opened.and_then(|bytes| serde_json::from_slice(&bytes).ok())
            else {
                self.health.failed(&RedisError::Forged("an entry in the log of purges"));
                ledger.note_purge(place, None, false);
                continue;
            };
            let (purge, own) = (Purge::from(forget), from == self.origin);
            ledger.note_purge(place, Some(&purge), own);
            if !own {
                others.push(purge);
            }
        }
        others
    }
}

async fn within<T, E: Into<RedisError>>(
    limit: Duration,
    doing: impl Future<Output = Result<T, E>>,
) -> Result<T, RedisError> {
    timeout(limit, doing).await.map_err(|_| RedisError::Slow(limit))?.map_err(Into::into)
}

impl From<&Purge> for Forget {
    fn from(purge: &Purge) -> Self {
        match purge {
            Purge::All => Self::All,
            Purge::Tokens(digests) => {
                Self::Tokens(digests.iter().map(|digest| *digest.as_bytes()).collect())
            }
            Purge::Matching(named) => Self::Matching(named.clone()),
        }
    }
}

impl From<Forget> for Purge {
    fn from(forget: Forget) -> Self {
        match forget {
            Forget::All => Self::All,
            Forget::Tokens(digests) => {
                Self::Tokens(digests.into_iter().map(TokenDigest::from).collect())
            }
            Forget::Matching(named) => Self::Matching(named),
        }
    }
}
