//! `listeners[].limits`: how much of the gateway one client may take.

use super::{listening, setup_with};
use crate::support::{Builder, Connection, Response, Setup, UpstreamBehaviour, wait_until};
use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

fn header(bytes: usize) -> String {
    format!("X-Padding: {}\r\n", "a".repeat(bytes))
}

/// Sends a request's bytes and reads the response.
#[track_caller]
fn answer(connection: &mut Connection, bytes: &[u8]) -> Response {
    // the gateway may refuse before it has read everything
    let _ = connection.send(bytes);
    connection.read_response("GET").expect("a response")
}

/// A client that never ends its header section gets 408 at the time that the whole section may
/// take, however often it sends a byte; on a new connection and behind another request.
#[test]
fn a_header_section_has_a_time_limit_in_total() {
    let setup = setup_with("limits: { header_timeout: 1s }");
    for first in [false, true] {
        let mut client = setup.gateway.connect();
        if first {
            let kept = client.request("GET", "/", &[], b"").expect("a response");
            assert_eq!(kept.status, 200);
            // longer than the limit: it counts from the first byte of a section
            std::thread::sleep(SECOND + SECOND / 2);
        }
        let began = Instant::now();
        client.send(b"GET /slow HTTP/1.1\r\nHost: a\r\nX: ").expect("send");
        client.patience(Duration::from_millis(150));
        let response = loop {
            match client.read_response("GET") {
                Ok(response) => break response,
                Err(_) => assert!(began.elapsed() < 5 * SECOND, "it goes on"),
            }
            let _ = client.send(b"a");
        };
        let took = began.elapsed();
        assert!(took >= SECOND && took < 3 * SECOND, "{took:?}");
        assert_eq!((response.status, response.reason().as_str()), (408, "request_timeout"));
        assert_eq!(response.header("connection"), Some("close"));
        assert!(client.read_to_end().is_empty());
    }
    let refused = r#"introgate_decisions_total{decision="deny",reason="request_timeout"}"#;
    assert_eq!(setup.gateway.metric(refused), 2.0);
    let log = setup.gateway.access_log(3);
    let line = log.iter().find(|line| line["reason"] == "request_timeout").expect("a line");
    assert_eq!((&line["method"], &line["status"]), (&"GET".into(), &408.into()));
    assert_eq!(line["client_ip"], "127.0.0.1");
    assert!(setup.upstream.requests().iter().all(|request| request.target == "/"));
}

/// RFC 6585 §5: one field, or all together; sections that have an end and those that have none.
#[test]
fn a_header_section_has_a_size_limit() {
    let setup = setup_with("limits: { header_size: 8KiB, headers: 20 }");
    let start = "GET / HTTP/1.1\r\nHost: a\r\n";
    let many = |count: usize| "X: 1\r\n".repeat(count);
    for (name, request, status) in [
        ("no padding", format!("{start}\r\n"), 200),
        ("just small enough", format!("{start}{}\r\n", header(8192 - start.len() - 15)), 200),
        ("a byte too large", format!("{start}{}\r\n", header(8192 - start.len() - 14)), 431),
        ("one large field", format!("{start}{}\r\n", header(1 << 20)), 431),
        ("without an end", format!("{start}{}", header(1 << 20)), 431),
        ("a long target", format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(9000)), 431),
        ("many small ones", format!("{start}{}\r\n", many(4000)), 431),
        ("twenty lines", format!("{start}{}\r\n", many(19)), 200),
        ("one more", format!("{start}{}\r\n", many(20)), 431),
        ("empty lines", "\r\n".repeat(5000), 431),
    ] {
        let response = answer(&mut setup.gateway.connect(), request.as_bytes());
        let reason = if status == 431 { "header_too_large" } else { "" };
        assert_eq!((response.status, response.reason().as_str()), (status, reason), "{name}");
    }
    assert_eq!(setup.upstream.count(), 3);
}

/// The defaults: 64 KiB and 100 lines.
#[test]
fn a_header_section_is_limited_by_default() {
    let setup = Setup::route("auth: none");
    for (line, status) in
        [("X: 1\r\n".repeat(99), 200), ("X: 1\r\n".repeat(100), 431), (header(65_536), 431)]
    {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n");
        let response = answer(&mut setup.gateway.connect(), request.as_bytes());
        assert_eq!(response.status, status, "{}", line.len());
    }
}

/// 150 clients that send a mebibyte of header each, and do not go away.
#[test]
fn large_header_sections_take_little_memory() {
    let setup = Setup::route("auth: none");
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{}", header(1 << 20));
    answer(&mut setup.gateway.connect(), request.as_bytes());
    let before = setup.gateway.resident_memory();
    let mut clients: Vec<_> = (0..150).map(|_| setup.gateway.connect()).collect();
    for client in &mut clients {
        // as much as the gateway may keep of it, and not more
        client.send(&request.as_bytes()[..65_000]).expect("send");
    }
    wait_until("all of it is there", || setup.gateway.metric("introgate_connections{}") >= 150.0);
    std::thread::sleep(SECOND / 2);
    for client in &mut clients {
        let rest = &request.as_bytes()[65_000..];
        assert_eq!(answer(client, rest).status, 431);
    }
    let grown = setup.gateway.resident_memory().saturating_sub(before);
    assert!(grown < 48 << 20, "{} KiB", grown >> 10);
}

