//! RFC 9112: HTTP/1.1. Above all: one message is one message, for the gateway and for the service
//! behind it (pitfall 62).

use crate::support::Setup;

const OPEN: &str = "auth: none";

/// Sends these bytes, which must be refused, or the connection closed, with nothing forwarded.
#[track_caller]
fn refused(setup: &Setup, request: &str) {
    let before = setup.upstream.count();
    let answer = String::from_utf8_lossy(&setup.gateway.raw(request.as_bytes())).into_owned();
    let status = answer.get(9..12).unwrap_or_default();
    assert!(
        answer.is_empty() || ["400", "405", "411", "413", "431", "501", "505"].contains(&status),
        "{request:?}: {answer}"
    );
    assert_eq!(setup.upstream.count(), before, "{request:?} was forwarded");
}

/// §3.2: no `Host`, or more than one, or an invalid one is 400.
#[test]
fn section_3_2_host() {
    let setup = Setup::route(OPEN);
    refused(&setup, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n");
    refused(&setup, "GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\nConnection: close\r\n\r\n");
    refused(&setup, "GET / HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\nConnection: close\r\n\r\n");
    refused(&setup, "GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n");
    refused(&setup, "GET / HTTP/1.1\r\nHost: a/b\r\nConnection: close\r\n\r\n");
    refused(&setup, "GET / HTTP/1.1\r\nHost: user@a.test\r\nConnection: close\r\n\r\n");
    refused(&setup, "GET / HTTP/1.1\r\nHost: a,b\r\nConnection: close\r\n\r\n");
    for host in [
        "",
        ":80",
        "a:80:80",
        "a:x",
        "a:-1",
        "a:65536",
        "a: 80",
        "[::1",
        "::1",
        "[a]",
        "x[::1]",
        "[::1]x",
        "[::1]80",
        "[fe80::1%25eth0]",
        "[v1.a]",
        "a%zz",
        "a%41",
        "%61.test",
        "a..b",
        ".a",
        "a|b",
        "a\\b",
        "a\"",
        "a#b",
        "a?b",
    ] {
        for method in ["GET", "POST"] {
            refused(
                &setup,
                &format!("{method} / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
            );
        }
    }
    for host in
        ["a.test", "A.test.", "a:80", "a:", "[::1]", "[::1]:80", "1.2.3.4:8080", "a_b", "a~b"]
    {
        let response = setup.gateway.get("/", &[("Host", host)]);
        assert_eq!(response.status, 200, "{host}: {}", response.text());
        assert_eq!(setup.upstream.last().header("host"), Some(host));
    }
}

/// §3.2: HTTP/1.1 requires `Host`, also beside an absolute target; HTTP/1.0 does not, and the
/// service gets one all the same.
#[test]
fn section_3_2_host_beside_an_absolute_target() {
    let setup = Setup::start(
        r#"
routes:
  - { name: named, host: a.test, path: /*, upstream: "@UPSTREAM@", auth: none }
  - { name: any, path: /*, upstream: "@UPSTREAM@", auth: none }
"#,
    );
    refused(&setup, "GET http://a.test/ HTTP/1.1\r\nConnection: close\r\n\r\n");
    refused(&setup, "GET http://b.test/ HTTP/1.1\r\nConnection: close\r\n\r\n");
    for (target, host) in [
        ("http://a.test/", "b.test"),
        ("http://a.test:81/", "a.test:82"),
        ("http://a.test/", ""),
        ("http://u@a.test/", "a.test"),
        ("http:///", "a.test"),
        ("http:/a.test/", "a.test"),
        ("ftp://a.test/", "a.test"),
        ("a.test:80", "a.test"),
    ] {
        refused(
            &setup,
            &format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
        );
    }
    setup.gateway.raw(b"GET http://a.test/old HTTP/1.0\r\n\r\n");
    let seen = setup.upstream.last();
    assert_eq!((seen.target.as_str(), seen.header("host")), ("/old", Some("a.test")));
    setup.gateway.raw(b"GET /older HTTP/1.0\r\n\r\n");
    let seen = setup.upstream.last();
    assert_eq!(seen.target, "/older");
    assert!(seen.header("host").is_some_and(|host| host.starts_with("127.0.0.1")), "{seen:?}");
}

/// RFC 9110 §9.3.8: `TRACE` would show a client the headers that the gateway adds.
#[test]
fn trace_and_tunnels_are_refused() {
    let setup = Setup::route("auth: optional");
    for method in ["TRACE", "trace", "TRACK", "CONNECT", "Connect"] {
        for line in ["Authorization: Bearer good", "X-A: 1"] {
            refused(
                &setup,
                &format!("{method} / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{line}\r\n\r\n"),
            );
        }
    }
    assert_eq!(setup.server.count(), 0);
}

/// §3.2.2: the absolute form must be accepted, and its host counts, not the `Host` header's
/// (pitfall 64).
#[test]
fn section_3_2_2_absolute_form() {
    let setup = Setup::start(
        r#"
routes:
  - { name: open, host: open.test, path: /*, upstream: "@UPSTREAM@", auth: none }
  - { name: guarded, host: guarded.test, path: /*, upstream: "@UPSTREAM@" }
"#,
    );
    let ask = |target: &str, host: &str| setup.gateway.get(target, &[("Host", host)]).status;
    assert_eq!(ask("http://open.test/a?b=c", "open.test"), 200);
    let seen = setup.upstream.last();
    assert_eq!((seen.target.as_str(), seen.header("host")), ("/a?b=c", Some("open.test")));
    let before = setup.upstream.count();
    let status = ask("http://guarded.test/a", "open.test");
    assert!([400, 401].contains(&status), "{status}");
    assert!([400, 401].contains(&ask("http://guarded.test/a", "guarded.test")));
    assert!([400, 401].contains(&ask("http://open.test@guarded.test/a", "open.test")));
    assert_eq!(setup.upstream.count(), before);
}

/// §6.1, §6.3: `Transfer-Encoding` together with `Content-Length`.
#[test]
fn section_6_3_both_framings() {
    let setup = Setup::route(OPEN);
    let hidden = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n";
    for request in [
        format!(
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
        ),
        format!(
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: {}\r\n\r\n0\r\n\r\n{hidden}",
            hidden.len() + 5
        ),
    ] {
        setup.gateway.raw(request.as_bytes());
        // RFC 9112 lets a server read it by `Transfer-Encoding` and close, or refuse it; the rest
        // is never a request
        let seen = setup.upstream.requests();
        assert!(seen.iter().all(|request| request.target != "/hidden"), "{request:?}");
        for forwarded in &seen {
            let both = forwarded.header("content-length").is_some()
                && forwarded.header("transfer-encoding").is_some();
            assert!(!both, "{forwarded:?}");
        }
    }
}

/// §6.3: several or invalid `Content-Length`.
#[test]
fn section_6_3_content_length() {
    let setup = Setup::route(OPEN);
    let hidden = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n";
    for lengths in [
        "Content-Length: 0\r\nContent-Length: 36",
        "Content-Length: 36\r\nContent-Length: 0",
        "Content-Length: 0, 36",
        "Content-Length: +5",
        "Content-Length: -1",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length: 99999999999999999999",
        "Content-Length: five",
        "Content-Length:",
    ] {
        refused(
            &setup,
            &format!(
                "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lengths}\r\n\r\n{hidden}"
            ),
        );
    }
}

/// §6.1: a transfer coding that is not understood, or hidden in an odd spelling.
#[test]
fn section_6_1_transfer_encoding() {
    let setup = Setup::route(OPEN);
    for coding in [
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: \"chunked\"",
    ] {
        let request = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{coding}\r\n\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
        );
        let answer = setup.gateway.raw(request.as_bytes());
        assert!(
            !answer.starts_with(b"HTTP/1.1 200"),
            "{coding}: {}",
            String::from_utf8_lossy(&answer)
        );
        let seen = setup.upstream.requests();
        assert!(seen.iter().all(|request| request.target != "/hidden"), "{coding}");
    }
}

/// §7.1: chunks that are none.
#[test]
fn section_7_1_chunks() {
    let setup = Setup::route(OPEN);
    for body in [
        "x\r\n\r\n0\r\n\r\n",
        "-1\r\nabc\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcde\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
    ] {
        let request = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{body}GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
        );
        let answer = setup.gateway.raw(request.as_bytes());
        assert!(
            !answer.starts_with(b"HTTP/1.1 200"),
            "{body:?}: {}",
            String::from_utf8_lossy(&answer)
        );
        let seen = setup.upstream.requests();
        assert!(seen.iter().all(|request| request.target != "/hidden"), "{body:?}");
    }
}

/// §5.1: no space between a name and its colon; §5: names are tokens.
#[test]
fn section_5_1_field_names() {
    let setup = Setup::route(OPEN);
    for line in ["X-A : 1", "X A: 1", "X-\u{e4}: 1", ": 1", "no colon", "X-A\0: 1", "(x): 1"] {
        refused(
            &setup,
            &format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{line}\r\n\r\n"),
        );
    }
}

/// §5.2: a folded line is refused or unfolded; it cannot hide a header from the gateway and show it
/// to the service.
#[test]
fn section_5_2_obsolete_folding() {
    let setup = Setup::route(OPEN);
    for line in [
        "X-A: 1\r\n X-Introspected-Sub: evil",
        "X-A: 1\r\n\tX-Introspected-Sub: evil",
        " X-Introspected-Sub: evil",
    ] {
        setup.gateway.raw(
            format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{line}\r\n\r\n").as_bytes(),
        );
        for seen in setup.upstream.requests() {
            let forged = seen
                .headers
                .iter()
                .any(|(name, _)| name.trim().to_lowercase().starts_with("x-introspected"));
            assert!(!forged, "{line:?}: {seen:?}");
        }
    }
}

/// §2.2: a bare CR is no line end.
#[test]
fn section_2_2_bare_cr() {
    let setup = Setup::route(OPEN);
    setup.gateway.raw(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-A: 1\rX-Introspected-Sub: evil\r\n\r\n");
    for seen in setup.upstream.requests() {
        let bytes = format!("{seen:?}");
        assert!(!bytes.contains("\\r"), "{bytes}");
        assert_eq!(seen.header("x-introspected-sub"), None);
    }
}

/// §2.3: other versions than HTTP/1 are refused, and HTTP/1.0 is answered.
#[test]
fn section_2_3_versions() {
    let setup = Setup::route(OPEN);
    for line in [
        "GET / HTTP/3.0",
        "GET / HTTP/0.9",
        "GET / HTTP/1.x",
        "GET /",
        "GET / FTP/1.1",
        "GET  / HTTP/1.1",
    ] {
        refused(&setup, &format!("{line}\r\nHost: x\r\nConnection: close\r\n\r\n"));
    }
    let old = setup.gateway.raw(b"GET /old HTTP/1.0\r\nHost: x\r\n\r\n");
    assert!(old.starts_with(b"HTTP/1."), "{}", String::from_utf8_lossy(&old));
    assert_eq!(setup.upstream.last().target, "/old");
}

/// §9.3.2: pipelined requests are answered in order, each by its own rules.
#[test]
fn section_9_3_2_pipelining() {
    let setup = Setup::route("");
    let mut connection = setup.gateway.connect();
    let one = "GET /one HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n\r\n";
    let two = "GET /two HTTP/1.1\r\nHost: x\r\n\r\n";
    connection.send(format!("{one}{two}").as_bytes()).expect("send");
    assert_eq!(connection.read_response("GET").expect("the first").status, 200);
    // a server may close instead of answering pipelined requests
    if let Ok(second) = connection.read_response("GET") {
        assert_eq!(second.status, 401);
    }
    assert!(setup.upstream.requests().iter().all(|request| request.target == "/one"));
}

/// RFC 9110 §7.8: bytes behind a request to upgrade that is refused are no requests (pitfall 62).
#[test]
fn early_upgrade_data_is_not_forwarded_without_a_token() {
    let setup = Setup::route("");
    let request = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nGET /hidden HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = setup.gateway.raw(request.as_bytes());
    assert!(answer.starts_with(b"HTTP/1.1 401"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(setup.upstream.count(), 0);
}

/// RFC 9110 §7.8: a protocol that carries HTTP would be a tunnel around the gate.
#[test]
fn no_protocol_that_carries_http_is_switched_to() {
    let setup = Setup::route("");
    for protocol in ["h2c", "HTTP/2.0", "TLS/1.0", "h2c, websocket"] {
        let headers = [
            ("Authorization", "Bearer good"),
            ("Connection", "Upgrade, HTTP2-Settings"),
            ("Upgrade", protocol),
            ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"),
        ];
        let response = setup.gateway.get("/", &headers);
        assert_ne!(response.status, 101, "{protocol}");
        let seen = setup.upstream.requests();
        assert!(seen.iter().all(|request| request.header("upgrade").is_none()), "{protocol}");
    }
}
