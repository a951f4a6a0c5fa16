//! HTTP/2 clients that cost more than they are worth; the table of `src/proxy/general/http2.rs`.

use crate::support::http2::{
    ENHANCE_YOUR_CALM, Event, Http2, REFUSED_STREAM, fields_bytes, frame, frame_bytes,
};
use crate::support::{PATIENCE, Setup, UpstreamBehaviour, one_route, wait_until};
use std::time::{Duration, Instant};

const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "gateway.test")];

fn setup(limits: &str) -> Setup {
    Setup::start(&format!(
        "listeners: [{{ address: \"127.0.0.1:@PORT@\", protocols: [h2c], limits: {{ {limits} }} }}]\n{}",
        one_route("auth: none")
    ))
}

/// A request of another client is answered.
#[track_caller]
fn serves_others(setup: &Setup) {
    let mut client = Http2::open(setup.gateway.port(), &[]);
    client.headers(1, &GET, true).expect("send");
    let answer = client.next(PATIENCE);
    assert!(matches!(answer, Some(Event::Head { status: Some(200), .. })), "{answer:?}");
}

/// Frames until one of these, or the end.
fn until(client: &mut Http2, wanted: impl Fn(&Event) -> bool) -> Event {
    loop {
        let event = client.next(PATIENCE).expect("a frame");
        if event == Event::Closed || wanted(&event) {
            return event;
        }
    }
}

/// Sends until the gateway has had enough, at most `most` times; how often it was.
fn flood(client: &mut Http2, most: usize, bytes: impl Fn(u32) -> Vec<u8>) -> usize {
    for number in 0..most {
        if client.send(&bytes(u32::try_from(number).expect("a number"))).is_err() {
            return number;
        }
    }
    most
}

