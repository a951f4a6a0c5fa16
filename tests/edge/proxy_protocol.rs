//! The PROXY protocol: who may name a client, and what is not believed.

use crate::support::{Setup, one_route};

const REQUEST: &str =
    "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n\r\n";

fn setup(trusted: &str) -> Setup {
    Setup::start(&format!(
        "listeners: [{{ address: \"127.0.0.1:@PORT@\", proxy_protocol: true, limits: {{ header_timeout: 1s }} }}]\ntrusted_proxies: [{trusted}]\n{}",
        one_route("auth: none")
    ))
}

#[test]
fn a_trusted_proxy_names_its_client() {
    let setup = setup("127.0.0.0/8");
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\x0a\0\0\x01\x12\x34\0\x50";
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    for (header, client) in [
        (&b"PROXY TCP4 192.0.2.7 10.0.0.1 4660 80\r\n"[..], "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::7 ::1 4660 80\r\n", "2001:db8::7"),
        (v2, "192.0.2.7"),
    ] {
        let answer = setup.gateway.raw(&[header, REQUEST.as_bytes()].concat());
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
        // the client itself is no trusted proxy
        assert_eq!(setup.upstream.last().header("x-forwarded-for"), Some(client));
    }
    for header in [&b"PROXY UNKNOWN\r\n"[..], local] {
        let answer = setup.gateway.raw(&[header, REQUEST.as_bytes()].concat());
        assert!(answer.starts_with(b"HTTP/1.1 200"));
        assert_eq!(setup.upstream.last().header("x-forwarded-for"), Some("6.6.6.6, 127.0.0.1"));
    }
}

#[test]
fn other_connections_are_closed() {
    let trusted = setup("127.0.0.0/8");
    let long = format!("PROXY TCP4 {}", "1".repeat(200));
    for header in [
        "",
        "proxy TCP4 192.0.2.7 10.0.0.1 1 2\r\n",
        "PROXY TCP4 192.0.2.7 10.0.0.1 1\r\n",
        "PROXY TCP4 2001:db8::7 10.0.0.1 1 2\r\n",
        "PROXY TCP4 192.0.2.7",
        "\r\n\r\n\0\r\nQUIT\n\x21\x11",
        &long,
    ] {
        let bytes = [
            header.as_bytes(),
            if header.ends_with('7') || header.ends_with('\x11') {
                b""
            } else {
                REQUEST.as_bytes()
            },
        ]
        .concat();
        assert!(trusted.gateway.raw(&bytes).is_empty(), "{header:?}");
    }
    assert_eq!(trusted.upstream.count(), 0);

    let stranger = setup("10.0.0.0/8");
    let header = "PROXY TCP4 192.0.2.7 10.0.0.1 4660 80\r\n";
    assert!(stranger.gateway.raw(format!("{header}{REQUEST}").as_bytes()).is_empty());
    assert_eq!(stranger.upstream.count(), 0);
}
