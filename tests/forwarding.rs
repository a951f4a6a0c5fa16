//! The headers of a client that reach the service: which are removed, in which spelling, and of
//! whom.

use crate::support::{Request, Setup, one_route};

/// The name as CGI, WSGI, Rack and PHP read it.
fn folded(name: &str) -> String {
    let fold = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    name.chars().map(fold).collect()
}

/// The values that a service reads under a name, in any spelling.
fn read(request: &Request, name: &str) -> Vec<String> {
    let named = request.headers.iter().filter(|(n, _)| folded(n) == folded(name));
    named.map(|(_, value)| value.clone()).collect()
}

fn open(trusted: bool) -> Setup {
    let proxies = if trusted { "trusted_proxies: [127.0.0.1]\n" } else { "" };
    Setup::start(&format!(
        "token: {{ from: [header, \"header:X-Access-Token\"] }}\n{proxies}{}",
        one_route("auth: optional")
    ))
}

/// Contract §4, pitfall 81: every header that the gateway sets, removes or decides by has one
/// reading, so no other spelling of it is forwarded, from any client, with any method.
#[test]
fn no_spelling_of_a_header_of_the_gateway_is_forwarded() {
    let names = [
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Request-Id",
        "X-Real-IP",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-HTTP-Host-Override",
        "X-Introspected-Sub",
        "X-Introspected-Anything",
        "X-Access-Token",
        "Transfer-Encoding",
        "Content-Length",
        "Content-Type",
        "Keep-Alive",
        "Proxy-Connection",
        "Proxy-Authorization",
        "HTTP2-Settings",
        "Access-Control-Request-Method",
        "True-Client-IP",
        "Client-Cert",
    ];
    for trusted in [false, true] {
        let setup = open(trusted);
        for name in names {
            for separator in ["_", ".", "~"] {
                let spelled = name.replace('-', separator);
                for method in ["GET", "POST"] {
                    let body: &[u8] = if method == "POST" { b"body" } else { b"" };
                    let headers = [(spelled.as_str(), "evil"), ("X-Own_Name", "kept")];
                    let response = setup.gateway.request(method, "/", &headers, body);
                    assert_eq!(response.status, 200, "{spelled}: {}", response.text());
                    let seen = setup.upstream.last();
                    let values = read(&seen, name);
                    assert!(!values.iter().any(|value| value == "evil"), "{spelled}: {seen:?}");
                    assert_eq!(read(&seen, "X-Own-Name"), ["kept"], "{spelled}");
                    assert_eq!(seen.body, body, "{spelled}");
                }
            }
        }
    }
}

/// The same with the token forwarded: only the header whose token was checked is.
#[test]
fn a_token_in_another_spelling_is_not_forwarded_with_the_checked_one() {
    let setup = Setup::start(&format!(
        "token: {{ from: [\"header:X-Access-Token\"], forward: true }}\n{}",
        one_route("")
    ));
    let headers =
        [("X-Access-Token", "good"), ("X_Access_Token", "evil"), ("x.access.token", "evil")];
    assert_eq!(setup.gateway.get("/", &headers).status, 200);
    assert_eq!(read(&setup.upstream.last(), "X-Access-Token"), ["good"]);
    let alone = setup.gateway.get("/", &[("X_Access_Token", "good")]);
    assert_eq!((alone.status, alone.reason().as_str()), (401, "missing_token"));
}

