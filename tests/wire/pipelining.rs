//! RFC 9112 §9.3.2: requests that come at once are answered in their order, also those with bodies.

use super::GOOD;
use crate::support::{Setup, UpstreamBehaviour};
use std::time::Duration;

/// A request with a path of its own, and how long its body is for the service.
fn request(number: usize, kind: usize) -> (String, usize) {
    let start = format!("/{number} HTTP/1.1\r\nHost: gateway.test\r\n{GOOD}");
    match kind {
        0 => (format!("GET {start}\r\n"), 0),
        1 => (format!("POST {start}Content-Length: 5\r\n\r\nab\r\n\n"), 5),
        2 => (
            format!(
                "POST {start}Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nT: 1\r\n\r\n"
            ),
            4,
        ),
        3 => (format!("PUT {start}Content-Length: 70000\r\n\r\n{}", "x".repeat(70_000)), 70_000),
        4 => (format!("DELETE {start}Content-Length: 0\r\n\r\n"), 0),
        _ => (format!("OPTIONS {start}\r\n"), 0),
    }
}

#[test]
fn requests_with_bodies_are_answered_in_order() {
    let setup = Setup::route("");
    // the first answer comes when everything has been sent
    setup.upstream.behave(UpstreamBehaviour::EchoAfter(Duration::from_millis(20)));
    for rotation in 0..6 {
        let requests: Vec<_> =
            (0..8).map(|number| request(number, (number + rotation) % 6)).collect();
        let all: String = requests.iter().map(|(text, _)| text.as_str()).collect();
        let mut connection = setup.gateway.connect();
        connection.send(all.as_bytes()).expect("all of them");
        for (number, (text, length)) in requests.iter().enumerate() {
            let response = connection.read_response("GET").expect("an answer");
            let echo = response.json();
            assert_eq!(echo["target"], format!("/{number}"), "{rotation}");
            assert_eq!(echo["body_length"], *length, "{rotation} {}", &text[..20]);
        }
    }
}

/// Each has its own decision; a refusal reads the body over which it was made.
#[test]
fn a_refusal_among_them_takes_nothing_else_along() {
    let setup = Setup::route("");
    let refused = "POST /refused HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: 40\r\n\r\nGET /hidden HTTP/1.1\r\nHost: g.test\r\n\r\n\r\n";
    let mut connection = setup.gateway.connect();
    let all = format!("{}{refused}{}", request(1, 1).0, request(2, 0).0);
    connection.send(all.as_bytes()).expect("all of them");
    let statuses: Vec<u16> =
        (0..3).map_while(|_| Some(connection.read_response("GET").ok()?.status)).collect();
    assert_eq!(statuses, [200, 401, 200]);
    let targets: Vec<_> = setup.upstream.requests().iter().map(|r| r.target.clone()).collect();
    assert_eq!(targets, ["/1", "/2"]);
}

/// Where the end of a request is not certain, the response has `Connection: close`, and the bytes
/// behind it are no request.
#[test]
fn the_last_possible_answer_has_connection_close() {
    let setup = Setup::route("auth: none");
    let next = "GET /next HTTP/1.1\r\nHost: gateway.test\r\n\r\n";
    for lines in [
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        "Transfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n",
    ] {
        let text = format!("POST / HTTP/1.1\r\nHost: gateway.test\r\n{lines}{next}");
        let answer = String::from_utf8_lossy(&setup.gateway.raw(text.as_bytes())).into_owned();
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{lines:?}: {answer}");
        assert!(answer.to_ascii_lowercase().contains("connection: close"), "{lines:?}: {answer}");
        assert!(setup.upstream.requests().iter().all(|seen| seen.target != "/next"), "{lines:?}");
    }
}

/// RFC 9112 §9.6: closing a connection with unread bytes would reset it, and a client that reads
/// slowly would lose the responses that are on their way.
#[test]
fn a_connection_that_ends_with_bytes_unread_loses_no_response() {
    let setup = Setup::route("");
    let long = "x".repeat(1_500_000);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", long.len());
    setup.upstream.behave(UpstreamBehaviour::Kept(format!("{head}{long}").into_bytes()));
    let good = request(1, 0).0;
    let rest = "GET /unread HTTP/1.1\r\nHost: gateway.test\r\n\r\n".repeat(50);
    let upgrade = "Connection: upgrade\r\nUpgrade: websocket\r\n";
    for (last, status) in [
        ("GET /a b HTTP/1.1\r\nHost: gateway.test\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), 400),
        (format!("GET / HTTP/1.1\r\nHost: gateway.test\r\n{upgrade}\r\n"), 401),
    ] {
        let mut connection = setup.gateway.connect();
        connection.send(format!("{good}{last}{rest}").as_bytes()).expect("send");
        // the responses wait in the buffers of both sides meanwhile
        std::thread::sleep(Duration::from_millis(100));
        let first = connection.read_response("GET").expect("the long response");
        assert_eq!((first.status, first.body.len()), (200, long.len()), "{last:?}");
        let second = connection.read_response("GET").expect("the refusal");
        assert_eq!(second.status, status, "{last:?}");
    }
}
