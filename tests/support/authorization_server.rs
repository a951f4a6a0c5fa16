//! An authorization server on loopback that answers RFC 7662 introspection as the test scripts it,
//! misbehaves on demand and records every request. It speaks keep-alive HTTP/1.1.

use super::free_port;
use super::http::{Request, read_request};
use super::server::{Running, Server};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Behaviour of the server for one introspection request.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// 200 with this JSON.
    Json(Value),
    /// 200 `application/json` with this text, which need not be JSON.
    Body(String),
    /// A whole response: status, headers, body. `Content-Length` is added.
    Respond(u16, Vec<(String, String)>, Vec<u8>),
    /// These bytes and nothing else; the connection is closed behind them.
    Raw(Vec<u8>),
    /// These bytes at once; the connection stays open.
    RawAndOpen(Vec<u8>),
    /// A good head, then the JSON one byte at a time with this pause between two.
    Drip(Value, Duration),
    /// A good head, then a chunked body that never ends.
    Endless,
    /// Closes the connection without a byte.
    Close,
    /// Never answers; the connection stays open.
    Hang,
    /// Waits, then does the other thing.
    After(Duration, Box<Behaviour>),
}

impl Behaviour {
    pub fn status(status: u16) -> Behaviour {
        Behaviour::Respond(status, Vec::new(), Vec::new())
    }

    pub fn body(text: &str) -> Behaviour {
        Behaviour::Body(text.to_owned())
    }

    pub fn respond(status: u16, headers: &[(&str, &str)], body: &str) -> Behaviour {
        let owned = |(name, value): &(&str, &str)| (name.to_string(), value.to_string());
        Behaviour::Respond(status, headers.iter().map(owned).collect(), body.into())
    }

    pub fn after(delay: Duration, behaviour: Behaviour) -> Behaviour {
        Behaviour::After(delay, Box::new(behaviour))
    }

    pub fn inactive() -> Behaviour {
        Behaviour::Json(json!({ "active": false }))
    }
}

/// The running fake. Dropping it stops it.
pub struct AuthorizationServer {
    port: u16,
    script: Arc<Script>,
    connections: Arc<AtomicUsize>,
    server: Option<Server>,
}

#[derive(Default)]
struct Script {
    state: Mutex<State>,
    in_flight: AtomicUsize,
    peak: AtomicUsize,
}

#[derive(Default)]
struct State {
    /// The behaviours for each token: all but the last are used once.
    tokens: HashMap<String, VecDeque<Behaviour>>,
    /// The behaviour for every request, with any token.
    all: Option<Behaviour>,
    /// The behaviours for requests of these paths, before all others.
    documents: HashMap<String, VecDeque<Behaviour>>,
    /// A second request on one connection finds it closed.
    one_answer_a_connection: bool,
    requests: Vec<Request>,
}

impl AuthorizationServer {
    /// Every token is inactive until the test sets another behaviour.
    pub fn start() -> AuthorizationServer {
        let mut server = AuthorizationServer {
            port: free_port(),
            script: Arc::default(),
            connections: Arc::default(),
            server: None,
        };
        server.start_again();
        server
    }

    /// Closes the port and cuts all connections.
    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Listens again on the same port, with the same script.
    pub fn start_again(&mut self) {
        let script = self.script.clone();
        let serve = move |stream, running| script.serve(stream, &running);
        self.server = Some(Server::start(self.port, self.connections.clone(), serve));
    }

