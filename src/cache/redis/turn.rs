//! Whose turn it is to ask the authorization server: across gateways too, one for a token.

use super::health::RedisError;
use super::keys::EntryNames;
use super::ledger::{LogPosition, Marks};
use super::record::{LONGEST, StoredFacts, StoredRecord};
use super::writer::{Write, WriteContent};
use super::{Shared, ledger};
use crate::cache::purge_selector::session_of;
use crate::clock::{Mono, Now};
use crate::token::{ActiveFacts, TokenDigest};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// The answer that another gateway got.
pub struct AwaitedAnswer {
    /// `None`: inactive.
    pub facts: Option<ActiveFacts>,
    /// Since its introspection.
    pub age: Duration,
}

pub enum IntrospectionTurn<T> {
    Known(T),
    /// No gateway has an answer: the holder of this is to ask, and to publish the outcome.
    Ask(Asking),
}

/// Dropped without a word, it lets others ask at once.
pub struct Asking {
    shared: Arc<Shared>,
    names: EntryNames,
    /// The last known purge when asking began.
    seen: Option<LogPosition>,
    /// Others wait for this one's answer.
    awaited: bool,
}

/// The outcome of asking.
pub enum Heard<'a> {
    /// Of use until then.
    Active { facts: &'a ActiveFacts, until: Mono },
    /// Of use for so long.
    Inactive { lives: Duration },
    /// Not to be shared; the value in Redis is outdated.
    Unshared,
}

/// A gateway that died while it was asking keeps others from asking first for no longer than this.
pub const LEASE: Duration = Duration::from_secs(2);

/// How long others wait for the answer of the one that asks, before they ask themselves.
const PATIENCE: Duration = Duration::from_secs(1);

/// Between two looks, at first and at last.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(40));

/// Bytes; no answer of ours is longer.
pub const LARGEST: usize = 512 * 1024;

enum Look {
    Nothing,
    /// Purged, or from before something that we know better.
    Dead,
    Unreadable(RedisError),
    Answer(AwaitedAnswer),
}

