//! The cache in a fleet: answers of other gateways, under the rules of this one.

use super::redis::{Asking, AwaitedAnswer, Heard, IntrospectionTurn};
use super::store::Active;
use super::ttl::Lifetime;
use super::{Cached, Entry, Known};
use crate::cache::flight::Outcome;
use crate::clock::Now;
use crate::token::TokenDigest;
use std::sync::Arc;
use std::time::Duration;

/// Which answers of others will do.
#[derive(Clone, Copy)]
pub struct AcceptedAnswers {
    /// As old as this, no more.
    pub oldest: Duration,
    /// One is here already, and it is time for a new one.
    pub refresh: bool,
}

impl AcceptedAnswers {
    pub fn takes(self, age: Duration) -> bool {
        age < self.oldest
    }
}

impl Cached {
    /// The answer that another gateway got, or the turn to ask; `None`: there is no other gateway.
    pub(super) async fn elsewhere(
        &self,
        digest: TokenDigest,
        wanted: AcceptedAnswers,
        asked: u64,
    ) -> Option<IntrospectionTurn<Known>> {
        let shared = self.shared.as_ref()?;
        if wanted.oldest.is_zero() {
            return Some(IntrospectionTurn::Ask(shared.own_turn(&digest)));
        }
        Some(shared.turn(&digest, |answer| self.take(digest, answer, wanted, asked)).await)
    }

    /// Publishes the outcome to the other gateways.
    pub(super) fn pass_on(&self, turn: Asking, outcome: &Outcome, now: Now) {
        let heard = match outcome {
            Ok(Known::Active(entry)) => {
                Heard::Active { facts: &entry.facts, until: entry.life.dead_at }
            }
            Ok(Known::Inactive) => Heard::Inactive { lives: self.settings.inactive_ttl },
            // found out without a call; other gateways can do that too
            Ok(Known::Refused(_)) => Heard::Unshared,
            Err(_) => return,
        };
        turn.heard(&heard, now);
    }

    /// Keeps an answer for as long as if it had been received here, and returns it if it is fresh
    /// enough.
    fn take(
        &self,
        digest: TokenDigest,
        answer: AwaitedAnswer,
        wanted: AcceptedAnswers,
        asked: u64,
    ) -> Option<Known> {
        let now = self.clock.now();
        let Some(facts) = answer.facts else {
            let left = self
                .settings
                .inactive_ttl
                .checked_sub(answer.age)
                .filter(|left| !left.is_zero())?;
            self.store.keep_inactive(digest, None, now.mono + left, now, asked);
            return Some(Known::Inactive);
        };
        let life =
            Lifetime::of_aged(now, answer.age, facts.expires_at, &self.settings, rand::random());
        let newer_is_here =
            |held: Active| matches!(held, Active::Alive(held) if held.life.stored >= life.stored);
        if life.is_dead(now) || newer_is_here(self.store.active(&digest, now)) {
            return None;
        }
        let entry = Arc::new(Entry::new(facts, self.source.server.clone(), life, asked));
        self.store.keep_active(digest, entry.clone(), now);
        let due = wanted.refresh && now.mono >= life.refresh_from;
        (life.is_fresh(now) && wanted.takes(life.age(now)) && !due).then_some(Known::Active(entry))
    }
}
