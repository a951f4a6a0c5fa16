//! HTTP/2 (RFC 9113 §8): malformed requests never reach the service, and sound ones arrive as the
//! HTTP/1.1 request that they mean.

use crate::support::http2::{END_HEADERS, END_STREAM, Event, Http2, fields_bytes, frame};
use crate::support::{Setup, one_route};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

/// The pseudo-header fields of a GET.
const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":path", "/a?b"), (":authority", "gateway.test")];

#[derive(Debug, PartialEq)]
enum Outcome {
    Status(u16),
    /// The stream is reset, or the connection ended.
    Refused,
}

fn setup(route: &str) -> Setup {
    let listener = "listeners: [{ address: \"127.0.0.1:@PORT@\", protocols: [h1, h2c] }]\n";
    Setup::start(&format!("{listener}{}", one_route(route)))
}

/// The outcome of one request on a connection of its own.
fn outcome(setup: &Setup, fields: &[(&str, &str)], body: Option<&[u8]>) -> Outcome {
    let mut client = Http2::open(setup.gateway.port(), &[]);
    client.headers(1, fields, body.is_none()).expect("send");
    if let Some(body) = body {
        // the gateway may have reset the stream already
        let _ = client.frame(frame::DATA, END_STREAM, 1, body);
    }
    loop {
        match client.next(PATIENCE).expect("an answer") {
            Event::Head { status: Some(100..=199), .. } | Event::Data { .. } => {}
            Event::Head { status, .. } => return Outcome::Status(status.expect("a status")),
            Event::Reset { .. } | Event::GoAway { .. } | Event::Closed => return Outcome::Refused,
        }
    }
}

/// `GET` with one field changed, taken away (an empty value), or added.
fn with<'f>(name: &'f str, value: &'f str) -> Vec<(&'f str, &'f str)> {
    let mut fields: Vec<_> = GET.into_iter().filter(|field| field.0 != name).collect();
    if !value.is_empty() {
        if name.starts_with(':') {
            fields.insert(0, (name, value));
        } else {
            fields.push((name, value));
        }
    }
    fields
}

