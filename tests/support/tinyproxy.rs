//! Debian's tinyproxy, a real HTTP proxy.

use super::{free_port, wait_until};
use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

pub struct Tinyproxy {
    port: u16,
    directory: TempDir,
    child: Child,
}

impl Tinyproxy {
    /// With user and password, where it wants them. `None`, with a message, if there is no
    /// tinyproxy; with `INTEROP=required` that is a failure.
    #[track_caller]
    pub fn start(login: Option<(&str, &str)>) -> Option<Tinyproxy> {
        if Command::new("tinyproxy").arg("-v").stdout(Stdio::null()).status().is_err() {
            let required = std::env::var_os("INTEROP").is_some_and(|value| value == "required");
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            assert!(!required, "{test} needs tinyproxy");
            let line =
                format!("\n!!! SKIPPED {test}: no tinyproxy; apt-get install tinyproxy-bin\n");
            let _ = std::io::stderr().write_all(line.as_bytes());
            return None;
        }
        let (port, directory) = (free_port(), tempfile::tempdir().expect("a temporary folder"));
        let log = directory.path().join("log");
        let login = login
            .map_or(String::new(), |(user, password)| format!("BasicAuth {user} {password}\n"));
        let text = format!(
            "Port {port}\nListen 127.0.0.1\nTimeout 30\nLogFile \"{}\"\nLogLevel Connect\nMaxClients 50\nAllow 127.0.0.1\n{login}",
            log.display()
        );
        let file = directory.path().join("tinyproxy.conf");
        fs::write(&file, text).expect("write");
        let child = Command::new("tinyproxy")
            .args(["-d", "-c"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start tinyproxy");
        let proxy = Tinyproxy { port, directory, child };
        wait_until("tinyproxy listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(proxy)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// The log behind so many bytes, once that part has this text.
    #[track_caller]
    pub fn log_with(&self, from: usize, text: &str) -> String {
        let log = || self.log().get(from..).unwrap_or_default().to_owned();
        wait_until(&format!("{text} in the proxy's log"), || log().contains(text));
        log()
    }
}

impl Drop for Tinyproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
