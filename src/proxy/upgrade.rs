//! Requests to change the protocol of a connection (RFC 9110 §7.8): which of them are carried out,
//! and which answers to them are right.

use super::field_syntax::is_token;
use super::hop_by_hop::Field;
use crate::request::members;
use http::{HeaderMap, header};

/// Protocols that carry further HTTP requests. These would go around the gate: they are never
/// switched to. RFC 9113 §3.1 deprecates `h2c`.
const CARRY_HTTP: [&[u8]; 8] = [b"http", b"https", b"h2c", b"h2", b"h3", b"hq", b"tls", b"ssl"];

/// Whether a request asks for an upgrade that the gateway carries out: a GET with one line of
/// `Upgrade` that `Connection` names and that lists no protocol which carries HTTP. `lines` gives the
/// names and values of its header lines.
pub fn is_asked_for<'l, L>(method: &str, lines: impl Fn() -> L) -> bool
where
    L: Iterator<Item = (&'l str, &'l [u8])>,
{
    let (mut upgrades, mut named) = (0, false);
    for (name, value) in lines() {
        match Field::named(name) {
            Field::Upgrade if is_carried_out(value) => upgrades += 1,
            Field::Upgrade => return false,
            Field::Connection => {
                named |= members(value).any(|name| name.eq_ignore_ascii_case(b"upgrade"));
            }
            _ => {}
        }
    }
    // a repeated line has two meanings: services exist that read the first one only
    method == "GET" && upgrades == 1 && named
}

/// Whether a 101 switches to protocols that the request asked for, and to nothing else.
pub fn is_agreed(request: &HeaderMap, response: &HeaderMap) -> bool {
    let mut agreed = protocols(response).peekable();
    let asked = |protocol: &[u8]| protocols(request).any(|one| one.eq_ignore_ascii_case(protocol));
    agreed.peek().is_some() && agreed.all(asked)
}

/// Whether a 101 switches to WebSocket (RFC 6455 §4.2.2).
pub fn is_websocket(response: &HeaderMap) -> bool {
    let mut protocols = protocols(response);
    let is = protocols.next().is_some_and(|one| one.eq_ignore_ascii_case(b"websocket"));
    is && protocols.next().is_none()
}

fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(header::UPGRADE).iter().flat_map(|value| members(value.as_bytes()))
}

/// At least one protocol, and none that carries HTTP.
fn is_carried_out(value: &[u8]) -> bool {
    let mut protocols = members(value).peekable();
    protocols.peek().is_some() && protocols.all(|one| is_protocol(one) && !carries_http(one))
}

/// `protocol-name ["/" protocol-version]`, both of them tokens.
fn is_protocol(protocol: &[u8]) -> bool {
    let mut parts = protocol.split(|&byte| byte == b'/');
    let (name, version) = (parts.next().unwrap_or_default(), parts.next());
    is_token(name) && version.is_none_or(is_token) && parts.next().is_none()
}

/// In any version, drafts included (`h2c-14`).
fn carries_http(protocol: &[u8]) -> bool {
    let name = protocol.split(|byte| b"/-".contains(byte)).next().unwrap_or_default();
    CARRY_HTTP.iter().any(|carrier| name.eq_ignore_ascii_case(carrier))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn an_upgrade_is_a_get_whose_connection_names_it() {
        let (upgrade, connection) =
            (("Upgrade", "WebSocket"), ("Connection", "keep-alive, Upgrade"));
        for (method, lines, asked) in [
            ("GET", vec![upgrade, connection], true),
            ("GET", vec![("Connection", "x"), connection, upgrade], true),
            ("GET", vec![upgrade], false),
            ("GET", vec![connection], false),
            ("GET", vec![upgrade, ("Connection", "keep-alive")], false),
            ("GET", vec![upgrade, ("Connection", "upgrades")], false),
            ("GET", vec![upgrade, upgrade, connection], false),
            ("GET", vec![upgrade, ("Upgrade", "h2c"), connection], false),
            ("OPTIONS", vec![upgrade, connection], false),
            ("POST", vec![upgrade, connection], false),
            ("HEAD", vec![upgrade, connection], false),
            ("get", vec![upgrade, connection], false),
        ] {
            let given = || lines.iter().map(|(name, value)| (*name, value.as_bytes()));
            assert_eq!(is_asked_for(method, given), asked, "{method} {lines:?}");
        }
    }

    #[test]
    fn protocols_that_carry_http_are_never_switched_to() {
        for (protocols, asked) in [
            ("websocket", true),
            ("chat/1.0, x-echo,", true),
            ("h264", true),
            ("h2c", false),
            ("H2C", false),
            ("h2c-14", false),
            ("h2", false),
            ("h3-29", false),
            ("HTTP/2.0", false),
            ("http", false),
            ("TLS/1.0", false),
            ("websocket, h2c", false),
            ("h2c, websocket", false),
            ("", false),
            (",", false),
            ("web socket", false),
            ("a/b/c", false),
            ("a/", false),
            ("\"websocket\"", false),
        ] {
            let lines = [("Upgrade", protocols), ("Connection", "Upgrade")];
            let given = || lines.iter().map(|(name, value)| (*name, value.as_bytes()));
            assert_eq!(is_asked_for("GET", given), asked, "{protocols}");
        }
    }

    #[test]
    fn a_switch_is_to_protocols_that_were_asked_for() {
        let headers = |lines: &[&'static str]| -> HeaderMap {
            lines.iter().map(|line| (header::UPGRADE, HeaderValue::from_static(line))).collect()
        };
        for (asked, agreed, right, websocket) in [
            ("websocket", &["WebSocket"][..], true, true),
            ("websocket, a/1", &["a/1"], true, false),
            ("websocket, a/1", &["a/1, websocket"], true, false),
            ("a/1", &["a/2"], false, false),
            ("websocket", &["h2c"], false, false),
            ("websocket", &["websocket, h2c"], false, false),
            ("websocket", &["websocket", "h2c"], false, false),
            ("websocket", &[""], false, false),
            ("websocket", &[], false, false),
        ] {
            let answer = headers(agreed);
            assert_eq!(is_agreed(&headers(&[asked]), &answer), right, "{asked} {agreed:?}");
            assert_eq!(is_websocket(&answer), websocket, "{agreed:?}");
        }
    }
}
