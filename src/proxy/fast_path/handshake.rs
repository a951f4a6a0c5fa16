//! Requests for an upgrade, and the 101 that answers one. More of such a request may be about the
//! client's connection than of a plain one; none of that is forwarded.

use super::plain::{Framing, Plain};
use super::response::{self, ADDED};
use crate::proxy::field_syntax::is_token;
use crate::proxy::hop_by_hop::Field;
use crate::proxy::upgrade;
use crate::proxy::validate;
use crate::request::members;
use crate::route::normalise;
use crate::runtime::Runtime;
use crate::upstream::UpstreamProtocol;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use httparse::Status;

/// Header lines at most, as on the general way.
const LINES: usize = 256;

/// Fields that describe the request itself: no client takes them from the service by naming them in
/// `Connection`.
const NOT_OPTIONS: [&str; 4] = ["host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];

/// The part of a request for an upgrade that is about the client's connection.
#[derive(Debug, Default)]
pub struct UpgradeFields {
    /// Fields that `Connection` names (RFC 9110 §7.6.1).
    named: Vec<HeaderName>,
}

impl UpgradeFields {
    /// Whether a field is not forwarded.
    pub fn keeps(&self, name: &HeaderName) -> bool {
        match Field::named(name.as_str()) {
            Field::Upgrade => false,
            Field::Connection | Field::KeepAlive | Field::OfRequests => true,
            _ => self.named.contains(name),
        }
    }
}

impl Plain {
    /// Takes a whole header section that asks for an upgrade from `read`. `None`, and nothing is
    /// taken, where it asks for none, or where its upstream speaks HTTP/2, which has none (RFC 9113
    /// §8.6).
    pub fn take_upgrade(read: &mut BytesMut, runtime: &Runtime) -> Option<Self> {
        let bytes = std::mem::take(read).freeze();
        match parse(&bytes).filter(|(request, _)| !leads_to_http2(request, runtime)) {
            Some((request, length)) => {
                read.extend_from_slice(bytes.get(length..).unwrap_or_default());
                Some(request)
            }
            None => {
                *read = bytes.into();
                None
            }
        }
    }
}

/// With the length of the header section.
fn parse(bytes: &Bytes) -> Option<(Plain, usize)> {
    let mut lines = [httparse::EMPTY_HEADER; LINES];
    let mut request = httparse::Request::new(&mut lines);
    let Ok(Status::Complete(length)) = request.parse(bytes) else { return None };
    let lines = || request.headers.iter().map(|line| (line.name, line.value));
    if request.version != Some(1) || !upgrade::is_asked_for(request.method?, lines) {
        return None;
    }
    let mut headers = HeaderMap::with_capacity(request.headers.len());
    let (mut handshake, mut closes) = (UpgradeFields::default(), false);
    for line in request.headers.iter() {
        match Field::named(line.name) {
            Field::ContentLength | Field::TransferEncoding => return None,
            Field::Connection => {
                for option in members(line.value) {
                    closes |= option.eq_ignore_ascii_case(b"close");
                    handshake.named.push(named(option)?);
                }
            }
            _ => {}
        }
        let name = HeaderName::from_bytes(line.name.as_bytes()).ok()?;
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(line.value)).ok()?;
        headers.append(name, value);
    }
    let target = bytes.slice_ref(request.path?.as_bytes());
    let (host, framing, handshake) = (None, Framing::Length(0), Some(Box::new(handshake)));
    let method = Method::GET;
    Some((Plain { method, target, host, headers, framing, closes, handshake }, length))
}

fn named(option: &[u8]) -> Option<HeaderName> {
    let name = HeaderName::from_bytes(option).ok().filter(|_| is_token(option))?;
    (!NOT_OPTIONS.contains(&name.as_str())).then_some(name)
}

/// False for a request that leads nowhere: the gate refuses it.
fn leads_to_http2(request: &Plain, runtime: &Runtime) -> bool {
    let head = request.head();
    let Ok(host) = validate::check(head, Vec::new) else { return false };
    let Ok(target) = normalise(head.target) else { return false };
    let gate = &runtime.gate;
    let found = gate.table.find(&host.name, target.comparable(), head.method);
    let route = found.ok().flatten().and_then(|found| gate.routes.get(found));
    route.is_some_and(|route| route.leads_to.upstream.settings.protocol == UpstreamProtocol::H2)
}

/// A 101 of an upstream.
pub struct Switch {
    pub headers: HeaderMap,
    /// Bytes of its head.
    pub length: usize,
    /// The head for the client, without the empty line at its end.
    pub written: BytesMut,
}

