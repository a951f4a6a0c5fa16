//! The real program as a child process: started with a configuration, asked over its sockets, read
//! through its logs.

use super::http::{Connection, PATIENCE, Response};
use super::{free_port, wait_until};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_introgate");

/// How long the program may take from its start to a 200 at `/readyz`, with other tests running
/// beside it.
const START: Duration = Duration::from_secs(20);

/// The settings with which a gateway is started. `@PORT@`, `@ADMIN_PORT@` and `@DIR@` in the
/// configuration and in environment values are replaced by the listener's port, the admin
/// listener's port and the folder of the configuration file.
pub struct Builder {
    port: u16,
    admin_port: u16,
    directory: TempDir,
    environment: Vec<(String, String)>,
    /// The program sees a hosts file of its own.
    own_hosts: bool,
    open_files: Option<u32>,
    reader: bool,
}

impl Builder {
    pub fn new() -> Builder {
        Builder {
            port: free_port(),
            admin_port: free_port(),
            directory: tempfile::tempdir().expect("a temporary folder"),
            environment: Vec::new(),
            own_hosts: false,
            open_files: None,
            reader: true,
        }
    }

    /// The program's standard output and standard error are pipes that nothing reads any more.
    pub fn without_reader(mut self) -> Builder {
        self.reader = false;
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Builder {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it with this hard limit of open files.
    pub fn open_files(mut self, limit: u32) -> Builder {
        self.open_files = Some(limit);
        self
    }

    /// Writes a file next to the configuration.
    pub fn file(self, name: &str, contents: &str) -> Builder {
        fs::write(self.directory.path().join(name), contents).expect("write a file");
        self
    }

    /// The program sees this hosts file in place of the system's: names are the test's to move.
    pub fn hosts(mut self, hosts: &str) -> Builder {
        self.own_hosts = true;
        self.file("hosts", hosts)
    }

    /// Whether this system lets a process have a file system view of its own.
    pub fn can_have_own_hosts() -> bool {
        let tried = Command::new("unshare").args(["-rm", "true"]).stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    }

    /// Starts the gateway and waits until it is ready.
    #[track_caller]
    pub fn start(self, yaml: &str) -> Gateway {
        let file = self.directory.path().join("gateway.yaml");
        let mut command = match self.own_hosts {
            false => program(),
            true => with_hosts(&self.directory.path().join("hosts")),
        };
        if let Some(limit) = self.open_files {
            command = limited(command, limit);
        }
        command.args(["run", "-c"]).arg(&file);
        command.env("INTROGATE_UPGRADE_SOCKET", self.upgrade_socket());
        command.envs(self.environment.iter().map(|(name, value)| (name, self.filled_in(value))));
        let yaml = self.whole(yaml);
        fs::write(&file, &yaml).expect("write the configuration");

        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if !self.reader {
            command.stdout(closed_pipe()).stderr(closed_pipe());
        }
        let mut child = command.spawn().expect("start the program");
        let out = child.stdout.take().map(collect).unwrap_or_default();
        let err = child.stderr.take().map(collect).unwrap_or_default();
        let admin = !yaml.contains("address: off") && !yaml.contains("address: \"off\"");
        let mut gateway = Gateway { child, start: self, file, out, err };
        gateway.wait_until_ready(admin);
        gateway
    }

    fn upgrade_socket(&self) -> PathBuf {
        self.directory.path().join("upgrade.sock")
    }

    /// The configuration with the listeners in front, unless it has its own. With `FAST_PATH=off`
    /// in the tests' environment every request takes the general way, unless the configuration
    /// chooses the way.
    fn whole(&self, yaml: &str) -> String {
        let has = |key: &str| yaml.lines().any(|line| line.starts_with(key));
        let mut whole = String::new();
        if !has("fast_path:") && std::env::var("FAST_PATH").is_ok_and(|value| value == "off") {
            whole.push_str("fast_path: false\n");
        }
        if !has("listeners:") {
            whole.push_str("listeners: [{address: \"127.0.0.1:@PORT@\"}]\n");
        }
        if !has("admin:") {
            whole.push_str("admin: {address: \"127.0.0.1:@ADMIN_PORT@\"}\n");
        }
        self.filled_in(&(whole + yaml))
    }

    fn filled_in(&self, text: &str) -> String {
        text.replace("@PORT@", &self.port.to_string())
            .replace("@ADMIN_PORT@", &self.admin_port.to_string())
            .replace("@DIR@", &self.directory.path().display().to_string())
    }
}

/// The running program. Dropping it kills it.
pub struct Gateway {
    child: Child,
    start: Builder,
    file: PathBuf,
    out: Arc<Mutex<Vec<String>>>,
    err: Arc<Mutex<Vec<String>>>,
}

impl Gateway {
    /// Starts the gateway with this configuration, on free loopback ports unless it names its own
    /// listeners.
    #[track_caller]
    pub fn start(yaml: &str) -> Gateway {
        Builder::new().start(yaml)
    }

    /// The same with an environment variable set; more can be added before `start`.
    pub fn env(name: &str, value: &str) -> Builder {
        Builder::new().env(name, value)
    }

    #[track_caller]
    fn wait_until_ready(&mut self, admin: bool) {
        let deadline = Instant::now() + START;
        loop {
            if let Some(status) = self.child.try_wait().expect("the child's state") {
                // its last output is still on its way through the pipes
                std::thread::sleep(Duration::from_millis(100));
                panic!("the gateway ended with {status}\n{}", self.output());
            }
            let ready = match admin {
                true => self.is_ready(),
                false => Connection::try_open(self.start.port).is_ok(),
            };
            if ready {
                return;
            }
            assert!(Instant::now() < deadline, "not ready within {START:?}\n{}", self.output());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn is_ready(&self) -> bool {
        let answer = Connection::try_open(self.start.admin_port)
            .and_then(|mut connection| connection.request("GET", "/readyz", &[], b""));
        answer.is_ok_and(|response| response.status == 200)
    }

    fn output(&self) -> String {
        format!("--- stdout\n{}\n--- stderr\n{}", self.stdout(), self.stderr())
    }

    pub fn port(&self) -> u16 {
        self.start.port
    }

    pub fn admin_port(&self) -> u16 {
        self.start.admin_port
    }

    /// The folder that the configuration file is in.
    pub fn directory(&self) -> &Path {
        self.start.directory.path()
    }

    /// A connection to the listener, for more than one request.
    #[track_caller]
    pub fn connect(&self) -> Connection {
        Connection::open(self.port())
    }

    /// A connection to the admin listener, which knows no names but `localhost`.
    #[track_caller]
    pub fn connect_admin(&self) -> Connection {
        Connection::open(self.admin_port()).host("localhost")
    }

    #[track_caller]
    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        self.request("GET", path, headers, b"")
    }

    /// GET with this bearer token.
    #[track_caller]
    pub fn get_with(&self, path: &str, token: &str) -> Response {
        self.get(path, &[("Authorization", &format!("Bearer {token}"))])
    }

    #[track_caller]
    pub fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let answer = self.connect().request(method, path, headers, body);
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error}\n{}", self.output()))
    }

    /// Sends exactly these bytes on one connection and reads until the other side closes or has
    /// been silent for two seconds.
    #[track_caller]
    pub fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut connection = self.connect();
        connection.patience(Duration::from_secs(2));
        // the gateway may well close before it has read everything
        let _ = connection.send(bytes);
        connection.read_to_end()
    }

