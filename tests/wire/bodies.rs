//! Request bodies on their way to the service (RFC 9112 §6, §7, §9.3; RFC 9110 §10.1.1).

use super::GOOD;
use crate::support::{Server, Setup, free_port, wait_until};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const START: &str = "POST / HTTP/1.1\r\nHost: gateway.test\r\n";

/// The service gets the client's bytes, however they were split into packets.
#[test]
fn bodies_arrive_whole_at_any_pace() {
    let setup = Setup::route("");
    for (lines, expected) in [
        ("Content-Length: 10\r\n\r\n0123456789", "0123456789"),
        (
            "Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n005;a\r\n56789\r\n0\r\nT: 1\r\n\r\n",
            "0123456789",
        ),
        ("Content-Length: 0\r\n\r\n", ""),
        ("Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ""),
        ("\r\n", ""),
    ] {
        let text = format!("{START}{GOOD}{lines}");
        for pieces in [1, 2, 3, 7] {
            let mut connection = setup.gateway.connect();
            for piece in text.as_bytes().chunks(text.len().div_ceil(pieces)) {
                connection.send(piece).expect("a piece");
                std::thread::sleep(Duration::from_millis(15));
            }
            assert_eq!(connection.read_response("POST").expect("an answer").status, 200);
            assert_eq!(String::from_utf8_lossy(&setup.upstream.last().body), expected);
            let again = connection.request("GET", "/", &[("Authorization", "Bearer good")], b"");
            assert_eq!(again.expect("the connection is kept").status, 200, "{lines}");
        }
    }
}

#[test]
fn long_bodies_arrive_whole() {
    let setup = Setup::route("");
    let body: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let mut connection = setup.gateway.connect();
    let good = [("Authorization", "Bearer good")];
    let response = connection.request("PUT", "/", &good, &body).expect("an answer");
    assert_eq!((response.status, setup.upstream.last().body == body), (200, true));
    let mut chunked = format!("{START}{GOOD}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for piece in body.chunks(70_001) {
        chunked.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        chunked.extend(piece);
        chunked.extend(b"\r\n");
    }
    chunked.extend(b"0\r\n\r\n");
    connection.send(&chunked).expect("send");
    assert_eq!(connection.read_response("POST").expect("an answer").status, 200);
    assert!(setup.upstream.last().body == body);
}

/// A service under full control of the test: it gets the connection behind the head of the request,
/// and the bytes read of it.
struct Raw {
    setup: Setup,
    _server: Server,
}

impl Raw {
    fn start(serve: impl Fn(BufReader<TcpStream>, TcpStream) + Send + Sync + 'static) -> Raw {
        let port = free_port();
        let server = Server::start(port, Arc::default(), move |stream, _| {
            let Ok(writer) = stream.try_clone() else { return };
            let mut reader = BufReader::new(stream);
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|some| some > 2) {
                line.clear();
            }
            serve(reader, writer);
        });
        let setup = Setup::start(&format!(
            "routes:\n  - {{ name: all, path: /*, upstream: \"http://127.0.0.1:{port}\" }}\n"
        ));
        Raw { setup, _server: server }
    }
}

