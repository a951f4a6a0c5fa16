//! Whether Redis is of use: counted, logged once a minute, shown on the status page.

use crate::clock::{Clock, micros};
use crate::telemetry::{LazyCounter, Metrics, Occasionally};
use parking_lot::Mutex;
use redis::{ErrorKind, ServerErrorKind};
use std::time::Duration;

pub struct RedisHealth {
    pub hit: LazyCounter,
    pub miss: LazyCounter,
    pub expired: LazyCounter,
    error: LazyCounter,
    log: Occasionally,
    last: Mutex<Option<LastRedisError>>,
    clock: Clock,
}

/// For the status endpoint.
#[derive(Clone, Debug)]
pub struct LastRedisError {
    pub kind: &'static str,
    pub detail: String,
    /// Seconds since the Unix epoch.
    pub at: i64,
}

/// Why Redis was bypassed.
#[derive(Debug)]
pub enum RedisError {
    /// There is no connection at the moment.
    Down,
    Slow(Duration),
    Redis(redis::RedisError),
    /// Something that no gateway with our key wrote there.
    Forged(&'static str),
    /// An answer of unknown age.
    Clock,
    /// More to write than Redis takes.
    Full,
    /// An answer that is not like any answer of Redis.
    Garbled(&'static str),
}

impl RedisHealth {
    pub fn new(metrics: &Metrics, clock: Clock) -> Self {
        let requests = |result| LazyCounter::new(&metrics.cache_requests, &["redis", result]);
        Self {
            hit: requests("hit"),
            miss: requests("miss"),
            expired: requests("expired"),
            error: requests("error"),
            log: Occasionally::default(),
            last: Mutex::new(None),
            clock,
        }
    }

    pub fn failed(&self, error: &RedisError) {
        self.error.inc();
        // the cause was logged before
        if matches!(error, RedisError::Down) {
            return;
        }
        let (now, kind, detail) = (self.clock.now(), error.kind(), error.detail());
        if let Some(skipped) = self.log.now(kind, now.mono) {
            tracing::warn!(
                trouble = kind,
                detail,
                not_logged_since = skipped.count(),
                "Redis is unavailable and is being bypassed"
            );
        }
        *self.last.lock() = Some(LastRedisError { kind, detail, at: now.unix_seconds() });
    }

    pub fn up(&self) {
        let (kind, message) = if self.last().is_some() {
            ("again", "Redis is in use again")
        } else {
            ("up", "Redis is in use")
        };
        // one that comes and goes does not fill the log
        if self.log.now(kind, self.clock.now().mono).is_some() {
            tracing::info!("{message}");
        }
    }

    pub fn last(&self) -> Option<LastRedisError> {
        self.last.lock().clone()
    }
}

impl RedisError {
    /// Whether the connection should be made anew.
    pub fn is_of_the_connection(&self) -> bool {
        match self {
            Self::Slow(_) | Self::Garbled(_) => true,
            Self::Redis(error) => {
                error.is_io_error()
                    || error.is_unrecoverable_error()
                    || matches!(
                        error.kind(),
                        ErrorKind::Parse
                            | ErrorKind::UnexpectedReturnType
                            | ErrorKind::ClusterConnectionNotFound
                            | ErrorKind::Server(
                                // after a failover the old master is a replica
                                ServerErrorKind::ReadOnly
                                    | ServerErrorKind::MasterDown
                                    | ServerErrorKind::ClusterDown
                                    | ServerErrorKind::BusyLoading
                            )
                    )
            }
            Self::Down | Self::Forged(_) | Self::Clock | Self::Full => false,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Slow(_) => "slow",
            Self::Redis(error) if error.is_timeout() => "slow",
            Self::Redis(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Server(_) | ErrorKind::AuthenticationFailed
                ) =>
            {
                "refused"
            }
            Self::Redis(error)
                if matches!(error.kind(), ErrorKind::Parse | ErrorKind::UnexpectedReturnType) =>
            {
                "garbled"
            }
            Self::Redis(_) => "unreachable",
            Self::Forged(_) => "forged",
            Self::Clock => "clock",
            Self::Full => "full",
            Self::Garbled(_) => "garbled",
        }
    }

    /// The failure, and its remedy.
    fn detail(&self) -> String {
        match self {
            Self::Down => "there is no connection".into(),
            Self::Slow(limit) => {
                format!("no answer within {}ms (cache.redis.timeout)", micros(*limit) / 1000)
            }
            Self::Redis(error) => match error.kind() {
                ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask) => {
                    format!(
                        "{error}; this is a node of a cluster: write `redis-cluster://` in cache.redis.url"
                    )
                }
                ErrorKind::AuthenticationFailed => {
                    format!("{error}; look at user and password of cache.redis")
                }
                ErrorKind::Server(ServerErrorKind::NoPerm) => {
                    format!("{error}; docs/fleet.md lists the rights that the user needs")
                }
                _ => error.to_string(),
            },
            Self::Forged(what) => format!(
                "{what} was not made with cache.redis.key, or not for this name; check who else writes to this Redis"
            ),
            Self::Clock => {
                "an answer comes from the future; do all gateways have the right time?".into()
            }
            Self::Full => "more answers than Redis takes; some were not written".into(),
            Self::Garbled(what) => format!("{what} is not a response of Redis"),
        }
    }
}

impl From<redis::RedisError> for RedisError {
    fn from(error: redis::RedisError) -> Self {
        Self::Redis(error)
    }
}
