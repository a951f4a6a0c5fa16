//! The protected service on loopback: it records every request that reaches it and answers with a
//! JSON echo, or with the test's response. A request with `Upgrade` gets 101 and its bytes back.
//! Bytes that are not HTTP fail any test.

use super::free_port;
use super::http::{Request, read_request};
use super::server::{Running, Server};
use serde_json::json;
use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Behaviour of the upstream for one request.
#[derive(Clone, Debug)]
pub enum UpstreamBehaviour {
    /// 200 with `{"upstream", "method", "target", "headers": [[name, value]…], "body_length"}`.
    Echo,
    /// The echo, after a while.
    EchoAfter(Duration),
    /// This status with the echo's body.
    Status(u16),
    /// These bytes and nothing else; the connection is closed behind them.
    Raw(Vec<u8>),
    /// These bytes; the connection takes further requests.
    Kept(Vec<u8>),
    /// These bytes, and after a while those; the connection takes further requests.
    Late(Vec<u8>, Duration, Vec<u8>),
    /// A chunked response with these chunks and this pause before each.
    Stream(Vec<String>, Duration),
    /// Closes the connection without a byte.
    Close,
    /// Never answers.
    Hang,
}

/// The running upstream. Dropping it stops it.
pub struct Upstream {
    port: u16,
    connections: Arc<AtomicUsize>,
    script: Arc<Script>,
    server: Option<Server>,
}

struct Script {
    name: String,
    state: Mutex<State>,
}

struct State {
    behaviour: UpstreamBehaviour,
    requests: Vec<Request>,
    not_http: Vec<String>,
}

impl Upstream {
    pub fn start() -> Upstream {
        Upstream::named("upstream")
    }

    /// An upstream whose echo contains its name.
    pub fn named(name: &str) -> Upstream {
        let behaviour = UpstreamBehaviour::Echo;
        let state = State { behaviour, requests: Vec::new(), not_http: Vec::new() };
        let script = Script { name: name.to_owned(), state: Mutex::new(state) };
        let mut upstream = Upstream {
            port: free_port(),
            connections: Arc::default(),
            script: Arc::new(script),
            server: None,
        };
        upstream.start_again();
        upstream
    }

    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Listens again on the same port.
    pub fn start_again(&mut self) {
        let script = self.script.clone();
        let serve = move |stream, running| script.serve(stream, &running);
        self.server = Some(Server::start(self.port, self.connections.clone(), serve));
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn behave(&self, behaviour: UpstreamBehaviour) {
        self.script.state().behaviour = behaviour;
    }

    /// Every request that reached it so far.
    pub fn requests(&self) -> Vec<Request> {
        self.script.state().requests.clone()
    }

    #[track_caller]
    pub fn last(&self) -> Request {
        self.script.state().requests.last().expect("a request at the upstream").clone()
    }

    pub fn count(&self) -> usize {
        self.script.state().requests.len()
    }

    /// How many connections were opened.
    pub fn connection_count(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Bytes behind a request that begin no other one are part of a message that the gateway framed
/// wrongly.
impl Drop for Upstream {
    fn drop(&mut self) {
        self.server = None;
        let not_http = std::mem::take(&mut self.script.state().not_http);
        if !std::thread::panicking() {
            assert!(
                not_http.is_empty(),
                "the service received bytes that are not HTTP: {not_http:?}"
            );
        }
    }
}

impl Script {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the script")
    }

    fn serve(&self, stream: TcpStream, running: &Running) {
        let Ok(mut writer) = stream.try_clone() else {
            return;
        };
        let mut reader = BufReader::new(stream);
        loop {
            let request = match read_request(&mut reader) {
                Ok(Some(request)) => request,
                Err(error) if error.kind() == ErrorKind::InvalidData => {
                    self.state().not_http.push(error.to_string());
                    return;
                }
                Ok(None) | Err(_) => return,
            };
            let behaviour = {
                let mut state = self.state();
                state.requests.push(request.clone());
                state.behaviour.clone()
            };
            if let Some(protocol) = request.header("upgrade") {
                let accept = (request.header("sec-websocket-key") == Some(SAMPLE_KEY))
                    .then_some(SAMPLE_ACCEPT);
                upgrade(protocol, accept, &mut reader, &mut writer);
                return;
            }
            // the preface of HTTP/2 (RFC 9113 §3.4), and frames behind it
            let is_http2 = request.method == "PRI";
            if !self.act(&behaviour, &request, &mut writer, running) || is_http2 {
                return;
            }
        }
    }

    /// Carries a behaviour out. False when the connection is to be closed.
    fn act(
        &self,
        behaviour: &UpstreamBehaviour,
        request: &Request,
        writer: &mut TcpStream,
        running: &Running,
    ) -> bool {
        match behaviour {
            UpstreamBehaviour::Echo => self.echo(200, request, writer),
            UpstreamBehaviour::EchoAfter(delay) => {
                running.sleep(*delay) && self.echo(200, request, writer)
            }
            UpstreamBehaviour::Status(status) => self.echo(*status, request, writer),
            UpstreamBehaviour::Raw(bytes) => {
                let _ = writer.write_all(bytes);
                false
            }
            UpstreamBehaviour::Kept(bytes) => writer.write_all(bytes).is_ok(),
            UpstreamBehaviour::Late(bytes, pause, late) => {
                writer.write_all(bytes).is_ok()
                    && running.sleep(*pause)
                    && writer.write_all(late).is_ok()
            }
            UpstreamBehaviour::Stream(chunks, pause) => {
                let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                writer.write_all(head).is_ok()
                    && chunks.iter().all(|chunk| {
                        let chunk = format!("{:x}\r\n{chunk}\r\n", chunk.len());
                        running.sleep(*pause) && writer.write_all(chunk.as_bytes()).is_ok()
                    })
                    && writer.write_all(b"0\r\n\r\n").is_ok()
            }
            UpstreamBehaviour::Close => false,
            UpstreamBehaviour::Hang => {
                running.hang();
                false
            }
        }
    }

    fn echo(&self, status: u16, request: &Request, writer: &mut TcpStream) -> bool {
        let echo = json!({
            "upstream": self.name,
            "method": request.method,
            "target": request.target,
            "headers": request.headers,
            "body_length": request.body.len(),
        });
        let body = echo.to_string();
        let head = format!(
            "HTTP/1.1 {status} Echo\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let body = if request.method == "HEAD" { "" } else { body.as_str() };
        writer.write_all(&[head.as_bytes(), body.as_bytes()].concat()).is_ok()
    }
}

/// The key of RFC 6455 §1.3 and its answer, which proxies compare.
const SAMPLE_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const SAMPLE_ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn upgrade(protocol: &str, accept: Option<&str>, reader: &mut impl Read, writer: &mut TcpStream) {
    let accept = accept.map(|accept| format!("Sec-WebSocket-Accept: {accept}\r\n"));
    let accept = accept.unwrap_or_default();
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n{accept}\r\n"
    );
    if writer.write_all(head.as_bytes()).is_err() {
        return;
    }
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = reader.read(&mut bytes) {
        if writer.write_all(&bytes[..count]).is_err() {
            return;
        }
    }
}
