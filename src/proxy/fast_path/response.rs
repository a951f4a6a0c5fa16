//! The response's head: read from the upstream and written for the client in one go.

use crate::deny::OwnResponse;
use crate::proxy::cache_control;
use crate::proxy::connection::ConnectionUse;
use crate::proxy::hop_by_hop::{Field, number};
use crate::proxy::stream::is_stream_type;
use crate::proxy::upstream_response::has_no_body;
use bytes::{BufMut, BytesMut};
use http::{Method, StatusCode};
use httparse::Status;
use std::io::Write;
use std::mem::MaybeUninit;

/// Header lines at most; a response with more is not plain.
const LINES: usize = 64;

/// A longer head is not plain.
pub const LONGEST: usize = 16 * 1024;

/// Room for added bytes besides those that were read.
pub const ADDED: usize = 128;

/// A plain response: a final one over HTTP/1.1 whose framing every reader sees in the same way.
pub struct Response {
    pub status: StatusCode,
    /// Bytes of the head.
    pub head: usize,
    pub body: ResponseBody,
    /// The upstream takes further requests on this connection.
    pub kept: bool,
    /// It may go on for as long as the upstream likes.
    pub is_stream: bool,
}

/// How the end of the body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseBody {
    /// There, also where the response has no body.
    Length(usize),
    Chunked,
    /// With the connection.
    Rest,
}

pub enum Read {
    Whole(Response),
    /// A head of so many bytes; a final one follows (RFC 9110 §15.2).
    Interim(usize),
    /// Some of the head is missing.
    Partly,
    /// It is not plain, or not even a response.
    Odd,
}

/// Reads a head, and writes it for the client, [`Connection::end_head`] aside, replacing the
/// content of `to`. All header fields but hop-by-hop ones are forwarded. A response that is
/// `private` is kept out of shared caches.
pub fn read_head(bytes: &[u8], method: &Method, private: bool, to: &mut BytesMut) -> Read {
    let mut lines = [const { MaybeUninit::uninit() }; LINES];
    let mut response = httparse::Response::new(&mut []);
    let head = match httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        bytes,
        &mut lines,
    ) {
        Ok(Status::Complete(length)) => length,
        Ok(Status::Partial) => return Read::Partly,
        Err(_) => return Read::Odd,
    };
    match written(&response, method, private, to) {
        Some(WrittenHead { status, .. }) if status.is_informational() => Read::Interim(head),
        Some(WrittenHead { status, body, kept, is_stream }) => {
            Read::Whole(Response { status, head, body, kept, is_stream })
        }
        None => Read::Odd,
    }
}

struct WrittenHead {
    status: StatusCode,
    body: ResponseBody,
    kept: bool,
    is_stream: bool,
}