impl Shared {
    /// An answer in Redis that is `usable`, or the turn to ask. Waits for another gateway that is
    /// asking, at most [`PATIENCE`].
    pub async fn turn<T>(
        self: &Arc<Self>,
        digest: &TokenDigest,
        usable: impl Fn(AwaitedAnswer) -> Option<T>,
    ) -> IntrospectionTurn<T> {
        let mut asking = self.own_turn(digest);
        let Some(look) = self.look(digest, &asking.names).await else {
            return IntrospectionTurn::Ask(asking);
        };
        let count = match look {
            Look::Nothing => Some(&self.health.miss),
            Look::Unreadable(trouble) => {
                self.health.failed(&trouble);
                None
            }
            Look::Dead => Some(&self.health.expired),
            Look::Answer(answer) => match usable(answer) {
                Some(known) => {
                    self.health.hit.inc();
                    return IntrospectionTurn::Known(known);
                }
                None => Some(&self.health.expired),
            },
        };

        let (started, mut pause) = (Instant::now(), PAUSE.0);
        while let Some((first, look)) = self.claim(digest, &asking.names).await {
            asking.awaited = first;
            if let Look::Answer(answer) = look
                && let Some(known) = usable(answer)
            {
                self.health.hit.inc();
                return IntrospectionTurn::Known(known);
            }
            if first || started.elapsed() >= PATIENCE {
                break;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
        }
        if let Some(count) = count {
            count.inc();
        }
        IntrospectionTurn::Ask(asking)
    }

    /// The turn to ask, for a request that no shared answer satisfies.
    pub fn own_turn(self: &Arc<Self>, digest: &TokenDigest) -> Asking {
        let seen = self.link.load().is_some().then(|| self.ledger.lock().seen()).flatten();
        Asking { shared: self.clone(), names: self.keys.names(digest), seen, awaited: false }
    }

    /// `None`: Redis is bypassed.
    async fn look(&self, digest: &TokenDigest, names: &EntryNames) -> Option<Look> {
        let mut pipeline = redis::pipe();
        pipeline
            .cmd("GETRANGE")
            .arg(&names.answer)
            .arg(0)
            .arg(LARGEST)
            .cmd("PTTL")
            .arg(&names.answer);
        let (value, left): (Vec<u8>, i64) = self.pipeline(&pipeline).await?;
        Some(self.look_at(digest, names, &value, left))
    }

    /// The same, after announcing that this gateway is about to ask. The boolean is true if no
    /// other gateway is asking. In this order, an answer that came in between is not overlooked.
    async fn claim(&self, digest: &TokenDigest, names: &EntryNames) -> Option<(bool, Look)> {
        let lease = LEASE.as_millis().to_string();
        let mut pipeline = redis::pipe();
        pipeline.cmd("SET").arg(&names.asked).arg(1).arg("NX").arg("PX").arg(lease);
        pipeline
            .cmd("GETRANGE")
            .arg(&names.answer)
            .arg(0)
            .arg(LARGEST)
            .cmd("PTTL")
            .arg(&names.answer);
        let (first, value, left): (Option<String>, Vec<u8>, i64) = self.pipeline(&pipeline).await?;
        Some((first.is_some(), self.look_at(digest, names, &value, left)))
    }

    fn look_at(&self, digest: &TokenDigest, names: &EntryNames, value: &[u8], left: i64) -> Look {
        if value.is_empty() {
            return Look::Nothing;
        }
        let forged = || Look::Unreadable(RedisError::Forged("an answer"));
        let Some(record) =
            self.keys.open(&names.answer, value).and_then(|bytes| StoredRecord::decode(&bytes))
        else {
            return forged();
        };
        let Some(age) = record.age(left, self.clock.now().wall) else {
            return Look::Unreadable(RedisError::Clock);
        };
        let (asked, known_at) = (record.seen, record.known_at);
        let facts = match record.facts.map(StoredFacts::facts) {
            Some(None) => return forged(),
            facts => facts.flatten(),
        };
        let marks = facts.as_ref().map(ActiveFacts::marks).unwrap_or_default();
        if self.ledger.lock().is_dead(digest, asked, marks)
            || known_at <= self.distrusted.load(Ordering::Relaxed)
        {
            return Look::Dead;
        }
        Look::Answer(AwaitedAnswer { facts, age })
    }
}

impl ActiveFacts {
    fn marks(&self) -> ledger::Marks<'_> {
        Marks {
            subject: self.subject(),
            client_id: self.client_id(),
            token_id: self.token_id(),
            session: session_of(self).map(Into::into),
        }
    }
}

impl Asking {
    /// The answer of the authorization server, got at `now`. It is written in the background.
    pub fn heard(mut self, heard: &Heard, now: Now) {
        let ends = !matches!(heard, Heard::Active { .. });
        let content = match heard {
            Heard::Active { facts, until } => {
                self.seal(now, *until - now.mono, Some(StoredFacts::from(*facts)))
            }
            Heard::Inactive { lives } => self.seal(now, *lives, None),
            Heard::Unshared => WriteContent::Nothing,
        };
        self.send(content, ends, now);
    }

    fn seal(&self, now: Now, lives: Duration, facts: Option<StoredFacts>) -> WriteContent {
        let kept_for = u64::try_from(lives.min(LONGEST).as_millis()).unwrap_or(0);
        let Some(seen) = self.seen.filter(|_| kept_for > 0) else { return WriteContent::Nothing };
        let record = StoredRecord { known_at: now.wall, kept_for, seen, facts };
        let sealed =
            record.bytes().and_then(|bytes| self.shared.keys.seal(&self.names.answer, &bytes));
        sealed
            .filter(|sealed| sealed.len() <= LARGEST)
            .map_or(WriteContent::Nothing, |sealed| WriteContent::Answer(sealed, kept_for))
    }

    fn send(&mut self, content: WriteContent, ends: bool, now: Now) {
        let names = EntryNames {
            answer: std::mem::take(&mut self.names.answer),
            asked: std::mem::take(&mut self.names.asked),
        };
        let write = Write {
            names,
            content,
            awaited: std::mem::take(&mut self.awaited),
            ends,
            at: now.wall,
        };
        self.shared.write(write);
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if self.awaited {
            let write = Write {
                names: EntryNames {
                    answer: String::new(),
                    asked: std::mem::take(&mut self.names.asked),
                },
                content: WriteContent::Unchanged,
                awaited: true,
                ends: false,
                at: 0,
            };
            self.shared.write(write);
        }
    }
}
