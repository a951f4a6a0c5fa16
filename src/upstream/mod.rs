//! The protected services: where they are, which of their servers gets a request, how a connection
//! is made.

mod balance;
mod check;
mod destination;
mod health;
mod idle;
mod peer;
mod resolve;
mod settings;
mod tls;

pub use check::keep_checking;
pub use destination::Destination;
pub use idle::{Idle, keep_sweeping};
pub use peer::{Aim, Attempts, PeerServer, Upstream};
pub use resolve::{keep_resolving, resolve_all};
pub use settings::{
    Balance, DestinationSettings, Endpoint, HashKey, HealthCheck, ServerAddress, UpstreamProtocol,
    UpstreamSettings,
};
pub use tls::{ShownCertificate, UpstreamTlsSettings};
