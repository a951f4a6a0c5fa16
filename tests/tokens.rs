//! The places and the form of a token. A malformed token is refused without introspection.

use crate::support::{Setup, one_route, request_bytes};

fn bearer_is(setup: &Setup, value: &str) -> (u16, String) {
    let response = setup.gateway.get("/", &[("Authorization", value)]);
    (response.status, response.reason())
}

/// Contract §5: the scheme is matched without regard to case and needs at least one space behind
/// it.
#[test]
fn the_scheme_has_no_case_and_any_number_of_spaces() {
    let setup = Setup::route("");
    for value in [
        "Bearer good",
        "bearer good",
        "BEARER good",
        "bEaReR good",
        "Bearer   good",
        "Bearer good ",
    ] {
        assert_eq!(bearer_is(&setup, value).0, 200, "{value:?}");
    }
    assert_eq!(setup.server.count_of("good"), 1);
}

/// Contract §5: `Basic …` on a bearer route is a missing token; so is any other scheme.
#[test]
fn another_scheme_is_a_missing_token() {
    let setup = Setup::route("");
    for value in
        ["Basic dXNlcjpwYXNz", "Bearerx good", "Bearergood", "Token good", "Negotiate abc", "good"]
    {
        assert_eq!(bearer_is(&setup, value), (401, "missing_token".into()), "{value:?}");
    }
    assert_eq!((setup.server.count(), setup.upstream.count()), (0, 0));
}

/// Pitfalls 21 and 63.
#[test]
fn a_malformed_token_is_refused_without_a_call() {
    let setup = Setup::route("");
    let values = [
        "Bearer",
        "Bearer ",
        "Bearer good extra",
        "Bearer a,b",
        "Bearer good, Bearer good",
        "Bearer good, Basic dXNlcjpwYXNz",
        "Bearer a;b",
        "Bearer a\"b",
        "Bearer \"good\"",
        "Bearer a\\b",
        "Bearer t\u{f6}ken",
        "Bearer \u{1f600}",
        "Bearer good\tx",
    ];
    for value in values {
        assert_eq!(bearer_is(&setup, value), (400, "malformed_token".into()), "{value:?}");
    }
    assert_eq!((setup.server.count(), setup.upstream.count()), (0, 0));
}

/// Pitfall 63: a tab is no space, and a token behind another scheme's is not found by searching.
#[test]
fn a_tab_or_a_second_scheme_makes_no_bearer_token() {
    let setup = Setup::route("");
    for value in
        ["Bearer\tgood", "Basic dXNlcjpwYXNz, Bearer good", "Basic Bearer good", "\tBearer\tgood"]
    {
        let (status, reason) = bearer_is(&setup, value);
        assert!([400, 401].contains(&status), "{value:?}: {status}");
        assert!(
            ["missing_token", "malformed_token"].contains(&reason.as_str()),
            "{value:?}: {reason}"
        );
    }
    assert_eq!((setup.server.count(), setup.upstream.count()), (0, 0));
}

/// Pitfall 21: bytes that a header cannot carry.
#[test]
fn control_characters_are_refused() {
    let setup = Setup::route("");
    for byte in [0x00, 0x01, 0x0b, 0x1b, 0x7f] {
        let mut request =
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer go".to_vec();
        request.push(byte);
        request.extend_from_slice(b"od\r\n\r\n");
        let answer = setup.gateway.raw(&request);
        assert!(
            answer.starts_with(b"HTTP/1.1 400"),
            "{byte:#x}: {}",
            String::from_utf8_lossy(&answer)
        );
    }
    assert_eq!((setup.server.count(), setup.upstream.count()), (0, 0));
}

