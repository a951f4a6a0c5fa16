//! Why an event is not taken.

use crate::introspect::jwt::{JwtFlaw, Unverified};
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct Refusal {
    pub code: Code,
    /// For the sender and the log; contains nothing of the event.
    pub why: &'static str,
    /// For the log alone.
    pub detail: Option<Arc<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    InvalidRequest,
    InvalidKey,
    InvalidIssuer,
    InvalidAudience,
    AuthenticationFailed,
    /// It was taken before.
    Replayed,
    /// Its validity cannot be checked at the moment.
    Unavailable,
}

impl Refusal {
    pub fn new(code: Code, why: &'static str) -> Self {
        Self { code, why, detail: None }
    }

    pub fn invalid(why: &'static str) -> Self {
        Self::new(Code::InvalidRequest, why)
    }

    pub fn unreadable(flaw: JwtFlaw) -> Self {
        match flaw {
            JwtFlaw::ENCRYPTED => {
                Self::invalid("an encrypted token (JWE); events are taken signed and not encrypted")
            }
            flaw => Self::invalid(flaw.why),
        }
    }

    pub fn of_signature(unverified: Unverified) -> Self {
        match unverified {
            Unverified::Flaw(JwtFlaw::SIGNATURE) => {
                Self::new(Code::AuthenticationFailed, JwtFlaw::SIGNATURE.why)
            }
            Unverified::Flaw(JwtFlaw::UNKNOWN_KEY) => {
                Self::new(Code::InvalidKey, "signed with a key that the issuer does not publish")
            }
            Unverified::Flaw(flaw) => Self::new(Code::InvalidKey, flaw.why),
            Unverified::Failure(failure) => {
                let why = "the issuer's keys cannot be had at the moment; send it again later";
                Self { detail: Some(failure.detail), ..Self::new(Code::Unavailable, why) }
            }
        }
    }
}

impl Code {
    /// RFC 8935 §2.4.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest | Self::Replayed | Self::Unavailable => "invalid_request",
            Self::InvalidKey => "invalid_key",
            Self::InvalidIssuer => "invalid_issuer",
            Self::InvalidAudience => "invalid_audience",
            Self::AuthenticationFailed => "authentication_failed",
        }
    }

    /// The word in `events_total{result}`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Replayed => "replayed",
            Self::Unavailable => "unavailable",
            other => other.as_str(),
        }
    }
}
