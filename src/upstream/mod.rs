//! The protected services: where they are, whose turn it is, how a connection is made.

mod balance;
mod destination;
mod idle;
mod peer;
mod resolve;
mod settings;

pub use destination::Destination;
pub use idle::keep_sweeping;
pub use peer::{Aim, Server, Upstream};
pub use resolve::{keep_resolving, resolve_all};
pub use settings::{Balance, DestinationSettings, Endpoint, ServerAddress, UpstreamSettings};
