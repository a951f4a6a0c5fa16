//! Answers of authorization servers, kept for as long as they may be used. Decisions are never
//! cached. Every check runs on every request.

mod cached;
mod entry;
mod fleet;
mod flight;
mod guard;
mod handover;
#[cfg(test)]
mod model;
mod purge_selector;
mod recorded;
mod redis;
mod settings;
mod store;
mod streams;
mod told_host;
mod ttl;
mod watch;
pub use cached::{Cached, CachedFacts, FactsSource, Known, ServerName};
pub use entry::Entry;
pub use handover::HandedAnswer;
pub use purge_selector::PurgeSelector;
pub use redis::{
    Forget, LeaseHolder, Login, RedisNode, RedisSettings, RedisTlsSettings, Shared, SharedKey,
    Topology,
};
pub use settings::{CacheSettings, GuardSettings};
pub use store::{Purge, Store};
pub use streams::{News, StreamEnd, WatchedStream};
pub use told_host::ToldHosts;
pub use ttl::Lifetime;
