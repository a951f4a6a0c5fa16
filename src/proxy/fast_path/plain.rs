//! Recognising a plain request. A request in doubt is not plain.

use super::handshake::UpgradeFields;
use crate::proxy::chunks::Chunks;
use crate::proxy::head::Head;
use crate::proxy::hop_by_hop::{Field, number};
use crate::proxy::request_framing::RequestBody;
use crate::route::Host;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header};
use httparse::Status;
use std::mem::MaybeUninit;

/// Header lines of a plain request at most.
const LINES: usize = 64;

/// A request over HTTP/1.1 in origin-form, with one sound `Host`, a body that has a length or is
/// chunked, or none, and without anything that is meant for one hop, but for whether the connection
/// is kept. Or one for an upgrade, of which less is demanded.
pub struct Plain {
    pub method: Method,
    pub target: Bytes,
    /// `None` for an upgrade: it is checked as on the general way.
    pub host: Option<Host>,
    pub headers: HeaderMap,
    pub framing: Framing,
    /// The client wants no other response on this connection.
    pub closes: bool,
    /// There where it asks for an upgrade.
    pub handshake: Option<Box<UpgradeFields>>,
}

/// How the end of the body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    Length(u64),
    Chunked,
}

impl Plain {
    /// Takes a whole header section from `read`. `None`, and nothing is taken, where there is none
    /// yet, where it is not plain, or where the request is `special` in another way.
    pub fn take_unless(read: &mut BytesMut, special: impl FnOnce(&Self) -> bool) -> Option<Self> {
        let bytes = std::mem::take(read).freeze();
        match Self::parse(&bytes).filter(|(plain, _)| !special(plain)) {
            Some((plain, length)) => {
                read.extend_from_slice(bytes.get(length..).unwrap_or_default());
                Some(plain)
            }
            None => {
                *read = bytes.into();
                None
            }
        }
    }

    /// With the length of the header section.
    fn parse(bytes: &Bytes) -> Option<(Self, usize)> {
        let mut lines = [const { MaybeUninit::uninit() }; LINES];
        let mut request = httparse::Request::new(&mut []);
        let Ok(Status::Complete(length)) = request.parse_with_uninit_headers(bytes, &mut lines)
        else {
            return None;
        };
        // a section that a bare line feed ends is longer for some readers
        if request.version != Some(1) || !bytes.get(..length)?.ends_with(b"\r\n\r\n") {
            return None;
        }
        let method = match request.method? {
            "GET" => Method::GET,
            "HEAD" => Method::HEAD,
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            "PATCH" => Method::PATCH,
            "DELETE" => Method::DELETE,
            "OPTIONS" => Method::OPTIONS,
            _ => return None,
        };
        let target = request.path.filter(|target| is_plain_target(target.as_bytes()))?;

        let mut headers = HeaderMap::with_capacity(request.headers.len());
        let (mut connection, mut framing, mut expects) = (None, None, false);
        for line in request.headers {
            match treatment(line.name, line.value) {
                Treatment::Passes => {}
                // a repeated field may have two meanings
                Treatment::Connection { closes } if connection.replace(closes).is_none() => {
                    continue;
                }
                Treatment::Framing(this) if framing.is_none() => framing = Some(this),
                Treatment::Expect if !expects => expects = true,
                _ => return None,
            }
            let name = HeaderName::from_bytes(line.name.as_bytes()).ok()?;
            let value = HeaderValue::from_maybe_shared(bytes.slice_ref(line.value)).ok()?;
            headers.append(name, value);
        }
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = Some(Host::parse(hosts.next()?.as_bytes())?);
        hosts.next().is_none().then_some(())?;
        let closes = connection.unwrap_or(false);
        let framing = framing.unwrap_or(Framing::Length(0));
        let target = bytes.slice_ref(target.as_bytes());
        Some((Self { method, target, host, headers, framing, closes, handshake: None }, length))
    }

    /// The body, of which nothing was read yet.
    pub fn body(&self) -> RequestBody {
        match self.framing {
            Framing::Length(length) => RequestBody::Length(length),
            Framing::Chunked => RequestBody::Chunked(Chunks::default()),
        }
    }

    pub fn head(&self) -> Head<'_> {
        Head {
            method: &self.method,
            target: &self.target,
            authority: None,
            version: Version::HTTP_11,
            headers: &self.headers,
        }
    }
}

/// Effect of a header line on the choice of the way.
enum Treatment {
    Passes,
    /// `Connection: close` or `keep-alive`.
    Connection {
        closes: bool,
    },
    Framing(Framing),
    /// `Expect: 100-continue`: the upstream answers it.
    Expect,
    NotPlain,
}

fn treatment(name: &str, value: &[u8]) -> Treatment {
    match Field::named(name) {
        Field::EndToEnd | Field::Date => Treatment::Passes,
        Field::Connection if value.eq_ignore_ascii_case(b"close") => {
            Treatment::Connection { closes: true }
        }
        Field::Connection if value.eq_ignore_ascii_case(b"keep-alive") => {
            Treatment::Connection { closes: false }
        }
        Field::ContentLength => number(value)
            .map_or(Treatment::NotPlain, |length| Treatment::Framing(Framing::Length(length))),
        Field::TransferEncoding if value.eq_ignore_ascii_case(b"chunked") => {
            Treatment::Framing(Framing::Chunked)
        }
        Field::Expect if value.eq_ignore_ascii_case(b"100-continue") => Treatment::Expect,
        _ => Treatment::NotPlain,
    }
}