    /// Cuts the connections that are open now, as a server does that was restarted behind the same
    /// address.
    pub fn cut_connections(&self) {
        self.server.as_ref().expect("a running server").cut_connections();
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The introspection endpoint.
    pub fn url(&self) -> String {
        format!("{}/introspect", self.origin())
    }

    /// The same without a path.
    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// 200 with this JSON for this token, from now on.
    pub fn answer(&self, token: &str, answer: Value) {
        self.behave(token, Behaviour::Json(answer));
    }

    /// This behaviour for this token, from now on.
    pub fn behave(&self, token: &str, behaviour: Behaviour) {
        self.behave_in_turn(token, [behaviour]);
    }

    /// One behaviour a request for this token; the last one stays.
    pub fn behave_in_turn(&self, token: &str, behaviours: impl IntoIterator<Item = Behaviour>) {
        let behaviours = behaviours.into_iter().collect();
        self.script.state().tokens.insert(token.to_owned(), behaviours);
    }

    /// This behaviour for every request, with any token.
    pub fn behave_for_all(&self, behaviour: Behaviour) {
        self.script.state().all = Some(behaviour);
    }

    /// This behaviour for every request for this path: metadata, keys.
    pub fn publish(&self, path: &str, behaviour: Behaviour) {
        self.publish_in_turn(path, [behaviour]);
    }

    /// One behaviour a request for this path; the last one stays.
    pub fn publish_in_turn(&self, path: &str, behaviours: impl IntoIterator<Item = Behaviour>) {
        self.script.state().documents.insert(path.to_owned(), behaviours.into_iter().collect());
    }

    /// The requests for this path.
    pub fn requests_of_path(&self, path: &str) -> Vec<Request> {
        self.requests().into_iter().filter(|request| request.path() == path).collect()
    }

    /// How many requests there were for this path.
    pub fn count_of_path(&self, path: &str) -> usize {
        self.script.state().requests.iter().filter(|request| request.path() == path).count()
    }

    /// Back to the tokens' own behaviours; a token without a script is inactive.
    pub fn default_inactive(&self) {
        self.script.state().all = None;
    }

    /// From now on each connection carries one answer; a second request on it is read and the
    /// connection closed unanswered, as it happens when a server drops an idle connection while the
    /// client is reusing it.
    pub fn one_answer_a_connection(&self) {
        self.script.state().one_answer_a_connection = true;
    }

    /// Every request so far, the unanswered ones included.
    pub fn requests(&self) -> Vec<Request> {
        self.script.state().requests.clone()
    }

    #[track_caller]
    pub fn last(&self) -> Request {
        self.script.state().requests.last().expect("an introspection request").clone()
    }

    pub fn count(&self) -> usize {
        self.script.state().requests.len()
    }

    /// How many requests asked about this token.
    pub fn count_of(&self, token: &str) -> usize {
        let state = self.script.state();
        state.requests.iter().filter(|request| request.token().as_deref() == Some(token)).count()
    }

    /// How many connections were opened.
    pub fn connection_count(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The most requests that were being answered at one time.
    pub fn concurrent_peak(&self) -> usize {
        self.script.peak.load(Ordering::SeqCst)
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
        let mut answered = 0;
        while let Ok(Some(request)) = read_request(&mut reader) {
            let (behaviour, reuse_ends) = self.next_behaviour(request);
            if reuse_ends && answered > 0 {
                return;
            }
            let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
            self.peak.fetch_max(now, Ordering::SeqCst);
            let kept_open = act(&behaviour, &mut writer, running);
            self.in_flight.fetch_sub(1, Ordering::SeqCst);
            if !kept_open {
                return;
            }
            answered += 1;
        }
    }

    fn next_behaviour(&self, request: Request) -> (Behaviour, bool) {
        let mut state = self.state();
        let (token, path) = (request.token().unwrap_or_default(), request.path().to_owned());
        state.requests.push(request);
        let next = |turns: &mut VecDeque<Behaviour>| {
            if turns.len() > 1 { turns.pop_front() } else { turns.front().cloned() }
        };
        let document = state.documents.get_mut(&path).and_then(next);
        let scripted = document
            .or_else(|| state.all.clone())
            .or_else(|| state.tokens.get_mut(&token).and_then(next));
        (scripted.unwrap_or_else(Behaviour::inactive), state.one_answer_a_connection)
    }
}

/// Carries a behaviour out. False when the connection is to be closed.
fn act(behaviour: &Behaviour, writer: &mut TcpStream, running: &Running) -> bool {
    match behaviour {
        Behaviour::Json(value) => respond(writer, 200, JSON, value.to_string().as_bytes()),
        Behaviour::Body(text) => respond(writer, 200, JSON, text.as_bytes()),
        Behaviour::Respond(status, headers, body) => {
            let mut lines = String::new();
            for (name, value) in headers {
                lines.push_str(&format!("{name}: {value}\r\n"));
            }
            respond(writer, *status, &lines, body)
        }
        Behaviour::Raw(bytes) => {
            let _ = writer.write_all(bytes);
            false
        }
        Behaviour::RawAndOpen(bytes) => writer.write_all(bytes).is_ok(),
        Behaviour::Drip(value, pause) => {
            let body = value.to_string();
            let head = format!("HTTP/1.1 200 OK\r\n{JSON}Content-Length: {}\r\n\r\n", body.len());
            writer.write_all(head.as_bytes()).is_ok()
                && body.as_bytes().iter().all(|byte| {
                    running.sleep(*pause) && writer.write_all(std::slice::from_ref(byte)).is_ok()
                })
        }
        Behaviour::Endless => {
            let head = format!("HTTP/1.1 200 OK\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n");
            let chunk = [b"400\r\n".as_slice(), &[b' '; 1024], b"\r\n"].concat();
            let mut open = writer.write_all(head.as_bytes()).is_ok();
            while open {
                open = running.sleep(Duration::from_millis(1)) && writer.write_all(&chunk).is_ok();
            }
            false
        }
        Behaviour::Close => false,
        Behaviour::Hang => {
            running.hang();
            false
        }
        Behaviour::After(delay, then) => {
            wait(*delay, writer, running) && act(then, writer, running)
        }
    }
}

/// False when the client has gone meanwhile: a call that was given up keeps the server busy no
/// longer.
fn wait(delay: Duration, stream: &TcpStream, running: &Running) -> bool {
    let until = Instant::now() + delay;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        if !running.sleep(left.min(Duration::from_millis(5))) || is_gone(stream) {
            return false;
        }
    }
    true
}

fn is_gone(stream: &TcpStream) -> bool {
    let _ = stream.set_nonblocking(true);
    let gone = matches!(stream.peek(&mut [0]), Ok(0));
    let _ = stream.set_nonblocking(false);
    gone
}

const JSON: &str = "Content-Type: application/json\r\n";

fn respond(writer: &mut TcpStream, status: u16, headers: &str, body: &[u8]) -> bool {
    let head =
        format!("HTTP/1.1 {status} Scripted\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    writer.write_all(&[head.as_bytes(), body].concat()).is_ok()
}