/// §8.1.1: a malformed request is a stream error, or is refused; the service sees none of it.
#[test]
fn section_8_malformed_requests() {
    let setup = setup("auth: none");
    let twice = |name: &'static str, value: &'static str| {
        let mut fields = GET.to_vec();
        fields.insert(1, (name, value));
        fields
    };
    let late = |name: &'static str, value: &'static str| {
        let mut fields: Vec<_> = GET.into_iter().filter(|field| field.0 != name).collect();
        fields.push(("x-first", "1"));
        fields.push((name, value));
        fields
    };
    let cases: Vec<(&str, Vec<(&str, &str)>)> = vec![
        ("§8.2 an upper-case name", with("X-Upper", "1")),
        ("§8.2.1 a space in a name", with("x y", "1")),
        ("§8.2.1 a colon in a name", with("x:y", "1")),
        ("§8.2.1 NUL in a value", with("x-a", "a\0b")),
        ("§8.2.1 a line break in a value", with("x-a", "a\r\nx-introspected-sub: eve")),
        ("§8.2.1 CR in a value", with("x-a", "a\rb")),
        ("§8.2.2 connection", with("connection", "close")),
        ("§8.2.2 keep-alive", with("keep-alive", "1")),
        ("§8.2.2 proxy-connection", with("proxy-connection", "close")),
        ("§8.2.2 transfer-encoding", with("transfer-encoding", "chunked")),
        ("§8.2.2 upgrade", with("upgrade", "websocket")),
        ("§8.2.2 te other than trailers", with("te", "gzip")),
        ("§8.3 an unknown pseudo-header field", with(":other", "1")),
        ("§8.3 a response's pseudo-header field", with(":status", "200")),
        ("§8.3 a pseudo-header field behind others", late(":path", "/a")),
        ("§8.3.1 no method", with(":method", "")),
        ("§8.3.1 no scheme", with(":scheme", "")),
        ("§8.3.1 no path", with(":path", "")),
        ("§8.3.1 two paths", twice(":path", "/hidden")),
        ("§8.3.1 two methods", twice(":method", "DELETE")),
        ("§8.3.1 two authorities", twice(":authority", "other.test")),
        ("§8.3.1 a path without a slash", with(":path", "hidden")),
        ("§8.3.1 `*` for another method than OPTIONS", with(":path", "*")),
        ("§8.3.1 a path with a space", with(":path", "/a b")),
        ("§8.3.1 a path with a line break", with(":path", "/a HTTP/1.1\r\nx: y")),
        ("§8.3.1 a method with a space", with(":method", "GET /hidden")),
        ("§8.3.1 an authority with userinfo", with(":authority", "eve@gateway.test")),
        ("§8.3.1 an authority and another host", with("host", "other.test")),
        ("§8.5 CONNECT", vec![(":method", "CONNECT"), (":authority", "gateway.test:443")]),
        ("§8.5 CONNECT with a path", with(":method", "CONNECT")),
        (
            "RFC 8441 extended CONNECT, which was not offered",
            [vec![(":protocol", "websocket")], with(":method", "CONNECT")].concat(),
        ),
        ("RFC 9110 TRACE", with(":method", "TRACE")),
    ];
    let mut wrong = Vec::new();
    for (case, fields) in &cases {
        let seen = outcome(&setup, fields, None);
        let refused = matches!(seen, Outcome::Refused | Outcome::Status(400 | 405 | 421 | 501));
        if !refused || setup.upstream.count() > 0 {
            wrong.push(format!("{case}: {seen:?}, {:?}", setup.upstream.requests()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// §8.1.1: a length that the frames do not have.
#[test]
fn section_8_1_1_lengths() {
    let setup = setup("auth: none");
    let post = |length: &'static str| {
        let mut fields = with(":method", "POST");
        fields.push(("content-length", length));
        fields
    };
    for (length, body) in [
        ("5", None),
        ("5", Some(&b"abc"[..])),
        ("2", Some(b"abc")),
        ("x", Some(b"abc")),
        ("-1", Some(b"abc")),
        ("0", Some(b"GET /hidden HTTP/1.1\r\n\r\n")),
    ] {
        let seen = outcome(&setup, &post(length), body);
        // a request without a body may be answered before the bytes come that do not belong to it
        let refused = matches!(seen, Outcome::Refused | Outcome::Status(400 | 502));
        assert!(
            refused || length == "0" && seen == Outcome::Status(200),
            "{length} {body:?}: {seen:?}"
        );
        // A request whose forwarding had begun was cut off. One without a body is whole with its
        // header section; the bytes that do not belong to it go nowhere.
        let mut whole = setup.upstream.requests();
        whole.retain(|request| length != "0" || request.target != "/a?b");
        assert!(whole.is_empty(), "{length} {body:?}: {whole:?}");
        assert!(setup.upstream.requests().iter().all(|request| request.body.is_empty()));
    }
    assert_eq!(outcome(&setup, &post("3"), Some(b"abc")), Outcome::Status(200));
    // a request that was cut off may arrive later than this one
    let requests = setup.upstream.requests();
    assert!(requests.iter().any(|request| request.body == b"abc"), "{requests:?}");
}

/// §8.2.3, §8.3.1: sound requests, as the service sees them.
#[test]
fn section_8_sound_requests() {
    let setup = setup("auth: none");
    let cases = [
        ("a GET", GET.to_vec(), &[("host", Some("gateway.test"))][..]),
        (
            "host in place of :authority",
            [with(":authority", ""), vec![("host", "gateway.test")]].concat(),
            &[("host", Some("gateway.test"))],
        ),
        ("the same host twice", with("host", "gateway.test"), &[("host", Some("gateway.test"))]),
        (
            "cookies in several fields",
            [GET.to_vec(), vec![("cookie", "a=1"), ("cookie", "b=2")]].concat(),
            &[("cookie", Some("a=1; b=2"))],
        ),
        (
            "the gateway's own fields, and te",
            [
                GET.to_vec(),
                vec![
                    ("x-introspected-sub", "eve"),
                    ("x_introspected_sub", "eve"),
                    ("te", "trailers"),
                ],
            ]
            .concat(),
            &[("x-introspected-sub", None), ("x_introspected_sub", None), ("te", None)],
        ),
    ];
    for (case, fields, headers) in cases {
        assert_eq!(outcome(&setup, &fields, None), Outcome::Status(200), "{case}");
        let seen = setup.upstream.last();
        assert_eq!(format!("{} {}", seen.method, seen.target), "GET /a?b", "{case}");
        for (name, value) in headers {
            assert_eq!(seen.header(name), *value, "{case}: {name}");
            assert!(seen.headers_all(name).len() <= 1, "{case}: {name}");
        }
    }
}

/// The gate decides about each stream of a connection by itself.
#[test]
fn section_5_1_streams_are_decided_about_one_by_one() {
    let setup = setup("scopes: [read]");
    let mut client = Http2::open(setup.gateway.port(), &[]);
    let tokens = ["Bearer good", "Bearer narrow", "Bearer unknown", "Basic a", "Bearer a b"];
    for (number, token) in (0_u32..).zip(tokens) {
        let fields = with("authorization", token);
        client.headers(number * 2 + 1, &fields, true).expect("send");
    }
    client.headers(11, &GET, true).expect("send");
    let mut statuses = [0; 6];
    while statuses.contains(&0) {
        match client.next(PATIENCE).expect("an answer") {
            Event::Head { stream, status, .. } => {
                statuses[stream as usize / 2] = status.expect("a status");
            }
            Event::Data { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(statuses, [200, 403, 401, 401, 400, 401]);
    assert_eq!(setup.upstream.count(), 1);
}

/// §4.3, §6.10: a header section in several frames is one; nothing may come between them.
#[test]
fn section_6_10_continuation() {
    let setup = setup("auth: none");
    let block = fields_bytes(&GET);
    let (first, second) = block.split_at(20);
    let mut client = Http2::open(setup.gateway.port(), &[]);
    client.frame(frame::HEADERS, END_STREAM, 1, first).expect("send");
    client.frame(frame::CONTINUATION, END_HEADERS, 1, second).expect("send");
    assert!(matches!(client.next(PATIENCE), Some(Event::Head { status: Some(200), .. })));
    let mut client = Http2::open(setup.gateway.port(), &[]);
    client.frame(frame::HEADERS, END_STREAM, 1, first).expect("send");
    client.frame(frame::PING, 0, 0, &[0; 8]).expect("send");
    let _ = client.frame(frame::CONTINUATION, END_HEADERS, 1, second);
    assert!(matches!(client.next(PATIENCE), Some(Event::GoAway { .. } | Event::Closed)));
    assert_eq!(setup.upstream.count(), 1);
}
