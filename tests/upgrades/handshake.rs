//! Which requests are upgrades, and which answers to them are right.

use super::{
    GOOD, PATIENCE, SWITCH, WEBSOCKET, World, connect, echo, head, read, rest, silent, switched,
};
use crate::support::http2::{Event, Http2};
use crate::support::{Running, Setup};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixListener;
use std::time::Duration;

/// Any protocol that `Connection` names, as long as it carries no HTTP requests, which would go
/// around the gate.
#[test]
fn protocols_that_are_switched_to() {
    for (protocol, agreed) in [
        ("websocket", "WebSocket"),
        ("chat/1.0", "chat/1.0"),
        ("chat/1.0, x-echo", "x-echo"),
        ("connect-udp", "connect-udp"),
    ] {
        let first = SWITCH.replace("websocket", agreed);
        let world = World::echo(first.as_bytes());
        let mut stream = world
            .request(&format!("{GOOD}Connection: upgrade\r\nUpgrade: {protocol}\r\n"), b"early");
        let head = switched(&mut stream);
        assert!(head.contains(&format!("\r\nUpgrade: {agreed}\r\n")), "{head}");
        assert_eq!(read(&mut stream, 5), b"early", "{protocol}");
        let seen = world.heads().remove(0).to_ascii_lowercase();
        assert!(seen.contains(&format!("\r\nupgrade: {protocol}\r\n")), "{seen}");
        assert!(seen.contains("\r\nconnection: upgrade\r\n"), "{seen}");
    }
}

