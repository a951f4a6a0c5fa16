//! Ends that the gateway makes: time limits, the token, and a stop.

use super::{Behaviour, GOOD, HELLO, PATIENCE, SWITCH, World, echo, read, rest, silent, switched};
use crate::support::{Running, active, wait_until, wait_within};
use serde_json::json;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

/// Close frames of a server (RFC 6455 §5.5.1): the token violates the policy, the server goes away.
const POLICY_VIOLATION: &[u8] = &[0x88, 2, 0x03, 0xf0];
const GOING_AWAY: &[u8] = &[0x88, 2, 0x03, 0xe9];

const SECOND: Duration = Duration::from_secs(1);

fn last_line(world: &World) -> serde_json::Value {
    world.setup.gateway.access_log(1).remove(0)
}

/// As with nginx's `proxy_read_timeout`: bytes of either end count.
#[test]
fn an_idle_connection_ends_after_read_timeout_and_a_busy_one_does_not() {
    for behaviour in [echo as Behaviour, silent] {
        let world = World::start(SWITCH.as_bytes(), behaviour, "read_timeout: 2s", "");
        let began = Instant::now();
        let (mut idle, mut busy) = (world.open(), world.open());
        let waiting = thread::spawn(move || (rest(&mut idle), began.elapsed()));
        while began.elapsed() < SECOND * 5 {
            busy.write_all(b"x").expect("a byte is sent");
            thread::sleep(Duration::from_millis(200));
        }
        let (came, took) = waiting.join().expect("the idle one");
        assert!(came.is_empty() && took >= SECOND * 2, "{took:?} {came:?}");
        assert_eq!(world.status("upgraded_connections"), 1, "the busy one");
        assert_eq!(last_line(&world)["reason"], "upstream_timeout");
    }
}

/// A service that takes nothing: `write_timeout` of its upstream.
#[test]
fn a_service_that_reads_nothing_is_left() {
    fn deaf(stream: &mut TcpStream, running: &Running, first: &[u8]) -> io::Result<()> {
        stream.write_all(first)?;
        running.hang();
        Ok(())
    }
    let world = World::start(SWITCH.as_bytes(), deaf, "read_timeout: 1h, write_timeout: 1s", "");
    let mut stream = world.open();
    let mut writer = stream.try_clone().expect("a second handle");
    // it fails when the gateway ends the connection
    let writing = thread::spawn(move || writer.write_all(&vec![0; 64 * 1024 * 1024]));
    wait_within(PATIENCE, "it has ended", || world.status("upgraded_connections") == 0);
    assert!(writing.join().expect("a thread").is_err());
    // with bytes unread the connection may be reset
    let _ = stream.read_to_end(&mut Vec::new());
    assert_eq!(last_line(&world)["reason"], "upstream_timeout");
}

/// A client that takes nothing: `write_timeout` of its listener.
#[test]
fn a_client_that_reads_nothing_is_left() {
    fn floods(stream: &mut TcpStream, _: &Running, first: &[u8]) -> io::Result<()> {
        stream.write_all(first)?;
        loop {
            stream.write_all(&[0; 64 * 1024])?;
        }
    }
    let listener =
        "listeners: [{ address: \"127.0.0.1:@PORT@\", limits: { write_timeout: 1s } }]\n";
    let world = World::start(SWITCH.as_bytes(), floods, "read_timeout: 1h", listener);
    let _stream = world.open();
    wait_within(PATIENCE, "it has ended", || world.status("upgraded_connections") == 0);
    let line = last_line(&world);
    assert_eq!((&line["status"], line["reason"].is_null()), (&101.into(), true), "{line}");
}

/// A WebSocket gets its close frame between two frames, any other protocol just ends.
#[test]
fn the_tokens_end_is_the_connections_end() {
    let half = &HELLO[..4];
    for (protocol, sent, last) in [
        ("websocket", HELLO, POLICY_VIOLATION),
        ("websocket", half, b""),
        ("websocket", b"", POLICY_VIOLATION),
        ("chat/1.0", HELLO, b""),
    ] {
        let first = [SWITCH.replace("websocket", protocol).as_bytes(), sent].concat();
        let world = World::start(&first, silent, "", "cache: { ttl: 1h }\n");
        let lines = format!("{GOOD}Connection: Upgrade\r\nUpgrade: {protocol}\r\n");
        let mut stream = world.request(&lines, b"");
        switched(&mut stream);
        assert_eq!(read(&mut stream, sent.len()), sent);
        let purge = json!({ "token": "good" });
        assert_eq!(world.setup.gateway.admin_post("/api/cache/purge", &purge).status, 200);
        assert_eq!(rest(&mut stream), last, "{protocol} {sent:?}");
        let line = last_line(&world);
        assert_eq!((&line["reason"], &line["decision"]), (&"purged".into(), &"allow".into()));
        let sample = "introgate_streams_ended_total{reason=\"purged\",route=\"all\"}";
        wait_until("the end is counted", || world.setup.gateway.metric(sample) == 1.0);
    }
}