/// The upload waits for a slow service, and the gateway does not take it all in meanwhile.
#[test]
fn a_slow_service_slows_the_client_down() {
    let raw = Raw::start(|mut reader, mut writer| {
        std::thread::sleep(Duration::from_millis(700));
        let mut body = vec![0; 60_000_000];
        if reader.read_exact(&mut body).is_ok() {
            let _ = writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let memory = raw.setup.gateway.resident_memory();
    let mut connection = raw.setup.gateway.connect();
    connection.send(format!("{START}{GOOD}Content-Length: 60000000\r\n\r\n").as_bytes()).expect("");
    let began = Instant::now();
    connection.send(&vec![b'x'; 60_000_000]).expect("the body");
    assert!(began.elapsed() > Duration::from_millis(500), "it waited: {:?}", began.elapsed());
    let grown = raw.setup.gateway.resident_memory().saturating_sub(memory);
    assert!(grown < 16 * 1024 * 1024, "{grown} bytes");
    assert_eq!(connection.read_response("POST").expect("an answer").status, 200);
}

/// Request and response at once: a service that answers while it reads.
#[test]
fn a_service_may_answer_while_it_reads() {
    let raw = Raw::start(|mut reader, mut writer| {
        let _ = writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n");
        let mut piece = [0; 50_000];
        for _ in 0..40 {
            if reader.read_exact(&mut piece).is_err() || writer.write_all(&piece).is_err() {
                return;
            }
        }
    });
    // the client reads nothing before it has sent everything
    let mut connection = raw.setup.gateway.connect();
    let body: Vec<u8> = (0..2_000_000_u32).map(|n| (n % 241) as u8).collect();
    let good = [("Authorization", "Bearer good")];
    let response = connection.request("POST", "/", &good, &body).expect("an answer");
    assert!(response.status == 200 && response.body == body);
}

/// RFC 9112 §9.3: an answer that comes before the request is whole is passed on, and the connection
/// ends behind it; the client can read the answer although it is still sending.
#[test]
fn an_early_answer_reaches_a_client_that_is_still_sending() {
    for closes in [true, false] {
        let raw = Raw::start(move |mut reader, mut writer| {
            let _ = writer
                .write_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge");
            if !closes {
                let mut rest = Vec::new();
                let _ = reader.read_to_end(&mut rest);
            }
        });
        for framing in ["Content-Length: 500000", "Transfer-Encoding: chunked"] {
            let mut connection = raw.setup.gateway.connect();
            let head = format!("{START}{GOOD}{framing}\r\n\r\n");
            connection.send(head.as_bytes()).expect("the head");
            for _ in 0..5 {
                let piece = format!("2710\r\n{}\r\n", "x".repeat(10_000));
                let _ = connection.send(piece.as_bytes());
                std::thread::sleep(Duration::from_millis(10));
            }
            let response = connection.read_response("POST").expect("the early answer");
            assert_eq!((response.status, &*response.text()), (413, "large"), "{framing}");
            assert_eq!(response.header("connection"), Some("close"), "{framing}");
        }
    }
}

/// RFC 9110 §10.1.1: the body comes when the service asks for it.
#[test]
fn a_client_may_wait_for_leave_to_send() {
    let raw = Raw::start(|mut reader, mut writer| {
        std::thread::sleep(Duration::from_millis(50));
        let _ = writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
        let mut body = [0; 4];
        if reader.read_exact(&mut body).is_ok() {
            let _ = writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
            let _ = writer.write_all(&body);
        }
    });
    let mut connection = raw.setup.gateway.connect();
    let lines = "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    connection.send(format!("{START}{GOOD}{lines}").as_bytes()).expect("the head");
    let leave = connection.read_bytes(25).expect("leave to send");
    assert_eq!(leave, b"HTTP/1.1 100 Continue\r\n\r\n");
    connection.send(b"body").expect("the body");
    let response = connection.read_response("POST").expect("an answer");
    assert_eq!((response.status, &*response.text()), (200, "body"));
    // refused: no leave, and no wait for a body
    let mut connection = raw.setup.gateway.connect();
    connection.send(format!("{START}{lines}").as_bytes()).expect("the head");
    let began = Instant::now();
    let response = connection.read_response("POST").expect("an answer");
    assert_eq!((response.status, response.header("connection")), (401, Some("close")));
    assert!(began.elapsed() < Duration::from_secs(1));
}

/// RFC 9112 §7.1: a body that is not chunked, against its header, is not a body for the service.
#[test]
fn chunks_that_are_none_never_become_a_whole_body() {
    let whole = Arc::<AtomicUsize>::default();
    let seen = whole.clone();
    let raw = Raw::start(move |mut reader, _| {
        let mut all = Vec::new();
        let _ = reader.read_to_end(&mut all);
        if all.ends_with(b"0\r\n\r\n") {
            seen.fetch_add(1, Ordering::SeqCst);
        }
    });
    for body in [
        "x\r\n\r\n0\r\n\r\n",
        "\r\n\r\n",
        ";x\r\n\r\n",
        "3 \r\nabc\r\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3;a\nb\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\nT\n: 1\r\n\r\n",
        "10000000000000003\r\nabc\r\n0\r\n\r\n",
    ] {
        for pause in [false, true] {
            let mut connection = raw.setup.gateway.connect();
            connection.patience(Duration::from_secs(3));
            let head = format!("{START}{GOOD}Transfer-Encoding: chunked\r\n\r\n");
            connection.send(head.as_bytes()).expect("the head");
            if pause {
                std::thread::sleep(Duration::from_millis(30));
            }
            let _ = connection.send(body.as_bytes());
            let answer = String::from_utf8_lossy(&connection.read_to_end()).into_owned();
            assert!(answer.starts_with("HTTP/1.1 400"), "{body:?}: {answer}");
        }
    }
    assert_eq!(whole.load(Ordering::SeqCst), 0);
}

/// A client that leaves in the middle of its body takes the service's request along.
#[test]
fn a_client_that_leaves_ends_its_request_at_the_service() {
    let ended = Arc::<AtomicUsize>::default();
    let seen = ended.clone();
    let raw = Raw::start(move |mut reader, _| {
        let mut all = Vec::new();
        let _ = reader.read_to_end(&mut all);
        seen.fetch_add(1, Ordering::SeqCst);
    });
    let mut connection = raw.setup.gateway.connect();
    let lines = "X-Request-Id: left-early\r\nContent-Length: 100\r\n\r\nabc";
    connection.send(format!("{START}{GOOD}{lines}").as_bytes()).expect("a part");
    std::thread::sleep(Duration::from_millis(100));
    drop(connection);
    wait_until("the service sees the end", || ended.load(Ordering::SeqCst) == 1);
    assert_eq!(raw.setup.gateway.access_log_of("left-early")["status"], 499);
}

/// A form that may hold the token is read before the decision, whichever way other bodies take.
#[test]
fn a_token_in_a_form_is_found_and_taken_out() {
    let setup = Setup::start(
        "token: { from: [header, form] }\nroutes:\n  - { name: all, path: /*, upstream: \"@UPSTREAM@\" }\n",
    );
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let mut connection = setup.gateway.connect();
    for _ in 0..2 {
        let response = connection.request("POST", "/", &form, b"a=1&access_token=good&b=2");
        let response = response.expect("an answer");
        assert_eq!((response.status, response.header("cache-control")), (200, Some("private")));
        assert_eq!(String::from_utf8_lossy(&setup.upstream.last().body), "a=1&b=2");
    }
}
