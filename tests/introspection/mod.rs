//! Asking the authorization server: the exact request, the meaning of its answer, and every way in
//! which it can fail.

mod answer;
mod connections;
mod discovery;
mod failure;
mod load;
mod networks;
mod proxy;
mod request;
pub mod signed;

use crate::support::Setup;
use std::time::Duration;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// A gateway whose server `main` has these keys; failures do not open the circuit breaker and are
/// not repeated.
pub fn plain(keys: &str) -> Setup {
    Setup::server(&format!("retries: 0, circuit_breaker: {{ failures: 10000 }}, {keys}"))
}

/// The outcome of a request for which the authorization server had no usable answer.
pub fn failed(reason: &str) -> (u16, String) {
    (503, reason.to_owned())
}