fn written(
    response: &httparse::Response<'_, '_>,
    method: &Method,
    private: bool,
    to: &mut BytesMut,
) -> Option<WrittenHead> {
    let status = response
        .code
        .and_then(|code| StatusCode::from_u16(code).ok())
        .filter(|status| *status != StatusCode::SWITCHING_PROTOCOLS)?;
    let interim = status.is_informational();
    let has_body = !interim && !has_no_body(status, method);
    // RFC 9110 §8.6, RFC 9112 §6.1
    let unframed = interim || status == StatusCode::NO_CONTENT;
    if response.version != Some(1) {
        return None;
    }
    to.clear();
    start(to, status, response.reason.unwrap_or_default());
    let (mut length, mut chunked, mut kept, mut is_stream) = (None, false, true, false);
    let is_private_line = |name: &str| private && name.eq_ignore_ascii_case("cache-control");
    for line in response.headers.iter() {
        match Field::named(line.name) {
            Field::EndToEnd if is_private_line(line.name) => continue,
            Field::EndToEnd if line.name.eq_ignore_ascii_case("content-type") => {
                is_stream |= is_stream_type(line.value);
            }
            Field::EndToEnd | Field::Expect | Field::OfRequests => {}
            Field::Date | Field::KeepAlive | Field::Upgrade => continue,
            Field::Connection => match line.value {
                close if close.eq_ignore_ascii_case(b"close") => {
                    kept = false;
                    continue;
                }
                keep if keep.eq_ignore_ascii_case(b"keep-alive") => continue,
                // it names other headers
                _ => return None,
            },
            Field::TransferEncoding => {
                if chunked || !line.value.eq_ignore_ascii_case(b"chunked") {
                    return None;
                }
                chunked = true;
                if unframed {
                    continue;
                }
            }
            Field::ContentLength => {
                let announced = usize::try_from(number(line.value)?).ok()?;
                if length.replace(announced).is_some() {
                    return None;
                }
                if unframed {
                    continue;
                }
            }
        }
        self::line(to, line.name.as_bytes(), line.value);
    }
    if chunked && length.is_some() {
        return None;
    }
    if interim {
        to.extend_from_slice(b"\r\n");
        return Some(WrittenHead { status, body: ResponseBody::Length(0), kept, is_stream: false });
    }
    if private {
        let lines = response.headers.iter().filter(|line| is_private_line(line.name));
        let value = cache_control::private(lines.map(|line| line.value));
        self::line(to, b"Cache-Control", &value);
    }
    let body = match length {
        // a body that must not come may come all the same
        _ if !has_body => {
            kept &= !chunked && length.unwrap_or(0) == 0;
            ResponseBody::Length(0)
        }
        Some(length) => ResponseBody::Length(length),
        None if chunked => ResponseBody::Chunked,
        None => {
            kept = false;
            self::line(to, b"Transfer-Encoding", b"chunked");
            ResponseBody::Rest
        }
    };
    Some(WrittenHead { status, body, kept, is_stream })
}

/// The whole of a response of the gateway's own.
pub fn own(response: &OwnResponse, connection: ConnectionUse) -> BytesMut {
    let mut to = BytesMut::with_capacity(1024);
    start(&mut to, response.status, response.status.canonical_reason().unwrap_or_default());
    for (name, value) in &response.headers {
        line(&mut to, name.as_bytes(), value.as_bytes());
    }
    let mut digits = [0; 20];
    let mut rest = digits.as_mut_slice();
    let _ = write!(rest, "{}", response.length); // twenty digits are enough
    let free = rest.len();
    line(&mut to, b"Content-Length", &digits[..digits.len() - free]);
    connection.end_head(&mut to);
    to.extend_from_slice(&response.body);
    to
}

pub fn start(to: &mut BytesMut, status: StatusCode, reason: &str) {
    to.extend_from_slice(b"HTTP/1.1 ");
    to.extend_from_slice(status.as_str().as_bytes());
    to.put_u8(b' ');
    to.extend_from_slice(reason.as_bytes());
    to.extend_from_slice(b"\r\n");
}

