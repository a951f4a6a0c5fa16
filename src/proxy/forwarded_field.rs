//! The `Forwarded` field (RFC 7239 §4): a list of elements, one for each proxy on the way, the
//! nearest one last.

use super::field_syntax::is_tchar;
use crate::route::Host;
use http::HeaderValue;
use std::net::{IpAddr, SocketAddr};
use thiserror::Error;

/// One proxy's account of the request that it received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// `for`: the client of that proxy, as it is written, without quotes.
    pub node: Option<String>,
    /// `host`, as it is written.
    pub host: Option<String>,
    /// `proto`, in lower case.
    pub proto: Option<String>,
}

/// Not a `Forwarded` field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the Forwarded field is malformed")]
pub struct MalformedForwarded;

/// The elements of all lines, which are one list (RFC 9110 §5.3).
pub fn elements<'h>(
    lines: impl Iterator<Item = &'h HeaderValue>,
) -> Result<Vec<Element>, MalformedForwarded> {
    let mut elements = Vec::new();
    for line in lines {
        FieldReader { rest: line.as_bytes() }.list(&mut elements)?;
    }
    Ok(elements)
}

/// The address of a node (RFC 7239 §6), perhaps with a port; `None` for `unknown` and obfuscated
/// identifiers. `X-Forwarded-For` has addresses in these forms too, and IPv6 without brackets.
pub fn address(node: &str) -> Option<IpAddr> {
    let bare = match node.strip_prefix('[').and_then(|node| node.split_once(']')) {
        Some((address, port)) => {
            let sound = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
            return address.parse().ok().filter(|_| sound).map(IpAddr::V6).map(canonical);
        }
        None => node,
    };
    let parsed = bare.parse().ok().or_else(|| match bare.split_once(':') {
        Some((address, port)) if is_port(port) => address.parse().ok().map(IpAddr::V4),
        _ => bare.parse::<SocketAddr>().ok().map(|address| address.ip()),
    });
    parsed.map(canonical)
}

fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// `port = 1*5DIGIT`, or an obfuscated one (RFC 7239 §6).
fn is_port(text: &str) -> bool {
    match text.strip_prefix('_') {
        Some(name) => is_obfuscated(name),
        None => (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

fn is_obfuscated(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// `node = nodename [ ":" node-port ]`; IPv6 addresses have brackets.
fn is_node(text: &str) -> bool {
    let name = match text.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') && is_port(port) => name,
        _ => text,
    };
    let obfuscated = name.strip_prefix('_').is_some_and(is_obfuscated);
    obfuscated
        || name.eq_ignore_ascii_case("unknown")
        || (!name.contains(':') || name.starts_with('[')) && address(name).is_some()
}

/// Reads a line from its beginning.
struct FieldReader<'l> {
    rest: &'l [u8],
}

impl FieldReader<'_> {
    /// `1#forwarded-element`; empty elements of a list are ignored (RFC 9110 §5.6.1.2).
    fn list(&mut self, elements: &mut Vec<Element>) -> Result<(), MalformedForwarded> {
        loop {
            self.skip_space();
            if !self.rest.is_empty() && self.rest[0] != b',' {
                elements.push(self.element()?);
                self.skip_space();
            }
            match self.rest.split_first() {
                None => return Ok(()),
                Some((b',', rest)) => self.rest = rest,
                Some(_) => return Err(MalformedForwarded),
            }
        }
    }

    /// `[ forwarded-pair ] *( ";" [ forwarded-pair ] )`; a parameter is there once at most.
    fn element(&mut self) -> Result<Element, MalformedForwarded> {
        let mut element = Element::default();
        let mut names: Vec<String> = Vec::new();
        loop {
            if !matches!(self.rest.first(), None | Some(b';' | b',' | b' ' | b'\t')) {
                let name = self.token()?.to_ascii_lowercase();
                self.eat(b'=')?;
                let value =
                    if self.rest.first() == Some(&b'"') { self.quoted()? } else { self.token()? };
                if names.contains(&name) {
                    return Err(MalformedForwarded);
                }
                element.set(&name, value)?;
                names.push(name);
            }
            // no white space is allowed around `;`, and some proxies write it all the same
            self.skip_space();
            if self.rest.first() != Some(&b';') {
                return Ok(element);
            }
            self.rest = &self.rest[1..];
            self.skip_space();
        }
    }

    fn token(&mut self) -> Result<String, MalformedForwarded> {
        let length = self.rest.iter().take_while(|byte| is_tchar(**byte)).count();
        let (token, rest) = self.rest.split_at(length);
        self.rest = rest;
        match std::str::from_utf8(token) {
            Ok(token) if !token.is_empty() => Ok(token.to_owned()),
            _ => Err(MalformedForwarded),
        }
    }

    /// `quoted-string` of visible ASCII and space (RFC 9110 §5.6.4): nothing else is a node, a host
    /// or a scheme.
    fn quoted(&mut self) -> Result<String, MalformedForwarded> {
        self.eat(b'"')?;
        let mut text = String::new();
        loop {
            let (&byte, mut rest) = self.rest.split_first().ok_or(MalformedForwarded)?;
            let byte = match byte {
                b'"' => {
                    self.rest = rest;
                    return Ok(text);
                }
                b'\\' => {
                    let (&escaped, behind) = rest.split_first().ok_or(MalformedForwarded)?;
                    rest = behind;
                    escaped
                }
                byte => byte,
            };
            if !matches!(byte, b' '..=b'~') {
                return Err(MalformedForwarded);
            }
            text.push(char::from(byte));
            self.rest = rest;
        }
    }

    fn eat(&mut self, byte: u8) -> Result<(), MalformedForwarded> {
        self.rest = self.rest.strip_prefix(&[byte]).ok_or(MalformedForwarded)?;
        Ok(())
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }
}

impl Element {
    fn set(&mut self, name: &str, value: String) -> Result<(), MalformedForwarded> {
        match name {
            "for" if is_node(&value) => self.node = Some(value),
            "by" if is_node(&value) => {}
            "host" if Host::parse(value.as_bytes()).is_some() => self.host = Some(value),
            "proto" if is_scheme(&value) => self.proto = Some(value.to_ascii_lowercase()),
            "for" | "by" | "host" | "proto" => return Err(MalformedForwarded),
            // extensions (RFC 7239 §5.5)
            _ => {}
        }
        Ok(())
    }
}

/// RFC 3986 §3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(lines: &[&str]) -> Result<Vec<[Option<String>; 3]>, MalformedForwarded> {
        let lines: Vec<HeaderValue> =
            lines.iter().filter_map(|line| HeaderValue::from_bytes(line.as_bytes()).ok()).collect();
        let of = |element: Element| [element.node, element.host, element.proto];
        elements(lines.iter()).map(|elements| elements.into_iter().map(of).collect())
    }

    fn one(node: &str, host: &str, proto: &str) -> [Option<String>; 3] {
        [node, host, proto].map(|text| (!text.is_empty()).then(|| text.to_owned()))
    }

    /// RFC 7239 §4, §6, §7.1.
    #[test]
    fn the_examples_of_the_rfc() {
        for (lines, expected) in [
            (&["for=\"_gazonk\""][..], vec![one("_gazonk", "", "")]),
            (&["For=\"[2001:db8:cafe::17]:4711\""], vec![one("[2001:db8:cafe::17]:4711", "", "")]),
            (&["for=192.0.2.60;proto=http;by=203.0.113.43"], vec![one("192.0.2.60", "", "http")]),
            (
                &["for=192.0.2.43, for=198.51.100.17"],
                vec![one("192.0.2.43", "", ""), one("198.51.100.17", "", "")],
            ),
            (
                &["for=192.0.2.43", "for=\"[2001:db8:cafe::17]\", for=unknown"],
                vec![
                    one("192.0.2.43", "", ""),
                    one("[2001:db8:cafe::17]", "", ""),
                    one("unknown", "", ""),
                ],
            ),
            (
                &["for=_hidden, for=_SEVKISEK"],
                vec![one("_hidden", "", ""), one("_SEVKISEK", "", "")],
            ),
            (
                &["FOR=\"192.0.2.43:47011\" ; Host=\"a.test:8080\";PROTO=HTTPS;ext=1"],
                vec![one("192.0.2.43:47011", "a.test:8080", "https")],
            ),
            (&["for=\"192.0.\\2.43\";host=a.test"], vec![one("192.0.2.43", "a.test", "")]),
            (&["host=\"[::1]:80\", , "], vec![one("", "[::1]:80", "")]),
            (&["for=1.2.3.4;"], vec![one("1.2.3.4", "", "")]),
            (&[""], vec![]),
        ] {
            assert_eq!(read(lines), Ok(expected), "{lines:?}");
        }
    }

    #[test]
    fn malformed_fields() {
        for line in [
            "for",
            "for=",
            "=1.2.3.4",
            "for=1.2.3.4;for=1.2.3.5",
            "for=1.2.3.4;For=1.2.3.5",
            "for=\"1.2.3.4",
            "for=\"1.2.3.4\"x",
            "for=1.2.3.4 proto=http",
            "for=[::1]",
            "for=::1",
            "for=\"::1\"",
            "for=\"[::1\"",
            "for=1.2.3",
            "for=a.test",
            "for=_",
            "for=\"_a b\"",
            "for=\"1.2.3.4:\"",
            "for=\"1.2.3.4:123456\"",
            "for=\"1.2.3.4:http\"",
            "host=a b",
            "host=\"a/b\"",
            "host=\"a:80:80\"",
            "proto=1http",
            "proto=\"a b\"",
            "for = 1.2.3.4",
            "for=1.2.3.4,;x",
            "for=\"\\",
            "for=1.2.3.4\u{e9}",
            "for=\"\u{e9}\"",
            "by=nonsense",
        ] {
            assert_eq!(read(&[line]), Err(MalformedForwarded), "{line:?}");
        }
        // a quote that one line opens is not closed by another
        assert_eq!(read(&["for=\"1.2.3.4", "\", for=1.2.3.4"]), Err(MalformedForwarded));
    }

    #[test]
    fn addresses_of_nodes() {
        for (node, expected) in [
            ("1.2.3.4", Some("1.2.3.4")),
            ("1.2.3.4:80", Some("1.2.3.4")),
            ("1.2.3.4:_x", Some("1.2.3.4")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:80", Some("2001:db8::1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("::ffff:10.0.0.1", Some("10.0.0.1")),
            ("[::ffff:10.0.0.1]", Some("10.0.0.1")),
            ("[1.2.3.4]", None),
            ("[::1]x", None),
            ("1.2.3.4:x", None),
            ("unknown", None),
            ("_hidden", None),
            ("", None),
        ] {
            assert_eq!(address(node), expected.and_then(|text| text.parse().ok()), "{node}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics_and_parsed_fields_can_be_written(line in "(for|host|proto|by|=|;|,| |\"|\\\\|1\\.2\\.3\\.4|\\[::1\\]|_a|a\\.test|https|:80){0,16}") {
            for element in read(&[&line]).unwrap_or_default() {
                let [node, host, proto] = &element;
                let written: Vec<String> = [("for", node), ("host", host), ("proto", proto)]
                    .into_iter()
                    .filter_map(|(name, value)| Some(format!("{name}=\"{}\"", value.as_deref()?)))
                    .collect();
                if !written.is_empty() {
                    prop_assert_eq!(read(&[&written.join(";")]), Ok(vec![element.clone()]));
                }
            }
        }
    }
}
