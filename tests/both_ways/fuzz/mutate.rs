//! Cases: bytes that a client sends, and bytes with which the service answers.

use super::service::Answer;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::fmt;

pub struct Case {
    /// The pieces that the client sends, with a pause behind each.
    pub pieces: Vec<Vec<u8>>,
    /// The methods of the requests in it, as far as mutation left them intact.
    pub methods: Vec<String>,
    pub responses: Vec<Answer>,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |bytes: &[u8]| {
            let text = bytes.escape_ascii().to_string();
            text.replace("alice-longalice-longalice-longalice-longalice-long", "…")
                .replace("……………………………………………………………………………………………………", "……")
                .replace("…………", "…")
        };
        for piece in &self.pieces {
            writeln!(f, "client: {}", shown(piece))?;
        }
        for answer in &self.responses {
            for piece in &answer.pieces {
                writeln!(f, "service: {}", shown(piece))?;
            }
            writeln!(f, "service {}", if answer.closes { "closes" } else { "waits" })?;
        }
        Ok(())
    }
}

impl Case {
    pub fn from_seed(seed: u64) -> Case {
        let mut random = StdRng::seed_from_u64(seed);
        let (mut bytes, mut methods, mut responses) = (Vec::new(), Vec::new(), Vec::new());
        let requests = *[1, 1, 1, 2, 3].choose(&mut random).expect("a number");
        // one in three cases is only about responses, one in three only about requests
        let about: u8 = random.random_range(0..3);
        for number in 0..requests {
            let (method, request) = request(&mut random, number);
            methods.push(method.clone());
            bytes.extend(if about == 1 { request } else { mutated(request, &mut random) });
            let last = number + 1 == requests;
            responses.push(answer(&method, &mut random, about != 2, last));
        }
        // the connection ends soon, after any outcome of the others
        bytes.extend_from_slice(
            b"GET /alice/end HTTP/1.1\r\nHost: gateway.test\r\nAuthorization: Bearer alice\r\nConnection: close\r\n\r\n",
        );
        methods.push("GET".to_owned());
        Case { pieces: pieces(bytes, &mut random), methods, responses }
    }
}

/// In one piece, mostly.
fn pieces(bytes: Vec<u8>, random: &mut StdRng) -> Vec<Vec<u8>> {
    let mut pieces = vec![bytes];
    for _ in 0..*[0, 0, 0, 1, 2].choose(random).expect("a number") {
        let last = pieces.pop().unwrap_or_default();
        let (first, second) = last.split_at(random.random_range(0..=last.len()));
        pieces.extend([first.to_vec(), second.to_vec()]);
    }
    pieces
}

fn request(random: &mut StdRng, number: usize) -> (String, Vec<u8>) {
    let method = *["GET", "GET", "GET", "HEAD", "POST", "POST", "PUT", "DELETE", "OPTIONS"]
        .choose(random)
        .expect("a method");
    let version =
        *["1.1", "1.1", "1.1", "1.1", "1.1", "1.1", "1.1", "1.0"].choose(random).expect("one");
    let mut text = format!(
        "{method} /alice/{number} HTTP/{version}\r\nHost: gateway.test\r\nAuthorization: Bearer alice\r\nX-Mark: alice\r\n"
    );
    for _ in 0..*[0, 0, 1, 2].choose(random).expect("a number") {
        text.push_str(REQUEST_LINES.choose(random).expect("a line"));
    }
    let with_body = matches!(method, "POST" | "PUT") || random.random_ratio(1, 12);
    match random.random_range(0..5) {
        _ if !with_body => text.push_str("\r\n"),
        0 => text.push_str("Content-Length: 0\r\n\r\n"),
        1 => text.push_str("Content-Length: 11\r\n\r\nalice-body\n"),
        2 => text.push_str("Transfer-Encoding: chunked\r\n\r\n5\r\nalice\r\n5;x=y\r\n-body\r\n0\r\n\r\n"),
        3 => {
            let long = random.random_range(1..100_000);
            text.push_str(&format!("Content-Length: {long}\r\n\r\n{}", "alice-long".repeat(long / 10 + 1)));
            let over = text.len() - (text.rfind("\r\n\r\n").unwrap_or_default() + 4) - long;
            text.truncate(text.len() - over);
        }
        _ => text.push_str(
            "Transfer-Encoding: chunked\r\n\r\n00A\r\nGET / HTTP/\r\n3\r\n1.1\r\n000\r\nX-Trailer: alice\r\n\r\n",
        ),
    }
    (method.to_owned(), text.into_bytes())
}

