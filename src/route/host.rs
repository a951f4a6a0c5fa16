//! The host of a request: `Host`, the authority of an absolute target or `:authority`, read once
//! (RFC 3986 §3.2.2, RFC 9110 §7.2).

use compact_str::{CompactString, format_compact};
use std::net::Ipv6Addr;

/// A host and perhaps a port, as `Host` has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// In lower case, without final dot; an IPv6 address in brackets and in its short form.
    pub name: CompactString,
    /// `None` where none is written, or nothing behind the colon.
    pub port: Option<u16>,
}

impl Host {
    /// `None` for an invalid host. A percent escape is invalid too: a reader that decodes it
    /// would see another host than one that does not.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (name, port) = match text.strip_prefix(b"[") {
            Some(rest) => address(rest)?,
            None => {
                let colon = text.iter().position(|&byte| byte == b':');
                let (name, port) = text.split_at(colon.unwrap_or(text.len()));
                (in_lower_case(name.strip_suffix(b".").unwrap_or(name))?, port)
            }
        };
        // RFC 3986 §3.2.3: an empty port is the same as none
        let port = match port {
            b"" | b":" => None,
            [b':', digits @ ..] => Some(port_number(digits)?),
            _ => return None,
        };
        Some(Self { name, port })
    }
}

/// An IPv6 address without its opening bracket, and the rest behind the closing one.
fn address(text: &[u8]) -> Option<(CompactString, &[u8])> {
    let end = text.iter().position(|&byte| byte == b']')?;
    let address: Ipv6Addr = std::str::from_utf8(&text[..end]).ok()?.parse().ok()?;
    Some((format_compact!("[{address}]"), &text[end + 1..]))
}

/// A name of labels that dots separate, none of them empty.
fn in_lower_case(name: &[u8]) -> Option<CompactString> {
    let mut previous = b'.';
    for &byte in name {
        if !is_of_label(byte) && (byte != b'.' || previous == b'.') {
            return None;
        }
        previous = byte;
    }
    if previous == b'.' {
        return None;
    }
    let mut name = CompactString::from_utf8(name).ok()?;
    name.make_ascii_lowercase();
    Some(name)
}

fn port_number(digits: &[u8]) -> Option<u16> {
    if digits.len() > 5 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Unreserved characters and `sub-delims`, without the comma: a list of two hosts is invalid.
fn is_of_label(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_~!$&'()*+;=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_without_case_and_final_dot() {
        for (text, name, port) in [
            ("API.Example.com:8080", "api.example.com", Some(8080)),
            ("example.com.", "example.com", None),
            ("example.com.:80", "example.com", Some(80)),
            ("example.com:", "example.com", None),
            ("under_score", "under_score", None),
            ("127.0.0.1:1", "127.0.0.1", Some(1)),
            ("[::1]:80", "[::1]", Some(80)),
            ("[0:0:0:0:0:0:0:1]", "[::1]", None),
            ("[2001:DB8::A]", "[2001:db8::a]", None),
            ("[::1]:", "[::1]", None),
        ] {
            assert_eq!(
                Host::parse(text.as_bytes()),
                Some(Host { name: name.into(), port }),
                "{text}"
            );
        }
    }

    /// RFC 9110 §7.2: `uri-host [ ":" port ]`, and texts that two readers could take for two hosts.
    #[test]
    fn texts_that_are_no_host() {
        for text in [
            "",
            ":80",
            ".",
            "..",
            "a..b",
            ".a",
            "a..",
            "a:80:80",
            "a:x",
            "a:+80",
            "a:-1",
            "a:65536",
            "a:000080",
            "a: 80",
            "[::1",
            "::1",
            "[]",
            "[a]",
            "[::1]x",
            "[::1]80",
            "[::1].",
            "x[::1]",
            "[fe80::1%25eth0]",
            "[fe80::1%eth0]",
            "[v1.a]",
            "[[::1]]",
            "[1.2.3.4]",
            "a%zz",
            "a%41",
            "%61.test",
            "a%",
            "a b",
            "a,b",
            "a/b",
            "a\\b",
            "a?b",
            "a#b",
            "a@b",
            "user:x@a",
            "é.test",
            "a\tb",
            "a\0",
            "a\"",
            "<a>",
            "a]",
            "a[",
            "a|b",
        ] {
            assert_eq!(Host::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(Host::parse(b"a\xff"), None);
    }
}