    #[track_caller]
    pub fn admin_get(&self, path: &str) -> Response {
        self.admin("GET", path, b"")
    }

    /// POST of a JSON body to the admin listener.
    #[track_caller]
    pub fn admin_post(&self, path: &str, body: &Value) -> Response {
        self.admin("POST", path, body.to_string().as_bytes())
    }

    #[track_caller]
    fn admin(&self, method: &str, path: &str, body: &[u8]) -> Response {
        let headers: &[_] = match body {
            [] => &[],
            _ => &[("Content-Type", "application/json")],
        };
        let answer = self.connect_admin().request(method, path, headers, body);
        answer.unwrap_or_else(|error| panic!("{method} {path} (admin): {error}\n{}", self.output()))
    }

    /// Prometheus text, once nothing is in flight or a second has passed.
    pub fn metrics(&self) -> String {
        // a request is counted when it is over, which may be a moment after its response was read
        let deadline = Instant::now() + Duration::from_secs(1);
        while self.admin_get("/api/status").json()["requests_in_flight"] != 0
            && Instant::now() < deadline
        {
            std::thread::sleep(Duration::from_millis(2));
        }
        self.metrics_now()
    }

    /// Prometheus text as it is at this moment.
    pub fn metrics_now(&self) -> String {
        let response = self.admin_get("/metrics");
        assert_eq!(response.status, 200, "/metrics");
        response.text()
    }