#[test]
fn further_streams_than_the_limit_are_refused() {
    let setup = setup("streams: 4");
    setup.upstream.behave(UpstreamBehaviour::EchoAfter(Duration::from_secs(1)));
    let mut client = Http2::open(setup.gateway.port(), &[]);
    for stream in [1, 3, 5, 7, 9, 11] {
        client.headers(stream, &GET, true).expect("send");
    }
    let (mut answered, mut refused) = (Vec::new(), Vec::new());
    while answered.len() + refused.len() < 6 {
        match client.next(PATIENCE).expect("a frame") {
            Event::Head { stream, status, .. } => answered.push((stream, status)),
            Event::Reset { stream, code } => refused.push((stream, code)),
            Event::Data { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    answered.sort_unstable();
    assert_eq!(answered, [1, 3, 5, 7].map(|stream| (stream, Some(200))));
    assert_eq!(refused, [(9, REFUSED_STREAM), (11, REFUSED_STREAM)]);
    assert_eq!(setup.upstream.count(), 4);
}

/// CVE-2023-44487. The service sees few of the requests.
#[test]
fn rapid_reset_ends_the_connection() {
    let setup = setup("streams: 16");
    setup.upstream.behave(UpstreamBehaviour::EchoAfter(Duration::from_millis(200)));
    let mut client = Http2::open(setup.gateway.port(), &[]);
    let block = fields_bytes(&GET);
    flood(&mut client, 20_000, |number| {
        let stream = number * 2 + 1;
        let reset = frame_bytes(frame::RST_STREAM, 0, stream, &8_u32.to_be_bytes());
        [frame_bytes(frame::HEADERS, 5, stream, &block), reset].concat()
    });
    let end = until(&mut client, |event| matches!(event, Event::GoAway { .. }));
    assert!(matches!(end, Event::Closed | Event::GoAway { code: ENHANCE_YOUR_CALM }), "{end:?}");
    assert!(setup.upstream.count() < 2_000, "{}", setup.upstream.count());
    setup.upstream.behave(UpstreamBehaviour::Echo);
    serves_others(&setup);
}

/// CVE-2024-27316: a header section that never ends.
#[test]
fn header_sections_without_end_end_the_connection() {
    let setup = setup("header_size: 16KiB");
    for size in [1, 100, 16_000] {
        let mut client = Http2::open(setup.gateway.port(), &[]);
        client.frame(frame::HEADERS, 1, 1, &fields_bytes(&GET)).expect("send");
        let piece = fields_bytes(&[("x", &"y".repeat(size))]);
        let sent = flood(&mut client, 40_000_000 / (size + 20), |_| {
            frame_bytes(frame::CONTINUATION, 0, 1, &piece)
        });
        let end = until(&mut client, |event| matches!(event, Event::GoAway { .. }));
        assert!(matches!(end, Event::Closed | Event::GoAway { .. }), "{size}: {end:?}");
        assert!(sent < 40_000_000 / (size + 20), "{size}: all of {sent} frames were taken");
    }
    assert_eq!(setup.upstream.count(), 0);
    serves_others(&setup);
}

/// A header section that is too large for `header_size` is refused, and the connection goes on.
#[test]
fn a_large_header_section_is_refused() {
    let setup = setup("header_size: 4KiB");
    let mut client = Http2::open(setup.gateway.port(), &[]);
    let long = "y".repeat(8_000);
    client.headers(1, &[&GET[..], &[("x", &long)]].concat(), true).expect("send");
    let answer = client.next(PATIENCE);
    assert!(
        matches!(answer, Some(Event::Head { status: Some(431), .. } | Event::Reset { .. })),
        "{answer:?}"
    );
    assert_eq!(setup.upstream.count(), 0);
    serves_others(&setup);
}

/// A client that sends SETTINGS or PING and reads no answer is left after `write_timeout`.
#[test]
fn floods_of_control_frames_fill_no_memory() {
    let setup = setup("write_timeout: 1s");
    for (what, bytes) in [
        ("settings", frame_bytes(frame::SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 9])),
        ("ping", frame_bytes(frame::PING, 0, 0, &[7; 8])),
    ] {
        let before = setup.gateway.resident_memory();
        let mut client = Http2::open(setup.gateway.port(), &[]);
        let many = bytes.repeat(1_000);
        let began = Instant::now();
        // 200 MB, unless the gateway takes no more
        let sent = flood(&mut client, 14_000, |_| many.clone());
        assert!(sent < 14_000, "{what}: everything was taken in {:?}", began.elapsed());
        let grown = setup.gateway.resident_memory().saturating_sub(before);
        assert!(grown < 32 << 20, "{what}: {grown} bytes more");
    }
    serves_others(&setup);
}

/// RFC 9113 §6.9: a client that opens streams and makes no room for their responses.
#[test]
fn responses_without_room_end_after_the_write_timeout() {
    let setup = setup("write_timeout: 1s, streams: 8");
    let body =
        format!("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{}", "x".repeat(1_000_000));
    setup.upstream.behave(UpstreamBehaviour::Kept(body.into_bytes()));
    // SETTINGS_INITIAL_WINDOW_SIZE
    let mut client = Http2::open(setup.gateway.port(), &[(4, 100)]);
    for stream in [1, 3, 5] {
        client.headers(stream, &GET, true).expect("send");
    }
    let began = Instant::now();
    let (mut ended, mut bytes) = (0, 0);
    while ended < 3 {
        match client.next(PATIENCE).expect("a frame") {
            Event::Reset { .. } => ended += 1,
            Event::Data { bytes: some, .. } => bytes += some.len(),
            Event::Closed | Event::GoAway { .. } => break,
            Event::Head { .. } => {}
        }
    }
    assert!(bytes <= 300, "{bytes}");
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
    wait_until("the requests are over", || setup.gateway.access_log(3).len() == 3);
}

/// A connection without requests is closed after `idle_timeout`; pings do not keep it open.
#[test]
fn an_idle_connection_is_closed() {
    let setup = setup("idle_timeout: 1s");
    let mut client = Http2::open(setup.gateway.port(), &[]);
    client.headers(1, &GET, true).expect("send");
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let _ = client.frame(frame::PING, 0, 0, &[1; 8]);
        if client.next(Duration::from_millis(100)) == Some(Event::Closed) {
            return;
        }
    }
    panic!("it is still open");
}

/// Malformed requests cost work as well: there is a number of them for each connection.
#[test]
fn a_connection_that_brings_malformed_requests_ends() {
    let setup = setup("");
    let mut client = Http2::open(setup.gateway.port(), &[]);
    let block = fields_bytes(&[&GET[..], &[("connection", "x")]].concat());
    flood(&mut client, 5_000, |number| frame_bytes(frame::HEADERS, 5, number * 2 + 1, &block));
    let end = until(&mut client, |event| matches!(event, Event::GoAway { .. }));
    assert!(matches!(end, Event::Closed | Event::GoAway { .. }), "{end:?}");
    assert_eq!(setup.upstream.count(), 0);
    serves_others(&setup);
}