/// Bytes without a pause, in both directions, hold no end up. The connection of a client that takes
/// nothing ends as well.
#[test]
fn a_busy_connection_ends_with_its_token() {
    fn floods(stream: &mut TcpStream, running: &Running, first: &[u8]) -> io::Result<()> {
        stream.write_all(first)?;
        let mut reader = stream.try_clone()?;
        thread::spawn(move || while matches!(reader.read(&mut [0; 64 * 1024]), Ok(1..)) {});
        // one frame without an end
        stream.write_all(&[0x82, 127, 0x7f, 0, 0, 0, 0, 0, 0, 0])?;
        while !running.is_stopped() {
            stream.write_all(&[0; 64 * 1024])?;
        }
        Ok(())
    }
    for reads in [true, false] {
        let world = World::start(SWITCH.as_bytes(), floods, "", "cache: { ttl: 1h }\n");
        let mut stream = world.open();
        let mut writer = stream.try_clone().expect("a second handle");
        let writing = thread::spawn(move || while writer.write_all(&[0; 64 * 1024]).is_ok() {});
        let reading = reads.then(|| {
            thread::spawn(move || while matches!(stream.read(&mut [0; 64 * 1024]), Ok(1..)) {})
        });
        thread::sleep(Duration::from_millis(300)); // it is busy
        assert_eq!(world.status("streams"), 1);
        let purge = json!({ "all": true });
        assert_eq!(world.setup.gateway.admin_post("/api/cache/purge", &purge).status, 200);
        wait_until("the stream has ended", || world.status("streams") == 0);
        assert_eq!(last_line(&world)["reason"], "purged", "{reads}");
        writing.join().expect("the writer");
        if let Some(reading) = reading {
            reading.join().expect("the reader");
        }
    }
}

/// A token that ends between the decision and the 101.
#[test]
fn a_101_that_comes_behind_the_tokens_end_opens_nothing_for_long() {
    fn late(stream: &mut TcpStream, running: &Running, first: &[u8]) -> io::Result<()> {
        running.sleep(SECOND * 3);
        silent(stream, running, first)
    }
    let world = World::start(SWITCH.as_bytes(), late, "", "cache: { ttl: 1h }\n");
    let exp = crate::support::now() + 2;
    world.setup.server.answer("short", active(json!({ "sub": "alice", "exp": exp })));
    let lines = format!("Authorization: Bearer short\r\n{}", super::WEBSOCKET);
    let mut stream = world.request(&lines, b"");
    switched(&mut stream);
    assert_eq!(rest(&mut stream), POLICY_VIOLATION);
    assert_eq!(last_line(&world)["reason"], "expired");
}

/// Upgraded connections go on while a process stops, for as long as `shutdown_timeout`.
#[test]
fn a_stop_ends_connections_at_shutdown_timeout() {
    for (protocol, last) in [("websocket", GOING_AWAY), ("chat/1.0", b"")] {
        let first = SWITCH.replace("websocket", protocol);
        let mut world = World::start(first.as_bytes(), echo, "", "shutdown_timeout: 2s\n");
        let lines = format!("{GOOD}Connection: Upgrade\r\nUpgrade: {protocol}\r\n");
        let mut stream = world.request(&lines, b"");
        switched(&mut stream);
        let began = Instant::now();
        world.setup.gateway.sigterm();
        world.setup.gateway.log_with("stopping");
        stream.write_all(HELLO).expect("bytes are sent");
        assert_eq!(read(&mut stream, HELLO.len()), HELLO, "it goes on");
        assert_eq!(rest(&mut stream), last, "{protocol}");
        let took = began.elapsed();
        assert!(took >= SECOND * 2, "{took:?}");
        drop(stream);
        assert_eq!(world.setup.gateway.wait_for_exit(PATIENCE).code(), Some(0));
        let line = last_line(&world);
        assert_eq!((&line["status"], line["reason"].is_null()), (&101.into(), true), "{line}");
    }
}

/// The process ends as soon as the last connection has.
#[test]
fn a_stop_waits_no_longer_than_for_the_last_connection() {
    let mut world = World::start(SWITCH.as_bytes(), echo, "", "shutdown_timeout: 60s\n");
    let mut stream = world.open();
    world.setup.gateway.sigterm();
    world.setup.gateway.log_with("stopping");
    stream.write_all(b"x").expect("a byte is sent");
    assert_eq!(read(&mut stream, 1), b"x");
    drop(stream);
    assert_eq!(world.setup.gateway.wait_for_exit(PATIENCE).code(), Some(0));
}

/// `introgate run --upgrade`: connections stay with the old process until they end, or until its
/// `shutdown_timeout`; new ones are the new process's.
#[test]
fn connections_outlive_a_handover_by_shutdown_timeout() {
    let mut world = World::start(SWITCH.as_bytes(), echo, "", "shutdown_timeout: 4s\n");
    let mut stream = world.open();
    let mut old = world.setup.gateway.upgrade();
    world.setup.gateway.log_with("took over from the old process");
    let began = Instant::now();
    let mut new = world.open();
    for stream in [&mut stream, &mut new] {
        stream.write_all(HELLO).expect("bytes are sent");
        assert_eq!(read(stream, HELLO.len()), HELLO);
    }
    assert_eq!(rest(&mut stream), GOING_AWAY);
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    drop(stream);
    wait_within(PATIENCE, "the old process has ended", || {
        old.try_wait().expect("its state").is_some()
    });
    new.write_all(HELLO).expect("bytes are sent");
    assert_eq!(read(&mut new, HELLO.len()), HELLO, "the new process's goes on");
}
