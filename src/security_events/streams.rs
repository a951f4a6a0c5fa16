//! The state of each authorization server's event stream, for the log, the status page and the
//! metrics. One memory for the process: a reload finds it again.

use super::Notice;
use crate::clock::Now;
use dashmap::DashMap;
use parking_lot::Mutex;
use std::sync::Arc;

/// The streams by the configured names of their authorization servers.
#[derive(Default)]
pub struct EventStreams(DashMap<Arc<str>, Arc<StreamState>>);

/// The state of one stream.
#[derive(Default)]
pub struct StreamState(Mutex<StreamFacts>);

/// The state of a stream. Times are seconds since the Unix epoch.
#[derive(Clone, Debug, Default)]
pub struct StreamFacts {
    /// Who fetches its events.
    pub role: Role,
    /// Of the transmitter's side; `None`: it is not managed here, or not known yet.
    pub stream_id: Option<String>,
    pub status: Option<(StreamStatus, Option<String>)>,
    /// The last poll that the transmitter answered.
    pub last_poll: Option<i64>,
    /// The last event that was accepted, however it was delivered.
    pub last_event: Option<i64>,
    pub verification: StreamVerification,
    /// The last failure, until a call succeeds.
    pub trouble: Option<Trouble>,
}

/// Which gateway calls the transmitter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// It does not need to be called, or it is not decided yet.
    #[default]
    None,
    /// This gateway.
    Here,
    /// Another one of the fleet.
    Elsewhere,
    /// Redis cannot say; answers are forgotten instead.
    Undecided,
}

/// SSF 1.0 §8.1.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamStatus {
    Enabled,
    Paused,
    Disabled,
}

/// Whether the stream delivers the requested events (SSF 1.0 §8.1.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamVerification {
    /// The `state` that was asked for and did not come yet.
    pub awaited: Option<String>,
    /// When the last one came.
    pub verified: Option<i64>,
    /// None came in time.
    pub overdue: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub detail: Arc<str>,
    /// Seconds since the Unix epoch.
    pub at: i64,
}

impl Role {
    /// For the status page.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::None => "no gateway calls the transmitter",
            Self::Here => "this gateway calls the transmitter",
            Self::Elsewhere => "another gateway of the fleet calls the transmitter",
            Self::Undecided => {
                "Redis is not available: answers of this server are kept for poll_interval only"
            }
        }
    }
}

impl StreamStatus {
    /// A word of SSF 1.0 §8.1.2.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Enabled, Self::Paused, Self::Disabled]
            .into_iter()
            .find(|status| status.as_str() == word)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
        }
    }

    /// For log and status page.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Enabled => "the transmitter sends events",
            Self::Paused => {
                "the transmitter holds events back until the stream is enabled again; revoked tokens stay valid here until their answers expire"
            }
            Self::Disabled => {
                "the transmitter sends no events and keeps none; revoked tokens stay valid here until their answers expire; enable the stream at the transmitter"
            }
        }
    }
}

impl EventStreams {
    /// The state of this server's stream.
    pub fn for_server(&self, server: &Arc<str>) -> Arc<StreamState> {
        self.0.entry(server.clone()).or_default().clone()
    }
}

impl StreamState {
    /// A copy of all that is known.
    pub fn facts(&self) -> StreamFacts {
        self.0.lock().clone()
    }

    /// True when the role is another one than before.
    pub fn takes(&self, role: Role) -> bool {
        std::mem::replace(&mut self.0.lock().role, role) != role
    }

    /// The transmitter answered a poll.
    pub fn polled(&self, now: Now) {
        let mut facts = self.0.lock();
        facts.last_poll = Some(now.unix_seconds());
        facts.trouble = None;
    }

    /// The transmitter answered a call other than a poll.
    pub fn succeeded(&self) {
        self.0.lock().trouble = None;
    }

    pub fn failed(&self, detail: Arc<str>, now: Now) {
        self.0.lock().trouble = Some(Trouble { detail, at: now.unix_seconds() });
    }

    /// The stream at the transmitter; `None`: it is not known any more.
    pub fn is_stream(&self, id: Option<String>) {
        self.0.lock().stream_id = id;
    }

    /// An event was accepted. `notices`: its statements about the stream itself. True if the
    /// stream's status has changed.
    pub fn received(&self, notices: &[Notice], now: Now) -> bool {
        let mut facts = self.0.lock();
        facts.last_event = Some(now.unix_seconds());
        let mut changed = false;
        for notice in notices {
            match notice {
                Notice::Verified { state } => {
                    let awaited = facts.verification.awaited.clone();
                    // a verification that was not requested has no state (SSF 1.0 §8.1.4.1)
                    if awaited.is_none() || awaited == *state {
                        facts.verification = StreamVerification {
                            awaited: None,
                            verified: Some(now.unix_seconds()),
                            overdue: false,
                        };
                    }
                }
                Notice::Updated { status, reason } => {
                    changed |= facts.set_status(*status, reason.clone());
                }
            }
        }
        changed
    }

    /// The transmitter reported the status. True if it has changed.
    pub fn is_now(&self, status: StreamStatus, reason: Option<String>) -> bool {
        self.0.lock().set_status(status, reason)
    }

    /// A verification event with this `state` was asked for.
    pub fn awaits(&self, state: String) {
        self.0.lock().verification.awaited = Some(state);
    }

    /// The transmitter does not send the verification event that was asked for.
    pub fn no_longer_awaits(&self) {
        self.0.lock().verification.awaited = None;
    }

    /// Whether the verification event with this `state` did not come; it is overdue then.
    pub fn misses(&self, state: &str) -> bool {
        let mut facts = self.0.lock();
        let missing = facts.verification.awaited.as_deref() == Some(state);
        facts.verification.overdue |= missing;
        missing
    }
}

impl StreamFacts {
    fn set_status(&mut self, status: StreamStatus, reason: Option<String>) -> bool {
        let before = self.status.as_ref().map(|(status, _)| *status);
        self.status = Some((status, reason));
        // that it is enabled is no news at the start
        before.unwrap_or(StreamStatus::Enabled) != status
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Mono;

    const NOW: Now = Now { wall: 1_700_000_000_000, mono: Mono::START };

    #[test]
    fn a_verification_counts_only_with_the_state_that_was_asked_for() {
        let state = StreamState::default();
        state.awaits("one".into());
        let verified = |text: Option<&str>| Notice::Verified { state: text.map(str::to_owned) };
        state.received(&[verified(Some("other"))], NOW);
        assert!(state.misses("one") && state.facts().verification.overdue);
        state.received(&[verified(Some("one"))], NOW);
        assert!(!state.misses("one"));
        let expected =
            StreamVerification { awaited: None, verified: Some(1_700_000_000), overdue: false };
        assert_eq!(state.facts().verification, expected);
    }

    #[test]
    fn only_a_change_of_the_status_is_news() {
        let state = StreamState::default();
        assert!(!state.is_now(StreamStatus::Enabled, None));
        assert!(state.is_now(StreamStatus::Paused, Some("maintenance".into())));
        assert!(!state.is_now(StreamStatus::Paused, None));
        let updated = Notice::Updated { status: StreamStatus::Disabled, reason: None };
        assert!(state.received(&[updated], NOW));
        assert_eq!(state.facts().status, Some((StreamStatus::Disabled, None)));
    }
}
