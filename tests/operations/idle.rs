//! The price of a connection that waits for its next request.

use crate::support::{Connection, Setup};

/// Bytes that an idle connection may take in a debug build, whose tasks are larger than those of a
/// release build.
const AT_MOST: u64 = 20 * 1024;

/// `IDLE_CONNECTIONS` (default 400) may be set; `make idle` opens 10,000.
#[test]
fn an_idle_connection_keeps_no_buffer() {
    let count = std::env::var("IDLE_CONNECTIONS").ok().and_then(|count| count.parse().ok());
    let count: usize = count.unwrap_or(400);
    let setup = Setup::route("");
    let good = [("Authorization", "Bearer good")];
    let open = |count: usize| -> Vec<Connection> {
        let ask = |_| {
            let mut connection = setup.gateway.connect();
            assert_eq!(connection.request("GET", "/", &good, b"").expect("an answer").status, 200);
            connection
        };
        (0..count).map(ask).collect()
    };
    // the initial cost of the first connections does not count
    let first = open(count / 4);
    let before = setup.gateway.resident_memory();
    let more = open(count);
    let each = setup.gateway.resident_memory().saturating_sub(before) / count as u64;
    println!("{each} bytes for each of {count} idle connections");
    assert!(each < AT_MOST, "{each} bytes for each of {count} idle connections");
    drop((first, more));
}
