//! The questions of proxies that people already run: may this request pass? Nothing is forwarded
//! for them; routes, policies, cache, refusals, logs and metrics are those of the proxy
//! (contract §10).

mod question;

pub use question::HeldRequest;

use ipnet::IpNet;
use std::net::IpAddr;

/// Loopback and Unix sockets may always ask, others where they are trusted: an answer tells what a
/// token is worth.
pub fn may_ask(peer: Option<IpAddr>, trusted_proxies: &[IpNet]) -> bool {
    let Some(peer) = peer.map(|peer| peer.to_canonical()) else { return true };
    peer.is_loopback() || trusted_proxies.iter().any(|net| net.contains(&peer))
}
