//! A real proxy in front of a service, with introgate beside it.

use crate::interop::Process;
use crate::support::{
    AuthorizationServer, Builder, Connection, Gateway, Response, Upstream, free_port, wait_within,
};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A program that forwards requests, and its files in `deploy/beside/`.
pub struct Proxy {
    pub program: PathBuf,
    pub files: &'static [&'static str],
    /// The program's arguments; its working folder, with the files in it, is given.
    pub arguments: fn(&Path) -> Vec<String>,
}

/// Changes to the files of `deploy/beside/` before anything starts.
#[derive(Default)]
pub struct Changes {
    /// Texts of `gateway.yaml`, and the ones in their place.
    pub gateway: Vec<(&'static str, String)>,
    /// The same for the proxy's files.
    pub proxy: Vec<(&'static str, String)>,
    /// Files beside both, by name.
    pub files: Vec<(&'static str, String)>,
}

pub struct Beside {
    pub server: AuthorizationServer,
    pub service: Upstream,
    pub gateway: Option<Gateway>,
    /// Of the listener that serves `ext_authz`.
    pub grpc_port: u16,
    pub port: u16,
    pub folder: TempDir,
    /// The gateway's configuration as it was started.
    pub configuration: String,
    _proxy: Process,
}

/// A text of `deploy/beside/`.
pub fn deployed(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/beside");
    fs::read_to_string(folder.join(name)).expect("a configuration")
}

/// The path of an installed program; an error names the missing one.
pub fn installed(program: &str) -> Result<PathBuf, String> {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("PATH=$PATH:/usr/sbin command -v {program}")]);
    let found = command.output().map_err(|error| error.to_string())?;
    if !found.status.success() {
        return Err(format!("{program} is not installed"));
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&found.stdout).trim()))
}

fn changed(mut text: String, changes: &[(&'static str, String)]) -> String {
    for (old, new) in changes {
        text = text.replace(old, new);
    }
    text
}

impl Beside {
    pub fn start(proxy: &Proxy) -> Beside {
        Beside::start_with(proxy, &Changes::default())
    }

    pub fn start_with(proxy: &Proxy, changes: &Changes) -> Beside {
        let beside = Beside::start_unasked(proxy, changes);
        // a proxy may listen before its routes are there
        wait_within(Duration::from_secs(60), "the proxy forwards", || {
            beside.request("GET", "/public/ready", &[]).status == 200
        });
        beside
    }

    /// The proxy accepts connections, and may forward nothing. Every text that is replaced must
    /// occur, so that no change is lost.
    pub fn start_unasked(proxy: &Proxy, changes: &Changes) -> Beside {
        let (server, service) = (AuthorizationServer::start(), Upstream::start());
        for (token, scope) in [("reader", "read"), ("writer", "read write")] {
            let answer =
                json!({ "active": true, "sub": "alice", "client_id": "app", "scope": scope });
            server.answer(token, answer);
        }
        let (grpc_port, port) = (free_port(), free_port());
        let text = deployed("gateway.yaml");
        for (old, _) in &changes.gateway {
            assert!(text.contains(old), "{old} is not in gateway.yaml");
        }
        let configuration = changed(text, &changes.gateway)
            .replace("127.0.0.1:8080", "127.0.0.1:@PORT@")
            .replace("127.0.0.1:8090", &format!("127.0.0.1:{grpc_port}"))
            .replace("http://127.0.0.1:8000/o/introspect/", &server.url());
        let builder = changes
            .files
            .iter()
            .fold(Builder::new(), |builder, (name, contents)| builder.file(name, contents));
        let gateway = builder.env("INTROSPECTION_TOKEN", "t").start(&configuration);
        let folder = tempfile::tempdir().expect("a folder");
        for (name, contents) in &changes.files {
            fs::write(folder.path().join(name), contents).expect("write a file");
        }
        for (old, _) in &changes.proxy {
            let known = proxy.files.iter().any(|file| deployed(file).contains(old));
            assert!(known, "{old} is not in {:?}", proxy.files);
        }
        for file in proxy.files {
            let text = changed(deployed(file), &changes.proxy)
                .replace("127.0.0.1:8080", &format!("127.0.0.1:{}", gateway.port()))
                .replace("port_value: 8080", &format!("port_value: {}", gateway.port()))
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
        let mut command = Command::new(&proxy.program);
        command.args((proxy.arguments)(folder.path())).current_dir(folder.path());
        command.env("HOME", folder.path());
        let log = folder.path().join("proxy.log");
        let mut process = Process::start(&mut command, &log);
        wait_within(Duration::from_secs(60), "the proxy accepts connections", || {
            let ended = process.ended();
            assert!(ended.is_none(), "{ended:?} {}", fs::read_to_string(&log).unwrap_or_default());
            Connection::try_open(port).is_ok()
        });
        Beside {
            server,
            service,
            gateway: Some(gateway),
            grpc_port,
            port,
            folder,
            configuration,
            _proxy: process,
        }
    }

    /// One request on a connection of its own.
    pub fn request(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Response {
        let host = [("Host", "localhost")];
        let mut connection = Connection::open(self.port);
        let headers = [&host[..], headers].concat();
        connection.request(method, target, &headers, b"").expect("an answer of the proxy")
    }

    pub fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().expect("it runs")
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
