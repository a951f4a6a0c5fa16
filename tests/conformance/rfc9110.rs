//! RFC 9110: HTTP Semantics.

use crate::support::{Setup, UpstreamBehaviour};

/// §7.6.1: fields that `Connection` names are for this hop, and are removed before forwarding.
#[test]
fn section_7_6_1_connection() {
    let setup = Setup::route("auth: none");
    let headers =
        [("Connection", "x-one , X-TWO"), ("X-One", "1"), ("x-two", "2"), ("X-Three", "3")];
    setup.gateway.get("/", &headers);
    let seen = setup.upstream.last();
    assert_eq!(
        (seen.header("x-one"), seen.header("x-two"), seen.header("x-three")),
        (None, None, Some("3"))
    );
}

/// §7.6.1: the same for a response.
#[test]
fn section_7_6_1_connection_of_a_response() {
    let setup = Setup::route("auth: none");
    let answer = "HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-End: 1\r\nContent-Length: 2\r\n\r\nok";
    setup.upstream.behave(UpstreamBehaviour::Raw(answer.into()));
    let response = setup.gateway.get("/", &[]);
    assert_eq!((response.header("x-hop"), response.header("x-end")), (None, Some("1")));
}

/// §9.3.2: a response to HEAD has the header section of GET and no content.
#[test]
fn section_9_3_2_head() {
    let setup = Setup::route("");
    let bearer = [("Authorization", "Bearer good")];
    let head = setup.gateway.request("HEAD", "/", &bearer, b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(setup.upstream.last().method, "HEAD");
    let refused = setup.gateway.raw(b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let text = String::from_utf8(refused).expect("ASCII");
    assert!(text.starts_with("HTTP/1.1 401"), "{text}");
    assert!(text.ends_with("\r\n\r\n"), "{text}");
}

/// §11.6.1: a 401 must have a challenge.
#[test]
fn section_11_6_1_a_401_has_a_challenge() {
    let setup = Setup::route("");
    for value in [None, Some("Basic eDp5"), Some("Bearer unknown"), Some("Bearer expired")] {
        let header = value.map(|value| ("Authorization", value));
        let response = setup.gateway.get("/", &Vec::from_iter(header));
        assert_eq!(response.status, 401);
        assert!(response.header("www-authenticate").is_some());
    }
}

/// §11.1: the scheme's name has no case.
#[test]
fn section_11_1_the_scheme_has_no_case() {
    let setup = Setup::route("");
    assert_eq!(setup.gateway.get("/", &[("Authorization", "bEARER good")]).status, 200);
}

/// §10.2.3: `Retry-After` is a date or seconds; here seconds.
#[test]
fn section_10_2_3_retry_after() {
    let mut setup = Setup::route("");
    setup.server.stop();
    let response = setup.get("x");
    let value = response.header("retry-after").expect("Retry-After");
    assert!(response.status == 503 && value.bytes().all(|byte| byte.is_ascii_digit()), "{value}");
}

/// §5.6.7, §6.6.1: an origin's own answer has a date.
#[test]
fn section_6_6_1_date() {
    let setup = Setup::route("");
    let response = setup.gateway.get("/", &[]);
    assert!(response.header("date").is_some_and(|date| date.ends_with(" GMT")));
}

/// §15.2: a 1xx that was not asked for does not replace the final response.
#[test]
fn section_15_2_interim_answers() {
    let setup = Setup::route("");
    let answer = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfinal";
    setup.upstream.behave(UpstreamBehaviour::Raw(answer.into()));
    let mut connection = setup.gateway.connect();
    connection
        .send(b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n\r\n")
        .expect("send");
    let mut response = connection.read_response("GET").expect("an answer");
    if response.status == 103 {
        response = connection.read_response("GET").expect("the final answer");
    }
    assert_eq!((response.status, response.text().as_str()), (200, "final"));
}
