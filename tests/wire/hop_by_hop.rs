//! Fields about the service's own connection and about its body's framing are not forwarded
//! unchanged (RFC 9110 §7.6.1, RFC 9112 §6).

use super::{GOOD, raw, steady};
use crate::support::{Setup, UpstreamBehaviour};

/// The response to a GET of a service that answers with these bytes and closes.
fn answer(setup: &Setup, response: &str) -> String {
    setup.upstream.behave(UpstreamBehaviour::Raw(response.as_bytes().to_vec()));
    raw(setup, "GET / HTTP/1.1", &format!("{GOOD}Connection: close\r\n"))
}

/// RFC 9110 §8.6, RFC 9112 §6.1: 204 and 1xx carry no framing (pitfall 86).
#[test]
fn responses_without_a_body_say_nothing_of_its_length() {
    let setup = Setup::route("");
    for lines in ["Content-Length: 0", "Content-Length: 5", "Transfer-Encoding: chunked"] {
        let response =
            answer(&setup, &format!("HTTP/1.1 204 No Content\r\n{lines}\r\nX-A: 1\r\n\r\n"));
        let expected = ["HTTP/1.1 204 No Content", "X-A: 1", "Connection: close"];
        assert_eq!(steady(&response), expected, "{lines}");

        let interim =
            format!("HTTP/1.1 103 Early Hints\r\n{lines}\r\nConnection: x\r\nLink: a\r\n\r\n");
        let response =
            answer(&setup, &(interim + "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
        assert_eq!(steady(&response), ["HTTP/1.1 103 Early Hints", "Link: a"], "{lines}");
        assert!(response.ends_with("\r\n\r\nok"), "{response}");
    }
    // a length that a GET would have is kept where RFC 9110 §8.6 allows it
    let response = answer(&setup, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n");
    assert!(response.contains("Content-Length: 5"), "{response}");
}

/// RFC 9110 §5.3: several lines of `Connection` are one list.
#[test]
fn every_line_of_connection_counts() {
    let setup = Setup::route("");
    for lines in [
        "Connection: X-One\r\nConnection: X-Two",
        "Connection: keep-alive\r\nConnection: x-two, X-ONE",
        "Connection: X-Two,,\tX-One ,close",
        "Connection:\r\nConnection: X-One, X-Two",
    ] {
        for framing in [
            "Content-Length: 2\r\n\r\nok",
            "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ] {
            let head =
                format!("HTTP/1.1 200 OK\r\n{lines}\r\nX-One: 1\r\nX-Two: 2\r\nX-Three: 3\r\n");
            let response = answer(&setup, &format!("{head}{framing}"));
            let lower = response.to_ascii_lowercase();
            assert!(!lower.contains("x-one") && !lower.contains("x-two"), "{lines}: {response}");
            assert!(lower.contains("x-three: 3"), "{lines}: {response}");
            assert_eq!(lower.matches("connection:").count(), 1, "{lines}: {response}");
        }
    }
}

/// RFC 9112 §6.1, §7: no client was asked whether it knows another coding than chunked.
#[test]
fn a_transfer_coding_other_than_chunked_is_not_passed_on() {
    let setup = Setup::route("");
    for coding in [
        "gzip",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, chunked",
        "xchunked",
        "chunked\r\nTransfer-Encoding: chunked",
        "chunked\r\nTransfer-Encoding: identity",
        "\"chunked\"",
    ] {
        let response = answer(
            &setup,
            &format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        );
        assert!(response.starts_with("HTTP/1.1 502"), "{coding}: {response}");
        assert!(response.contains("upstream_unavailable"), "{coding}: {response}");
    }
    // the old name of no coding at all: the body ends with the connection, and is framed anew
    let response = answer(&setup, "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nok");
    assert!(response.ends_with("\r\n\r\n2\r\nok\r\n0\r\n\r\n"), "{response}");
    let head = steady(&response);
    let framing = head.iter().filter(|line| line.to_ascii_lowercase().starts_with("transfer-"));
    let framing: Vec<_> = framing.map(|line| line.to_ascii_lowercase()).collect();
    assert_eq!(framing, ["transfer-encoding: chunked"], "{response}");
}

/// A client that got an interim response still gets a final one.
#[test]
fn a_broken_response_behind_an_interim_one_is_502() {
    let setup = Setup::route("");
    for broken in [
        "",
        "HTTP/1.1 200 OK\r\nContent-",
        "SSH-2.0-x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
    ] {
        for interim in
            ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"]
        {
            let response = answer(&setup, &format!("{interim}{broken}"));
            let last = response.rfind("HTTP/1.1 ").map(|at| &response[at..]).unwrap_or_default();
            assert!(last.starts_with("HTTP/1.1 502"), "{interim:?}{broken:?}: {response}");
        }
    }
}

/// RFC 9112 §7.1. An empty chunk size is not a last chunk, with any version of the response and any
/// data before it.
#[test]
fn a_response_with_malformed_chunks_never_seems_complete() {
    let setup = Setup::route("");
    for before in ["", "HTTP/1.1 103 Early Hints\r\n\r\n"] {
        for version in ["HTTP/1.1", "HTTP/1.0"] {
            for chunks in [
                "\r\n00b\r\nalice-extra\r\n0\r\n\r\n",
                "x\r\n\r\n0\r\n\r\n",
                ";x\r\n\r\n",
                "3\r\nabc\r\n\r\n\r\n",
                "3\r\nabcd\r\n0\r\n\r\n",
            ] {
                let head =
                    format!("{before}{version} 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                let response = answer(&setup, &format!("{head}{chunks}"));
                let whole =
                    response.contains("HTTP/1.1 200") && response.ends_with("\r\n0\r\n\r\n");
                assert!(!whole, "{head:?} {chunks:?}: {response:?}");
            }
        }
    }
}
