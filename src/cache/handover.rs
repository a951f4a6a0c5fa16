//! Active answers on their way to another process of the same gateway.

use super::redis::StoredFacts;
use super::{CacheSettings, Entry, Lifetime, Store};
use crate::clock::Now;
use crate::token::TokenDigest;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// An active answer, and how old it is.
#[derive(Serialize, Deserialize)]
pub struct HandedAnswer {
    digest: [u8; 32],
    server: Arc<str>,
    /// Milliseconds since the Unix epoch at which the answer arrived.
    known_at: i64,
    facts: StoredFacts,
}

impl Store {
    /// All active answers that may still be used.
    pub fn hand_over(&self, now: Now) -> Vec<HandedAnswer> {
        self.entries()
            .filter(|(_, entry)| !entry.life.is_dead(now))
            .map(|(digest, entry)| {
                let age = i64::try_from(entry.life.age(now).as_millis()).unwrap_or(i64::MAX);
                HandedAnswer {
                    digest: *digest.as_bytes(),
                    server: entry.server.clone(),
                    known_at: now.wall.saturating_sub(age),
                    facts: (&entry.facts).into(),
                }
            })
            .collect()
    }

    /// Keeps an answer of another process. It lives no longer than it would have lived there, nor
    /// than `settings` allow here. False where it is not usable any more.
    pub fn take_over(&self, answer: HandedAnswer, settings: &CacheSettings, now: Now) -> bool {
        // an answer from the future has no age that could be trusted
        let Ok(age) = u64::try_from(now.wall.saturating_sub(answer.known_at)) else { return false };
        let Some(facts) = answer.facts.facts() else { return false };
        let age = Duration::from_millis(age);
        let life = Lifetime::of_aged(now, age, facts.expires_at, settings, rand::random());
        if life.is_dead(now) {
            return false;
        }
        let entry = Entry::new(facts, answer.server, life, self.purges());
        self.keep_active(TokenDigest::from(answer.digest), Arc::new(entry), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::store::Active;
    use crate::introspect::read_answer;
    use crate::telemetry::Metrics;
    use crate::token::{DigestKey, Facts};

    fn store(settings: &CacheSettings) -> Store {
        let Ok(metrics) = Metrics::new() else { panic!("metrics") };
        Store::new(settings, Arc::new(metrics))
    }

    fn settings() -> CacheSettings {
        CacheSettings {
            max_entries: 10,
            ttl: Duration::from_secs(60),
            inactive_ttl: Duration::from_secs(10),
            inactive_max_entries: 10,
            refresh_ahead: 0.0,
            stale_if_error: Duration::ZERO,
            guard: None,
        }
    }

    #[test]
    fn an_answer_lives_no_longer_for_having_been_handed_over() {
        let settings = settings();
        let (old, new) = (store(&settings), store(&settings));
        let asked = Now { wall: 1_000_000, mono: crate::clock::Mono::START };
        let digest = DigestKey::random().digest("token");
        let Ok(Facts::Active(facts)) = read_answer(br#"{"active":true,"sub":"alice"}"#) else {
            panic!("facts")
        };
        let life = Lifetime::of_active(asked, None, &settings, 0.0);
        old.keep_active(digest, Arc::new(Entry::new(*facts, "main".into(), life, 0)), asked);

        // another process: its monotonic clock begins anew
        let later = asked.later(Duration::from_secs(40));
        let here = Now { wall: later.wall, mono: crate::clock::Mono::START };
        let handed = || old.hand_over(later).pop();
        let Some(answer) = handed() else { panic!("an answer") };
        assert!(new.take_over(answer, &settings, here));
        let Active::Alive(entry) = new.active(&digest, here) else { panic!("it is there") };
        assert_eq!((entry.facts.subject(), &*entry.server), (Some("alice"), "main"));
        assert_eq!(entry.life.age(here), Duration::from_secs(40));
        assert!(entry.life.is_dead(here.later(Duration::from_secs(20))));

        // too old by the time it arrives, and from a clock that is ahead
        let Some(answer) = handed() else { panic!("an answer") };
        assert!(!new.take_over(answer, &settings, here.later(Duration::from_secs(20))));
        let Some(answer) = handed() else { panic!("an answer") };
        let behind = Now { wall: asked.wall - 1, mono: here.mono };
        assert!(!new.take_over(answer, &settings, behind));
        // dead answers are not handed over
        assert!(old.hand_over(later.later(Duration::from_secs(20))).is_empty());
    }

    #[test]
    fn purges_reach_those_who_watch() {
        let store = store(&settings());
        let watching = store.watch_purges();
        store.purge(&super::super::Purge::All);
        assert_eq!(watching.try_recv(), Ok(super::super::Purge::All));
        drop(watching);
        store.purge(&super::super::Purge::All);
    }
}
