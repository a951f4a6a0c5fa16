//! Messages on the wire: their ends, fields about one connection only, and ends of connections.
//! Each test also runs with `FAST_PATH=off`, so that it holds on both ways.

mod bodies;
mod caches;
mod hop_by_hop;
mod http10;
mod late_bytes;
mod pipelining;
mod stopping;
mod upgrades;

use crate::support::Setup;

const GOOD: &str = "Authorization: Bearer good\r\n";

/// Sends a request with these header lines and gives everything that comes back.
#[track_caller]
fn raw(setup: &Setup, start: &str, lines: &str) -> String {
    let request = format!("{start}\r\nHost: gateway.test\r\n{lines}\r\n");
    String::from_utf8_lossy(&setup.gateway.raw(request.as_bytes())).into_owned()
}

/// The lines of a response's head that are not made anew for each response.
fn steady(response: &str) -> Vec<&str> {
    let head = response.split("\r\n\r\n").next().unwrap_or_default();
    head.split("\r\n").filter(|line| !line.to_ascii_lowercase().starts_with("date:")).collect()
}
