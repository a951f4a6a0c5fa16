//! WebSockets through the gateway, with the libraries that people use on both sides: `websockets`
//! from PyPI and `ws` from npm. Subprotocols, compression, large and fragmented messages, pings, and
//! the close codes that each side sees.

use super::parts::{Process, fetch, kept, run, source, unless_missing};
use super::python;
use crate::support::{Authority, Builder, Setup, free_port, wait_within};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A library. Its programs take the arguments that their first lines describe.
enum Library {
    Python(&'static Path),
    /// With the folder that `node_modules` is in.
    Node(PathBuf),
}

impl Library {
    /// Those that can be had.
    fn all() -> Vec<Library> {
        let python = unless_missing(python::with_websockets()).map(Library::Python);
        let node = unless_missing(modules()).map(Library::Node);
        python.into_iter().chain(node).collect()
    }

    fn program(&self, name: &str) -> Command {
        match self {
            Self::Python(python) => {
                let mut command = Command::new(python);
                command.arg(source(&format!("websockets/{name}.py")));
                command
            }
            Self::Node(folder) => {
                let mut command = Command::new("node");
                command.arg(source(&format!("websockets/{name}.mjs"))).arg(folder);
                command
            }
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Python(_) => "websockets (Python)",
            Self::Node(_) => "ws (Node)",
        }
    }
}

fn modules() -> Result<PathBuf, String> {
    run(Command::new("npm").arg("--version"))
        .map_err(|_| "no npm; apt-get install nodejs npm".to_owned())?;
    let files = ["package.json", "package-lock.json"]
        .map(|name| (name, fs::read(source("websockets").join(name)).expect(name)));
    kept("ws", &files, |making| {
        for (name, contents) in &files {
            fs::write(making.join(name), contents).map_err(|error| format!("{name}: {error}"))?;
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
        fetch("ws from npm", npm.current_dir(making)).map(drop)
    })
}

/// An echo service; dropping it stops it.
struct Service {
    port: u16,
    _process: Process,
    _folder: tempfile::TempDir,
}

impl Service {
    fn start(library: &Library, more: &[&Path]) -> Service {
        let (port, folder) = (free_port(), tempfile::tempdir().expect("a folder"));
        let log = folder.path().join("log");
        let process =
            Process::start(library.program("server").arg(port.to_string()).args(more), &log);
        is_printed(&log, "ready");
        Service { port, _process: process, _folder: folder }
    }
}

#[track_caller]
fn is_printed(log: &Path, text: &str) {
    wait_within(Duration::from_secs(60), text, || {
        fs::read_to_string(log).is_ok_and(|printed| printed.contains(text))
    });
}

#[test]
fn every_client_talks_to_every_server() {
    let libraries = Library::all();
    for server in &libraries {
        let service = Service::start(server, &[]);
        let setup = Setup::start(&format!(
            "cache: {{ ttl: 1h }}\n\
             routes: [{{ path: /*, upstream: \"http://127.0.0.1:{}\", scopes: [read] }}]\n",
            service.port
        ));
        let url = format!("ws://127.0.0.1:{}/chat", setup.gateway.port());
        for client in &libraries {
            let pair = format!("{} and {}", client.name(), server.name());
            let told = |mode: &str, token: &str| {
                run(client.program("client").args([mode, &url, token]))
                    .unwrap_or_else(|error| panic!("{pair}: {error}"))
            };
            assert_eq!(told("talk", "good"), "closed 1000\n", "{pair}");
            assert!(told("talk", "narrow").starts_with("refused 403\n"), "{pair}");
            assert!(told("talk", "unknown").starts_with("refused 401\n"), "{pair}");

            // the token ends while the client waits
            let folder = tempfile::tempdir().expect("a folder");
            let log = folder.path().join("log");
            let mut waiting = client.program("client");
            let mut waiting = Process::start(waiting.args(["wait", &url, "good"]), &log);
            is_printed(&log, "open");
            let purge = json!({ "token": "good" });
            assert_eq!(setup.gateway.admin_post("/api/cache/purge", &purge).status, 200);
            is_printed(&log, "closed 1008");
            wait_within(Duration::from_secs(20), "the client ends", || waiting.ended().is_some());
        }
    }
}

/// TLS on both sides of the gateway.
#[test]
fn websockets_pass_over_tls() {
    let Some(python) = unless_missing(python::with_websockets()) else { return };
    let library = Library::Python(python);
    let authority = Authority::new();
    let identity = authority.certify(&["localhost", "127.0.0.1"]);
    let folder = tempfile::tempdir().expect("a folder");
    let [certificate, key] =
        [("tls.crt", &identity.certificate), ("tls.key", &identity.key)].map(|(name, text)| {
            let path = folder.path().join(name);
            fs::write(&path, text).expect("write a file");
            path
        });
    let service = Service::start(&library, &[&certificate, &key]);
    let setup = Setup::build(
        Builder::new()
            .file("ca.pem", authority.pem())
            .file("tls.crt", &identity.certificate)
            .file("tls.key", &identity.key),
        &format!(
            "listeners: [{{ address: \"127.0.0.1:@PORT@\", protocols: [h1, h2], tls: {{ certificate: tls.crt, private_key: tls.key }} }}]\n\
             upstreams: {{ secure: {{ servers: [\"https://localhost:{}\"], tls: {{ ca: ca.pem }} }} }}\n\
             routes: [{{ path: /*, upstream: secure, scopes: [read] }}]\n",
            service.port
        ),
    );
    let url = format!("wss://localhost:{}/chat", setup.gateway.port());
    let ca = setup.gateway.directory().join("ca.pem");
    let told = run(library.program("client").args(["talk", &url, "good"]).arg(ca));
    assert_eq!(told.as_deref(), Ok("closed 1000\n"));
}
