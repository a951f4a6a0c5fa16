//! gRPC through the gateway, with grpcio from PyPI on both sides: all kinds of calls, trailers,
//! health and reflection, over h2c and TLS; refusals as statuses (contract §5).

use super::parts::{Process, run, source, unless_missing};
use super::python;
use crate::support::{Authority, Builder, Gateway, Setup, free_port, wait_within};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The service; dropping it stops it.
struct Service {
    python: &'static Path,
    port: u16,
    _process: Process,
    _folder: tempfile::TempDir,
}

impl Service {
    /// `None` where it cannot be had.
    fn start() -> Option<Service> {
        let python = unless_missing(python::with_grpc())?;
        let (port, folder) = (free_port(), tempfile::tempdir().expect("a folder"));
        let log = folder.path().join("log");
        let mut command = Command::new(python);
        command.arg(source("grpc/service.py")).arg(port.to_string());
        let process = Process::start(&mut command, &log);
        wait_within(Duration::from_secs(60), "the service is ready", || {
            std::fs::read_to_string(&log).is_ok_and(|text| text.contains("ready"))
        });
        Some(Service { python, port, _process: process, _folder: folder })
    }

    /// The gateway in front of it.
    fn gateway(&self, authorization_server: &str, listener: &str, builder: Builder) -> Gateway {
        builder.start(&format!(
            "listeners: [{{ address: \"127.0.0.1:@PORT@\", {listener} }}]\n\
             authorization_servers: {{ main: {{ introspection_endpoint: \"{authorization_server}\" }} }}\n\
             upstreams: {{ echo: {{ servers: [\"http://127.0.0.1:{}\"], protocol: h2c }} }}\n\
             routes: [{{ path: /*, upstream: echo, scopes: [read] }}]\n",
            self.port
        ))
    }

    /// The client's output, by the name of the call.
    fn calls(&self, port: u16, token: &str, ca: Option<PathBuf>) -> BTreeMap<String, Value> {
        let mut command = Command::new(self.python);
        command.arg(source("grpc/client.py")).arg(port.to_string()).arg(token).args(ca);
        let printed = run(&mut command).expect("the client runs to its end");
        printed
            .lines()
            .map(|line| {
                let line: Value = serde_json::from_str(line).expect("JSON");
                (line["call"].as_str().expect("a name").to_owned(), line)
            })
            .collect()
    }
}

#[track_caller]
fn are_served(calls: &BTreeMap<String, Value>) {
    let result = |name: &str| (calls[name]["code"].clone(), calls[name]["result"].clone());
    let trailer = |name: &str| calls[name]["trailers"]["x-trailer"].clone();
    assert_eq!(result("unary"), (json!("OK"), json!("hello for alice, no token")));
    assert_eq!(trailer("unary"), "unary");
    assert_eq!(calls["unary"]["trailers"]["x-bytes-bin"], "00ff");
    let large = 1_000_000 + " for alice, no token".len();
    assert_eq!(result("large"), (json!("OK"), json!(large)));
    assert_eq!(calls["failed"]["code"], "FAILED_PRECONDITION");
    assert_eq!(calls["failed"]["details"], "not now: 100 %");
    assert_eq!(calls["failed"]["trailers"]["x-trailer"], "'unary'");
    assert_eq!(calls["deadline"]["code"], "DEADLINE_EXCEEDED");
    assert_eq!(result("server stream"), (json!("OK"), json!(vec![10_002; 5])));
    assert_eq!(trailer("server stream"), "server");
    assert_eq!(result("client stream"), (json!("OK"), json!("600000")));
    assert_eq!(trailer("client stream"), "client");
    assert_eq!(result("both streams"), (json!("OK"), json!(["ONE", "TWO", "THREE"])));
    assert_eq!(trailer("both streams"), "both");
    assert_eq!(result("health"), (json!("OK"), json!("SERVING")));
    assert_eq!(result("reflection").0, "OK");
    assert!(calls["reflection"]["result"].to_string().contains("grpc.health.v1.Health"));
}

#[test]
fn grpc_calls_of_all_kinds_pass_with_their_trailers() {
    let Some(service) = Service::start() else { return };
    let setup = Setup::route("");
    let gateway = service.gateway(&setup.server.url(), "protocols: [h2c]", Builder::new());
    are_served(&service.calls(gateway.port(), "good", None));
    let authority = Authority::new();
    let identity = authority.certify(&["localhost"]);
    let builder = Builder::new()
        .file("tls.crt", &identity.certificate)
        .file("tls.key", &identity.key)
        .file("ca.pem", authority.pem());
    let listener = "protocols: [h1, h2], tls: { certificate: tls.crt, private_key: tls.key }";
    let gateway = service.gateway(&setup.server.url(), listener, builder);
    are_served(&service.calls(gateway.port(), "good", Some(gateway.directory().join("ca.pem"))));
}

/// Contract §5: `grpc-status` 16, 7 or 14, in trailers alone. Nothing reaches the service.
#[test]
fn grpc_refusals_are_statuses() {
    let Some(service) = Service::start() else { return };
    let mut setup = Setup::route("");
    let gateway = service.gateway(&setup.server.url(), "protocols: [h2c]", Builder::new());
    for (token, code) in
        [("", "UNAUTHENTICATED"), ("unknown", "UNAUTHENTICATED"), ("narrow", "PERMISSION_DENIED")]
    {
        for (name, call) in service.calls(gateway.port(), token, None) {
            assert_eq!(call["code"], code, "{token:?} {name}: {call}");
        }
    }
    setup.server.stop();
    for (name, call) in service.calls(gateway.port(), "good", None) {
        assert_eq!(call["code"], "UNAVAILABLE", "{name}: {call}");
    }
}