/// Pitfall 21; contract §2, `token.max_length`.
#[test]
fn a_token_has_a_longest_length() {
    let setup = Setup::route("");
    for (length, outcome) in [
        (8192, (401, "inactive")),
        (8193, (400, "malformed_token")),
        (60_000, (400, "malformed_token")),
        // the whole header section has a limit too (contract §2, `header_size`)
        (100_000, (431, "header_too_large")),
    ] {
        let value = format!("Bearer {}", "a".repeat(length));
        let (status, reason) = bearer_is(&setup, &value);
        assert_eq!((status, reason.as_str()), outcome, "{length}");
    }
    assert_eq!(setup.server.count(), 1);

    let short =
        Setup::start("token: { max_length: 4 }\nroutes: [{ path: /*, upstream: \"@UPSTREAM@\" }]");
    assert_eq!(bearer_is(&short, "Bearer good").0, 200);
    assert_eq!(bearer_is(&short, "Bearer goods"), (400, "malformed_token".into()));
}

/// Contract §5: any visible ASCII but four, because real servers use it (Amazon's `|`).
#[test]
fn unusual_but_visible_characters_arrive_intact() {
    let setup = Setup::route("");
    for token in [
        "Atza|IQEBLjAsAhRmHjNg",
        "a!#$%&'()*+-./:<=>?@[]^_`{|}~z",
        "a=b&c",
        "1/fFBGRNJru1FQd44AzqT3Zg==",
        "%41",
    ] {
        assert_eq!(
            bearer_is(&setup, &format!("Bearer {token}")),
            (401, "inactive".into()),
            "{token}"
        );
        assert_eq!(setup.server.last().token().as_deref(), Some(token));
    }
}

/// Pitfall 63: a repeated header, with any content.
#[test]
fn two_authorization_headers_are_refused() {
    let setup = Setup::route("");
    let pairs = [
        ["Bearer good", "Bearer good"],
        ["Bearer good", "Bearer other"],
        ["Bearer good", "Basic dXNlcjpwYXNz"],
        ["Basic dXNlcjpwYXNz", "Bearer good"],
    ];
    for [first, second] in pairs {
        let headers = [("Authorization", first), ("authorization", second)];
        let response = setup.gateway.get("/", &headers);
        assert_eq!(
            (response.status, response.reason().as_str()),
            (400, "multiple_tokens"),
            "{first}, {second}"
        );
    }
    assert_eq!((setup.server.count(), setup.upstream.count()), (0, 0));
}

/// Contract §3: a `Connection` header that names `Authorization` is a bad request.
#[test]
fn connection_cannot_name_the_authorization_header() {
    let setup = Setup::route("auth: optional");
    for value in ["Authorization", "close, authorization", "keep-alive,AUTHORIZATION ,x"] {
        let response =
            setup.gateway.get("/", &[("Authorization", "Bearer good"), ("Connection", value)]);
        assert_eq!((response.status, response.reason().as_str()), (400, "bad_request"), "{value}");
    }
    assert_eq!(setup.upstream.count(), 0);
}

fn from(places: &str) -> Setup {
    Setup::start(&format!(
        "token: {{ from: [{places}] }}\nroutes: [{{ path: /*, upstream: \"@UPSTREAM@\" }}]"
    ))
}

#[test]
fn only_configured_places_are_looked_at() {
    let setup = Setup::route("");
    let elsewhere = [("X-Access-Token", "good"), ("Cookie", "access_token=good")];
    let response = setup.gateway.get("/?access_token=good", &elsewhere);
    assert_eq!((response.status, response.reason().as_str()), (401, "missing_token"));

    let setup = from("query");
    assert_eq!(setup.get("good").status, 401);
    assert_eq!(setup.server.count(), 0);
}

