//! The upstream's request, in the bytes that are sent.

use super::plain::Plain;
use crate::proxy::exchange::Exchange;
use crate::proxy::forward::{cookies, forwarding_headers, host, passes, target};
use bytes::{BufMut, BytesMut};
use http::{HeaderName, header};

/// Bytes of most header sections at most.
const SECTION: usize = 2048;

/// The request line and the header section, with room for `more` bytes behind it. The client's
/// header lines go first, in their order.
pub fn bytes(plain: &Plain, exchange: &Exchange, more: usize) -> BytesMut {
    let mut to = BytesMut::with_capacity(SECTION + more);
    let head = plain.head();
    to.extend_from_slice(plain.method.as_str().as_bytes());
    to.put_u8(b' ');
    to.extend_from_slice(
        target(head.target, exchange).as_ref().map_or(head.target, |target| target.as_bytes()),
    );
    to.extend_from_slice(b" HTTP/1.1\r\n");

    let (host, cookies) = (host(head.headers, exchange), cookies(head.headers, exchange));
    let repeated = head.headers.len() > head.headers.keys_len();
    for (name, value) in head.headers {
        let replaced = (*name == header::HOST && host.is_some())
            || (*name == header::COOKIE && cookies.is_some());
        // all lines of a header go, or none
        let all_pass = || {
            !repeated
                || head.headers.get_all(name).iter().all(|value| passes(name, value, exchange))
        };
        let kept = plain.handshake.as_ref().is_some_and(|handshake| handshake.keeps(name));
        if !replaced && !kept && passes(name, value, exchange) && all_pass() {
            line(&mut to, name, value.as_bytes());
        }
    }
    if let Some(host) = host {
        line(&mut to, &header::HOST, host.as_bytes());
    }
    for cookies in cookies.iter().flatten() {
        line(&mut to, &header::COOKIE, cookies.as_bytes());
    }
    for (name, value) in forwarding_headers(exchange) {
        if !value.is_empty() {
            line(&mut to, &name, value);
        }
    }
    if let Some((entry, rendered)) = &exchange.identity {
        for (name, part) in exchange.runtime.identity.parts(rendered, &entry.facts) {
            // none of them has a line break; if one had, there would be no line rather than two
            if !part.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
                line(&mut to, name, part);
            }
        }
    }
    if plain.handshake.is_some() {
        line(&mut to, &header::CONNECTION, b"Upgrade");
    }
    to.extend_from_slice(b"\r\n");
    to
}

/// `value` is that of a header: it has no line break.
fn line(to: &mut BytesMut, name: &HeaderName, value: &[u8]) {
    let name = name.as_str().as_bytes();
    to.reserve(name.len() + value.len() + 4);
    to.extend_from_slice(name);
    to.extend_from_slice(b": ");
    to.extend_from_slice(value);
    to.extend_from_slice(b"\r\n");
}
