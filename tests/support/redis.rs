//! A real `redis-server`: started, stopped, paused and looked into by the tests.

use super::{free_port, wait_within};
use redis::{Client, Commands, Connection, FromRedisValue};
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// `cache.redis.key` of the tests.
pub const REDIS_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

pub struct Redis {
    port: u16,
    arguments: Vec<String>,
    directory: TempDir,
    child: Option<Child>,
}

impl Redis {
    /// `None`, with a message, if there is no `redis-server`; with `INTEROP=required` that is a
    /// failure.
    #[track_caller]
    pub fn start() -> Option<Redis> {
        Redis::with(&[])
    }

    /// With further arguments; `@DIR@` is replaced by its folder.
    #[track_caller]
    pub fn with(arguments: &[&str]) -> Option<Redis> {
        Redis::program("redis-server", arguments)
    }

    #[track_caller]
    pub fn program(program: &str, arguments: &[&str]) -> Option<Redis> {
        if Command::new(program).arg("--version").stdout(Stdio::null()).status().is_err() {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            assert!(
                std::env::var_os("INTEROP").is_none_or(|value| value != "required"),
                "{test} needs {program}"
            );
            let line = format!("\n!!! SKIPPED {test}: no {program}; apt-get install {program}\n");
            let _ = std::io::stderr().write_all(line.as_bytes());
            return None;
        }
        let directory = tempfile::tempdir().expect("a temporary folder");
        let folder = directory.path().display().to_string();
        let mut all = vec![program.to_owned()];
        all.extend(arguments.iter().map(|argument| argument.replace("@DIR@", &folder)));
        let port =
            if arguments.contains(&"--cluster-enabled") { cluster_port() } else { free_port() };
        let mut redis = Redis { port, arguments: all, directory, child: None };
        redis.start_again();
        Some(redis)
    }

    /// On the same port, with nothing in it.
    #[track_caller]
    pub fn start_again(&mut self) {
        let (program, further) = self.arguments.split_first().expect("a program");
        let mut command = Command::new(program);
        // a Sentinel has a file where a server has arguments
        let file = further.first().is_some_and(|argument| argument.ends_with(".conf"));
        command.args(further.iter().take(usize::from(file)));
        command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--dir"])
            .arg(self.directory.path());
        if !file {
            command.args(["--save", "", "--appendonly", "no"]);
        }
        command.args(further.iter().skip(usize::from(file)));
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.child = Some(child.expect("start Redis"));
        let tls_only = self.arguments.iter().any(|argument| argument == "--tls-port");
        wait_within(Duration::from_secs(20), "Redis answers", || {
            tls_only || self.try_connection().is_some()
        });
    }

    /// Ends it; its data is lost.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("kill Redis");
            child.wait().expect("its end");
        }
    }

    /// It hangs: connections are taken and nothing is answered.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let pid = self.child.as_ref().expect("a running Redis").id();
        let status = Command::new("sh")
            .args(["-c", &format!("kill -{name} {pid}")])
            .status()
            .expect("run kill");
        assert!(status.success());
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn try_connection(&self) -> Option<Connection> {
        let mut connection = Client::open(self.url())
            .ok()?
            .get_connection_with_timeout(Duration::from_secs(5))
            .ok()?;
        match redis::cmd("PING").query::<String>(&mut connection) {
            Ok(_) => Some(connection),
            // it answers, with any content
            Err(error) if error.code().is_some() => Some(connection),
            Err(_) => None,
        }
    }

    #[track_caller]
    pub fn connection(&self) -> Connection {
        self.try_connection().expect("a connection to Redis")
    }

    /// One command, its arguments separated by spaces.
    #[track_caller]
    pub fn command<T: FromRedisValue>(&self, line: &str) -> T {
        let mut words = line.split(' ');
        let mut command = redis::cmd(words.next().expect("a command"));
        words.for_each(|word| {
            command.arg(word);
        });
        command.query(&mut self.connection()).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// The names of answers.
    #[track_caller]
    pub fn answers(&self) -> Vec<String> {
        let names: Vec<String> = self.command("KEYS introgate:{*}");
        names
    }

    #[track_caller]
    pub fn get(&self, name: &str) -> Vec<u8> {
        self.connection().get(name).expect("a value")
    }

    #[track_caller]
    pub fn set(&self, name: &str, value: &[u8]) {
        self.set_for(30_000, name, value);
    }

    /// For that many milliseconds.
    #[track_caller]
    pub fn set_for(&self, millis: u64, name: &str, value: &[u8]) {
        let _: () = self.connection().pset_ex(name, value, millis).expect("set");
    }

    /// All names and values there are, of any kind.
    #[track_caller]
    pub fn dump(&self) -> Vec<u8> {
        let mut connection = self.connection();
        let names: Vec<Vec<u8>> = connection.keys("*").expect("all names");
        let mut all = Vec::new();
        for name in names {
            let value: Option<Vec<u8>> =
                redis::cmd("DUMP").arg(&name).query(&mut connection).expect("a value");
            all.extend(name);
            all.extend(value.unwrap_or_default());
        }
        all
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A node of a cluster also listens 10,000 above its port: beyond the ports that tests are given,
/// and below those of outgoing connections.
fn cluster_port() -> u16 {
    let fits = |port: &u16| {
        (21_000..22_768).contains(port) && TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok()
    };
    std::iter::repeat_with(free_port).find(fits).expect("a port")
}