#[test]
fn a_token_in_the_query() {
    let setup = from("header, query");
    for (target, seen) in [
        ("/a?access_token=good", "/a"),
        ("/a?x=1&access_token=good&y=%20", "/a?x=1&y=%20"),
        ("/a?access_token=good&y=2", "/a?y=2"),
        ("/a?access_token=%67ood", "/a"),
    ] {
        assert_eq!(setup.gateway.get(target, &[]).status, 200, "{target}");
        assert_eq!(setup.upstream.last().target, seen, "{target}");
    }
    assert_eq!(setup.get("good").status, 200, "the header still works");
    assert_eq!(setup.gateway.get("/a?access_token=a%7Cb", &[]).status, 401);
    assert_eq!(setup.server.last().token().as_deref(), Some("a|b"));

    for (target, reason) in [
        ("/a?access_token=good&access_token=good", "multiple_tokens"),
        ("/a?access_token=good&access%5Ftoken=other", "multiple_tokens"),
        ("/a?access_token=", "malformed_token"),
        ("/a?access_token", "malformed_token"),
        ("/a?access_token=a%20b", "malformed_token"),
        ("/a?access_token=a%00b", "malformed_token"),
        ("/a?access_token=%C3%A4", "malformed_token"),
    ] {
        let response = setup.gateway.get(target, &[]);
        assert_eq!((response.status, response.reason().as_str()), (400, reason), "{target}");
    }
}

#[test]
fn a_token_in_a_query_parameter_of_another_name() {
    let setup = from("\"query:key\"");
    assert_eq!(setup.gateway.get("/?key=good", &[]).status, 200);
    assert_eq!(setup.gateway.get("/?access_token=good", &[]).status, 401);
    assert_eq!(setup.gateway.get("/?Key=good", &[]).status, 401, "names have case");
}

#[test]
fn a_token_in_a_header_of_another_name() {
    let setup = from("\"header:X-Access-Token\"");
    let ask = |headers: &[(&str, &str)]| {
        let response = setup.gateway.get("/", headers);
        (response.status, response.reason())
    };
    assert_eq!(ask(&[("x-access-token", "good")]).0, 200);
    assert_eq!(setup.upstream.last().header("x-access-token"), None);
    assert_eq!(ask(&[("X-Access-Token", "")]), (400, "malformed_token".into()));
    assert_eq!(ask(&[("X-Access-Token", "a b")]), (400, "malformed_token".into()));
    let twice = [("X-Access-Token", "good"), ("X-Access-Token", "good")];
    assert_eq!(ask(&twice), (400, "multiple_tokens".into()));
}

#[test]
fn a_token_in_a_cookie() {
    let setup = from("\"cookie:at\"");
    let ask = |cookie: &str| {
        let response = setup.gateway.get("/", &[("Cookie", cookie)]);
        (response.status, response.reason())
    };
    assert_eq!(ask("a=1; at=good; b=2").0, 200);
    assert_eq!(setup.upstream.last().header("cookie"), Some("a=1; b=2"));
    assert_eq!(ask("at=good").0, 200);
    assert_eq!(setup.upstream.last().header("cookie"), None);
    assert_eq!(ask("xat=good; att=good"), (401, "missing_token".into()));
    assert_eq!(ask("at="), (400, "malformed_token".into()));
    assert_eq!(ask("at=good; at=other"), (400, "multiple_tokens".into()));
    let response = setup.gateway.get("/", &[("Cookie", "at=good"), ("Cookie", "at=other")]);
    assert_eq!(response.reason(), "multiple_tokens");
}

