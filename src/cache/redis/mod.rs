//! The second level of the cache: Redis or Valkey, shared by a fleet of gateways.
//!
//! It is looked at when this process has no answer of its own; a hit in this process never comes
//! here. After any failure, Redis is bypassed: the authorization server is asked as if there were
//! no Redis.
//!
//! # Content of Redis
//!
//! | name | value | for how long |
//! |---|---|---|
//! | `PREFIX{…}` | one token's answer, sealed | `ttl` and `stale_if_error`, never past `exp`; `inactive_ttl` |
//! | `PREFIX{…}:asked` | a gateway is asking for it | [`turn::LEASE`] at most |
//! | `PREFIXlease:…` | the gateway that has a duty of the fleet | until it is renewed |
//! | `PREFIXonce:…` | a proof of possession was used | three times `dpop.window` at most |
//! | `PREFIXrate:…` | a bucket of a rate limit: the microsecond at which it is full | until then |
//! | `PREFIXpurges:…` | a stream: the log of purges, sealed | the newest [`ledger::LIMIT`] |
//!
//! Names are keyed digests and values are sealed ([`keys`]): a dump shows no token and no identity,
//! and a value that was not sealed under that very name with our key is rejected. A writer to Redis
//! can take answers away, delay, and put back an old answer; that one is as old as before, since
//! its age is reckoned from the time of the introspection ([`record`]). A gateway with another key
//! looks for other names: changing the key empties the cache and does nothing worse.
//!
//! # Purges
//!
//! A purge may name a subject, and the answers that it selects cannot be listed. So the purges
//! themselves are kept, in a log, and every answer carries the place in the log up to which its
//! gateway had read when it asked. An answer is dead if a purge behind that place names it
//! ([`ledger`]): no clock is compared, and an introspection that was in flight anywhere loses
//! against the purge. The log is a stream that every gateway reads as it grows (`XREAD BLOCK`,
//! [`follower`]): entries arrive as with `SUBSCRIBE`, and a gateway that lost its connection reads
//! the missed entries afterwards. Where the log does not reach back that far, or is gone, that
//! gateway forgets everything. Without a connection that follows the log, nothing is read from
//! Redis.

mod bucket;
mod claim;
mod connection;
mod follower;
mod health;
mod keys;
mod lease;
mod ledger;
mod record;
mod settings;
mod turn;
mod writer;

pub use follower::Forget;
pub use health::LastRedisError;
pub use lease::LeaseHolder;
pub use record::StoredFacts;
pub use settings::{Login, RedisNode, RedisSettings, RedisTlsSettings, SharedKey, Topology};
pub use turn::{Asking, AwaitedAnswer, Heard, IntrospectionTurn};

use super::{Purge, Store, StreamEnd};
use crate::clock::Clock;
use crate::telemetry::Metrics;
use crate::token::DigestKey;
use arc_swap::ArcSwapOption;
use connection::RedisConnection;
use health::{RedisError, RedisHealth};
use keys::RedisKeys;
use ledger::Ledger;
use parking_lot::Mutex;
use redis::{Cmd, FromRedisValue, Pipeline, RedisResult};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};
use tokio::sync::{Notify, mpsc};
use writer::Write;

/// One Redis and its state. It lives until the settings of `cache.redis` change.
pub struct Shared {
    settings: RedisSettings,
    keys: RedisKeys,
    store: Arc<Store>,
    clock: Clock,
    health: RedisHealth,
    ledger: Mutex<Ledger>,
    /// There while Redis answers in time and its log of purges is being followed.
    link: ArcSwapOption<RedisConnection>,
    /// The log was found to be gone, and there is no new one yet.
    lost: AtomicBool,
    /// The connection is of no use any more.
    tripped: Notify,
    /// An inactive answer of this time could not be written: the older value in Redis may be an
    /// active answer for the same token. Milliseconds since the Unix epoch.
    distrusted: AtomicI64,
    writes: mpsc::Sender<Write>,
    queue: tokio::sync::Mutex<mpsc::Receiver<Write>>,
    /// Distinguishes our own messages from others'.
    origin: u64,
}