const REQUEST_LINES: &[&str] = &[
    "Connection: keep-alive\r\n",
    "Connection: close\r\n",
    "Connection: X-Mark\r\n",
    "Connection: keep-alive, te\r\n",
    "Connection: Upgrade\r\nUpgrade: h2c\r\n",
    "Upgrade: websocket\r\n",
    "Keep-Alive: timeout=5\r\n",
    "Proxy-Connection: keep-alive\r\n",
    "TE: trailers\r\n",
    "Trailer: X-Trailer\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "X-Introspected-Sub: bob\r\n",
    "X_Introspected_Sub: bob\r\n",
    "X-Request-Id: alice\r\n",
    "Cookie: a=b\r\n",
    "X-Long: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n",
    "Expect: 100-continue\r\n",
    "Content-Type: text/plain\r\n",
    "X-Empty:\r\n",
];

fn answer(method: &str, random: &mut StdRng, odd: bool, last: bool) -> Answer {
    let mut bytes = Vec::new();
    for _ in 0..*[0, 0, 0, 0, 1, 2].choose(random).expect("a number") {
        bytes.extend_from_slice(INTERIM.choose(random).expect("a head").as_bytes());
    }
    let status = *[
        "200 OK",
        "200 OK",
        "200 OK",
        "200 OK",
        "204 No Content",
        "304 Not Modified",
        "404 Not Found",
        "500 Oops",
        "206 Partial Content",
        "302 Found",
    ]
    .choose(random)
    .expect("a status");
    let version = *["1.1", "1.1", "1.1", "1.1", "1.1", "1.0"].choose(random).expect("one");
    let mut text = format!("HTTP/{version} {status}\r\nX-Mark: alice\r\n");
    for _ in 0..*[0, 0, 1, 2].choose(random).expect("a number") {
        text.push_str(RESPONSE_LINES.choose(random).expect("a line"));
    }
    let bare = method == "HEAD" || status.starts_with("204") || status.starts_with("304");
    let mut closes = false;
    match random.random_range(0..6) {
        0 | 1 if bare && !odd => text.push_str("\r\n"),
        0 => text.push_str(if bare {
            "Content-Length: 9\r\n\r\n"
        } else {
            "Content-Length: 9\r\n\r\nalice-one"
        }),
        1 => text.push_str("Content-Length: 0\r\n\r\n"),
        2 if bare => text.push_str("Transfer-Encoding: chunked\r\n\r\n"),
        2 => text
            .push_str("Transfer-Encoding: chunked\r\n\r\n6\r\nalice-\r\n7\r\nchunked\r\n0\r\n\r\n"),
        3 => {
            // all odd bytes are sent at once
            let long = random.random_range(1..if odd { 15_000 } else { 150_000 });
            text.push_str(&format!("Content-Length: {long}\r\n\r\n"));
            if !bare {
                text.push_str(&"alice-long".repeat(long / 10 + 1));
                let body = text.find("\r\n\r\n").unwrap_or_default() + 4;
                text.truncate(body + long);
            }
        }
        4 if bare => text.push_str("\r\n"),
        4 => {
            text.push_str("Transfer-Encoding: chunked\r\n\r\n00b;a=b\r\nalice-extra\r\n0;x\r\nX-T: alice\r\n\r\n");
        }
        _ => {
            text.push_str(if bare { "\r\n" } else { "\r\nalice-until-the-end" });
            closes = true;
        }
    }
    bytes.extend_from_slice(text.as_bytes());
    let framing = text.to_ascii_lowercase();
    let announced = bare
        && !odd
        && version == "1.1"
        && (framing.contains("transfer-encoding") || framing.contains("content-length: 9"));
    if odd {
        bytes = mutated(bytes, random);
        // more than was asked for: with the response, or later
        if random.random_ratio(1, 6) {
            bytes.extend_from_slice(
                b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nX-Mark: alice\r\n\r\nalice-stolen",
            );
        }
        // a service that closes without a word would race with the next request
        closes = last && (closes || random.random_ratio(1, 4));
    }
    let mut pieces = vec![bytes];
    if random.random_ratio(1, 4) {
        let last = pieces.pop().unwrap_or_default();
        // bytes behind a whole response, and later than it, are an answer to the next request for
        // every reader: they are only sent if the gateway could detect them
        let end = if odd { head_end(&last) } else { last.len() };
        let (first, second) = last.split_at(random.random_range(0..=end));
        pieces.extend([first.to_vec(), second.to_vec()]);
    }
    if announced && random.random_ratio(1, 2) {
        pieces.push(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nalice-late".to_vec());
    }
    Answer { pieces, closes }
}

/// Where the first head ends at the earliest.
fn head_end(bytes: &[u8]) -> usize {
    let end = bytes.windows(2).position(|two| two == b"\n\r" || two == b"\n\n");
    end.unwrap_or(bytes.len())
}

const INTERIM: &[&str] = &[
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nLink: alice\r\n\r\n",
    "HTTP/1.1 102 Processing\r\nContent-Length: 3\r\n\r\n",
];

const RESPONSE_LINES: &[&str] = &[
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "Connection: X-Hop\r\nX-Hop: alice\r\n",
    "Connection: keep-alive\r\nConnection: X-Hop, close\r\nX-Hop: alice\r\n",
    "Keep-Alive: timeout=1\r\n",
    "Upgrade: h2c\r\n",
    "Content-Length: 9\r\n",
    "Content-Length: 3\r\n",
    "Content-Length: 9, 9\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding: gzip\r\n",
    "Cache-Control: public\r\n",
    "Set-Cookie: a=alice\r\n",
    "Set-Cookie: b=alice\r\n",
    "X-Folded: a\r\n b\r\n",
    "X-Empty:\r\n",
    "Trailer: X-T\r\n",
    "Date: long ago\r\n",
];

/// With some bytes or lines that are not as they were; a head more often than a body.
fn mutated(mut bytes: Vec<u8>, random: &mut StdRng) -> Vec<u8> {
    for _ in 0..*[0, 0, 1, 1, 2, 3].choose(random).expect("a number") {
        let body = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
        let end = if body > 0 && random.random_ratio(2, 3) { body } else { bytes.len() };
        if end == 0 {
            break;
        }
        let at = random.random_range(0..end);
        let odd = *ODD.choose(random).expect("a byte");
        match random.random_range(0..7) {
            0 => bytes[at] = odd,
            1 => bytes.insert(at, odd),
            2 => drop(bytes.remove(at)),
            3 => {
                let some = random.random_range(1..9).min(bytes.len() - at);
                bytes.drain(at..at + some);
            }
            4 => {
                let starts: Vec<usize> = line_starts(&bytes[..end]);
                let start = *starts.choose(random).unwrap_or(&0);
                let line = line_at(&bytes, start).to_vec();
                let to = *starts.choose(random).unwrap_or(&0);
                bytes.splice(to..to, line);
            }
            5 => {
                let starts: Vec<usize> = line_starts(&bytes[..end]);
                let start = *starts.choose(random).unwrap_or(&0);
                let length = line_at(&bytes, start).len();
                bytes.drain(start..start + length);
            }
            _ => bytes.truncate(at.max(1)),
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

const ODD: &[u8] = b"\r\n\0 \t:;,/09afx-\"%\x7f\x80\xff";

fn line_starts(head: &[u8]) -> Vec<usize> {
    let ends = head.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(ends).filter(|&start| start < head.len()).collect()
}

fn line_at(bytes: &[u8], start: usize) -> &[u8] {
    let rest = bytes.get(start..).unwrap_or_default();
    let end = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |at| at + 1);
    &rest[..end]
}