pub fn line(to: &mut BytesMut, name: &[u8], value: &[u8]) {
    to.extend_from_slice(name);
    to.extend_from_slice(b": ");
    to.extend_from_slice(value);
    to.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The head for the client, the length of the body and whether the connection is kept; or the
    /// name of another result.
    fn passed_on(method: Method, text: &str) -> Result<(String, ResponseBody, bool), &'static str> {
        let mut to = BytesMut::from("left over");
        match read_head(text.as_bytes(), &method, false, &mut to) {
            Read::Whole(response) => {
                // an empty line; LF alone ends a line too (RFC 9112 §2.2)
                let head = &text[..response.head];
                assert!(head.ends_with("\n\r\n") || head.ends_with("\n\n"));
                Ok((String::from_utf8_lossy(&to).into_owned(), response.body, response.kept))
            }
            Read::Interim(_) => Err("interim"),
            Read::Partly => Err("partly"),
            Read::Odd => Err("odd"),
        }
    }

    #[test]
    fn hop_by_hop_fields_are_not_forwarded() {
        let text = "HTTP/1.1 200 All Right\r\nX-a: 1\r\nDate: then\r\nconnection: Keep-Alive\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\n\
            Proxy-Connection: close\r\nx-A:  2 \r\ncontent-length: 3\r\n\r\nabc";
        let expected = "HTTP/1.1 200 All Right\r\nX-a: 1\r\nx-A: 2\r\ncontent-length: 3\r\n";
        assert_eq!(
            passed_on(Method::GET, text),
            Ok((expected.to_owned(), ResponseBody::Length(3), true))
        );
    }

    #[test]
    fn bodies_are_as_long_as_they_say() {
        let of = |method, text: &str| {
            passed_on(method, &format!("HTTP/1.1 {text}\r\n\r\n"))
                .map(|(_, body, kept)| (body, kept))
        };
        assert_eq!(
            of(Method::GET, "200 OK\r\nContent-Length: 10\r\nConnection: close"),
            Ok((ResponseBody::Length(10), false))
        );
        // a connection on which a body may come that must not come is not kept
        for (method, text, kept) in [
            (Method::HEAD, "200 OK\r\nContent-Length: 10", false),
            (Method::HEAD, "200 OK\r\nContent-Length: 0", true),
            (Method::HEAD, "200 OK", true),
            (Method::HEAD, "200 OK\r\nTransfer-Encoding: chunked", false),
            (Method::GET, "204 No Content", true),
            (Method::GET, "204 No Content\r\nContent-Length: 0", true),
            (Method::GET, "204 No Content\r\nContent-Length: 5", false),
            (Method::GET, "304 Not Modified", true),
            (Method::GET, "304 Not Modified\r\nContent-Length: 10", false),
        ] {
            assert_eq!(of(method, text), Ok((ResponseBody::Length(0), kept)), "{text}");
        }
    }

    #[test]
    fn a_body_without_a_length_is_chunked_for_the_client() {
        let of = |lines: &str| passed_on(Method::GET, &format!("HTTP/1.1 200 OK\r\n{lines}\r\n"));
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n".to_owned();
        assert_eq!(
            of("Transfer-Encoding: chunked\r\n"),
            Ok((head.clone(), ResponseBody::Chunked, true))
        );
        assert_eq!(of(""), Ok((head, ResponseBody::Rest, false)));
        assert_eq!(passed_on(Method::GET, "HTTP/1.1 100 Continue\r\n\r\n"), Err("interim"));
        let no_content = "HTTP/1.1 204 No Content\r\n".to_owned();
        assert_eq!(
            passed_on(Method::GET, "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"),
            Ok((no_content, ResponseBody::Length(0), false))
        );
    }

    #[test]
    fn odd_responses_are_rejected() {
        for text in [
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 204 No Content\r\nTransfer-Encoding: identity\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX-Folded: a\r\n b\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX : 1\r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
            "SSH-2.0-x\r\n\r\n",
        ] {
            assert_eq!(passed_on(Method::GET, text), Err("odd"), "{text:?}");
        }
        assert_eq!(passed_on(Method::GET, "HTTP/1.1 200 OK\r\nContent-Le"), Err("partly"));
        assert_eq!(passed_on(Method::GET, ""), Err("partly"));
    }

    proptest! {
        #[test]
        fn no_header_is_split_with_any_input(
            text in "HTTP/1.[01] [0-9]{3}( [ -~]{0,5})?(\r\n|\n)(Content-Length: [0-9]{1,2}\r\n)?([A-Za-z-]{1,9}:[ -~\t]{0,9}(\r\n|\n|\r)){0,4}(\r\n|\n)"
        ) {
            if let Ok((written, _, _)) = passed_on(Method::GET, &text) {
                for line in written.split_terminator("\r\n") {
                    prop_assert!(!line.contains(['\r', '\n']) && !line.is_empty(), "{line:?}");
                }
            }
        }
    }
}