impl Switch {
    /// `None` where `bytes` do not begin with the whole head of a 101.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut lines = [httparse::EMPTY_HEADER; LINES];
        let mut response = httparse::Response::new(&mut lines);
        let Ok(Status::Complete(length)) = response.parse(bytes) else { return None };
        if response.version != Some(1) || response.code != Some(101) {
            return None;
        }
        let mut headers = HeaderMap::with_capacity(response.headers.len());
        for line in response.headers.iter() {
            let name = HeaderName::from_bytes(line.name.as_bytes()).ok()?;
            headers.append(name, HeaderValue::from_bytes(line.value).ok()?);
        }
        let mut written = BytesMut::with_capacity(length + ADDED);
        let reason = response.reason.unwrap_or_default();
        response::start(&mut written, StatusCode::SWITCHING_PROTOCOLS, reason);
        for line in response.headers.iter().filter(|line| is_forwarded(line.name, &headers)) {
            response::line(&mut written, line.name.as_bytes(), line.value);
        }
        response::line(&mut written, b"Connection", b"Upgrade");
        Some(Self { headers, length, written })
    }
}

/// Whether a field of a 101 is forwarded: none that is about the upstream's connection alone, and
/// none about a body, since there is none (RFC 9110 §8.6, RFC 9112 §6.1).
fn is_forwarded(name: &str, switch: &HeaderMap) -> bool {
    match Field::named(name) {
        Field::Upgrade => true,
        Field::Connection
        | Field::KeepAlive
        | Field::ContentLength
        | Field::TransferEncoding
        | Field::Date => false,
        Field::EndToEnd | Field::Expect | Field::OfRequests => {
            let lines = switch.get_all(header::CONNECTION).iter();
            let mut options = lines.flat_map(|line| members(line.as_bytes()));
            !options.any(|option| option.eq_ignore_ascii_case(name.as_bytes()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(lines: &str) -> Option<(Vec<String>, bool)> {
        let text = format!("GET /a HTTP/1.1\r\nHost: a.test\r\n{lines}\r\nearly");
        let (request, length) = parse(&Bytes::from(text.clone()))?;
        assert_eq!(&text[length..], "early");
        let handshake = request.handshake.as_ref()?;
        let forwarded = request.headers.keys().filter(|name| !handshake.keeps(name));
        let mut forwarded: Vec<_> = forwarded.map(ToString::to_string).collect();
        forwarded.sort();
        Some((forwarded, request.closes))
    }

    #[test]
    fn fields_about_the_clients_connection_are_not_forwarded() {
        let forwarded = |names: &[&str], closes| {
            Some((names.iter().map(ToString::to_string).collect::<Vec<_>>(), closes))
        };
        let asks = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
        assert_eq!(taken(asks), forwarded(&["host", "upgrade"], false));
        let more = "Connection: X-Named, Keep-Alive\r\nX-Named: 1\r\nX-Other: 1\r\n\
            Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\nTrailer: a\r\n\
            HTTP2-Settings: a\r\nProxy-Authorization: Basic eDp5\r\n";
        let expected = forwarded(&["host", "upgrade", "x-other"], false);
        assert_eq!(taken(&format!("{more}{asks}")), expected);
        let closes = "Connection: close, upgrade\r\nUpgrade: a/1\r\n";
        assert_eq!(taken(closes), forwarded(&["host", "upgrade"], true));
    }

    #[test]
    fn other_requests_are_left() {
        for lines in [
            "",
            "Connection: Upgrade\r\n",
            "Connection: Upgrade\r\nUpgrade: h2c\r\n",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n",
            "Connection: Upgrade, Host\r\nUpgrade: websocket\r\n",
            "Connection: Upgrade, X-Forwarded-For\r\nUpgrade: websocket\r\n",
            "Connection: Upgrade, \"x\"\r\nUpgrade: websocket\r\n",
            "Connection: Upgrade, :path\r\nUpgrade: websocket\r\n",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nX : 1\r\n",
        ] {
            assert_eq!(taken(lines), None, "{lines}");
        }
        let text = "GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        assert!(parse(&Bytes::from_static(text.as_bytes())).is_none());
    }

    #[test]
    fn a_switch_keeps_its_own_fields_only() {
        let text = "HTTP/1.1 101 Now\r\nUpgrade: a\r\nConnection: Upgrade, X-Named\r\nX-Named: 1\r\n\
            X-Other: 1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nKeep-Alive: a\r\n\r\nxy";
        let switch = Switch::parse(text.as_bytes()).map(|Switch { length, written, .. }| {
            (&text[length..], String::from_utf8_lossy(&written).into_owned())
        });
        let written = "HTTP/1.1 101 Now\r\nUpgrade: a\r\nX-Other: 1\r\nConnection: Upgrade\r\n";
        assert_eq!(switch, Some(("xy", written.to_owned())));
        for text in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.0 101 X\r\n\r\n",
            "HTTP/1.1 101 X\r\n",
            "HTTP/1.1 101 X\r\nA : b\r\n\r\n",
            "SSH-2.0-x\r\n\r\n",
        ] {
            assert!(Switch::parse(text.as_bytes()).is_none(), "{text:?}");
        }
    }
}