impl Shared {
    pub fn new(
        settings: RedisSettings,
        store: Arc<Store>,
        clock: Clock,
        metrics: &Metrics,
    ) -> Self {
        let (writes, queue) = mpsc::channel(writer::QUEUE);
        Self {
            keys: RedisKeys::new(&settings.key, &settings.prefix),
            settings,
            store,
            health: RedisHealth::new(metrics, clock.clone()),
            clock,
            ledger: Mutex::new(Ledger::new()),
            link: ArcSwapOption::empty(),
            lost: AtomicBool::new(false),
            tripped: Notify::new(),
            distrusted: AtomicI64::new(i64::MIN),
            writes,
            queue: tokio::sync::Mutex::new(queue),
            origin: rand::random(),
        }
    }

    pub fn settings(&self) -> &RedisSettings {
        &self.settings
    }

    /// The key for digests of tokens, the same in the whole fleet.
    pub fn digest_key(&self) -> &DigestKey {
        self.keys.digests()
    }

    /// Whether Redis is in use at the moment.
    pub fn is_up(&self) -> bool {
        self.link.load().is_some()
    }

    pub fn last_error(&self) -> Option<LastRedisError> {
        self.health.last()
    }

    /// Keeps the connection, follows the log and writes, for as long as it is polled.
    pub async fn run(&self) -> Infallible {
        let mut queue = self.queue.lock().await;
        tokio::join!(self.stay_connected(), self.write_all(&mut queue)).0
    }

    /// Forgets answers here and everywhere: how many were held here, and whether the fleet has been
    /// told. If not, it will be as soon as Redis is back; until then it cannot be asked either.
    /// `end` is the reason that responses which depend on them end with here.
    pub async fn purge(&self, purge: &Purge, end: StreamEnd) -> (usize, bool) {
        // first, or an answer from Redis could come back in between
        self.ledger.lock().announce(purge.clone());
        let purged = self.store.purge_because(purge, end);
        (purged, self.inform(purge).await)
    }

    /// Makes the fleet forget answers that are gone here already.
    pub async fn announce(&self, purge: &Purge) {
        self.ledger.lock().announce(purge.clone());
        self.inform(purge).await;
    }

    /// Whether the fleet has been told.
    async fn inform(&self, purge: &Purge) -> bool {
        match self.link.load_full() {
            None => false,
            Some(link) => self.settle(self.tell(&link, purge).await).is_some(),
        }
    }

    async fn command<T: FromRedisValue>(&self, command: &Cmd) -> Option<T> {
        let link = self.linked()?;
        self.settle(self.in_time(link.command(command)).await)
    }

    async fn pipeline<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Option<T> {
        let link = self.linked()?;
        self.settle(self.in_time(link.pipeline(pipeline)).await)
    }

    fn linked(&self) -> Option<Arc<RedisConnection>> {
        let link = self.link.load_full();
        if link.is_none() {
            self.health.failed(&RedisError::Down);
        }
        link
    }

    async fn in_time<T>(
        &self,
        answer: impl Future<Output = RedisResult<T>>,
    ) -> Result<T, RedisError> {
        let limit = self.settings.timeout;
        Ok(tokio::time::timeout(limit, answer).await.map_err(|_| RedisError::Slow(limit))??)
    }

    /// After a connection failure, Redis is not used again before it has answered a probe.
    fn settle<T>(&self, outcome: Result<T, RedisError>) -> Option<T> {
        let trouble = match outcome {
            Ok(answer) => return Some(answer),
            Err(trouble) => trouble,
        };
        self.health.failed(&trouble);
        if trouble.is_of_the_connection() && self.link.swap(None).is_some() {
            self.tripped.notify_one();
        }
        None
    }
}
