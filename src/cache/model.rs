//! The cache against a plain model of it: in any order of requests, purges, expiries and failures,
//! no request gets an answer that is dead in the model.

use super::{CacheSettings, Cached, FactsSource, Known, Purge, Store};
use crate::clock::{Clock, ManualClock, Now};
use crate::introspect::{Failure, FailureKind, Inquiry, Introspector, read_answer};
use crate::request::Forwarded;
use crate::telemetry::Metrics;
use crate::token::{AccessToken, DigestKey, Facts};
use async_trait::async_trait;
use parking_lot::Mutex;
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

const TTL: u64 = 60;
const STALE: u64 = 30;
const INACTIVE_TTL: u64 = 10;
const TOKENS: [&str; 3] = ["a", "b", "c"];

/// The current answer of the authorization server, the same for all tokens.
#[derive(Clone, Copy, Debug)]
enum Says {
    /// Active, and for how many seconds from now `exp` is; `None`: no `exp`.
    Active(Option<i64>),
    Inactive,
    Nothing,
}

#[derive(Clone, Debug)]
enum ModelStep {
    Request { token: usize, max_age: Option<u64> },
    Pass { millis: u64 },
    WallClock { seconds: i64 },
    Says(Says),
    Purge { token: Option<usize> },
}

/// The model's memory of one token.
#[derive(Clone, Copy, Debug)]
enum Memory {
    Active { since: Now, exp: Option<i64> },
    Inactive { since: Now },
}

struct ModelServer {
    says: Mutex<Says>,
    asked: Mutex<u64>,
    clock: Clock,
}