/// `h2c` behind a gateway is a way around it (RFC 9113 §3.1 has removed it).
#[test]
fn no_protocol_that_carries_http_is_switched_to() {
    for protocol in
        ["h2c", "H2C", "h2c-14", "h2", "HTTP/2.0", "TLS/1.0", "websocket, h2c", "h2c, websocket"]
    {
        let first = SWITCH.replace("websocket", "h2c");
        let world = World::echo(first.as_bytes());
        let lines = format!(
            "{GOOD}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: {protocol}\r\n\
             HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
        );
        let mut stream = world.request(&lines, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let response = String::from_utf8_lossy(&rest(&mut stream)).into_owned();
        assert!(response.starts_with("HTTP/1.1 502 "), "{protocol}: {response}");
        for seen in world.heads() {
            let seen = seen.to_ascii_lowercase();
            assert!(!seen.contains("\nupgrade:") && !seen.contains("http2-settings"), "{seen}");
            assert!(!seen.starts_with("pri"), "{seen}");
        }
    }
}

/// Its client would take the bytes behind it for a protocol that it did not ask for.
#[test]
fn a_101_to_another_protocol_is_502() {
    let switch = |lines: &str| format!("HTTP/1.1 101 Switching Protocols\r\n{lines}\r\nsecret");
    for lines in [
        "Connection: Upgrade\r\nUpgrade: h2c\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket/2\r\n",
        "Connection: Upgrade\r\nUpgrade: \r\n",
        "Connection: Upgrade\r\n",
        "",
    ] {
        let world = World::echo(switch(lines).as_bytes());
        let mut stream = world.handshake(b"early");
        let response = String::from_utf8_lossy(&rest(&mut stream)).into_owned();
        assert!(response.starts_with("HTTP/1.1 502 "), "{lines:?}: {response}");
        assert!(response.contains("\"reason\":\"upstream_unavailable\""), "{lines:?}: {response}");
        assert!(!response.contains("secret") && !response.contains("HTTP/1.1 101"), "{response}");
        let line = world.setup.gateway.access_log(1).remove(0);
        assert_eq!(
            (&line["status"], &line["reason"]),
            (&502.into(), &"upstream_unavailable".into())
        );
    }
}

/// A 101 without a request for one, with and without something before it.
#[test]
fn a_101_that_was_not_asked_for_is_502() {
    for interim in ["", "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"] {
        let world = World::echo(format!("{interim}{SWITCH}secret").as_bytes());
        let mut stream = world.request(&format!("{GOOD}Connection: close\r\n"), b"");
        let response = String::from_utf8_lossy(&rest(&mut stream)).into_owned();
        assert!(response.contains("HTTP/1.1 502 ") && !response.contains("secret"), "{response}");
        assert!(!response.contains("HTTP/1.1 101"), "{response}");
    }
}

#[test]
fn an_interim_response_may_come_before_the_101() {
    let world =
        World::echo(format!("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n{SWITCH}").as_bytes());
    let mut stream = world.handshake(b"");
    let interim = head(&mut stream).expect("a head");
    assert!(interim.starts_with("HTTP/1.1 103 "), "{interim}");
    switched(&mut stream);
}

/// Hop-by-hop fields and framing do not belong to a 101 (RFC 9110 §7.6.1, §8.6).
#[test]
fn the_101_keeps_its_own_fields_only() {
    let first = "HTTP/1.1 101 Changed\r\nX-Named: 1\r\nConnection: upgrade, X-Named\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nContent-Length: 5\r\nKeep-Alive: timeout=5\r\n\r\nhello";
    let world = World::echo(first.as_bytes());
    let mut stream = world.handshake(b"");
    assert_eq!(
        switched(&mut stream),
        "HTTP/1.1 101 Changed\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nConnection: Upgrade\r\n\r\n"
    );
    assert_eq!(read(&mut stream, 5), b"hello");
}

/// The gate's headers are those of any request, and the token stays with the gateway.
#[test]
fn the_service_gets_the_identity_and_no_token() {
    let world = World::echo(SWITCH.as_bytes());
    let lines = format!(
        "{GOOD}{WEBSOCKET}X-Introspected-Sub: mallory\r\nX_Introspected_Sub: mallory\r\nX-Named: 1\r\n\
         Connection: X-Named\r\nTE: trailers\r\nProxy-Connection: keep-alive\r\nX-Own: 1\r\n"
    );
    switched(&mut world.request(&lines, b""));
    let seen = world.heads().remove(0);
    let lower = seen.to_ascii_lowercase();
    assert!(lower.contains("\r\nx-introspected-sub: alice\r\n"), "{seen}");
    assert!(lower.contains("\r\nx-own: 1\r\n"), "{seen}");
    assert!(lower.contains("\r\nsec-websocket-key: dghlihnhbxbszsbub25jzq==\r\n"), "{seen}");
    for gone in ["mallory", "authorization", "x-named", "\r\nte:", "proxy-connection", "keep-alive"]
    {
        assert!(!lower.contains(gone), "{gone}: {seen}");
    }
    for name in ["connection", "upgrade", "host"] {
        assert_eq!(lower.matches(&format!("\r\n{name}:")).count(), 1, "{name}: {seen}");
    }
}

/// RFC 9110 §7.6.1, and contract §3: what `Connection` must not name.
#[test]
fn connection_names_no_field_that_the_gateway_decides_by() {
    for (named, status) in [("Authorization", "400"), ("Host", "4"), ("X-Forwarded-For", "4")] {
        let world = World::echo(SWITCH.as_bytes());
        let lines = format!("{GOOD}Connection: Upgrade, {named}\r\nUpgrade: websocket\r\n");
        let response = String::from_utf8_lossy(&rest(&mut world.request(&lines, b""))).into_owned();
        assert!(response.starts_with(&format!("HTTP/1.1 {status}")), "{named}: {response}");
        assert_eq!(world.heads(), Vec::<String>::new(), "{named}");
    }
}

#[test]
fn a_handshake_without_a_token_opens_nothing() {
    let world = World::echo(SWITCH.as_bytes());
    let mut stream = world.request(WEBSOCKET, b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n");
    let response = String::from_utf8_lossy(&rest(&mut stream)).into_owned();
    assert!(response.starts_with("HTTP/1.1 401 "), "{response}");
    assert_eq!(response.matches("HTTP/1.1 ").count(), 1, "{response}");
    assert_eq!(world.heads(), Vec::<String>::new());
}

/// Another answer than 101 is an ordinary response, and the connections take further requests.
#[test]
fn a_service_may_decline() {
    fn declines(stream: &mut TcpStream, _: &Running, first: &[u8]) -> io::Result<()> {
        loop {
            stream.write_all(first)?;
            head(stream)?;
        }
    }
    let declined =
        "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nno";
    let world = World::start(declined.as_bytes(), declines, "", "");
    let mut stream = world.handshake(b"");
    for _ in 0..3 {
        let answer = head(&mut stream).expect("a head");
        assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
        assert_eq!(read(&mut stream, 2), b"no");
        let request = format!("GET / HTTP/1.1\r\nHost: gateway.test\r\n{GOOD}{WEBSOCKET}\r\n");
        stream.write_all(request.as_bytes()).expect("a request is sent");
    }
}

/// Bytes that did not wait for an answer that is no 101 are no requests.
#[test]
fn bytes_behind_a_handshake_that_was_declined_are_no_request() {
    let declined = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno";
    let world = World::start(declined, silent, "", "");
    let hidden = format!("GET /hidden HTTP/1.1\r\nHost: gateway.test\r\n{GOOD}\r\n");
    let mut stream = world.handshake(hidden.as_bytes());
    let response = String::from_utf8_lossy(&rest(&mut stream)).into_owned();
    assert!(response.starts_with("HTTP/1.1 200 ") && response.ends_with("no"), "{response}");
    assert!(response.to_ascii_lowercase().contains("\r\nconnection: close\r\n"), "{response}");
    assert_eq!(world.heads().len(), 1);
}

/// A client may send before it has the 101: the service gets that behind its own 101, and nothing
/// before it.
#[test]
fn early_bytes_wait_for_the_101() {
    fn patient(stream: &mut TcpStream, running: &Running, first: &[u8]) -> io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_millis(300)))?;
        let came = stream.read(&mut [0; 64]);
        let nothing = came.is_err_and(|error| {
            matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
        });
        stream.set_read_timeout(None)?;
        if nothing {
            echo(stream, running, first)
        } else {
            stream.write_all(b"HTTP/1.1 500 Early\r\nContent-Length: 0\r\n\r\n")
        }
    }
    let world = World::start(SWITCH.as_bytes(), patient, "", "");
    // in the same packet, in a later one, and more than a buffer
    let long = vec![7; 100_000];
    for (early, later) in [(&b"early"[..], &b""[..]), (b"", b"later"), (b"a", &long)] {
        let mut stream = world.handshake(early);
        let mut writer = stream.try_clone().expect("a second handle");
        let sent = later.to_vec();
        let writing = std::thread::spawn(move || writer.write_all(&sent));
        switched(&mut stream);
        let whole = [early, later].concat();
        assert!(read(&mut stream, whole.len()) == whole, "{early:?}");
        writing.join().expect("a thread").expect("all was sent");
    }
}