/// A path and perhaps a query of visible ASCII.
fn is_plain_target(target: &[u8]) -> bool {
    target.starts_with(b"/")
        && target.iter().all(|&byte| matches!(byte, 0x21..=0x7e) && byte != b'#')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn taken(text: &str) -> Option<Plain> {
        let mut read = BytesMut::from(text);
        let plain = Plain::take_unless(&mut read, |_| false);
        let left = if plain.is_some() {
            &text[text.find("\r\n\r\n").map_or(0, |end| end + 4)..]
        } else {
            text
        };
        assert_eq!(&read[..], left.as_bytes(), "taken whole, or left as it was");
        plain
    }

    #[test]
    fn a_plain_request_is_taken_and_nothing_more() {
        let plain = taken("GET /a?b=c HTTP/1.1\r\nHost: a.test\r\nX-One:  1 \r\nConnection: Keep-Alive\r\n\r\nGET /next").map(|plain| {
            let lines = plain.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or_default()));
            (plain.method.clone(), plain.target.clone(), lines.collect::<Vec<_>>(), plain.closes)
        });
        let lines = vec!["host: a.test".to_owned(), "x-one: 1".to_owned()];
        assert_eq!(plain, Some((Method::GET, Bytes::from_static(b"/a?b=c"), lines, false)));
        assert!(
            taken("HEAD / HTTP/1.1\r\nhost: [::1]:80\r\nCONNECTION: Close\r\n\r\n")
                .is_some_and(|plain| plain.closes)
        );
    }

    #[test]
    fn a_body_has_a_length_or_is_chunked() {
        for (lines, framing) in [
            ("", Framing::Length(0)),
            ("Content-Length: 12\r\nExpect: 100-Continue\r\n", Framing::Length(12)),
            ("Transfer-Encoding: Chunked\r\n", Framing::Chunked),
        ] {
            let plain = taken(&format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\nbody"));
            assert_eq!(plain.map(|plain| plain.framing), Some(framing), "{lines}");
        }
    }

    #[test]
    fn other_requests_are_left_untouched() {
        for start in [
            "CONNECT /",
            "TRACE /",
            "PROPFIND /",
            "get /",
            "OPTIONS *",
            "GET http://a.test/",
            "GET *",
            "GET a",
            "GET /#a",
            "GET /é",
            "GET / x",
            "PRI *",
        ] {
            assert!(taken(&format!("{start} HTTP/1.1\r\nHost: a\r\n\r\n")).is_none(), "{start}");
        }
        for line in [
            "Content-Length: +1",
            "Content-Length: ",
            "Content-Length: 1, 1",
            "Content-Length: 1\r\nContent-Length: 1",
            "Content-Length: 99999999999999999999",
            "Transfer-Encoding: gzip",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 1",
            "Content-Length: 1\r\nTransfer-Encoding: chunked",
            "Expect: something",
            "Expect: 100-continue\r\nExpect: 100-continue",
            "Upgrade: h2c",
            "Connection: upgrade",
            "Connection: close, x",
            "Connection: ",
            "Connection: keep-alive\r\nConnection: close",
            "TE: trailers",
            "Trailer: a",
            "Keep-Alive: timeout=5",
            "Proxy-Connection: keep-alive",
            "Proxy-Authorization: Basic eDp5",
            "HTTP2-Settings: a",
            "Host: b",
            "Name : value",
            " folded",
            "no colon",
            "X: a\0",
        ] {
            assert!(
                taken(&format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n")).is_none(),
                "{line}"
            );
        }
        for host in ["", "Host: \r\n", "Host: a b\r\n", "Host: a@b\r\n", "Host: a/b\r\n"] {
            assert!(taken(&format!("GET / HTTP/1.1\r\n{host}\r\n")).is_none(), "{host}");
        }
        for text in [
            "",
            "GET / HTTP/1.1\r\nHost: a\r\n",
            "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\nHost: a\n\n",
            "\r\n\r\n",
        ] {
            assert!(taken(text).is_none(), "{text:?}");
        }
        let many: String = (0..LINES).map(|n| format!("X-{n}: 1\r\n")).collect();
        assert!(taken(&format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n")).is_none());
        // two readers could see one header section or two here
        assert!(
            taken("GET / HTTP/1.1\r\nHost: a\n\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n").is_none()
        );
    }

    proptest! {
        #[test]
        fn nothing_is_lost_with_any_input(
            text in "(GET|HEAD|POST) /[a-z?%#é]{0,5} HTTP/1.[01](\r\n|\n)(Host: a(\r\n|\n))?([A-Za-z -]{0,9}[: ]{0,2}[ -~]{0,9}(\r\n|\n|\r)){0,4}(\r\n|\n)?[ -~]{0,9}"
        ) {
            if let Some(plain) = taken(&text) {
                prop_assert!(plain.headers.get_all("host").iter().count() == 1);
                let framed = ["content-length", "transfer-encoding"].map(|name| plain.headers.get_all(name).iter().count());
                prop_assert!(framed[0] + framed[1] <= 1);
            }
        }
    }
}
