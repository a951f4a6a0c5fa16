//! Contract §3: a response that goes on ends when its token stops being good, whatever the cause
//! and whatever kind of response it is. Each test also runs with `FAST_PATH=off`.

mod causes;
mod http2;
mod renewal;

use crate::support::{Connection, Setup, UpstreamBehaviour, request_bytes};
use std::time::{Duration, Instant};

/// How long a test waits for something that must come. A stream has to end within a second; the
/// rest is for a machine under load.
const PATIENCE: Duration = Duration::from_secs(20);

/// A kind of response that goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    EventStream,
    /// An event stream that ends with its connection.
    Unframed,
    /// The rest are streams only with `end_with_token: all`.
    Chunked,
    Length,
    WebSocket,
}

const KINDS: [Kind; 5] =
    [Kind::EventStream, Kind::Unframed, Kind::Chunked, Kind::Length, Kind::WebSocket];

/// Before it ends, each response has sent this.
const HELLO: &str = "data: hello\n\n";

/// An unmasked text frame with [`HELLO`], as a server sends it (RFC 6455 §5.2).
fn hello_frame() -> Vec<u8> {
    [&[0x81, HELLO.len() as u8], HELLO.as_bytes()].concat()
}

/// A close frame with code 1008.
const POLICY_VIOLATION: [u8; 4] = [0x88, 2, 0x03, 0xf0];

impl Kind {
    fn response(self) -> Vec<u8> {
        let chunk = format!("{:x}\r\n{HELLO}\r\n", HELLO.len());
        let (lines, body) = match self {
            Kind::EventStream => {
                ("Content-Type: text/event-stream\r\nTransfer-Encoding: chunked", chunk.as_str())
            }
            Kind::Unframed => ("Content-Type: text/event-stream; charset=utf-8", HELLO),
            Kind::Chunked => ("Content-Type: text/plain\r\nTransfer-Encoding: chunked", &*chunk),
            Kind::Length => ("Content-Type: text/plain\r\nContent-Length: 1000", HELLO),
            Kind::WebSocket => return Vec::new(),
        };
        format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n{body}").into_bytes()
    }
}

/// A response that goes on.
struct Stream {
    kind: Kind,
    connection: Connection,
    request_id: String,
}

impl Stream {
    /// Opens one, and waits for its first bytes.
    #[track_caller]
    fn open(setup: &Setup, kind: Kind, path: &str, token: &str) -> Stream {
        setup.upstream.behave(UpstreamBehaviour::Kept(kind.response()));
        let request_id = format!("stream-{:016x}", rand::random::<u64>());
        let authorization = format!("Bearer {token}");
        let mut headers = vec![("Authorization", &*authorization), ("X-Request-Id", &request_id)];
        if kind == Kind::WebSocket {
            headers.extend([
                ("Connection", "Upgrade"),
                ("Upgrade", "websocket"),
                ("Sec-WebSocket-Version", "13"),
                ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ]);
        }
        if token.is_empty() {
            headers.remove(0);
        }
        let mut connection = setup.gateway.connect();
        connection.patience(PATIENCE);
        connection.send(&request_bytes("GET", path, &headers, b"")).expect("a request is sent");
        if kind == Kind::WebSocket {
            let response = connection.read_response("GET").expect("a response");
            assert_eq!(response.status, 101, "{}", response.text());
            connection.send(&hello_frame()).expect("a frame is sent");
            let echo = connection.read_bytes(HELLO.len() + 2).expect("the echo");
            assert_eq!(echo, hello_frame());
        } else {
            let mut read = Vec::new();
            while !String::from_utf8_lossy(&read).contains(HELLO) {
                let some = connection.read_some().expect("the first bytes");
                assert!(!some.is_empty(), "the response ended: {}", String::from_utf8_lossy(&read));
                read.extend(some);
            }
            assert!(read.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&read));
        }
        Stream { kind, connection, request_id }
    }

    /// Waits for the end, and checks that the client can tell it from a regular one.
    #[track_caller]
    fn ended(mut self) -> Instant {
        let began = Instant::now();
        let rest = self.connection.read_to_end();
        assert!(began.elapsed() < PATIENCE, "{:?} did not end", self.kind);
        match self.kind {
            Kind::WebSocket => assert_eq!(rest, POLICY_VIOLATION, "{:?}", self.kind),
            // no last chunk; a length is cut short
            _ => assert!(b"\r\n".starts_with(&rest), "{:?}: {rest:?}", self.kind),
        }
        Instant::now()
    }

    /// Checks that nothing comes for so long.
    #[track_caller]
    fn goes_on_for(&mut self, time: Duration) {
        self.connection.patience(time);
        let came = self.connection.read_some();
        let waits = came.as_ref().is_err_and(|error| {
            matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
        });
        assert!(waits, "{:?}: {came:?}", self.kind);
        self.connection.patience(PATIENCE);
    }
}

/// The log and the metric of a stream's end.
#[track_caller]
fn check_reason(setup: &Setup, request_id: &str, reason: &str) {
    let line = setup.gateway.access_log_of(request_id);
    assert_eq!(line["reason"], reason, "{line}");
    assert_eq!(line["decision"], "allow", "{line}");
}
