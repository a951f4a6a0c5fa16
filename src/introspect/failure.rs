//! Why the state of a token is unknown. None of these is a statement about the token.

use crate::deny::{Denial, Reason};
use std::sync::Arc;
use std::time::Duration;

/// A failed introspection; cheap to share among all requests that waited for it.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The kind of failure, which decides the refusal.
    pub kind: FailureKind,
    /// The pause that the server asked for.
    pub retry_after: Option<Duration>,
    /// Safe and sensible to try again at once: no connection, 502, 503, 504.
    pub transient: bool,
    /// Does not affect the next token: a failed look-up of one key, say, while others are known.
    pub isolated: bool,
    /// For the operator: the operation, the failure and the remedy. Free of tokens and secrets.
    pub detail: Arc<str>,
}

/// The kinds of failure; each is a reason of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// No connection, or a 5xx.
    Unavailable,
    /// No complete answer within `timeout`.
    Timeout,
    /// 429.
    Throttled,
    /// An invalid answer.
    BadResponse,
    /// Our own credentials are refused.
    RejectedUs,
    /// The circuit breaker is open; no call was made.
    CircuitOpen,
    /// No turn within the time-out.
    Overloaded,
}

impl Failure {
    /// A failure that is not tried again. `detail` is for the operator.
    pub fn new(kind: FailureKind, detail: impl Into<Arc<str>>) -> Self {
        Self { kind, retry_after: None, transient: false, isolated: false, detail: detail.into() }
    }

    /// The same, with the endpoint where it happened.
    pub fn at(self, endpoint: &str) -> Self {
        Self { detail: format!("{endpoint}: {}", self.detail).into(), ..self }
    }

    /// Whether another try at once may end better. A time-out has cost its time already, and the
    /// rest would be the same again.
    pub fn may_pass(&self) -> bool {
        matches!(self.kind, FailureKind::Unavailable | FailureKind::BadResponse)
    }

    /// Whether the server itself is in trouble. A client must not be able to open the circuit
    /// with garbage tokens, nor an operator with a wrong password.
    pub fn counts_for_breaker(&self) -> bool {
        !self.isolated
            && matches!(
                self.kind,
                FailureKind::Unavailable | FailureKind::Timeout | FailureKind::Throttled
            )
    }
}

impl FailureKind {
    /// The first thing for an operator to do.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Unavailable => {
                "Check that the server runs and can be reached from here; `introgate doctor` tries it."
            }
            Self::Timeout => {
                "The server is slow, or a firewall drops packets; `introgate doctor` measures it. The limit is `timeout`."
            }
            Self::Throttled => {
                "The server limits calls: raise the limit for this gateway, or `cache.ttl`."
            }
            Self::BadResponse => {
                "Check that the endpoint is the right one; `introgate doctor` shows its answer."
            }
            Self::RejectedUs => "Renew or correct `client_auth` of this server.",
            Self::CircuitOpen => "Calls begin again by themselves; look at the errors before.",
            Self::Overloaded => {
                "More calls than `max_concurrent` wait: the server is slow, or the limit is too low."
            }
        }
    }

    /// The reason of the refusal.
    pub fn reason(self) -> Reason {
        match self {
            Self::Unavailable => Reason::AsUnavailable,
            Self::Timeout => Reason::AsTimeout,
            Self::Throttled => Reason::AsThrottled,
            Self::BadResponse => Reason::AsBadResponse,
            Self::RejectedUs => Reason::AsRejectedUs,
            Self::CircuitOpen => Reason::AsCircuitOpen,
            Self::Overloaded => Reason::AsOverloaded,
        }
    }

    /// The word in `introspections_total{result}`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Throttled => "throttled",
            Self::BadResponse => "bad_response",
            Self::RejectedUs => "rejected_us",
            Self::CircuitOpen => "circuit_open",
            Self::Overloaded => "overloaded",
        }
    }
}

impl From<Failure> for Denial {
    fn from(failure: Failure) -> Self {
        Self { retry_after: failure.retry_after, ..Self::because(failure.kind.reason()) }
    }
}
