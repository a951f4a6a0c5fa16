//! A blocking HTTP/1.1 client and the message parsing that the fake servers share. It sends exactly
//! the bytes it is given and keeps header names, order and duplicates as they were received. Header
//! bytes are read as Latin-1, so that none is lost.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long any single wait of the tests may take before it counts as a failure.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// By which name the tests call the gateway.
const HOST: &str = "gateway.test";

pub type Headers = Vec<(String, String)>;

/// A request as a server received it.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub headers: Headers,
    pub body: Vec<u8>,
}

impl Request {
    /// The only value of a header. Panics when it is there twice.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        only(&self.headers, name)
    }

    pub fn headers_all(&self, name: &str) -> Vec<&str> {
        all(&self.headers, name)
    }

    /// The decoded pairs of an `application/x-www-form-urlencoded` body.
    pub fn form(&self) -> Vec<(String, String)> {
        let body = String::from_utf8(self.body.clone()).expect("a form is ASCII");
        let pairs = body.split('&').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (form_decode(name), form_decode(value))
            })
            .collect()
    }

    /// The `token` parameter of an introspection request, when it is one.
    pub fn token(&self) -> Option<String> {
        if self.header("content-type") != Some("application/x-www-form-urlencoded") {
            return None;
        }
        let mut pairs = self.form().into_iter();
        pairs.find(|(name, _)| name == "token").map(|(_, value)| value)
    }

    /// The target's path, without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// A response as the client received it.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Headers,
    pub body: Vec<u8>,
}

impl Response {
    /// The only value of a header. Panics when it is there twice.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        only(&self.headers, name)
    }

    pub fn headers_all(&self, name: &str) -> Vec<&str> {
        all(&self.headers, name)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }

    /// The `reason` member of a refusal; empty when the body is no JSON object that has one.
    pub fn reason(&self) -> String {
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        body["reason"].as_str().unwrap_or_default().to_owned()
    }
}

#[track_caller]
fn only<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    let values = all(headers, name);
    assert!(values.len() < 2, "{name} is there more than once: {values:?}");
    values.first().copied()
}

fn all<'a>(headers: &'a Headers, name: &str) -> Vec<&'a str> {
    let named = headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value.as_str()).collect()
}

trait Stream: Read + Write + Send {
    fn patience(&self, limit: Duration) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn patience(&self, limit: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(limit)).and_then(|()| self.set_write_timeout(Some(limit)))
    }
}

impl Stream for UnixStream {
    fn patience(&self, limit: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(limit)).and_then(|()| self.set_write_timeout(Some(limit)))
    }
}

/// One client connection, kept alive between requests. Reads fail after [`PATIENCE`].
pub struct Connection {
    stream: BufReader<Box<dyn Stream>>,
    /// `Host` of requests that do not bring their own.
    host: &'static str,
}

impl Connection {
    #[track_caller]
    pub fn open(port: u16) -> Connection {
        Connection::try_open(port).expect("connect")
    }

