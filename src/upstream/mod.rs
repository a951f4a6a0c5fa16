//! The protected services: where they are, whose turn it is, how a connection is made.

mod balance;
mod peer;
mod resolve;
mod settings;

pub use peer::{Attempt, Upstream};
pub use resolve::{keep_resolving, resolve_all};
pub use settings::{Balance, Endpoint, ServerAddress, UpstreamSettings};
