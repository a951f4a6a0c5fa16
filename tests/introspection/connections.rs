//! The connections to the authorization server: every framing of HTTP/1.1, and reuse. Each test
//! also runs with `FAST_PATH=off`, so that it holds for both clients.

use super::plain;
use crate::support::{Behaviour, Setup};

const ACTIVE: &str = r#"{"active":true}"#;

/// RFC 9112 §6 and §7, RFC 9110 §15.2: the same answer, however it is framed, and the connection is
/// used again.
#[test]
fn an_answer_in_any_framing_is_read() {
    let setup = plain("");
    let framings = [
        format!("HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{ACTIVE}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nf\r\n{ACTIVE}\r\n0\r\n\r\n"),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n8;x=y\r\n\"active\"\r\n6\r\n:true}\r\n0\r\nX-Trailer: 1\r\n\r\n".into(),
        format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{ACTIVE}"),
        format!("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{ACTIVE}"),
    ];
    for (number, raw) in framings.into_iter().enumerate() {
        let token = format!("token-{number}");
        setup.server.behave(&token, Behaviour::RawAndOpen(raw.clone().into()));
        assert_eq!(setup.get(&token).status, 200, "{raw}");
    }
    assert!(setup.server.connection_count() <= 3, "{}", setup.server.connection_count());
}

/// `Connection: close`, and HTTP/1.0 without `keep-alive`: the next call uses another connection,
/// without a failed attempt on the old one.
#[test]
fn a_connection_that_the_answer_ends_is_not_used_again() {
    let setup = plain("");
    for number in 0..5 {
        let token = format!("token-{number}");
        let line = if number % 2 == 0 {
            "HTTP/1.1 200 OK\r\nConnection: close"
        } else {
            "HTTP/1.0 200 OK"
        };
        let raw = format!("{line}\r\nContent-Length: 15\r\n\r\n{ACTIVE}");
        setup.server.behave(&token, Behaviour::RawAndOpen(raw.into()));
        assert_eq!(setup.get(&token).status, 200);
        assert_eq!(setup.server.count_of(&token), 1);
    }
    assert_eq!(setup.server.connection_count(), 5);
}

/// Pitfall 83: a second response behind the first one is no answer to the next call.
#[test]
fn a_response_that_was_not_asked_for_answers_no_call() {
    let unasked = format!("HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{ACTIVE}");
    let inactive = r#"{"active":false}"#;
    for first in [
        format!("HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{inactive}"),
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{inactive}\r\n0\r\n\r\n"
        ),
        "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".into(),
    ] {
        let setup = plain("");
        setup.server.behave("first", Behaviour::RawAndOpen(format!("{first}{unasked}").into()));
        assert_ne!(setup.get("first").status, 200, "{first}");
        for number in 0..3 {
            let outcome = setup.outcome(&format!("later-{number}"));
            assert_eq!(outcome, (401, "inactive".into()), "{first}");
        }
    }
}

/// A long answer that comes in many reads is put together, and its end is not cut.
#[test]
fn a_long_answer_is_whole() {
    let setup = Setup::server("max_response_size: 1MiB");
    let groups = vec!["x".repeat(1000); 800];
    let answer = serde_json::json!({ "active": true, "groups": groups, "sub": "at-the-end" });
    setup.server.behave("long", Behaviour::Json(answer));
    assert_eq!(setup.get("long").status, 200);
    assert_eq!(setup.upstream.last().header("x-introspected-sub"), Some("at-the-end"));
}