/// RFC 8441 is not carried out: HTTP/2 clients get a refusal (pingora has no extended CONNECT).
#[test]
fn http2_has_no_upgrade() {
    let setup = Setup::start(
        "listeners: [{ address: \"127.0.0.1:@PORT@\", protocols: [h1, h2c] }]\n\
         routes: [{ name: all, path: /*, upstream: \"@UPSTREAM@\" }]\n",
    );
    let mut client = Http2::open(setup.gateway.port(), &[]);
    let fields = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "gateway.test"),
        ("authorization", "Bearer good"),
    ];
    client.headers(1, &fields, false).expect("a request is sent");
    let answer = client.next(PATIENCE);
    let refused = matches!(
        answer,
        Some(Event::Reset { stream: 1, .. } | Event::Head { stream: 1, status: Some(400..), .. })
    );
    assert!(refused, "{answer:?}");
    assert_eq!(setup.upstream.count(), 0);
    // the same listener carries upgrades of HTTP/1.1 out
    let mut stream = connect(setup.gateway.port());
    let request = format!("GET / HTTP/1.1\r\nHost: gateway.test\r\n{GOOD}{WEBSOCKET}\r\n");
    stream.write_all(request.as_bytes()).expect("a request is sent");
    switched(&mut stream);
}

/// HTTP/2 has no upgrades (RFC 9113 §8.6): such a service sees a plain request.
#[test]
fn an_upstream_over_http2_sees_a_plain_request() {
    let setup = Setup::start(
        "upstreams:\n  two: { servers: [\"@UPSTREAM@\"], protocol: h2c }\n  one: { servers: [\"@UPSTREAM@\"] }\n\
         routes:\n  - { name: two, path: /two/*, upstream: two }\n  - { name: one, path: /*, upstream: one }\n",
    );
    for (path, expected) in [("/two/a", "HTTP/1.1 50"), ("/one", "HTTP/1.1 101")] {
        let mut stream = connect(setup.gateway.port());
        let request = format!("GET {path} HTTP/1.1\r\nHost: gateway.test\r\n{GOOD}{WEBSOCKET}\r\n");
        stream.write_all(request.as_bytes()).expect("a request is sent");
        let answer = head(&mut stream).expect("a head");
        // the upstream of the tests speaks HTTP/1.1 only
        assert!(answer.starts_with(expected), "{path}: {answer}");
    }
    let seen = setup.upstream.requests();
    let upgrades: Vec<_> = seen.iter().filter(|seen| seen.header("upgrade").is_some()).collect();
    assert!(upgrades.iter().all(|seen| seen.target == "/one"), "{seen:?}");
    assert!(seen.iter().any(|seen| seen.method == "PRI"), "{seen:?}");
}

#[test]
fn a_service_behind_a_unix_socket_is_upgraded() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("service.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).expect("a request");
            head.push(byte[0]);
        }
        stream.write_all(&[SWITCH.as_bytes(), b"hello"].concat()).expect("a 101");
        let mut got = [0; 3];
        stream.read_exact(&mut got).expect("bytes");
        got
    });
    let setup = Setup::start(&format!(
        "upstreams: {{ local: {{ servers: [\"unix:{}\"] }} }}\n\
         routes: [{{ name: all, path: /*, upstream: local }}]\n",
        path.display()
    ));
    let mut stream = connect(setup.gateway.port());
    let request = format!("GET / HTTP/1.1\r\nHost: gateway.test\r\n{GOOD}{WEBSOCKET}\r\nyes");
    stream.write_all(request.as_bytes()).expect("a request is sent");
    switched(&mut stream);
    assert_eq!(read(&mut stream, 5), b"hello");
    assert_eq!(&serving.join().expect("the service"), b"yes");
}