#[async_trait]
impl Introspector for ModelServer {
    async fn introspect(&self, _: &Inquiry) -> Result<Facts, Failure> {
        *self.asked.lock() += 1;
        let answer = match *self.says.lock() {
            Says::Active(None) => r#"{"active":true}"#.to_owned(),
            Says::Active(Some(left)) => {
                format!(r#"{{"active":true,"exp":{}}}"#, self.clock.now().unix_seconds() + left)
            }
            Says::Inactive => r#"{"active":false}"#.to_owned(),
            Says::Nothing => return Err(Failure::new(FailureKind::Timeout, "scripted")),
        };
        read_answer(answer.as_bytes())
            .map_err(|error| Failure::new(FailureKind::BadResponse, error.to_string()))
    }
}

fn steps() -> impl Strategy<Value = Vec<ModelStep>> {
    let says = prop_oneof![
        Just(Says::Active(None)),
        (-5i64..200).prop_map(|left| Says::Active(Some(left))),
        Just(Says::Inactive),
        Just(Says::Nothing)
    ];
    let max_age = prop_oneof![3 => Just(None), 1 => (0u64..120).prop_map(Some)];
    let step = prop_oneof![
        6 => (0..TOKENS.len(), max_age).prop_map(|(token, max_age)| ModelStep::Request { token, max_age }),
        4 => (0u64..40_000).prop_map(|millis| ModelStep::Pass { millis }),
        1 => (-4000i64..4000).prop_map(|seconds| ModelStep::WallClock { seconds }),
        3 => says.prop_map(ModelStep::Says),
        1 => proptest::option::of(0..TOKENS.len()).prop_map(|token| ModelStep::Purge { token }),
    ];
    prop::collection::vec(step, 1..60)
}

/// Whether the model allows this memory to answer a request, alone or only while the server fails.
fn alive(memory: Memory, now: Now, max_age: Option<u64>, failing: bool) -> bool {
    let seconds = Duration::from_secs;
    match memory {
        Memory::Active { since, exp } => {
            let age = now.mono - since.mono;
            // `exp` counts from when the answer came, even if the wall clock was changed since then
            let until_exp = exp.map_or(Duration::MAX, |exp| {
                Duration::from_millis(u64::try_from(exp * 1000 - since.wall).unwrap_or(0))
            });
            let limit = seconds(if failing { TTL + STALE } else { TTL });
            age < limit && age < until_exp && max_age.is_none_or(|max_age| age < seconds(max_age))
        }
        Memory::Inactive { since } => now.mono - since.mono < seconds(INACTIVE_TTL),
    }
}

fn is_active(memory: Memory) -> bool {
    matches!(memory, Memory::Active { .. })
}

async fn play(steps: Vec<ModelStep>) -> Result<(), TestCaseError> {
    let settings = CacheSettings {
        max_entries: 100,
        ttl: Duration::from_secs(TTL),
        inactive_ttl: Duration::from_secs(INACTIVE_TTL),
        inactive_max_entries: 100,
        refresh_ahead: 0.0,
        stale_if_error: Duration::from_secs(STALE),
        guard: None,
    };
    let hand = ManualClock::at(1_700_000_000);
    let clock = Clock::Manual(hand.clone());
    let metrics = Arc::new(Metrics::new().map_err(|error| TestCaseError::fail(error.to_string()))?);
    let store = Arc::new(Store::new(&settings, metrics.clone()));
    let server = Arc::new(ModelServer {
        says: Mutex::new(Says::Active(None)),
        asked: Mutex::new(0),
        clock: clock.clone(),
    });
    let source = FactsSource {
        server: "main".into(),
        key: DigestKey::random(),
        told_hosts: None,
        address: None,
        introspector: server.clone(),
    };
    let cached = Arc::new(Cached::new(source, settings, store.clone(), clock.clone(), &metrics));
    let mut memory: HashMap<usize, Memory> = HashMap::new();

    for step in steps {
        match step {
            ModelStep::Pass { millis } => hand.advance(Duration::from_millis(millis)),
            ModelStep::WallClock { seconds } => hand.set_wall(seconds),
            ModelStep::Says(says) => *server.says.lock() = says,
            ModelStep::Purge { token: None } => {
                store.purge(&Purge::All);
                memory.clear();
            }
            ModelStep::Purge { token: Some(token) } => {
                let digest = AccessToken::parse(TOKENS[token].as_bytes(), 9)
                    .ok()
                    .and_then(|token| cached.digest_for_purge(token));
                store.purge(&Purge::Tokens(digest.into_iter().collect()));
                memory.remove(&token);
            }
            ModelStep::Request { token, max_age } => {
                let before = *server.asked.lock();
                let presented = AccessToken::parse(TOKENS[token].as_bytes(), 9)
                    .map_err(|_| TestCaseError::fail("not a token"))?;
                let max_age_of_route = max_age.map(Duration::from_secs);
                let found = cached
                    .find(presented, &Forwarded::default(), max_age_of_route, clock.now(), None)
                    .await;
                let asked = *server.asked.lock() > before;
                let (now, says) = (clock.now(), *server.says.lock());
                let known = memory.get(&token).copied();
                let usable = known.is_some_and(|memory| alive(memory, now, max_age, false));
                prop_assert_eq!(
                    asked,
                    !usable,
                    "asked when it need not, or not when it must: {:?} at {:?}",
                    known,
                    now
                );
                match (&found.outcome, asked, says) {
                    (Ok(Known::Active(_)), false, _) => {
                        prop_assert!(known.is_some_and(is_active), "active for {:?}", known)
                    }
                    (Ok(Known::Inactive), false, _) => {
                        prop_assert!(!known.is_none_or(is_active), "inactive for {:?}", known)
                    }
                    (Ok(Known::Active(entry)), true, Says::Active(_)) => {
                        memory.insert(
                            token,
                            Memory::Active { since: now, exp: entry.facts.expires_at },
                        );
                    }
                    (Ok(Known::Inactive), true, Says::Inactive) => {
                        memory.insert(token, Memory::Inactive { since: now });
                    }
                    (Ok(Known::Active(_)), true, Says::Nothing) => {
                        let stale = known.is_some_and(|memory| {
                            is_active(memory) && alive(memory, now, max_age, true)
                        });
                        prop_assert!(stale, "served {:?} at {:?}", known, now);
                    }
                    (Err(_), true, Says::Nothing) => {
                        let stale = known.is_some_and(|memory| {
                            is_active(memory) && alive(memory, now, max_age, true)
                        });
                        prop_assert!(!stale, "refused, though {:?} may serve at {:?}", known, now);
                    }
                    (outcome, ..) => {
                        return Err(TestCaseError::fail(format!(
                            "{outcome:?} while the server says {says:?}"
                        )));
                    }
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn never_more_alive_than_the_model(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| TestCaseError::fail(error.to_string()))?;
        runtime.block_on(play(steps))?;
    }
}
