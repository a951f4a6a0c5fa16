//! Contract §2, `protocol`: services that speak HTTP/2, by prior knowledge (`h2c`) and over TLS.

use super::config;
use crate::support::{Authority, Builder, Gateway, Upstream, free_port};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// A service of another implementation, node's. Dropping it stops it.
struct Service(Child, u16);

impl Service {
    fn start(files: &[&str]) -> Service {
        let port = free_port();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/upstreams/http2_service.mjs");
        let mut command = Command::new("node");
        command.arg(script).arg(port.to_string()).args(files).stdout(Stdio::piped());
        let mut child = command.spawn().expect("start node");
        let mut line = String::new();
        let out = child.stdout.take().expect("stdout");
        BufReader::new(out).read_line(&mut line).expect("a line");
        assert_eq!(line.trim(), "ready");
        Service(child, port)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Requests with and without a body arrive unchanged.
#[track_caller]
fn is_served(gateway: &Gateway, scheme: &str) {
    for body in [&b""[..], &[b'x'; 100_000]] {
        for method in ["GET", "POST"] {
            let response = gateway.request(
                method,
                "/a?b=c",
                &[("Host", "api.example.com"), ("Connection", "keep-alive"), ("X-Mine", "1")],
                body,
            );
            assert_eq!(response.status, 200, "{method} {}", response.text());
            let echo: Value = response.json();
            let header = |name: &str| echo["headers"][name].as_str().unwrap_or("none").to_owned();
            assert_eq!(header(":method"), method);
            assert_eq!(header(":path"), "/a?b=c");
            assert_eq!(header(":scheme"), scheme);
            assert_eq!(header(":authority"), "api.example.com");
            assert_eq!(header("x-mine"), "1");
            assert_eq!(header("connection"), "none");
            assert_eq!(header("transfer-encoding"), "none");
            assert_eq!(echo["length"], body.len());
        }
    }
}

#[test]
fn a_service_that_speaks_http2_in_plaintext() {
    let service = Service::start(&[]);
    let servers = format!("{{ servers: [\"http://127.0.0.1:{}\"], protocol: h2c }}", service.1);
    is_served(&Gateway::start(&config(&servers)), "http");
}

/// A service behind TLS, for 127.0.0.1; and the folder of its certificate.
fn behind_tls(authority: &Authority) -> (Service, tempfile::TempDir) {
    let identity = authority.certify(&["127.0.0.1"]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("write");
        path.display().to_string()
    };
    let (certificate, key) =
        (file("tls.crt", &identity.certificate), file("tls.key", &identity.key));
    (Service::start(&[&certificate, &key]), folder)
}

#[test]
fn a_service_that_speaks_http2_over_tls() {
    let authority = Authority::new();
    let (service, _folder) = behind_tls(&authority);
    let servers = format!(
        "{{ servers: [\"https://127.0.0.1:{}\"], protocol: h2, tls: {{ ca: ca.pem }} }}",
        service.1
    );
    let gateway = Builder::new().file("ca.pem", authority.pem()).start(&config(&servers));
    is_served(&gateway, "https");
}

/// The system's trust roots are read when the first such service is configured: at start, or by a
/// reload. Before and after, a service that they do not verify gets no request.
#[test]
fn the_systems_roots_verify_services_that_speak_http2_over_tls() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let ((trusted, _ours), (untrusted, _theirs)) = (behind_tls(&ours), behind_tls(&theirs));
    let upstream = Upstream::start();
    let plain = config(&format!("{{ servers: [\"{}\"] }}", upstream.url()));
    let over_tls = |service: &Service| {
        config(&format!("{{ servers: [\"https://127.0.0.1:{}\"], protocol: h2 }}", service.1))
    };
    let start = |yaml: &str| {
        Builder::new().file("ca.pem", ours.pem()).env("SSL_CERT_FILE", "@DIR@/ca.pem").start(yaml)
    };
    is_served(&start(&over_tls(&trusted)), "https");

    let gateway = start(&plain);
    assert_eq!(gateway.get("/", &[]).status, 200);
    gateway.reload(&over_tls(&trusted));
    is_served(&gateway, "https");
    gateway.reload(&over_tls(&untrusted));
    assert_eq!(gateway.get("/", &[]).status, 502);
    gateway.reload(&plain);
    assert_eq!(gateway.get("/", &[]).status, 200);
    gateway.reload(&over_tls(&trusted));
    is_served(&gateway, "https");
}

/// A service that answers HTTP/2 in HTTP/1.1 is not understood.
#[test]
fn a_service_that_speaks_http1_where_http2_is_configured_is_502() {
    let upstream = Upstream::start();
    let servers = format!("{{ servers: [\"{}\"], protocol: h2c }}", upstream.url());
    let gateway = Gateway::start(&config(&servers));
    assert_eq!(gateway.get("/", &[]).status, 502);
}