/// A read-only token gets no other method through by a header.
#[test]
fn no_header_changes_the_method() {
    let setup = Setup::start(
        r#"
routes:
  - { name: read, path: /*, methods: [GET, POST], upstream: "@UPSTREAM@", scopes: [read] }
  - { name: write, path: /*, methods: [DELETE], upstream: "@UPSTREAM@", scopes: [admin] }
"#,
    );
    for name in [
        "X-HTTP-Method-Override",
        "X_HTTP_Method_Override",
        "x.http.method.override",
        "X-HTTP_Method-Override",
        "X-HTTP-Method",
        "X_HTTP_Method",
        "X-Method-Override",
        "X_Method_Override",
    ] {
        let headers = [("Authorization", "Bearer good"), (name, "DELETE")];
        assert_eq!(setup.gateway.request("POST", "/", &headers, b"x").status, 200, "{name}");
        let seen = setup.upstream.last();
        assert!(!seen.headers.iter().any(|(_, value)| value == "DELETE"), "{name}: {seen:?}");
    }
}

/// Headers by which proxies tell services how a request came: from an untrusted client they are
/// removed, from a trusted proxy they are forwarded. `Proxy` (HTTP_PROXY in CGI) is never
/// forwarded.
#[test]
fn headers_of_proxies_are_forwarded_of_trusted_proxies_only() {
    let of_proxies = [
        ("X-Original-URL", "/admin"),
        ("X-Rewrite-URL", "/admin"),
        ("X-Original-URI", "/admin"),
        ("X-Original-Method", "DELETE"),
        ("X-Original-Host", "evil.test"),
        ("X-Real-IP", "6.6.6.6"),
        ("X-Client-IP", "6.6.6.6"),
        ("X-Cluster-Client-IP", "6.6.6.6"),
        ("True-Client-IP", "6.6.6.6"),
        ("CF-Connecting-IP", "6.6.6.6"),
        ("X-HTTP-Host-Override", "evil.test"),
        ("X-Host", "evil.test"),
        ("Forwarded", "for=6.6.6.6"),
        ("X-Forwarded-Prefix", "/evil"),
        ("X-Forwarded-Client-Cert", "Hash=1"),
        ("X-Forwarded", "for=6.6.6.6"),
        ("X-Envoy-Original-Path", "/admin"),
        ("Client-Cert", ":MII=:"),
        ("X-SSL-Client-S-DN", "CN=evil"),
        ("SSL-Client-Verify", "SUCCESS"),
        ("Front-End-Https", "on"),
    ];
    for trusted in [false, true] {
        let setup = open(trusted);
        for (name, value) in of_proxies {
            assert_eq!(setup.gateway.get("/", &[(name, value)]).status, 200, "{name}");
            let expected: &[&str] = if trusted { &[value] } else { &[] };
            assert_eq!(read(&setup.upstream.last(), name), expected, "{name}, trusted: {trusted}");
        }
        assert_eq!(setup.gateway.get("/", &[("Proxy", "http://evil.test")]).status, 200);
        assert_eq!(read(&setup.upstream.last(), "Proxy"), [""; 0]);
    }
}

/// The `Cookie` lines of a request.
type Lines = &'static [&'static [u8]];

/// A `Cookie` line is bytes (RFC 6265 §5.4): the token is taken out of any, and the other lines and
/// cookies stay to the byte.
#[test]
fn the_token_leaves_a_cookie_line_of_any_bytes() {
    let setup = Setup::start(&format!("token: {{ from: [\"cookie:at\"] }}\n{}", one_route("")));
    let cases: [(Lines, Lines); 8] = [
        (&[b"at=good"], &[]),
        (&[b"a=1; at=good; b=2"], &[b"a=1; b=2"]),
        (&[b"name=J\xf6rg; at=good"], &[b"name=J\xf6rg"]),
        (&[b"name=J\xc3\xb6rg; at=good; b=\xff"], &[b"name=J\xc3\xb6rg; b=\xff"]),
        (&[b"a=\xe9", b"at=good"], &[b"a=\xe9"]),
        (&[b"at=good", b"a=\xe9; b=2"], &[b"a=\xe9; b=2"]),
        (&[b"a=1", b"at=good; b=2", b"c=3"], &[b"a=1", b"b=2", b"c=3"]),
        (&[b"at=good; at =other; b=2"], &[b"b=2"]),
    ];
    for (lines, kept) in cases {
        for (start, rest) in [("GET", ""), ("POST", "Content-Length: 0\r\n")] {
            let mut request =
                format!("{start} / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{rest}")
                    .into_bytes();
            for line in lines {
                request.extend_from_slice(&[b"Cookie: ", *line, b"\r\n"].concat());
            }
            request.extend_from_slice(b"\r\n");
            let answer = setup.gateway.raw(&request);
            let shown = request.escape_ascii();
            assert!(answer.starts_with(b"HTTP/1.1 200"), "{shown}: {}", answer.escape_ascii());
            let latin = |line: &&[u8]| line.iter().copied().map(char::from).collect::<String>();
            let kept: Vec<String> = kept.iter().map(latin).collect();
            assert_eq!(setup.upstream.last().headers_all("cookie"), kept, "{shown}");
        }
    }
}