    /// The sum of the samples of this name that carry at least the given labels, in any order, e.g.
    /// `introgate_requests_total{route="items",code="200"}`. 0 when there is none.
    #[track_caller]
    pub fn metric(&self, sample: &str) -> f64 {
        let wanted = Sample::parse(sample);
        let metrics = self.metrics();
        let lines = metrics.lines().filter(|line| !line.starts_with('#'));
        let values = lines.filter_map(|line| line.rsplit_once(' '));
        values
            .filter(|(sample, _)| Sample::parse(sample).has_all_of(&wanted))
            .map(|(_, value)| value.parse::<f64>().expect("a number behind a sample"))
            .sum()
    }

    /// The access log, once it has at least this many lines.
    #[track_caller]
    pub fn access_log(&self, lines: usize) -> Vec<Value> {
        let count = || self.out.lock().expect("stdout").len();
        let deadline = Instant::now() + PATIENCE;
        while count() < lines {
            assert!(Instant::now() < deadline, "no {lines} lines in the log\n{}", self.output());
            std::thread::sleep(Duration::from_millis(10));
        }
        let lines = self.out.lock().expect("stdout").clone();
        let parse = |line: &String| {
            serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON on stdout: {line}"))
        };
        lines.iter().map(parse).collect()
    }

    /// The access log's line of the request that was sent with this `X-Request-Id`.
    #[track_caller]
    pub fn access_log_of(&self, request_id: &str) -> Value {
        let mut found = None;
        wait_until("the request is in the access log", || {
            let log = self.access_log(0);
            found = log.into_iter().find(|line| line["request_id"] == request_id);
            found.is_some()
        });
        found.expect("a line")
    }

    /// The whole of stdout so far.
    pub fn stdout(&self) -> String {
        self.out.lock().expect("stdout").join("\n")
    }

    /// The whole of stderr so far: the operational log.
    pub fn stderr(&self) -> String {
        self.err.lock().expect("stderr").join("\n")
    }

    /// The operational log as soon as it has this text; the log comes through a pipe.
    #[track_caller]
    pub fn log_with(&self, text: &str) -> String {
        self.log_with_so_many(text, 1)
    }

    /// The same, so many times.
    #[track_caller]
    pub fn log_with_so_many(&self, text: &str, times: usize) -> String {
        wait_until(text, || self.stderr().matches(text).count() >= times);
        self.stderr()
    }

    /// Replaces the configuration file in one step; the listeners stay as they were.
    pub fn rewrite_config(&self, yaml: &str) {
        let new = self.directory().join("gateway.yaml.new");
        fs::write(&new, self.start.whole(yaml)).expect("write the new configuration");
        fs::rename(&new, &self.file).expect("put the new configuration in place");
    }

    /// Replaces the configuration and waits until the gateway has taken or refused it.
    #[track_caller]
    pub fn reload(&self, yaml: &str) {
        let before = self.metric("introgate_config_reloads_total");
        self.rewrite_config(yaml);
        self.sighup();
        wait_until("the reload is counted", || {
            self.metric("introgate_config_reloads_total") > before
        });
    }

    /// Replaces the content of the hosts file of [`Builder::hosts`].
    pub fn set_hosts(&self, hosts: &str) {
        fs::write(self.directory().join("hosts"), hosts).expect("write the hosts file");
    }

    pub fn config_file(&self) -> &Path {
        &self.file
    }

    pub fn sighup(&self) {
        self.signal("HUP");
    }

    pub fn sigterm(&self) {
        self.signal("TERM");
    }

    /// Starts a second process that takes over, and returns the first one.
    pub fn upgrade(&mut self) -> Child {
        let mut command = program();
        command.args(["run", "--upgrade", "-c"]).arg(&self.file);
        command.env("INTROGATE_UPGRADE_SOCKET", self.start.upgrade_socket());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("start the program");
        self.out = child.stdout.take().map(collect).unwrap_or_default();
        self.err = child.stderr.take().map(collect).unwrap_or_default();
        std::mem::replace(&mut self.child, child)
    }

