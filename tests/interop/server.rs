//! An authorization server that other people wrote, as a child process with its data in a folder of
//! its own: asked for tokens as a client asks, and stoppable at any moment.

use super::parts::Process;
use crate::support::{Connection, Response, free_port, wait_within};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// How a server is started, and the paths of its endpoints.
pub struct Launch {
    /// The command that runs it until it is ended, with its data below this folder.
    pub command: Box<RunIn>,
    /// `token_endpoint` (RFC 6749 §3.2) and `revocation_endpoint` (RFC 7009).
    pub token: &'static str,
    pub revocation: &'static str,
    /// Answers below 500 when the server is up, on each of its ports.
    pub alive: &'static str,
    /// How long it may take until then, on a busy machine.
    pub patience: Duration,
}

type RunIn = dyn Fn(&Ports, &Path) -> Command;

/// Free ports, the same from start to start.
pub struct Ports {
    pub public: u16,
    /// For a server that has a second one.
    pub admin: Option<u16>,
}

pub struct Server {
    pub ports: Ports,
    pub directory: TempDir,
    launch: Launch,
    process: Option<Process>,
}

/// The secret of the clients of every server here: `app`, and `brief`, whose tokens live for
/// [`BRIEF`].
pub const APP_SECRET: &str = "app-secret";

pub const BRIEF: Duration = Duration::from_secs(5);

impl Server {
    /// Waits until it answers.
    #[track_caller]
    pub fn start(directory: TempDir, admin: bool, launch: Launch) -> Server {
        let ports = Ports { public: free_port(), admin: admin.then(free_port) };
        let mut server = Server { ports, directory, launch, process: None };
        server.come_back();
        server
    }

    /// Ends it, and with it every connection.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts it at the same ports and with the same folder as before.
    #[track_caller]
    pub fn come_back(&mut self) {
        let mut command = (self.launch.command)(&self.ports, self.directory.path());
        let log = self.directory.path().join("log");
        let mut process = Process::start(&mut command, &log);
        let ports = [Some(self.ports.public), self.ports.admin];
        wait_within(self.launch.patience, "the authorization server answers", || {
            if let Some(status) = process.ended() {
                panic!(
                    "{command:?} ended with {status}: {}",
                    String::from_utf8_lossy(&fs::read(&log).unwrap_or_default())
                );
            }
            let is_up = |port| {
                call(port, "GET", self.launch.alive, &[], "")
                    .is_ok_and(|response| response.status < 500)
            };
            ports.iter().flatten().all(|port| is_up(*port))
        });
        self.process = Some(process);
    }

    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.public)
    }

    /// A token that `client` gets for itself (RFC 6749 §4.4), calling the server by the name of
    /// `host`.
    #[track_caller]
    pub fn issue(&self, client: &str, scope: &str, host: Option<&str>) -> String {
        let form = format!("grant_type=client_credentials&scope={scope}&audience=gateway");
        let response = self.post(client, self.launch.token, &form, host);
        let token = (response.status == 200)
            .then(|| response.json()["access_token"].as_str().map(str::to_owned));
        token.flatten().unwrap_or_else(|| panic!("no token: {response:?}"))
    }

    /// Revokes a token as its client does (RFC 7009).
    #[track_caller]
    pub fn revoke(&self, token: &str, host: Option<&str>) {
        let response = self.post("app", self.launch.revocation, &format!("token={token}"), host);
        assert_eq!(response.status, 200, "{response:?}");
    }

    #[track_caller]
    fn post(&self, client: &str, path: &str, form: &str, host: Option<&str>) -> Response {
        let form = format!("{form}&client_id={client}&client_secret={APP_SECRET}");
        let host: Vec<_> = host.map(|host| ("Host", host)).into_iter().collect();
        let headers =
            [&host[..], &[("Content-Type", "application/x-www-form-urlencoded")]].concat();
        call(self.ports.public, "POST", path, &headers, &form)
            .unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

impl Drop for Server {
    /// Its last output, if the test fails.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read(self.directory.path().join("log")).unwrap_or_default();
            let log = String::from_utf8_lossy(&log).into_owned();
            let last: Vec<&str> = log.lines().rev().take(20).collect();
            eprintln!("--- the server's log, last line first\n{}", last.join("\n"));
        }
    }
}

/// One request, by the server's own name unless `headers` have another.
pub fn call(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> std::io::Result<Response> {
    let own = format!("127.0.0.1:{port}");
    let mut headers = headers.to_vec();
    if !headers.iter().any(|(name, _)| *name == "Host") {
        headers.push(("Host", &own));
    }
    Connection::try_open(port)?.request(method, path, &headers, body.as_bytes())
}
