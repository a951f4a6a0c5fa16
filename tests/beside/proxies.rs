//! Real proxies with the configurations of `deploy/beside/`: the same situations for each.

use crate::interop::{Process, python, source, unless_missing};
use crate::support::{
    AuthorizationServer, Builder, Connection, Gateway, Response, Upstream, free_port, wait_until,
};
use serde_json::json;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A proxy in front of a service, with introgate beside it.
struct Beside {
    server: AuthorizationServer,
    service: Upstream,
    gateway: Option<Gateway>,
    proxy: Child,
    port: u16,
    folder: TempDir,
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
    }
}

fn deployed(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/beside");
    fs::read_to_string(folder.join(name)).expect("a configuration")
}

impl Beside {
    /// `None`, with a loud line, where the proxy is not installed.
    fn start(program: &str, files: &[&str], command: impl Fn(&Path) -> Command) -> Option<Beside> {
        let found = Command::new("sh")
            .args(["-c", &format!("PATH=$PATH:/usr/sbin command -v {program}")])
            .stdout(Stdio::null())
            .status();
        if !found.is_ok_and(|status| status.success()) {
            assert!(std::env::var("INTEROP").is_err(), "{program} is not installed");
            eprintln!("!!! SKIPPED: {program} is not installed");
            return None;
        }
        let (server, service) = (AuthorizationServer::start(), Upstream::start());
        for (token, scope) in [("reader", "read"), ("writer", "read write")] {
            let answer =
                json!({ "active": true, "sub": "alice", "client_id": "app", "scope": scope });
            server.answer(token, answer);
        }
        let grpc_port = free_port();
        let gateway = deployed("gateway.yaml")
            .replace("127.0.0.1:8080", "127.0.0.1:@PORT@")
            .replace("127.0.0.1:8090", &format!("127.0.0.1:{grpc_port}"))
            .replace("http://127.0.0.1:8000/o/introspect/", &server.url());
        let gateway =
            gateway + "  - { path: /mcp/*, scopes: [read], origins: [https://app.example.com] }\n";
        let gateway = Builder::new().env("INTROSPECTION_TOKEN", "t").start(&gateway);
        let (folder, port) = (tempfile::tempdir().expect("a folder"), free_port());
        for file in files {
            let text = deployed(file)
                .replace("127.0.0.1:8080", &format!("127.0.0.1:{}", gateway.port()))
                .replace("127.0.0.1:9000", &format!("127.0.0.1:{}", service.port()))
                .replace("port_value: 8090", &format!("port_value: {grpc_port}"))
                .replace("port_value: 9000", &format!("port_value: {}", service.port()))
                .replace("port_value: 8081", &format!("port_value: {port}"))
                .replace("/dev/stdout", "access.log")
                .replace("localhost:8081", &format!("localhost:{port}"))
                .replace("127.0.0.1:8081", &format!("127.0.0.1:{port}"))
                .replace("\nhttp {", &nginx_folders(folder.path()));
            fs::write(folder.path().join(file), text).expect("write a configuration");
        }
        let mut command = command(folder.path());
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin")).current_dir(folder.path());
        command.env("HOME", folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let proxy = command.spawn().expect("start the proxy");
        let beside = Beside { server, service, gateway: Some(gateway), proxy, port, folder };
        wait_until(program, || Connection::try_open(beside.port).is_ok());
        Some(beside)
    }

    fn request(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Response {
        let host = [("Host", "localhost")];
        let mut connection = Connection::open(self.port);
        let headers = [&host[..], headers].concat();
        connection.request(method, target, &headers, b"").expect("an answer of the proxy")
    }
}

/// nginx writes below its own folder, which only root may.
fn nginx_folders(folder: &Path) -> String {
    let mut text = "\nhttp {\n  access_log off;\n".to_owned();
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        text.push_str(&format!("  {kind}_temp_path {}/{kind};\n", folder.display()));
    }
    text
}

/// The situations that every proxy must be right in. A proxy that only knows 401 and 403 may answer
/// without a body, and still with the status.
fn is_guarded(mut beside: Beside) {
    let bearer = |token: &str| format!("Bearer {token}");
    let (reader, writer) = (bearer("reader"), bearer("writer"));
    let forged = [
        ("X-Introspected-Sub", "admin"),
        ("x-introspected-username", "root"),
        ("X_Introspected_Scope", "admin"),
    ];

    let allowed = [&[("Authorization", reader.as_str())], &forged[..]].concat();
    let response = beside.request("GET", "/items?a=b", &allowed);
    assert_eq!(response.status, 200, "{}", response.text());
    let seen = beside.service.last();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/items?a=b"));
    assert_eq!(seen.headers_all("x-introspected-sub"), ["alice"]);
    assert_eq!(seen.header("x-introspected-scope"), Some("read"));
    assert_eq!(seen.header("x-introspected-username").unwrap_or_default(), "");
    assert_eq!(seen.header("x_introspected_scope"), None);
    assert_eq!(seen.header("authorization"), None, "the service does not get the token");

    let response = beside.request("GET", "/public/a", &forged);
    assert_eq!(response.status, 200);
    assert!(beside.service.last().header("x-introspected-sub").is_none_or(str::is_empty));

    let before = beside.service.count();
    let response = beside.request("GET", "/items", &[]);
    let challenge = response.header("www-authenticate").unwrap_or_default().to_owned();
    assert_eq!(
        (response.status, challenge.starts_with("Bearer realm=")),
        (401, true),
        "{challenge}"
    );
    let response = beside.request("GET", "/items", &[("Authorization", "Bearer unknown")]);
    let challenge = response.header("www-authenticate").unwrap_or_default().to_owned();
    assert_eq!((response.status, challenge.contains("invalid_token")), (401, true), "{challenge}");
    let response = beside.request("DELETE", "/items", &[("Authorization", &reader)]);
    let challenge = response.header("www-authenticate").unwrap_or_default().to_owned();
    assert_eq!(
        (response.status, challenge.contains("insufficient_scope")),
        (403, true),
        "{challenge}"
    );
    // the proxy shows the browser's `Origin` too
    for (origin, status) in [("https://app.example.com", 200), ("https://evil.test", 403)] {
        let headers = [("Authorization", reader.as_str()), ("Origin", origin)];
        assert_eq!(beside.request("GET", "/mcp/a", &headers).status, status, "{origin}");
    }
    let before = before + 1;
    // the method and the path in question decide, against all headers of the client
    let described = [
        ("Authorization", reader.as_str()),
        ("X-Forwarded-Method", "GET"),
        ("X-Original-Method", "GET"),
        ("X-Forwarded-Uri", "/public/a"),
        ("X-Original-URI", "/public/a"),
        ("X-Original-URL", "http://localhost/public/a"),
    ];
    let status = beside.request("DELETE", "/items", &described).status;
    assert!([400, 403].contains(&status), "{status}");
    assert_eq!(beside.service.count(), before, "a refused request does not reach the service");

    assert_eq!(beside.request("DELETE", "/items", &[("Authorization", &writer)]).status, 200);

    let upgrade = [
        ("Authorization", reader.as_str()),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ];
    assert_eq!(beside.request("GET", "/items", &upgrade).status, 101);
    assert_eq!(beside.request("GET", "/items", &upgrade[1..]).status, 401);

    beside.server.stop();
    let before = beside.service.count();
    let response = beside.request("GET", "/items", &[("Authorization", "Bearer new")]);
    assert_eq!((response.status, response.header("retry-after").is_some()), (503, true));
    beside.gateway = None;
    let status = beside.request("GET", "/items", &[("Authorization", &reader)]).status;
    assert!([502, 503].contains(&status), "{status}");
    assert_eq!(beside.service.count(), before, "without the gateway nothing passes");
}

#[test]
fn nginx_auth_request() {
    let beside = Beside::start("nginx", &["nginx.conf"], |folder| {
        let mut command = Command::new("nginx");
        let at = folder.display();
        let globals = format!("daemon off; pid {at}/nginx.pid; error_log {at}/error.log;");
        command.arg("-c").arg(folder.join("nginx.conf")).args(["-e", "error.log", "-g", &globals]);
        command.arg("-p").arg(folder);
        command
    });
    if let Some(beside) = beside {
        is_guarded(beside);
    }
}

#[test]
fn caddy_forward_auth() {
    let beside = Beside::start("caddy", &["Caddyfile"], |_| {
        let mut command = Command::new("caddy");
        command.args(["run", "--config", "Caddyfile", "--adapter", "caddyfile"]);
        command
    });
    if let Some(beside) = beside {
        is_guarded(beside);
    }
}

#[test]
fn haproxy_with_lua() {
    let beside = Beside::start("haproxy", &["haproxy.cfg", "introgate.lua"], |_| {
        let mut command = Command::new("haproxy");
        command.args(["-f", "haproxy.cfg", "-db"]);
        command
    });
    if let Some(beside) = beside {
        is_guarded(beside);
    }
}

#[test]
fn envoy_ext_authz() {
    let Some(envoy) = unless_missing(python::envoy()) else { return };
    let program = envoy.to_str().expect("UTF-8").to_owned();
    let start = || {
        Beside::start(&program, &["envoy.yaml"], |_| {
            let mut command = Command::new(&envoy);
            command.args(["-c", "envoy.yaml", "--disable-hot-restart", "--concurrency", "1"]);
            command.args(["--log-level", "error", "--file-flush-interval-msec", "100"]);
            command
        })
    };
    let Some(beside) = start() else { return };
    let reader = ("Authorization", "Bearer reader");
    // Envoy joins two lines of `Authorization` by a comma, which is in no token
    let response = beside.request("GET", "/items", &[reader, reader]);
    assert_eq!((response.status, response.reason()), (400, "malformed_token".to_owned()));
    let body = beside.request("GET", "/items", &[]).json();
    assert_eq!(body["reason"], "missing_token");
    let origin = ("Origin", "https://app.example.com");
    let response = beside.request("GET", "/mcp/a", &[reader, origin, origin]);
    assert_eq!((response.status, response.reason()), (400, "bad_request".to_owned()));
    let response = beside.request("GET", "/mcp/a", &[reader, ("Origin", "null")]);
    assert_eq!((response.status, response.reason()), (403, "require".to_owned()));
    // a path that two readers could read in two ways
    let response = beside.request("GET", "/public/..%2Fitems", &[]);
    assert_eq!((response.status, response.reason()), (400, "bad_request".to_owned()));
    // the client's address is Envoy's word, not the client's
    let spoofed = [reader, ("X-Forwarded-For", "6.6.6.6"), ("X-Request-Id", "one")];
    assert_eq!(beside.request("GET", "/items", &spoofed).status, 200);
    let id = beside.service.last().header("x-request-id").expect("an id").to_owned();
    let gateway = beside.gateway.as_ref().expect("it runs");
    let line = gateway.access_log_of(&id);
    assert_ne!(line["client_ip"], "6.6.6.6");
    assert_eq!(line["sub"], "alice");
    assert_eq!(line["path"], "/items");
    let log = beside.folder.path().join("access.log");
    wait_until("Envoy logs what the gateway says", || {
        let text = fs::read_to_string(&log).unwrap_or_default();
        let text = text.replace('"', "");
        text.contains("200 route=GET,HEAD /* sub=alice reason=-")
            && text.contains("401 route=GET,HEAD /* sub=- reason=missing_token")
    });
    is_guarded(beside);
}

/// The health service beside `ext_authz`: it answers, and a client that watches it does not delay
/// the stop.
#[test]
fn the_health_service_answers_and_lets_the_gateway_stop() {
    let Some(python) = unless_missing(python::with_grpc()) else { return };
    let server = AuthorizationServer::start();
    let mut gateway = Gateway::start(&format!(
        "shutdown_timeout: 5m\n\
         listeners: [{{ address: \"127.0.0.1:@PORT@\", serves: ext_authz }}]\n\
         authorization_servers: {{ main: {{ introspection_endpoint: \"{}\" }} }}\n\
         routes: [{{ path: /*, scopes: [read] }}]\n",
        server.url()
    ));
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let mut command = Command::new(python);
    command.arg(source("grpc/health.py")).arg(gateway.port().to_string());
    let _watching = Process::start(&mut command, &log);
    wait_until("the health service is watched", || {
        fs::read_to_string(&log).unwrap_or_default().contains("watched: 1")
    });
    assert_eq!(gateway.terminate().code(), Some(0));
}
