//! The bytes of both ends arrive, in their order, until both have ended.

use super::{GOOD, HELLO, SWITCH, World, half_close, read, rest, silent};
use crate::support::{Running, wait_until};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// Far more than the buffers on the way.
const LARGE: usize = 16 * 1024 * 1024;

/// More than the system's buffers of four sockets.
const HUGE: usize = 64 * 1024 * 1024;

fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8).collect()
}

#[test]
fn bytes_in_the_packet_of_the_101_are_not_lost() {
    let large = [SWITCH.as_bytes(), &pattern(300_000)].concat();
    for first in [[SWITCH.as_bytes(), HELLO].concat(), large] {
        let world = World::echo(&first);
        let mut stream = world.open();
        let behind = &first[SWITCH.len()..];
        assert!(read(&mut stream, behind.len()) == behind);
        stream.write_all(b"back").expect("bytes are sent");
        assert_eq!(read(&mut stream, 4), b"back");
    }
}

#[test]
fn large_messages_arrive_whole_in_both_directions_at_once() {
    let world = World::echo(SWITCH.as_bytes());
    let mut stream = world.open();
    let (sent, mut writer) = (pattern(LARGE), stream.try_clone().expect("a second handle"));
    let writing = thread::spawn(move || writer.write_all(&sent));
    assert!(read(&mut stream, LARGE) == pattern(LARGE));
    writing.join().expect("a thread").expect("all was sent");
}

/// A client that reads nothing: the service has to wait, and the gateway keeps little.
#[test]
fn a_sender_waits_for_a_slow_receiver() {
    let world = World::echo(SWITCH.as_bytes());
    let mut stream = world.open();
    let before = world.setup.gateway.resident_memory();
    let (sent, mut writer) = (pattern(HUGE), stream.try_clone().expect("a second handle"));
    let writing = thread::spawn(move || writer.write_all(&sent));
    thread::sleep(Duration::from_millis(500)); // every buffer on the way fills
    assert!(!writing.is_finished(), "the system's buffers are larger than {HUGE} bytes");
    let kept = world.setup.gateway.resident_memory().saturating_sub(before);
    assert!(kept < 4 * 1024 * 1024, "the gateway keeps {kept} bytes");
    assert!(read(&mut stream, HUGE) == pattern(HUGE));
    writing.join().expect("a thread").expect("all was sent");
}

/// One direction ends; the other one goes on (TCP's half-closed connections).
#[test]
fn the_client_may_end_first() {
    fn replies_at_the_end(stream: &mut TcpStream, _: &Running, first: &[u8]) -> io::Result<()> {
        stream.write_all(first)?;
        let mut all = Vec::new();
        stream.read_to_end(&mut all)?;
        thread::sleep(Duration::from_millis(300)); // the reply is no race
        stream.write_all(&all)
    }
    let world = World::start(SWITCH.as_bytes(), replies_at_the_end, "", "");
    let mut stream = world.open();
    stream.write_all(b"last words").expect("bytes are sent");
    half_close(&stream);
    assert_eq!(rest(&mut stream), b"last words");
    let line = world.setup.gateway.access_log(1).remove(0);
    assert_eq!((&line["status"], &line["decision"]), (&101.into(), &"allow".into()), "{line}");
    assert!(line["reason"].is_null(), "{line}");
    assert!(line["duration_ms"].as_f64().is_some_and(|millis| millis >= 300.0), "{line}");
}

#[test]
fn the_service_may_end_first() {
    fn ends_first(stream: &mut TcpStream, _: &Running, first: &[u8]) -> io::Result<()> {
        stream.write_all(&[first, b"bye"].concat())?;
        stream.shutdown(Shutdown::Write)?;
        let mut all = Vec::new();
        stream.read_to_end(&mut all)?;
        assert_eq!(all, b"understood");
        Ok(())
    }
    let world = World::start(SWITCH.as_bytes(), ends_first, "", "");
    let mut stream = world.open();
    assert_eq!(rest(&mut stream), b"bye");
    assert_eq!(world.status("upgraded_connections"), 1, "the client's direction is open");
    stream.write_all(b"understood").expect("bytes are sent");
    half_close(&stream);
    wait_until("the connection has ended", || world.status("upgraded_connections") == 0);
}

/// Either end vanishes without a word.
#[test]
fn an_end_that_breaks_ends_the_other_one() {
    let world = World::echo(SWITCH.as_bytes());
    let stream = world.open();
    wait_until("it is open", || world.status("upgraded_connections") == 1);
    drop(stream);
    wait_until("it has ended", || world.status("upgraded_connections") == 0);

    fn breaks(stream: &mut TcpStream, _: &Running, first: &[u8]) -> io::Result<()> {
        stream.write_all(&[first, b"\x81\x05hel"].concat())?;
        stream.shutdown(Shutdown::Both)
    }
    let world = World::start(SWITCH.as_bytes(), breaks, "", "");
    let mut stream = world.open();
    assert_eq!(rest(&mut stream), b"\x81\x05hel");
    // the service takes no more
    wait_until("it has ended", || {
        let _ = stream.write_all(b"x");
        world.status("upgraded_connections") == 0
    });
    let line = world.setup.gateway.access_log(1).remove(0);
    assert_eq!(line["status"], 101, "{line}");
}

#[test]
fn the_log_and_the_metrics_are_written_at_the_end() {
    let world = World::echo(SWITCH.as_bytes());
    let mut streams: Vec<TcpStream> = (0..3).map(|_| world.open()).collect();
    assert_eq!(world.status("upgraded_connections"), 3);
    assert_eq!(world.status("streams"), 3, "their tokens are watched");
    assert_eq!(world.setup.gateway.stdout(), "");
    for stream in &mut streams {
        stream.write_all(b"x").expect("a byte is sent");
        assert_eq!(read(stream, 1), b"x");
    }
    drop(streams);
    let lines = world.setup.gateway.access_log(3);
    assert!(lines.iter().all(|line| line["status"] == 101 && line["upstream"] == "quick"));
    let sample = "introgate_requests_total{route=\"all\",method=\"GET\",code=\"101\"}";
    assert_eq!(world.setup.gateway.metric(sample), 3.0);
    let answered = "introgate_upstream_requests_total{upstream=\"quick\",code=\"101\"}";
    assert_eq!(world.setup.gateway.metric(answered), 3.0);
    assert_eq!(world.status("upgraded_connections"), 0);
    assert_eq!(world.status("streams"), 0);
}

/// Nothing of an upgraded connection is used for another request, on either side.
#[test]
fn connections_end_with_their_protocol() {
    let world = World::echo(SWITCH.as_bytes());
    for _ in 0..3 {
        let mut stream = world.open();
        let request = format!("GET / HTTP/1.1\r\nHost: gateway.test\r\n{GOOD}\r\n");
        stream.write_all(request.as_bytes()).expect("bytes are sent");
        assert_eq!(read(&mut stream, request.len()), request.as_bytes(), "they are no request");
        half_close(&stream);
        assert_eq!(rest(&mut stream), b"");
    }
    assert_eq!(world.heads().len(), 3);
}

/// A connection that nothing comes over costs little, and many are open at once.
#[test]
fn many_connections_are_open_at_once() {
    let world = World::start(SWITCH.as_bytes(), silent, "", "");
    let streams: Vec<TcpStream> = (0..100).map(|_| world.open()).collect();
    assert_eq!(world.status("upgraded_connections"), 100);
    drop(streams);
    let began = Instant::now();
    wait_until("all have ended", || world.status("upgraded_connections") == 0);
    assert!(began.elapsed() < Duration::from_secs(10));
}