    pub fn try_open(port: u16) -> io::Result<Connection> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        Connection::new(Box::new(stream))
    }

    #[track_caller]
    pub fn open_unix(path: &Path) -> Connection {
        let stream = UnixStream::connect(path).expect("connect to the socket");
        Connection::new(Box::new(stream)).expect("a time-out")
    }

    fn new(stream: Box<dyn Stream>) -> io::Result<Connection> {
        stream.patience(PATIENCE)?;
        Ok(Connection { stream: BufReader::new(stream), host: HOST })
    }

    /// From now on requests without a `Host` of their own get this one.
    pub fn host(mut self, host: &'static str) -> Connection {
        self.host = host;
        self
    }

    /// From now on reads and writes fail after this long.
    pub fn patience(&self, limit: Duration) {
        self.stream.get_ref().patience(limit).expect("a time-out");
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Sends a request and reads its response.
    pub fn request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Response> {
        let host = [("Host", self.host)];
        let given = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host"));
        let headers = if given { headers.to_vec() } else { [&host, headers].concat() };
        self.send(&request_bytes(method, target, &headers, body))?;
        self.read_response(method)
    }

    /// Reads one final response (100 is skipped) to a request with `method`.
    pub fn read_response(&mut self, method: &str) -> io::Result<Response> {
        loop {
            let (start, headers) =
                read_head(&mut self.stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let code = start.split(' ').nth(1).and_then(|code| code.parse().ok());
            let status: u16 = code.ok_or_else(|| invalid(&start))?;
            if status == 100 {
                continue;
            }
            let empty = method == "HEAD" || status < 200 || status == 204 || status == 304;
            let body = match empty {
                true => Vec::new(),
                false => read_body(&mut self.stream, &headers, Framing::UntilClose)?,
            };
            return Ok(Response { status, headers, body });
        }
    }

    /// Reads exactly `count` bytes.
    pub fn read_bytes(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// The bytes that come next; none at the end.
    pub fn read_some(&mut self) -> io::Result<Vec<u8>> {
        let bytes = self.stream.fill_buf()?.to_vec();
        self.stream.consume(bytes.len());
        Ok(bytes)
    }

    /// All bytes until the other side closes or the read time-out passes.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _ = self.stream.read_to_end(&mut bytes);
        bytes
    }
}

/// The bytes of a request. `Host` and `Content-Length` are added unless they are given or there is
/// nothing to count.
pub fn request_bytes(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let given = |name: &str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    let mut bytes = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
    if !given("host") {
        bytes.extend_from_slice(format!("Host: {HOST}\r\n").as_bytes());
    }
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if !body.is_empty() && !given("content-length") && !given("transfer-encoding") {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// Reads one request; `None` when the connection was closed before its first byte.
pub fn read_request(stream: &mut impl BufRead) -> io::Result<Option<Request>> {
    let Some((start, headers)) = read_head(stream)? else {
        return Ok(None);
    };
    let mut parts = start.split(' ');
    let (method, target) = (parts.next(), parts.next());
    let (Some(method), Some(target)) = (method, target) else {
        return Err(invalid(&start));
    };
    let body = read_body(stream, &headers, Framing::Empty)?;
    Ok(Some(Request { method: method.to_owned(), target: target.to_owned(), headers, body }))
}

/// The body of a message without `Content-Length` and `Transfer-Encoding`.
enum Framing {
    Empty,
    UntilClose,
}

fn read_body(
    stream: &mut impl BufRead,
    headers: &Headers,
    otherwise: Framing,
) -> io::Result<Vec<u8>> {
    if only(headers, "transfer-encoding").is_some() {
        return read_chunks(stream);
    }
    let mut body = Vec::new();
    match (only(headers, "content-length"), otherwise) {
        (Some(length), _) => {
            let length = length.parse().map_err(|_| invalid(length))?;
            body.resize(length, 0);
            stream.read_exact(&mut body)?;
        }
        (None, Framing::Empty) => {}
        (None, Framing::UntilClose) => {
            stream.read_to_end(&mut body)?;
        }
    }
    Ok(body)
}

fn read_chunks(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let size = line.split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size.trim(), 16).map_err(|_| invalid(&line))?;
        if size == 0 {
            while read_line(stream)?.is_some_and(|trailer| !trailer.is_empty()) {}
            return Ok(body);
        }
        let start = body.len();
        body.resize(start + size, 0);
        stream.read_exact(&mut body[start..])?;
        read_line(stream)?;
    }
}

fn read_head(stream: &mut impl BufRead) -> io::Result<Option<(String, Headers)>> {
    let Some(start) = read_line(stream)? else {
        return Ok(None);
    };
    let mut headers = Headers::new();
    loop {
        let line = read_line(stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if line.is_empty() {
            return Ok(Some((start, headers)));
        }
        let (name, value) = line.split_once(':').ok_or_else(|| invalid(&line))?;
        headers.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
    }
}

/// One line without its line end; `None` at the end of the stream.
fn read_line(stream: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if stream.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    while line.last().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
        line.pop();
    }
    Ok(Some(line.into_iter().map(char::from).collect()))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not HTTP: {what}"))
}

fn form_decode(text: &str) -> String {
    percent_decode(&text.replace('+', " "))
}

/// Decodes `%XX`; panics on a broken escape or if the result is not UTF-8.
#[track_caller]
pub fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        if *first == b'%' {
            let digits = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
            let digits = digits.unwrap_or_else(|| panic!("broken escape in {text}"));
            bytes.push(u8::from_str_radix(digits, 16).expect("hex digits behind %"));
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).expect("UTF-8 behind the escapes")
}