/// An announced body is refused before anything is forwarded; a body without a length is counted.
#[test]
fn a_body_has_a_size_limit() {
    let setup = setup_with("limits: { body_size: 1KiB }");
    for (name, headers, body, status) in [
        ("at the limit", vec![("Content-Length", "1024")], vec![b'a'; 1024], 200),
        ("above it", vec![("Content-Length", "1025")], vec![b'a'; 1025], 413),
        ("far above it", vec![("Content-Length", "18446744073709551615")], vec![b'a'], 413),
        ("chunked, at the limit", vec![], chunked(&[512, 512]), 200),
        ("chunked, above it", vec![], chunked(&[512, 513]), 413),
        ("chunked, far above it", vec![], chunked(&[1 << 20]), 413),
    ] {
        let headers = match headers.as_slice() {
            [] => vec![("Transfer-Encoding", "chunked")],
            _ => headers,
        };
        let before = setup.upstream.count();
        let mut client = setup.gateway.connect();
        let _ = client.send(&crate::support::request_bytes("POST", "/", &headers, &body));
        let response = client.read_response("POST").expect("a response");
        let reason = if status == 413 { "body_too_large" } else { "" };
        assert_eq!((response.status, response.reason().as_str()), (status, reason), "{name}");
        let seen = setup.upstream.count() - before;
        assert_eq!(seen, usize::from(status == 200), "{name}: whole requests at the upstream");
    }
    assert_eq!(setup.gateway.metric(r#"introgate_upstream_requests_total{code="200"}"#), 2.0);
}

fn chunked(sizes: &[usize]) -> Vec<u8> {
    let chunks = sizes.iter().map(|&size| format!("{size:x}\r\n{}\r\n", "a".repeat(size)));
    (chunks.collect::<String>() + "0\r\n\r\n").into_bytes()
}

/// Between two requests, and before the first.
#[test]
fn an_idle_connection_ends() {
    let setup = setup_with("limits: { idle_timeout: 1s }");
    for first in [false, true] {
        let mut client = setup.gateway.connect();
        if first {
            assert_eq!(client.request("GET", "/", &[], b"").expect("a response").status, 200);
        }
        let began = Instant::now();
        assert!(client.read_to_end().is_empty());
        let took = began.elapsed();
        assert!(took >= SECOND / 2 && took < 3 * SECOND, "{took:?}");
    }
}

/// A client that takes nothing of its response is left, and its upstream connection with it; for a
/// plain response and for one without a length.
#[test]
fn a_client_that_never_reads_is_left() {
    let setup = setup_with("limits: { write_timeout: 1s }");
    let body = "a".repeat(50 << 20);
    let plain = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let other = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{body}");
    for response in [plain, other] {
        setup.upstream.behave(UpstreamBehaviour::Raw(response.into_bytes()));
        let mut client = setup.gateway.connect();
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("send");
        let open = || setup.gateway.metric("introgate_connections{}");
        wait_until("it is open", || open() == 1.0);
        let began = Instant::now();
        wait_until("it is left", || open() == 0.0);
        let took = began.elapsed();
        assert!(took < 5 * SECOND, "{took:?}");
        let in_flight = setup.gateway.admin_get("/api/status").json()["requests_in_flight"].clone();
        assert_eq!(in_flight, 0);
    }
}

/// A client that reads slowly is none that does not read.
#[test]
fn a_client_that_reads_slowly_gets_all_of_its_response() {
    let setup = setup_with("limits: { write_timeout: 1s }");
    let body = "a".repeat(16 << 20);
    let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    setup.upstream.behave(UpstreamBehaviour::Raw(response.into_bytes()));
    let mut client = TcpStream::connect(("127.0.0.1", setup.gateway.port())).expect("connect");
    std::io::Write::write_all(
        &mut client,
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .expect("send");
    let (mut read, mut piece) = (0, vec![0; 4 << 20]);
    while let Ok(some @ 1..) = client.read(&mut piece) {
        read += some;
        std::thread::sleep(Duration::from_millis(if read < body.len() { 300 } else { 0 }));
    }
    assert!(read > body.len(), "{read}");
}

/// Further connections wait, and are served as soon as there is room.
#[test]
fn connections_have_a_limit() {
    let setup = setup_with("limits: { connections: 2 }");
    let mut held = [setup.gateway.connect(), setup.gateway.connect()];
    for client in &mut held {
        assert_eq!(client.request("GET", "/", &[], b"").expect("a response").status, 200);
    }
    let name = format!("listener=\"127.0.0.1:{}\"", setup.gateway.port());
    let open = format!("introgate_connections{{{name}}}");
    assert_eq!(setup.gateway.metric(&open), 2.0);
    assert_eq!(setup.gateway.metric(&format!("introgate_connections_total{{{name}}}")), 2.0);

    let mut waiting = setup.gateway.connect();
    waiting.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("send");
    waiting.patience(SECOND / 2);
    assert!(waiting.read_response("GET").is_err(), "served above the limit");
    assert_eq!(setup.gateway.metric(&open), 2.0);
    drop(held);
    waiting.patience(5 * SECOND);
    assert_eq!(waiting.read_response("GET").expect("a response").status, 200);
}

/// Where the limit of open files is low, clients leave descriptors for upstreams and for the admin
/// listener.
#[test]
fn descriptors_are_left_for_everything_else() {
    let builder = Builder::new().open_files(128);
    let setup = Setup::build(builder, &listening("limits: { connections: 100000 }"));
    assert!(setup.gateway.stderr().contains("limit of open files"), "the limit is logged");
    let clients: Vec<_> = (0..150).map(|_| setup.gateway.connect()).collect();
    let mut served = 0;
    for mut client in clients {
        client.patience(SECOND / 4);
        served += usize::from(client.request("GET", "/", &[], b"").is_ok());
        assert_eq!(setup.gateway.admin_get("/livez").status, 200);
        if served > 0 {
            break;
        }
    }
    assert_eq!(served, 1);
    assert!(setup.gateway.metric("introgate_connections{}") <= 32.0);
}
