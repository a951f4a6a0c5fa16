//! The tools of the tests: the gateway as a child process, a fake authorization server that can
//! misbehave, an upstream that records what reached it, and a small HTTP/1.1 client that sends
//! exactly the given bytes.

mod authorization_server;
mod gateway;
mod http;
pub mod http2;
mod redis;
mod server;
mod setup;
mod tinyproxy;
mod tls;
mod upstream;

pub use authorization_server::{AuthorizationServer, Behaviour};
pub use gateway::{Builder, Gateway, closed_pipe, run_cli, run_cli_in};
pub use http::{
    Connection, PATIENCE, Request, Response, percent_decode, read_request, request_bytes,
};
pub use redis::{REDIS_KEY, Redis};
pub use server::{Running, Server};
pub use setup::{Setup, active, known_tokens, one_route};
pub use tinyproxy::Tinyproxy;
pub use tls::{Authority, Hello, Identity, Tls};
pub use upstream::{Upstream, UpstreamBehaviour};

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Polls until `done` is true; panics, naming `what`, when that takes longer than [`PATIENCE`].
#[track_caller]
pub fn wait_until(what: &str, done: impl FnMut() -> bool) {
    wait_within(PATIENCE, what, done);
}

/// Polls until `done` is true; panics, naming `what`, when that takes longer than `limit`.
#[track_caller]
pub fn wait_within(limit: Duration, what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !done() {
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Seconds since the epoch, for `exp`, `nbf` and `iat`.
#[allow(clippy::disallowed_methods)] // the tests' own clock
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.expect("a clock after 1970").as_secs()).expect("a date in range")
}

/// Milliseconds since the epoch.
#[allow(clippy::disallowed_methods)] // the tests' own clock
pub fn now_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.expect("a clock after 1970").as_millis()).expect("a date in range")
}

/// A loopback port without a listener. It lies below the ports that the kernel hands out for
/// outgoing connections, so that no other connection of the tests can take it before it is bound.
pub fn free_port() -> u16 {
    const FIRST: u16 = 11_000;
    const COUNT: u16 = 20_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let offset = (std::process::id().wrapping_mul(997) % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (offset + step) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port on loopback");
}
