//! Requests to change the protocol of a connection (RFC 9110 §7.8). The only protocol is WebSocket:
//! any other one would be a tunnel around the gate.

use super::hop_by_hop::Field;
use http::{HeaderMap, Method, Version, header};

/// Whether a request asks for an upgrade: a GET with `Upgrade: websocket`, named in `Connection`.
/// `lines` gives the names and values of its header lines.
pub fn is_asked_for<'l, L>(method: &str, lines: impl Fn() -> L) -> bool
where
    L: Iterator<Item = (&'l str, &'l [u8])>,
{
    let (mut websocket, mut named) = (0, false);
    for (name, value) in lines() {
        match Field::named(name) {
            Field::Upgrade if value.eq_ignore_ascii_case(b"websocket") => websocket += 1,
            Field::Upgrade => return false,
            Field::Connection => {
                let mut names = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
                named |= names.any(|name| name.eq_ignore_ascii_case(b"upgrade"));
            }
            _ => {}
        }
    }
    method == "GET" && websocket == 1 && named
}

/// The same for a request that was parsed. One with a body is not an upgrade.
pub fn is_request(method: &Method, version: Version, headers: &HeaderMap) -> bool {
    if !headers.contains_key(header::UPGRADE) {
        return false;
    }
    let lines = || headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    version == Version::HTTP_11
        && !headers.contains_key(header::CONTENT_LENGTH)
        && !headers.contains_key(header::TRANSFER_ENCODING)
        && is_asked_for(method.as_str(), lines)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("GET", vec![("Upgrade", "h2c"), connection], false),
            ("GET", vec![upgrade, ("Upgrade", "h2c"), connection], false),
            ("GET", vec![("Upgrade", "websocket, h2c"), connection], false),
            ("OPTIONS", vec![upgrade, connection], false),
            ("POST", vec![upgrade, connection], false),
            ("HEAD", vec![upgrade, connection], false),
            ("get", vec![upgrade, connection], false),
        ] {
            let given = || lines.iter().map(|(name, value)| (*name, value.as_bytes()));
            assert_eq!(is_asked_for(method, given), asked, "{method} {lines:?}");
        }
    }
}