    /// Ends it at once, in the middle of its work.
    pub fn kill(&mut self) {
        self.child.kill().expect("kill the gateway");
        self.child.wait().expect("its end");
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status().expect("run kill");
        assert!(status.success(), "{kill}");
    }

    /// Sends SIGTERM and waits for the end.
    #[track_caller]
    pub fn terminate(&mut self) -> ExitStatus {
        self.sigterm();
        self.wait_for_exit(PATIENCE)
    }

    #[track_caller]
    pub fn wait_for_exit(&mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().expect("the child's state") {
                return status;
            }
            assert!(Instant::now() < deadline, "still running after {limit:?}\n{}", self.output());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The program's resident memory, in bytes.
    pub fn resident_memory(&self) -> u64 {
        let file = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(file).expect("the child's status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kilobytes.expect("VmRSS in kB") * 1024
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}", self.output());
        }
    }
}

/// A pipe whose other end is closed: every write to it fails.
pub fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

/// Reads a pipe to its end in the background.
fn collect(pipe: impl Read + Send + 'static) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = lines.clone();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            sink.lock().expect("the collected lines").push(text);
            line.clear();
        }
    });
    lines
}

/// A metric's name and labels.
struct Sample<'a> {
    name: &'a str,
    labels: Vec<(&'a str, &'a str)>,
}

impl<'a> Sample<'a> {
    fn parse(text: &'a str) -> Sample<'a> {
        let (name, mut rest) = text.split_once('{').unwrap_or((text, ""));
        let mut labels = Vec::new();
        while let Some((label, after)) = rest.split_once("=\"") {
            let (value, after) = after.split_once('"').expect("a label's closing quote");
            labels.push((label.trim_matches([',', ' ']), value));
            rest = after;
        }
        Sample { name, labels }
    }

    fn has_all_of(&self, wanted: &Sample) -> bool {
        self.name == wanted.name && wanted.labels.iter().all(|label| self.labels.contains(label))
    }
}

/// The program without the tests' own environment. The same program behind a shell that lowers the
/// limit of open files.
fn limited(program: Command, open_files: u32) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("ulimit -n {open_files}; exec \"$0\" \"$@\""));
    command.arg(program.get_program());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

fn program() -> Command {
    let mut command = Command::new(PROGRAM);
    for name in
        ["INTROGATE_CONFIG", "RUST_LOG", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
    {
        command.env_remove(name);
    }
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OTEL_") {
            command.env_remove(name);
        }
    }
    command
}

/// The program with this file in the place of `/etc/hosts`.
fn with_hosts(hosts: &Path) -> Command {
    let mut command = Command::new("unshare");
    let script = r#"mount --bind "$1" /etc/hosts && shift && exec "$@""#;
    command.args(["-rm", "sh", "-c", script, "sh"]).arg(hosts).arg(PROGRAM);
    command
}

/// Runs the program to its end: exit code, stdout, stderr.
#[track_caller]
pub fn run_cli(args: &[&str], env: &[(&str, &str)]) -> (i32, String, String) {
    let directory = tempfile::tempdir().expect("a temporary folder");
    run_cli_in(directory.path(), args, env)
}

/// The same in a folder of the caller's choice.
#[track_caller]
pub fn run_cli_in(directory: &Path, args: &[&str], env: &[(&str, &str)]) -> (i32, String, String) {
    let mut command = program();
    command.args(args).current_dir(directory);
    command.envs(env.iter().copied()).stdin(Stdio::null());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("start the program");
    let mut pipes = (child.stdout.take().expect("stdout"), child.stderr.take().expect("stderr"));
    let out = std::thread::spawn(move || read_all(&mut pipes.0));
    let err = std::thread::spawn(move || read_all(&mut pipes.1));
    let deadline = Instant::now() + START;
    let status = loop {
        if let Some(status) = child.try_wait().expect("the child's state") {
            break status;
        }
        if Instant::now() >= deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("introgate {args:?} did not end within {START:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let (out, err) = (out.join().expect("read stdout"), err.join().expect("read stderr"));
    (status.code().expect("an exit code, not a signal"), out, err)
}

fn read_all(pipe: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    let _ = pipe.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}
