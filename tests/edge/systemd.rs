//! Sockets that systemd passes, here by a small program in its place.

use crate::support::{Connection, free_port, run_cli_in, wait_until};
use std::fs;
use std::process::{Command, Stdio};

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
