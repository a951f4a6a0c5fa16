//! A service that is quicker than the gateway loses no connection. pingora's proxy ends 0.5 to 1.8 %
//! of them right behind the 101 (cloudflare/pingora#946). A short run in every test run; 20,000
//! against services in Rust, Go and Node: `make upgrades`.

use super::{HELLO, PATIENCE, SWITCH, connect, head};
use crate::interop::{Process, kept, run, source, unless_missing};
use crate::support::{Setup, free_port, wait_within};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A masked text frame.
const FRAME: &[u8] = b"\x81\x82\0\0\0\0hi";

/// How many clients open connections at once.
const CLIENTS: usize = 4;

/// Opens so many connections, one after the other for each client, and sends a frame over each that
/// comes back. `first` comes behind the 101.
#[track_caller]
fn opens_all(service: &str, port: u16) {
    let count = std::env::var("HANDSHAKES").ok().and_then(|count| count.parse().ok());
    let (count, done) = (count.unwrap_or(500_usize), AtomicUsize::new(0));
    let began = Instant::now();
    let lost: Vec<String> = thread::scope(|scope| {
        let clients = [(); CLIENTS].map(|()| {
            scope.spawn(|| {
                let mut lost = Vec::new();
                while done.fetch_add(1, Ordering::Relaxed) < count {
                    lost.extend(opens(port).err().map(|error| error.to_string()));
                }
                lost
            })
        });
        clients.into_iter().flat_map(|client| client.join().expect("a client")).collect()
    });
    println!("{service}: {} of {count} connections lost, in {:?}", lost.len(), began.elapsed());
    assert!(lost.is_empty(), "{service}: {} of {count}, the first: {}", lost.len(), lost[0]);
}

fn opens(port: u16) -> io::Result<()> {
    let mut stream = connect(port);
    let request =
        format!("GET / HTTP/1.1\r\nHost: a.test\r\n{}{}\r\n", super::GOOD, super::WEBSOCKET);
    stream.write_all(request.as_bytes())?;
    let head = head(&mut stream)?;
    if !head.starts_with("HTTP/1.1 101 ") {
        return Err(io::Error::other(head));
    }
    let mut hello = [0; HELLO.len()];
    stream.read_exact(&mut hello)?;
    stream.write_all(FRAME)?;
    let mut back = [0; FRAME.len()];
    stream.read_exact(&mut back)?;
    if hello == HELLO && back == FRAME { Ok(()) } else { Err(io::Error::other("other bytes")) }
}

#[test]
fn a_quick_service_in_rust_loses_no_connection() {
    let service = Service::start();
    let url = format!("http://127.0.0.1:{}", service.port);
    let setup = Setup::start(&format!("routes: [{{ path: /*, upstream: \"{url}\" }}]\n"));
    opens_all("Rust", setup.gateway.port());
}

/// The 101 and a frame in one packet as soon as the request is there, then every byte back. The
/// tests' own server keeps a descriptor for each connection that it ever had, which is too many here.
struct Service {
    port: u16,
    stopped: Arc<AtomicBool>,
}

impl Service {
    fn start() -> Service {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let stopped = Arc::new(AtomicBool::new(false));
        let ended = stopped.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let mut stream = stream.expect("a connection");
                // it fails when the client is gone
                thread::spawn(move || answer(&mut stream));
            }
        });
        Service { port, stopped }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn answer(stream: &mut TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    head(stream)?;
    stream.write_all(&[SWITCH.as_bytes(), HELLO].concat())?;
    let mut bytes = [0; 4096];
    while let count @ 1.. = stream.read(&mut bytes)? {
        stream.write_all(&bytes[..count])?;
    }
    Ok(())
}

#[test]
fn a_quick_service_in_go_loses_no_connection() {
    let Some(folder) = unless_missing(built()) else { return };
    program("Go", &mut Command::new(folder.join("quick")));
}

#[test]
fn a_quick_service_in_node_loses_no_connection() {
    let node = run(Command::new("node").arg("--version"));
    let node = node.map_err(|_| "no node; apt-get install nodejs".to_owned());
    if unless_missing(node).is_some() {
        program("Node", Command::new("node").arg(source("upgrades/quick.mjs")));
    }
}

/// The service of Go's standard library, built once.
fn built() -> Result<std::path::PathBuf, String> {
    let text = std::fs::read(source("upgrades/quick.go")).expect("the service");
    kept("quick", text, |making: &Path| {
        run(Command::new("go").arg("version"))
            .map_err(|_| "no go; apt-get install golang-go".to_owned())?;
        let mut build = Command::new("go");
        build.args(["build", "-o"]).arg(making.join("quick")).arg(source("upgrades/quick.go"));
        run(build.env("GOTOOLCHAIN", "local")).map(drop)
    })
}

/// Starts a service that prints `ready`, and opens connections to it.
#[track_caller]
fn program(name: &str, command: &mut Command) {
    let (port, folder) = (free_port(), tempfile::tempdir().expect("a folder"));
    let log = folder.path().join("log");
    let _process = Process::start(command.arg(port.to_string()), &log);
    wait_within(PATIENCE + Duration::from_secs(40), "the service is ready", || {
        std::fs::read_to_string(&log).is_ok_and(|text| text.contains("ready"))
    });
    let setup =
        Setup::start(&format!("routes: [{{ path: /*, upstream: \"http://127.0.0.1:{port}\" }}]\n"));
    opens_all(name, setup.gateway.port());
}
