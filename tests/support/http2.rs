//! A client that writes frames of HTTP/2 (RFC 9113) byte by byte, also wrong ones. Header fields are
//! literals of HPACK (RFC 7541 §6.2.2); of responses it reads the status.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// RFC 9113 §3.4.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frame types (RFC 9113 §6).
pub mod frame {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const CONTINUATION: u8 = 9;
}

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// Error codes (RFC 9113 §7).
pub const REFUSED_STREAM: u32 = 7;
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// A frame of the server, as far as tests look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The header section of a response, or trailers where a response has begun.
    Head {
        stream: u32,
        status: Option<u16>,
        end: bool,
    },
    Data {
        stream: u32,
        bytes: Vec<u8>,
        end: bool,
    },
    Reset {
        stream: u32,
        code: u32,
    },
    GoAway {
        code: u32,
    },
    /// The connection has ended.
    Closed,
}

pub struct Http2 {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Http2 {
    /// Opens a connection, with the preface and these settings.
    pub fn open(port: u16, settings: &[(u16, u32)]) -> Http2 {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
        stream.set_nodelay(true).expect("nodelay");
        let mut client = Http2 { stream, read: Vec::new() };
        // no dynamic table: every status is then readable by itself
        let mut payload = vec![0, 1, 0, 0, 0, 0];
        for (name, value) in settings {
            payload.extend(name.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        client.send(PREFACE).expect("the preface");
        client.frame(frame::SETTINGS, 0, 0, &payload).expect("settings");
        client
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    pub fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        self.send(&frame_bytes(kind, flags, stream, payload))
    }

    /// A whole header section.
    pub fn headers(&mut self, stream: u32, fields: &[(&str, &str)], end: bool) -> io::Result<()> {
        let flags = END_HEADERS | if end { END_STREAM } else { 0 };
        self.frame(frame::HEADERS, flags, stream, &fields_bytes(fields))
    }

    /// The next frame that tests look at. Settings and pings are acknowledged. `None` when nothing
    /// comes for `patience`.
    pub fn next(&mut self, patience: Duration) -> Option<Event> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some((kind, flags, stream, payload)) = self.take() {
                let end = flags & END_STREAM != 0;
                let code = |at: usize| {
                    let four = payload.get(at..at + 4).and_then(|four| four.try_into().ok());
                    u32::from_be_bytes(four.unwrap_or_default())
                };
                match kind {
                    frame::HEADERS => {
                        return Some(Event::Head { stream, status: status(&payload), end });
                    }
                    frame::DATA => return Some(Event::Data { stream, bytes: payload, end }),
                    frame::RST_STREAM => return Some(Event::Reset { stream, code: code(0) }),
                    // a graceful one names the highest stream there could be
                    frame::GOAWAY if code(4) != 0 => {
                        return Some(Event::GoAway { code: code(4) });
                    }
                    frame::SETTINGS | frame::PING if flags & ACK == 0 => {
                        let payload = if kind == frame::PING { payload } else { Vec::new() };
                        let _ = self.frame(kind, ACK, 0, &payload);
                    }
                    _ => {}
                }
                continue;
            }
            let left = deadline.checked_duration_since(Instant::now()).filter(|d| !d.is_zero())?;
            self.stream.set_read_timeout(Some(left)).expect("a timeout");
            let mut bytes = [0; 16 * 1024];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Some(Event::Closed),
                Ok(count) => self.read.extend_from_slice(&bytes[..count]),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return None,
                    _ => return Some(Event::Closed),
                },
            }
        }
    }

    fn take(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let head: [u8; 9] = self.read.get(..9)?.try_into().ok()?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let payload = self.read.get(9..9 + length)?.to_vec();
        self.read.drain(..9 + length);
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        Some((head[3], head[4], stream, payload))
    }
}

pub fn frame_bytes(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame").to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Literal fields without indexing, with new names and without Huffman codes.
pub fn fields_bytes(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            integer(&mut bytes, text.len());
            bytes.extend(text.chars().map(|c| u8::try_from(c).expect("Latin-1")));
        }
    }
    bytes
}

/// RFC 7541 §5.1, with a prefix of seven bits.
fn integer(bytes: &mut Vec<u8>, value: usize) {
    if value < 127 {
        bytes.push(u8::try_from(value).expect("small"));
        return;
    }
    bytes.push(127);
    let mut rest = value - 127;
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).expect("small") | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).expect("small"));
}

/// The status, which is the first field.
fn status(block: &[u8]) -> Option<u16> {
    // updates of the table's size come first (RFC 7541 §6.3)
    let skipped = block.iter().take_while(|byte| **byte & 0xe0 == 0x20).count();
    let block = &block[skipped..];
    let [first, rest @ ..] = block else { return None };
    // RFC 7541 appendix A: 8 to 14 are statuses
    let indexed = [200, 204, 206, 304, 400, 404, 500];
    if first & 0x80 != 0 {
        return indexed.get(usize::from(first & 0x7f).checked_sub(8)?).copied();
    }
    let name = if first & 0x40 != 0 { first & 0x3f } else { first & 0x0f };
    let ([length, value @ ..], 8..=14) = (rest, name) else { return None };
    let value = value.get(..usize::from(length & 0x7f))?;
    let text =
        if length & 0x80 == 0 { String::from_utf8(value.to_vec()).ok()? } else { digits(value)? };
    text.parse().ok()
}

/// Three digits in the code of RFC 7541 appendix B: 0 to 2 have five bits, the others six.
fn digits(bytes: &[u8]) -> Option<String> {
    let bits: Vec<u8> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let (mut text, mut at) = (String::new(), 0);
    while text.len() < 3 {
        let value = |count: usize| {
            let bits = bits.get(at..at + count)?;
            Some(bits.iter().fold(0_u32, |value, bit| value << 1 | u32::from(*bit)))
        };
        let (digit, length) = match value(5)? {
            digit @ 0..=2 => (digit, 5),
            _ => (value(6)?.checked_sub(0x16)?, 6),
        };
        text.push(char::from_digit(digit, 10)?);
        at += length;
    }
    Some(text)
}
