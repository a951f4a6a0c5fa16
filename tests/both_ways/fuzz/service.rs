//! The service of the fuzzer. It answers one user by script and the other one honestly, and checks
//! every request that reaches it.

use crate::support::{Request, Server, free_port, read_request};
use std::io::{BufReader, ErrorKind, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// A connection on which nothing comes for so long is closed: nothing of a case lasts longer.
const IDLE: Duration = Duration::from_millis(200);

/// One scripted answer: pieces with a pause behind each, and whether the connection then ends.
#[derive(Clone, Debug)]
pub struct Answer {
    pub pieces: Vec<Vec<u8>>,
    pub closes: bool,
}

pub struct Service {
    port: u16,
    state: Arc<Mutex<State>>,
    _server: Server,
}

#[derive(Default)]
struct State {
    script: Vec<Answer>,
    answered: usize,
    seen: Vec<Request>,
    findings: Vec<String>,
}

impl Service {
    pub fn start() -> Service {
        let state = Arc::<Mutex<State>>::default();
        let (port, shared) = (free_port(), state.clone());
        let server = Server::start(port, Arc::default(), move |stream, _| serve(stream, &shared));
        Service { port, state, _server: server }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The answers to the next requests of the first user.
    pub fn script(&self, script: &[Answer]) {
        let mut state = lock(&self.state);
        (state.script, state.answered) = (script.to_vec(), 0);
        state.seen.clear();
    }

    /// The requests of the first user since then.
    pub fn seen(&self) -> Vec<Request> {
        lock(&self.state).seen.clone()
    }

    pub fn findings(&self) -> Vec<String> {
        lock(&self.state).findings.clone()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn serve(stream: TcpStream, state: &Mutex<State>) {
    let _ = stream.set_read_timeout(Some(IDLE));
    let Ok(mut writer) = stream.try_clone() else { return };
    let mut reader = BufReader::new(stream);
    loop {
        let request = match read_request(&mut reader) {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(error) => {
                // a body that ends early is the client's, and cut off with its connection
                if error.kind() == ErrorKind::InvalidData {
                    lock(state).findings.push(format!("not a request: {error}"));
                }
                return;
            }
        };
        let answer = {
            let mut state = lock(state);
            match check(&request) {
                Err(finding) => {
                    state.findings.push(format!("{finding}: {request:?}"));
                    return;
                }
                Ok("bob") => honest(&request),
                Ok(_) => {
                    state.seen.push(request.clone());
                    state.answered += 1;
                    let answered = state.answered;
                    state.script.get(answered - 1).cloned().unwrap_or_else(|| plain("alice-more"))
                }
            }
        };
        for (number, piece) in answer.pieces.iter().enumerate() {
            if number > 0 {
                std::thread::sleep(Duration::from_millis(15));
            }
            if writer.write_all(piece).is_err() {
                return;
            }
        }
        if answer.closes {
            return;
        }
    }
}

fn honest(request: &Request) -> Answer {
    let number = request.target.rsplit('/').next().unwrap_or_default();
    let body = format!("bob-{number}-own");
    let head = format!("HTTP/1.1 200 OK\r\nX-Mark: bob-{number}\r\n");
    let text = match (request.method.as_str(), number.ends_with('3')) {
        ("HEAD", _) => format!("{head}\r\n"),
        (_, true) => format!(
            "{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        ),
        _ => format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()),
    };
    Answer { pieces: vec![text.into_bytes()], closes: false }
}

fn plain(body: &str) -> Answer {
    let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    Answer { pieces: vec![text.into_bytes()], closes: false }
}

/// Whose request it is; an error where it is not sound.
fn check(request: &Request) -> Result<&'static str, &'static str> {
    let all = |name: &str| request.headers_all(name);
    let owner = match all("x-introspected-sub").as_slice() {
        ["alice"] => "alice",
        ["bob"] => "bob",
        _ => return Err("a request without one identity"),
    };
    if owner == "bob" && (!request.target.starts_with("/bob/") || all("x-mark") != ["bob"]) {
        return Err("another request with bob's identity");
    }
    if all("host").len() != 1 {
        return Err("not one host");
    }
    let (lengths, codings) = (all("content-length"), all("transfer-encoding"));
    if lengths.len() + codings.len() > 1 || codings.iter().any(|coding| *coding != "chunked") {
        return Err("framing that two readers could read in two ways");
    }
    if !all("authorization").is_empty() {
        return Err("the token went on");
    }
    for name in ["te", "trailer", "keep-alive", "proxy-connection", "http2-settings"] {
        if !all(name).is_empty() {
            return Err("a field of the client's connection");
        }
    }
    if !all("upgrade").is_empty() && request.method != "GET" {
        return Err("an upgrade that is none");
    }
    let odd = |text: &str| text.contains(['\r', '\n', '\0']);
    if request.headers.iter().any(|(name, value)| odd(name) || odd(value) || name.contains(' ')) {
        return Err("a header with a line break");
    }
    Ok(owner)
}
