//! Sockets that systemd passes, here by a small program in its place, and by
//! `systemd-socket-activate`.

use crate::support::{Connection, free_port, run_cli_in, wait_until};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::Duration;

const PASS: &str = "import os, socket, sys
socket_ = socket.socket()
socket_.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
socket_.bind((\"127.0.0.1\", int(sys.argv[1])))
socket_.listen()
os.dup2(socket_.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=\"1\", LISTEN_FDNAMES=\"web\")
os.execv(sys.argv[2], sys.argv[2:])
";

#[test]
fn a_passed_socket_is_listened_on() {
    let (port, folder) = (free_port(), tempfile::tempdir().expect("a folder"));
    let yaml = "listeners: [{ address: \"systemd:web\" }]\nadmin: { address: off }\n\
        authorization_servers: { main: { introspection_endpoint: \"http://127.0.0.1:1/\" } }\n\
        routes: [{ path: /*, upstream: \"http://127.0.0.1:1\" }]\n";
    fs::write(folder.path().join("gateway.yaml"), yaml).expect("write");
    let mut child = Command::new("python3")
        .args(["-c", PASS, &port.to_string(), env!("CARGO_BIN_EXE_introgate"), "run", "-c"])
        .arg(folder.path().join("gateway.yaml"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("python3");
    let mut status = 0;
    wait_until("it answers", || {
        let answer =
            Connection::try_open(port).and_then(|mut client| client.request("GET", "/", &[], b""));
        status = answer.map_or(0, |response| response.status);
        status != 0
    });
    child.kill().expect("kill");
    child.wait().expect("its end");
    assert_eq!(status, 401);

    // without it there is nothing to listen on
    let (code, _, err) = run_cli_in(folder.path(), &["run"], &[]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains("systemd:web") && err.contains("FileDescriptorName"), "{err}");
}

/// systemd's own tool: it listens, and starts the gateway when the first client connects. That client
/// gets its answer; names tell the sockets apart, of which one is a Unix socket.
#[test]
fn systemd_socket_activate_passes_sockets() {
    let (port, folder) = (free_port(), tempfile::tempdir().expect("a folder"));
    let path = folder.path().join("web.sock");
    let yaml = "listeners: [{ address: \"systemd:web\" }, { address: \"systemd:local\" }]\n\
        admin: { address: off }\n\
        authorization_servers: { main: { introspection_endpoint: \"http://127.0.0.1:1/\" } }\n\
        routes: [{ path: /*, upstream: \"http://127.0.0.1:1\" }]\n";
    let file = folder.path().join("gateway.yaml");
    fs::write(&file, yaml).expect("write");
    let mut command = Command::new("systemd-socket-activate");
    command.args(["--listen", &format!("127.0.0.1:{port}"), "--fdname", "web:local", "--listen"]);
    command.arg(&path).arg(env!("CARGO_BIN_EXE_introgate")).args(["run", "-c"]).arg(&file);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else {
        assert!(std::env::var("INTEROP").is_err(), "systemd-socket-activate is not installed");
        eprintln!("!!! SKIPPED: systemd-socket-activate is not installed (Debian: systemd)");
        return;
    };
    wait_until("it listens", || path.exists() && Connection::try_open(port).is_ok());
    // the gateway takes the place of the tool, in the same process
    let answer = Connection::open(port).request("GET", "/", &[], b"");
    let mut local = UnixStream::connect(&path).expect("connect");
    local.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
    local.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("send");
    let mut text = String::new();
    let read = local.read_to_string(&mut text);
    child.kill().expect("kill");
    child.wait().expect("its end");
    assert_eq!(answer.map(|response| response.status).ok(), Some(401));
    assert!(read.is_ok() && text.starts_with("HTTP/1.1 401 "), "{text}");
}
