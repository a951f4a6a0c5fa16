//! What authorization servers said, kept for as long as it may be: never a decision. Every check
//! runs on every request.

mod cached;
mod entry;
mod flight;
mod guard;
#[cfg(test)]
mod model;
mod named;
mod settings;
mod store;
mod ttl;

pub use cached::{Cached, Found, Known, Source, Unknown};
pub use entry::Entry;
pub use named::Named;
pub use settings::{CacheSettings, GuardSettings};
pub use store::{Purge, Store};
pub use ttl::Lifetime;
