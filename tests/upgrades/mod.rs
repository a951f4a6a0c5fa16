//! Upgraded connections (contract §3, `docs/streams.md`): the handshake, the bytes of both ends, and
//! their ends. All of them take one way, with `FAST_PATH=off` too.

mod ends;
mod handshake;
mod quick;
mod tunnel;

use crate::support::{Running, Server, Setup, free_port};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// An unmasked text frame.
const HELLO: &[u8] = b"\x81\x05hello";

/// How long a test waits for something that must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// The header lines of a request for a WebSocket, but for `Host` and the token.
const WEBSOCKET: &str = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

const GOOD: &str = "Authorization: Bearer good\r\n";

/// Behaviour of a service behind the head of a request.
type Behaviour = fn(&mut TcpStream, &Running, &[u8]) -> io::Result<()>;

/// A gateway in front of a service that reads the head of a request, with `first` answers, and then
/// does as it is given.
struct World {
    setup: Setup,
    /// The heads that the service has read.
    heads: Arc<Mutex<Vec<String>>>,
    _service: Server,
}

impl World {
    /// `keys` are the upstream's, `more` further lines of the configuration.
    fn start(first: &[u8], behaviour: Behaviour, keys: &str, more: &str) -> World {
        let (port, first, heads) = (free_port(), first.to_vec(), Arc::new(Mutex::default()));
        let seen: Arc<Mutex<Vec<String>>> = heads.clone();
        let serve = move |mut stream: TcpStream, running: Running| {
            let _ = stream.set_nodelay(true);
            if let Ok(head) = head(&mut stream) {
                seen.lock().expect("the heads").push(head);
                // it fails when the other end has gone
                let _ = behaviour(&mut stream, &running, &first);
            }
        };
        let service = Server::start(port, Arc::new(AtomicUsize::new(0)), serve);
        let setup = Setup::start(&format!(
            "{more}upstreams: {{ quick: {{ servers: [\"http://127.0.0.1:{port}\"], {keys} }} }}\n\
             routes: [{{ name: all, path: /*, upstream: quick }}]\n"
        ));
        World { setup, heads, _service: service }
    }

    /// A service that sends `first` at once and then everything back that it gets.
    fn echo(first: &[u8]) -> World {
        World::start(first, echo, "", "")
    }

    fn connect(&self) -> TcpStream {
        connect(self.setup.gateway.port())
    }

    /// Sends a request for a WebSocket, and `early` behind it in the same packet.
    fn handshake(&self, early: &[u8]) -> TcpStream {
        self.request(&format!("{GOOD}{WEBSOCKET}"), early)
    }

    /// The same with these header lines.
    fn request(&self, lines: &str, early: &[u8]) -> TcpStream {
        let mut stream = self.connect();
        let head = format!("GET / HTTP/1.1\r\nHost: gateway.test\r\n{lines}\r\n");
        stream.write_all(&[head.as_bytes(), early].concat()).expect("a request is sent");
        stream
    }

    /// An upgraded connection, of which the 101 was read.
    fn open(&self) -> TcpStream {
        let mut stream = self.handshake(b"");
        switched(&mut stream);
        stream
    }

    fn status(&self, name: &str) -> serde_json::Value {
        self.setup.gateway.admin_get("/api/status").json()[name].clone()
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("the heads").clone()
    }
}

fn echo(stream: &mut TcpStream, _: &Running, first: &[u8]) -> io::Result<()> {
    stream.write_all(first)?;
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = stream.read(&mut bytes) {
        stream.write_all(&bytes[..count])?;
    }
    Ok(())
}

/// Sends `first` and ends when the other end does.
fn silent(stream: &mut TcpStream, _: &Running, first: &[u8]) -> io::Result<()> {
    stream.write_all(first)?;
    while stream.read(&mut [0; 4096])? > 0 {}
    Ok(())
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
    stream.set_nodelay(true).expect("no delay");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    stream.set_write_timeout(Some(PATIENCE)).expect("a time-out");
    stream
}

/// Reads a head, and nothing behind it.
fn head(stream: &mut TcpStream) -> io::Result<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Reads a 101.
#[track_caller]
fn switched(stream: &mut TcpStream) -> String {
    let head = head(stream).expect("a head");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    head
}

#[track_caller]
fn read(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).expect("bytes");
    bytes
}

/// Everything up to the end.
#[track_caller]
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an end");
    bytes
}

#[track_caller]
fn half_close(stream: &TcpStream) {
    stream.shutdown(Shutdown::Write).expect("half a connection");
}
