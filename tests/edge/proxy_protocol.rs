//! The PROXY protocol: who may name a client, and the headers that are rejected.

use crate::support::{Authority, Builder, Setup, free_port, one_route, wait_until};
use std::process::{Command, Stdio};

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

/// A real HAProxy in front, which sends the header in both versions, in plaintext and before TLS.
#[test]
fn haproxy_in_front_names_its_client() {
    if Command::new("haproxy").arg("-v").stdout(Stdio::null()).status().is_err() {
        assert!(std::env::var("INTEROP").is_err(), "haproxy is not installed");
        eprintln!("!!! SKIPPED: haproxy is not installed");
        return;
    }
    let authority = Authority::new();
    let identity = authority.certify(&["localhost"]);
    let tls_port = free_port();
    let builder = Builder::new()
        .file("tls.crt", &identity.certificate)
        .file("tls.key", &identity.key)
        .file("ca.pem", authority.pem());
    let setup = Setup::build(
        builder,
        &format!(
            "listeners:\n\
             - {{ address: \"127.0.0.1:@PORT@\", proxy_protocol: true }}\n\
             - {{ address: \"127.0.0.1:{tls_port}\", proxy_protocol: true, tls: {{ certificate: tls.crt, private_key: tls.key }} }}\n\
             trusted_proxies: [127.0.0.1/32]\n{}",
            one_route("auth: none")
        ),
    );
    let folder = tempfile::tempdir().expect("a folder");
    let (plain, to_tls) = ([free_port(), free_port()], [free_port(), free_port()]);
    let mut configuration =
        "defaults\n mode tcp\n timeout connect 5s\n timeout client 20s\n timeout server 20s\n"
            .to_owned();
    for (ports, target) in [(plain, setup.gateway.port()), (to_tls, tls_port)] {
        for (port, version) in ports.into_iter().zip(["send-proxy", "send-proxy-v2"]) {
            configuration.push_str(&format!(
                "listen at{port}\n bind 127.0.0.1:{port}\n server gate 127.0.0.1:{target} {version}\n"
            ));
        }
    }
    let file = folder.path().join("haproxy.cfg");
    std::fs::write(&file, configuration).expect("write");
    let mut haproxy =
        Command::new("haproxy").arg("-db").arg("-f").arg(&file).spawn().expect("haproxy");
    let ca = setup.gateway.directory().join("ca.pem");
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for (ports, scheme) in [(plain, "http"), (to_tls, "https")] {
            for port in ports {
                let url = format!("{scheme}://localhost:{port}/");
                // another address than HAProxy's own, so that the two are distinguishable
                let ask = || {
                    let mut curl = Command::new("curl");
                    curl.args(["--silent", "--max-time", "5", "--interface", "127.0.0.77"]);
                    curl.args(["--resolve", &format!("localhost:{port}:127.0.0.1")]);
                    curl.arg("--cacert").arg(&ca).arg(&url).output().expect("curl").status.success()
                };
                wait_until("HAProxy forwards", ask);
                let seen = setup.upstream.last();
                assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.77"), "{url}");
                assert_eq!(seen.header("x-forwarded-proto"), Some(scheme), "{url}");
            }
        }
    }));
    let _ = haproxy.kill();
    let _ = haproxy.wait();
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}