/// Contract §5: a token in two places is `invalid_request`, also when it is the same.
#[test]
fn a_token_in_two_places_is_refused() {
    let setup = from("header, query, \"header:X-Access-Token\", \"cookie:at\"");
    let (header, custom, cookie) =
        (("Authorization", "Bearer good"), ("X-Access-Token", "good"), ("Cookie", "at=good"));
    let cases: [(&str, &[(&str, &str)]); 5] = [
        ("/?access_token=good", &[header]),
        ("/", &[header, custom]),
        ("/", &[header, cookie]),
        ("/?access_token=good", &[cookie]),
        ("/?access_token=good", &[custom]),
    ];
    for (target, headers) in cases {
        let response = setup.gateway.get(target, headers);
        assert_eq!(
            (response.status, response.reason().as_str()),
            (400, "multiple_tokens"),
            "{target} {headers:?}"
        );
    }
    assert_eq!((setup.server.count(), setup.upstream.count()), (0, 0));
}

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// A form as one `POST`, with `Content-Length` or in chunks of 1000 bytes.
fn form_bytes(headers: &[(&str, &str)], body: &[u8], chunked: bool) -> Vec<u8> {
    if !chunked {
        return request_bytes("POST", "/", headers, body);
    }
    let headers = [headers, &[("Transfer-Encoding", "chunked")]].concat();
    let mut bytes = request_bytes("POST", "/", &headers, b"");
    for chunk in body.chunks(1000) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(&[chunk, b"\r\n"].concat());
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// Contract §2, `token.from: form` (RFC 6750 §2.2): the field is read from a form-encoded body and
/// taken out of it; the rest is forwarded to the byte, with its length.
#[test]
fn a_token_in_a_form() {
    let setup = from("header, form");
    for chunked in [false, true] {
        for (body, seen) in [
            ("access_token=good", ""),
            ("a=1&access_token=good&b=%2F", "a=1&b=%2F"),
            ("access%5Ftoken=%67ood&a", "a"),
            ("a=1&b=2&access_token=good", "a=1&b=2"),
            ("a=access_token&access_token=good&=&&", "a=access_token&=&&"),
        ] {
            let mut connection = setup.gateway.connect();
            // the connection is kept, and the next request is one of its own
            for _ in 0..2 {
                connection.send(&form_bytes(&[FORM], body.as_bytes(), chunked)).expect("send");
                let response = connection.read_response("POST").expect("a response");
                assert_eq!(response.status, 200, "{body}: {}", response.text());
                let cached = response.header("cache-control").unwrap_or_default();
                assert!(cached.contains("private"), "{body}: {cached}");
                let request = setup.upstream.last();
                assert_eq!(String::from_utf8_lossy(&request.body), seen, "{body}");
                if !chunked {
                    let length = seen.len().to_string();
                    assert_eq!(request.header("content-length"), Some(length.as_str()), "{body}");
                }
                assert_eq!(request.header("x-introspected-sub"), Some("alice"));
            }
        }
        for (body, status, reason) in [
            ("a=1", 401, "missing_token"),
            ("xaccess_token=good", 401, "missing_token"),
            ("Access_Token=good", 401, "missing_token"),
            ("access_token=unknown", 401, "inactive"),
            ("access_token=", 400, "malformed_token"),
            ("access_token", 400, "malformed_token"),
            ("access_token=a%20b", 400, "malformed_token"),
            ("access_token=a%00b", 400, "malformed_token"),
            ("access_token=good&access_token=good", 400, "multiple_tokens"),
        ] {
            let before = setup.upstream.count();
            let mut connection = setup.gateway.connect();
            connection.send(&form_bytes(&[FORM], body.as_bytes(), chunked)).expect("send");
            let response = connection.read_response("POST").expect("a response");
            assert_eq!((response.status, response.reason().as_str()), (status, reason), "{body}");
            assert_eq!(setup.upstream.count(), before, "{body}");
        }
    }
    let both = [FORM, ("Authorization", "Bearer good")];
    let response = setup.gateway.request("POST", "/", &both, b"access_token=good");
    assert_eq!((response.status, response.reason().as_str()), (400, "multiple_tokens"));
    let response = setup.gateway.request("POST", "/", &both, b"a=1");
    assert_eq!((response.status, setup.upstream.last().body), (200, b"a=1".to_vec()));
}

/// A body of another kind or size has no token, and is forwarded as it came.
#[test]
fn only_short_forms_are_searched() {
    let setup = Setup::start(&format!(
        "token: {{ from: [header, form] }}\n{}",
        one_route("auth: optional")
    ));
    let token = "access_token=good";
    for (method, content_type) in [
        ("PUT", FORM.1),
        ("PATCH", FORM.1),
        ("POST", "application/json"),
        ("POST", "multipart/form-data; boundary=x"),
        ("POST", "text/plain"),
    ] {
        let headers = [("Content-Type", content_type)];
        let response = setup.gateway.request(method, "/", &headers, token.as_bytes());
        assert_eq!(response.status, 200, "{method} {content_type}");
        let seen = setup.upstream.last();
        assert_eq!(seen.header("x-introspected-sub"), None, "{method} {content_type}");
        assert_eq!(seen.body, token.as_bytes(), "{method} {content_type}");
    }
    let gzip = [FORM, ("Content-Encoding", "gzip")];
    assert_eq!(setup.gateway.request("POST", "/", &gzip, token.as_bytes()).status, 200);
    assert_eq!(setup.upstream.last().body, token.as_bytes());
    for chunked in [false, true] {
        for (length, is_searched) in
            [(65_535, true), (65_536, true), (65_537, false), (300_000, false)]
        {
            let filling = "x".repeat(length - token.len() - 1);
            let body = format!("{token}&{filling}");
            let mut connection = setup.gateway.connect();
            connection.send(&form_bytes(&[FORM], body.as_bytes(), chunked)).expect("send");
            let response = connection.read_response("POST").expect("a response");
            assert_eq!(response.status, 200, "{length} chunked={chunked}");
            let seen = setup.upstream.last();
            let (sub, expected) =
                if is_searched { (Some("alice"), &filling) } else { (None, &body) };
            assert_eq!(seen.header("x-introspected-sub"), sub, "{length} chunked={chunked}");
            assert!(seen.body == expected.as_bytes(), "{length} chunked={chunked}");
            let again = connection.request("GET", "/", &[], b"").expect("the connection is kept");
            assert_eq!(again.status, 200);
        }
    }
}

/// RFC 9110 §10.1.1: a client that waits before it sends the form gets `100 Continue`. Pieces that
/// come slowly are one form.
#[test]
fn a_form_that_is_waited_for() {
    let setup = from("form");
    let headers = [FORM, ("Expect", "100-continue"), ("Content-Length", "21")];
    let mut connection = setup.gateway.connect();
    connection.send(&request_bytes("POST", "/", &headers, b"")).expect("send");
    assert!(connection.read_bytes(25).expect("100").starts_with(b"HTTP/1.1 100 Continue"));
    for piece in ["access_", "token=go", "od&a=1"] {
        std::thread::sleep(std::time::Duration::from_millis(50));
        connection.send(piece.as_bytes()).expect("send");
    }
    let response = connection.read_response("POST").expect("a response");
    assert_eq!(response.status, 200, "{}", response.text());
    let seen = setup.upstream.last();
    assert_eq!((&seen.body[..], seen.header("expect")), (&b"a=1"[..], None));
}

/// With `token.forward`, and on routes that check nothing; a digest of the old body is removed.
#[test]
fn a_form_token_is_forwarded_only_when_asked_for() {
    let digest = ("Content-Digest", "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:");
    for (forward, seen, has_digest) in
        [(true, "access_token=good&a=1", true), (false, "a=1", false)]
    {
        for route in ["", "auth: optional", "auth: none"] {
            let setup = Setup::start(&format!(
                "token: {{ from: [form], forward: {forward} }}\n{}",
                one_route(route)
            ));
            let response =
                setup.gateway.request("POST", "/", &[FORM, digest], b"access_token=good&a=1");
            assert_eq!(response.status, 200, "{route}: {}", response.text());
            let request = setup.upstream.last();
            assert_eq!(String::from_utf8_lossy(&request.body), seen, "{route}");
            assert_eq!(request.header("content-digest").is_some(), has_digest, "{route}");
        }
    }
}
