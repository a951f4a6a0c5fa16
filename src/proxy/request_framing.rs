//! Where a request ends in the bytes of its connection (RFC 9112 §6).

use super::chunks::{Chunks, NotChunks};
use super::hop_by_hop::{Field, number};
use super::upgrade;
use httparse::Status;

/// Header lines at most, as pingora counts them.
const LINES: usize = 256;

/// A request's header section, as far as the bytes behind it depend on it.
pub enum Section {
    /// It is not whole yet.
    Partial,
    Whole {
        /// Bytes of the section.
        length: usize,
        body: RequestBody,
    },
    /// Another protocol may follow: the connection ends with the response, or with that protocol.
    Upgrade,
    /// More lines than pingora reads.
    TooManyLines,
    /// Not a header section by RFC 9112 §2 to §6, or one that does not say where the body ends.
    /// pingora's parser is lenient: it escapes an invalid request target, for example, and reads the
    /// bytes behind it as a part of this request or of the next one.
    Malformed,
}

/// How the end of a request's body is found.
#[derive(Debug)]
pub enum RequestBody {
    Length(u64),
    Chunked(Chunks),
}

impl Section {
    pub fn scan(bytes: &[u8]) -> Self {
        let mut storage = [httparse::EMPTY_HEADER; LINES];
        let mut request = httparse::Request::new(&mut storage);
        let length = match request.parse(bytes) {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) => return Self::Partial,
            Err(httparse::Error::TooManyHeaders) => return Self::TooManyLines,
            Err(_) => return Self::Malformed,
        };
        if upgrade::is_asked_for(request.method.unwrap_or_default(), || lines(&request))
            && !is_framed(&request)
        {
            return Self::Upgrade;
        }
        match body(&request) {
            Some(body) => Self::Whole { length, body },
            None => Self::Malformed,
        }
    }
}

fn lines<'r>(request: &'r httparse::Request<'_, '_>) -> impl Iterator<Item = (&'r str, &'r [u8])> {
    request.headers.iter().map(|line| (line.name, line.value))
}

fn is_framed(request: &httparse::Request<'_, '_>) -> bool {
    let framing = [Field::ContentLength, Field::TransferEncoding];
    lines(request).any(|(name, _)| framing.contains(&Field::named(name)))
}

/// `None` where two readers could find different lengths (RFC 9112 §6.1, §6.3).
fn body(request: &httparse::Request<'_, '_>) -> Option<RequestBody> {
    let (mut length, mut chunked) = (None, false);
    for (name, value) in lines(request) {
        match Field::named(name) {
            Field::ContentLength if length.is_some() => return None,
            Field::ContentLength => length = Some(number(value)?),
            Field::TransferEncoding if value.eq_ignore_ascii_case(b"chunked") && !chunked => {
                chunked = true;
            }
            Field::TransferEncoding => return None,
            _ => {}
        }
    }
    match (chunked, length) {
        (true, Some(_)) => None,
        (true, None) => {
            (request.version == Some(1)).then(|| RequestBody::Chunked(Chunks::default()))
        }
        (false, length) => Some(RequestBody::Length(length.unwrap_or(0))),
    }
}

impl RequestBody {
    /// How many of these bytes belong to the body.
    pub fn take(&mut self, bytes: &[u8]) -> Result<usize, NotChunks> {
        match self {
            Self::Length(left) => {
                let some = usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= some as u64;
                Ok(some)
            }
            Self::Chunked(chunks) => {
                let mut taken = 0;
                while taken < bytes.len() && !chunks.is_done() {
                    let piece = chunks.take(&bytes[taken..])?;
                    taken += piece.framing + piece.data;
                }
                Ok(taken)
            }
        }
    }

    pub fn is_done(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunks) => chunks.is_done(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        match Section::scan(text.as_bytes()) {
            Section::Partial => "partial".to_owned(),
            Section::Upgrade => "upgrade".to_owned(),
            Section::TooManyLines => "too many lines".to_owned(),
            Section::Malformed => "malformed".to_owned(),
            Section::Whole { length, mut body } => {
                let rest = &text.as_bytes()[length..];
                match body.take(rest) {
                    Ok(taken) => format!("{length} {taken} {}", body.is_done()),
                    Err(NotChunks) => "not chunks".to_owned(),
                }
            }
        }
    }

    #[test]
    fn a_request_ends_where_every_reader_sees_it_end() {
        for (lines, rest, expected) in [
            ("", "GET /next", "27 0 true"),
            ("Content-Length: 3\r\n", "abcGET", "46 3 true"),
            ("Content-Length: 30\r\n", "abc", "47 3 false"),
            ("Transfer-Encoding: Chunked\r\n", "1\r\na\r\n0\r\n\r\nGET", "55 11 true"),
            ("Transfer-Encoding: chunked\r\n", "1\na", "not chunks"),
            ("Transfer-Encoding: gzip, chunked\r\n", "", "malformed"),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "", "malformed"),
            ("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "", "malformed"),
            ("Content-Length: 3\r\nContent-Length: 3\r\n", "", "malformed"),
            ("Content-Length: +3\r\n", "", "malformed"),
            ("Content-Length: 99999999999999999999\r\n", "", "malformed"),
            ("Connection: upgrade\r\nUpgrade: websocket\r\n", "", "upgrade"),
            ("Upgrade: websocket\r\n", "", "47 0 true"),
        ] {
            let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n{rest}");
            assert_eq!(read(&text), expected, "{text:?}");
        }
        assert_eq!(read("GET / HTTP/1.1\r\nHost"), "partial");
        for line in ["GET /\x01 HTTP/1.1", "GET /a b HTTP/1.1", "GET  / HTTP/1.1", "GET / HTTP/2.0"]
        {
            assert_eq!(read(&format!("{line}\r\n\r\n")), "malformed", "{line:?}");
        }
        assert_eq!(read("GET / HTTP/1.1\r\na b: c\r\n\r\n"), "malformed");
        assert_eq!(read("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), "malformed");
    }
}
