//! Reads an upstream's bytes beside pingora, whose reader accepts malformed chunks: there, an empty
//! chunk size counts as the last chunk, and a truncated response would seem complete.

use crate::proxy::chunks::Chunks;
use http::{Method, StatusCode};
use httparse::{ParserConfig, Status};

/// Header lines at most, as pingora counts them.
const LINES: usize = 256;

/// Follows the responses on a connection up to the end of the final one.
#[derive(Debug)]
pub enum Strict {
    /// The head as far as it was read.
    Head(Vec<u8>),
    Chunked(Chunks),
    /// Bytes that pingora reads right.
    Other,
    /// Malformed chunks.
    Malformed,
}

impl Default for Strict {
    fn default() -> Self {
        Self::Head(Vec::new())
    }
}

impl Strict {
    /// The response to `HEAD` has no body, with any header fields (RFC 9110 §9.3.2).
    pub fn for_response_to(method: &Method) -> Self {
        if method == Method::HEAD { Self::Other } else { Self::default() }
    }

    /// Reads on. False where the bytes are no chunks although they should be.
    pub fn advance(&mut self, bytes: &[u8]) -> bool {
        if let Self::Head(head) = self {
            head.extend_from_slice(bytes);
            let head = std::mem::take(head);
            self.read_head(head);
        } else {
            self.read_body(bytes);
        }
        !matches!(self, Self::Malformed)
    }

    fn read_head(&mut self, mut head: Vec<u8>) {
        loop {
            let mut lines = [httparse::EMPTY_HEADER; LINES];
            let mut response = httparse::Response::new(&mut lines);
            let mut parser = ParserConfig::default();
            parser.allow_spaces_after_header_name_in_responses(true);
            parser.allow_obsolete_multiline_headers_in_responses(true);
            let (length, chunked) = match parser.parse_response(&mut response, &head) {
                Ok(Status::Complete(length)) => (length, is_chunked(&response)),
                Ok(Status::Partial) => {
                    *self = Self::Head(head);
                    return;
                }
                Err(_) => {
                    *self = Self::Other;
                    return;
                }
            };
            let code = response.code.and_then(|code| StatusCode::from_u16(code).ok());
            let interim = code.is_some_and(|code| {
                code.is_informational() && code != StatusCode::SWITCHING_PROTOCOLS
            });
            let rest = head.split_off(length);
            if interim {
                head = rest;
                continue;
            }
            let bodiless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].map(Some);
            if chunked && !bodiless.contains(&code) {
                *self = Self::Chunked(Chunks::lenient());
                self.read_body(&rest);
            } else {
                *self = Self::Other;
            }
            return;
        }
    }

    fn read_body(&mut self, bytes: &[u8]) {
        let Self::Chunked(chunks) = self else { return };
        let mut at = 0;
        while at < bytes.len() && !chunks.is_done() {
            match chunks.take(&bytes[at..]) {
                Ok(taken) => at += taken.framing + taken.data,
                Err(_) => {
                    *self = Self::Malformed;
                    return;
                }
            }
        }
    }
}

fn is_chunked(response: &httparse::Response<'_, '_>) -> bool {
    let mut lines = response.headers.iter();
    lines.any(|line| {
        line.name.eq_ignore_ascii_case("transfer-encoding")
            && line.value.eq_ignore_ascii_case(b"chunked")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_chunks_are_chunks() {
        let head =
            "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (body, sound) in [
            ("3 \r\nabc\r\n0\r\n\r\nHTTP/1.1", true),
            ("3\r\nabc\r\n", true),
            ("\r\n\r\n", false),
            ("3\r\nabc\r\n\r\n0\r\n\r\n", false),
            ("x\r\n", false),
        ] {
            for at_once in [1, 7, 999] {
                let text = format!("{head}{body}");
                let mut strict = Strict::default();
                let all = text.as_bytes().chunks(at_once).all(|piece| strict.advance(piece));
                assert_eq!(all, sound, "{body:?} {at_once}");
            }
        }
        for other in [
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
            "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\nx",
            "SSH-2.0\r\n",
        ] {
            assert!(Strict::default().advance(other.as_bytes()), "{other:?}");
        }
    }
}
