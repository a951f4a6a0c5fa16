//! Bytes that a service sends too late, or too many of, answer no other request (pitfall 83).

use crate::support::{Setup, UpstreamBehaviour};
use std::time::Duration;

const STOLEN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen";

/// Sends one request and then another; gives whether both went over one connection. The second one
/// always gets its own answer.
#[track_caller]
fn is_reused(setup: &Setup, method: &str, head: &str) -> bool {
    let bytes = format!("HTTP/1.1 {head}\r\n\r\n").into_bytes();
    // connections of earlier cases are of no use any more
    setup.upstream.behave(UpstreamBehaviour::Close);
    setup.get("good");
    let late = UpstreamBehaviour::Late(bytes, Duration::from_millis(60), STOLEN.to_vec());
    setup.upstream.behave(late);
    let opened = setup.upstream.connection_count();
    let headers = [("Authorization", "Bearer good")];
    let mut first = setup.gateway.connect();
    let response = first.request(method, "/first", &headers, b"").expect("the first answer");
    assert!(response.status < 500, "{head}");
    setup.upstream.behave(UpstreamBehaviour::EchoAfter(Duration::from_millis(200)));
    let second = setup.gateway.connect().request("GET", "/second", &headers, b"");
    let second = second.expect("the second answer");
    assert!(!second.text().contains("stolen"), "{method}, {head}: {second:?}");
    setup.upstream.connection_count() - opened < 2
}

/// RFC 9112 §6.3: such a response ends with its head. A service that thinks otherwise sends the
/// body into the next exchange.
#[test]
fn a_connection_is_not_kept_behind_a_body_that_must_not_come() {
    let setup = Setup::route("");
    for (method, head) in [
        ("HEAD", "200 OK\r\nContent-Length: 6"),
        ("HEAD", "200 OK\r\nTransfer-Encoding: chunked"),
        ("HEAD", "404 Not Found\r\nContent-Length: 6"),
        ("GET", "204 No Content\r\nContent-Length: 6"),
        ("GET", "204 No Content\r\nTransfer-Encoding: chunked"),
        ("GET", "304 Not Modified\r\nContent-Length: 6"),
        ("GET", "304 Not Modified\r\nTransfer-Encoding: chunked"),
        ("POST", "204 No Content\r\nContent-Length: 6"),
        ("GET", "200 OK\r\nContent-Length: 0\r\nConnection: x\r\nConnection: close"),
    ] {
        assert!(!is_reused(&setup, method, head), "{method}, {head}");
    }
}

/// The counterpart that proves the test above: connections of honest services are kept.
#[test]
fn a_connection_is_kept_behind_an_honest_response() {
    let setup = Setup::route("");
    for (method, head) in [
        ("HEAD", "200 OK"),
        ("HEAD", "200 OK\r\nContent-Length: 0"),
        ("GET", "204 No Content"),
        ("GET", "204 No Content\r\nContent-Length: 0"),
        ("GET", "304 Not Modified"),
        ("GET", "200 OK\r\nContent-Length: 0"),
        ("POST", "200 OK\r\nContent-Length: 0"),
    ] {
        let bytes = format!("HTTP/1.1 {head}\r\n\r\n").into_bytes();
        setup.upstream.behave(UpstreamBehaviour::Kept(bytes));
        let headers = [("Authorization", "Bearer good")];
        let mut client = setup.gateway.connect();
        client.request(method, "/", &headers, b"").expect("an answer");
        let opened = setup.upstream.connection_count();
        client.request(method, "/", &headers, b"").expect("another answer");
        assert_eq!(setup.upstream.connection_count(), opened, "{method}, {head}");
    }
}

/// Data on a connection that waits is seen before the connection is used.
#[test]
fn a_connection_that_spoke_unasked_is_not_used() {
    let setup = Setup::route("");
    for body in ["ok", "okHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen"] {
        let now = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n".to_vec();
        let now = [now, body.as_bytes().to_vec()].concat();
        let late = UpstreamBehaviour::Late(now, Duration::from_millis(30), STOLEN.to_vec());
        setup.upstream.behave(late);
        assert_eq!(setup.get("good").text(), "ok");
        std::thread::sleep(Duration::from_millis(150));
        setup.upstream.behave(UpstreamBehaviour::Echo);
        assert!(!setup.get("good").text().contains("stolen"), "{body}");
    }
}
