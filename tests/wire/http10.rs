//! HTTP/1.0 clients (RFC 9112 §2.3, §6.1, appendix C.2.2; pitfall 85).

use super::GOOD;
use crate::support::{Setup, UpstreamBehaviour};
use std::time::Duration;

/// Everything that comes back, and whether the connection then ended.
fn ask(setup: &Setup, lines: &str) -> (String, bool) {
    let mut connection = setup.gateway.connect();
    connection.patience(Duration::from_millis(700));
    let request = format!("GET / HTTP/1.0\r\n{GOOD}{lines}\r\n");
    connection.send(request.as_bytes()).expect("send");
    let (mut all, mut ended) = (Vec::new(), false);
    loop {
        match connection.read_bytes(1) {
            Ok(byte) => all.extend(byte),
            Err(error) => {
                ended |= error.kind() == std::io::ErrorKind::UnexpectedEof;
                return (String::from_utf8_lossy(&all).into_owned(), ended);
            }
        }
    }
}

/// No chunks, no interim responses; the body ends with its length or with the connection.
#[test]
fn bodies_end_as_old_clients_expect() {
    let setup = Setup::route("");
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let with_length = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let interim =
        "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let keep = "Connection: keep-alive\r\n";
    for (response, lines, ends) in [
        (with_length, "", true),
        (with_length, keep, false),
        (with_length, "Connection: close\r\n", true),
        (with_length, "Expect: 100-continue\r\n", true),
        (chunked, "", true),
        (chunked, keep, true),
        (interim, "", true),
        (interim, keep, false),
        ("HTTP/1.1 200 OK\r\n\r\nok", keep, true),
        ("HTTP/1.0 200 OK\r\n\r\nok", "", true),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "", true),
    ] {
        setup.upstream.behave(UpstreamBehaviour::Raw(response.as_bytes().to_vec()));
        let (answer, ended) = ask(&setup, lines);
        let shown = format!("{response:?}, {lines:?}: {answer:?}");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\nok"), "{shown}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{shown}");
        let head = answer.to_ascii_lowercase();
        assert!(!head.contains("transfer-encoding"), "{shown}");
        assert_eq!(ended, ends, "{shown}");
        assert_eq!(head.contains("connection: close"), ends, "{shown}");
        assert_eq!(head.contains("connection: keep-alive"), !ends, "{shown}");
    }
}

#[test]
fn refusals_and_heads_keep_their_length() {
    let setup = Setup::route("");
    let (answer, ended) = ask(&setup, "Connection: keep-alive\r\nAuthorization: Bearer x\r\n");
    assert!(answer.starts_with("HTTP/1.1 400") && !ended, "{answer}");
    assert!(answer.contains("Content-Length: ") && answer.trim_end().ends_with('}'), "{answer}");
    let request = format!("HEAD / HTTP/1.0\r\n{GOOD}\r\n");
    let answer = String::from_utf8_lossy(&setup.gateway.raw(request.as_bytes())).into_owned();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n"), "{answer}");
}

/// RFC 9112 §3.2: the gateway asks over HTTP/1.1, and such a request names a host.
#[test]
fn a_request_without_a_host_goes_on_with_the_services() {
    let setup = Setup::route("");
    let (answer, _) = ask(&setup, "");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let host = setup.upstream.url().replace("http://", "");
    assert_eq!(setup.upstream.last().header("host"), Some(&*host));
}
