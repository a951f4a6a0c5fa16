//! The part that turns a token into facts: one file for each kind of authorization server, and
//! what stands around every one of them (time-out, retry, circuit breaker, concurrency limit).

mod answer;
mod breaker;
mod client_auth;
mod failure;
mod guarded;
mod http_client;
mod rfc7662;
mod settings;

pub use answer::{BadAnswer, read_answer};
pub use breaker::{Breaker, CircuitState};
pub use failure::{Failure, FailureKind};
pub use guarded::{Guarded, LastError};
pub use rfc7662::{Rfc7662, Unusable};
pub use settings::{BreakerSettings, ClientAuth, ServerSettings};

use crate::request::Forwarded;
use crate::secret::Secret;
use crate::token::Facts;
use async_trait::async_trait;

/// What is asked: a token, and where the server wants to know, the client's own request.
#[derive(Clone, Debug)]
pub struct Inquiry {
    pub token: Secret,
    pub forwarded: Option<Forwarded>,
}

/// Whoever can say what a token is worth.
#[async_trait]
pub trait Introspector: Send + Sync {
    /// Facts, or a failure of the server: an inactive token is no failure.
    async fn introspect(&self, inquiry: &Inquiry) -> Result<Facts, Failure>;
}
