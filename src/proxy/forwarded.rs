//! The client and the request that it made, where proxies are between it and the gateway: from
//! `X-Forwarded-*` and `Forwarded` (RFC 7239). They are believed of trusted proxies only.

use super::forwarded_field::{self, Element, MalformedForwarded, address};
use crate::request::Forwarded;
use crate::route::Host;
use http::{HeaderMap, HeaderValue, header};
use ipnet::IpNet;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};

/// The client, from the connection and the headers together.
#[derive(Debug, PartialEq, Eq)]
pub struct ClientOrigin {
    pub trusted_peer: bool,
    pub forwarded: Forwarded,
    /// Why the request is refused: a trusted proxy contradicts itself, or its headers cannot be
    /// read.
    pub doubt: Option<&'static str>,
}

impl ClientOrigin {
    /// `peer` is `None` on a Unix socket, whose other end is on this machine and trusted only when
    /// loopback addresses are. `secure`: over TLS. `authority` is that of the request target, where there is no `Host`.
    pub fn from_request(
        peer: Option<IpAddr>,
        secure: bool,
        headers: &HeaderMap,
        authority: Option<&str>,
        trusted: &[IpNet],
    ) -> Self {
        let is_trusted =
            |address: IpAddr| trusted.iter().any(|net| net.contains(&address.to_canonical()));
        let trusted_peer = is_trusted(peer.unwrap_or(IpAddr::from([127, 0, 0, 1])));
        let host = text(headers.get(header::HOST))
            .or_else(|| HeaderValue::from_str(authority?).ok())
            .unwrap_or(HeaderValue::from_static(""));
        let client = peer.map(|peer| peer.to_canonical());
        let proto = if secure { HTTPS } else { HTTP };
        let shown = peer.map_or(UNKNOWN, shown);
        let direct = Forwarded { client, chain: shown, host, proto };
        let (forwarded, doubt) =
            if trusted_peer { stated(headers, is_trusted, direct) } else { (direct, None) };
        Self { trusted_peer, forwarded, doubt }
    }
}

/// The request as trusted proxies describe it, and why they are in doubt. `direct`: as the
/// connection shows it.
#[inline(never)] // its code is long, and a client without proxies does not need it
fn stated(
    headers: &HeaderMap,
    is_trusted: impl Fn(IpAddr) -> bool,
    direct: Forwarded,
) -> (Forwarded, Option<&'static str>) {
    let extended = Told::by_x_forwarded(headers, &is_trusted);
    let (standard, malformed) = match Told::by_forwarded(headers, &is_trusted) {
        Ok(standard) => (standard, None),
        Err(MalformedForwarded) => (Told::default(), Some("The Forwarded header is malformed.")),
    };
    let doubt = malformed.or_else(|| extended.contradicts(&standard));
    let stated = extended.or(standard);
    let mut chain = stated.chain;
    chain.push(direct.chain.to_str().unwrap_or_default().to_owned());
    let forwarded = Forwarded {
        client: stated.client.or(direct.client),
        chain: HeaderValue::try_from(chain.join(", ")).unwrap_or(direct.chain),
        host: stated.host.unwrap_or(direct.host),
        proto: stated.proto.unwrap_or(direct.proto),
    };
    (forwarded, doubt)
}

/// The account that trusted proxies give of a request in one of the two ways.
#[derive(Debug, Default)]
struct Told {
    /// The nodes on the way, the nearest one last.
    chain: Vec<String>,
    /// The nearest address that is not a trusted proxy's.
    client: Option<IpAddr>,
    host: Option<HeaderValue>,
    proto: Option<HeaderValue>,
}

impl Told {
    fn by_x_forwarded(headers: &HeaderMap, is_trusted: impl Fn(IpAddr) -> bool) -> Self {
        let chain = members(headers, "x-forwarded-for");
        let (client, steps) = walk(chain.iter().rev().map(|node| address(node)), is_trusted);
        // proxies append, so the value of the client's own proxy has its place in the list; a proxy
        // that replaces leaves a list of one
        let at_client = |name| {
            let values = members(headers, name);
            values.iter().rev().take(steps + 1).next_back().copied()
        };
        Self {
            client,
            host: at_client("x-forwarded-host").and_then(host),
            proto: at_client("x-forwarded-proto").and_then(proto),
            chain: chain.into_iter().map(str::to_owned).collect(),
        }
    }

    fn by_forwarded(
        headers: &HeaderMap,
        is_trusted: impl Fn(IpAddr) -> bool,
    ) -> Result<Self, MalformedForwarded> {
        let elements = forwarded_field::elements(headers.get_all(header::FORWARDED).iter())?;
        let node = |element: &Element| element.node.as_deref().and_then(address);
        let (client, steps) = walk(elements.iter().rev().map(node), is_trusted);
        // the elements of trusted proxies, that of the client's own proxy first
        let trusted = elements.iter().rev().take(steps + 1).rev();
        Ok(Self {
            client,
            host: trusted.clone().find_map(|element| host(element.host.as_deref()?)),
            proto: trusted.clone().find_map(|element| proto(element.proto.as_deref()?)),
            chain: elements
                .into_iter()
                .map(|element| element.node.unwrap_or_else(|| "unknown".to_owned()))
                .collect(),
        })
    }

    /// The aspect in which both differ, if any.
    fn contradicts(&self, other: &Self) -> Option<&'static str> {
        let parsed = |host: &HeaderValue| Host::parse(host.as_bytes());
        if differ(self.client.as_ref(), other.client.as_ref()) {
            Some("Forwarded and X-Forwarded-For name different clients.")
        } else if differ(
            self.host.as_ref().map(parsed).as_ref(),
            other.host.as_ref().map(parsed).as_ref(),
        ) {
            Some("Forwarded and X-Forwarded-Host name different hosts.")
        } else if differ(self.proto.as_ref(), other.proto.as_ref()) {
            Some("Forwarded and X-Forwarded-Proto name different schemes.")
        } else {
            None
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            chain: if self.chain.is_empty() { other.chain } else { self.chain },
            client: self.client.or(other.client),
            host: self.host.or(other.host),
            proto: self.proto.or(other.proto),
        }
    }
}

fn differ<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one != other)
}

/// Follows the addresses from the nearest one to the first that is not a trusted proxy's. With the
/// number of trusted ones that were passed; a node that is no address ends the way.
fn walk(
    nearest_first: impl Iterator<Item = Option<IpAddr>>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> (Option<IpAddr>, usize) {
    let (mut client, mut steps) = (None, 0);
    for (step, address) in nearest_first.enumerate() {
        let Some(address) = address else { break };
        (client, steps) = (Some(address), step);
        if !is_trusted(address) {
            break;
        }
    }
    (client, steps)
}

/// The members of a comma-separated list, over all lines.
fn members<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h str> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|member| !member.is_empty())
        .collect()
}

fn host(text: &str) -> Option<HeaderValue> {
    Host::parse(text.as_bytes()).and_then(|_| HeaderValue::from_str(text).ok())
}

fn proto(text: &str) -> Option<HeaderValue> {
    match text {
        _ if text.eq_ignore_ascii_case("https") => Some(HTTPS),
        _ if text.eq_ignore_ascii_case("http") => Some(HTTP),
        _ => None,
    }
}

const HTTP: HeaderValue = HeaderValue::from_static("http");
const HTTPS: HeaderValue = HeaderValue::from_static("https");
const UNKNOWN: HeaderValue = HeaderValue::from_static("unknown");

/// An address as `X-Forwarded-For` shows it.
fn shown(address: IpAddr) -> HeaderValue {
    let mut text = [0; 48];
    let mut rest = text.as_mut_slice();
    let _ = match address.to_canonical() {
        // on every request: this takes a quarter of the formatter's time
        IpAddr::V4(address) => write_dotted(&mut rest, address),
        IpAddr::V6(address) => write!(rest, "{address}"), // the longest has 39 digits and colons
    };
    let free = rest.len();
    HeaderValue::from_bytes(&text[..text.len() - free]).unwrap_or(UNKNOWN)
}

fn write_dotted(to: &mut &mut [u8], address: Ipv4Addr) -> std::io::Result<()> {
    for (i, octet) in address.octets().into_iter().enumerate() {
        let digits = [b'.', b'0' + octet / 100, b'0' + octet / 10 % 10, b'0' + octet % 10];
        let zeros = usize::from(octet < 100) + usize::from(octet < 10);
        to.write_all(&digits[usize::from(i == 0)..1])?;
        to.write_all(&digits[1 + zeros..])?;
    }
    Ok(())
}

fn text(value: Option<&HeaderValue>) -> Option<HeaderValue> {
    value.filter(|value| !value.is_empty() && value.to_str().is_ok()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn origin(peer: &str, headers: &[(&'static str, &str)], trusted: &[&str]) -> ClientOrigin {
        let headers = headers
            .iter()
            .filter_map(|(name, value)| {
                Some((HeaderName::from_static(name), HeaderValue::try_from(*value).ok()?))
            })
            .collect();
        let trusted: Vec<IpNet> = trusted.iter().filter_map(|net| net.parse().ok()).collect();
        ClientOrigin::from_request(peer.parse().ok(), false, &headers, None, &trusted)
    }

    fn value(text: &'static str) -> HeaderValue {
        HeaderValue::from_static(text)
    }

    const CLAIMS: &[(&str, &str)] = &[
        ("host", "gateway"),
        ("x-forwarded-for", "6.6.6.6, 9.9.9.9, 10.0.0.2"),
        ("x-forwarded-host", "api.example.com"),
        ("x-forwarded-proto", "https"),
    ];

    #[test]
    fn an_untrusted_peer_is_not_believed() {
        let origin = origin("1.2.3.4", CLAIMS, &["10.0.0.0/8"]);
        let client = "1.2.3.4".parse().ok();
        assert_eq!(
            origin.forwarded,
            Forwarded { client, chain: value("1.2.3.4"), host: value("gateway"), proto: HTTP }
        );
    }

    #[test]
    fn a_trusted_chain_is_followed_to_the_first_stranger() {
        let origin = origin("10.0.0.1", CLAIMS, &["10.0.0.0/8"]);
        let chain = value("6.6.6.6, 9.9.9.9, 10.0.0.2, 10.0.0.1");
        let expected = Forwarded {
            client: "9.9.9.9".parse().ok(),
            chain,
            host: value("api.example.com"),
            proto: value("https"),
        };
        assert_eq!(origin.forwarded, expected);
    }

    /// Client, host and scheme, or why the request is refused.
    fn story(headers: &[(&'static str, &str)]) -> Result<String, &'static str> {
        let origin = origin("10.0.0.1", headers, &["10.0.0.0/8", "fd00::/8"]);
        let Forwarded { client, host, proto, chain } = origin.forwarded;
        let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let client = client.map(|client| client.to_string()).unwrap_or_default();
        let story = [client, text(&host), text(&proto), text(&chain)].join(" | ");
        origin.doubt.map_or(Ok(story), Err)
    }

    const FOR: &str = "x-forwarded-for";
    const HOST: &str = "x-forwarded-host";
    const PROTO: &str = "x-forwarded-proto";

    #[test]
    fn forwarded_is_read_like_the_others() {
        for (headers, expected) in [
            (
                &[("forwarded", "for=9.9.9.9;host=a.test;proto=https")][..],
                "9.9.9.9 | a.test | https | 9.9.9.9, 10.0.0.1",
            ),
            (
                &[(
                    "forwarded",
                    "for=6.6.6.6;host=evil, for=9.9.9.9;host=\"a.test:81\", for=10.0.0.2;host=inner",
                )],
                "9.9.9.9 | a.test:81 | http | 6.6.6.6, 9.9.9.9, 10.0.0.2, 10.0.0.1",
            ),
            (
                &[("forwarded", "for=\"[2001:db8::1]:80\", for=\"[fd00::1]\";proto=https")],
                "2001:db8::1 | | https | [2001:db8::1]:80, [fd00::1], 10.0.0.1",
            ),
            (
                &[("forwarded", "for=9.9.9.9, for=_hidden, for=10.0.0.2")],
                "10.0.0.2 | | http | 9.9.9.9, _hidden, 10.0.0.2, 10.0.0.1",
            ),
            (&[("forwarded", "for=unknown;proto=https")], "10.0.0.1 | | https | unknown, 10.0.0.1"),
            (
                &[("forwarded", "host=a.test;proto=ftp")],
                "10.0.0.1 | a.test | http | unknown, 10.0.0.1",
            ),
            (
                &[("forwarded", "for=9.9.9.9;proto=https"), (FOR, "8.8.8.8, 9.9.9.9")],
                "9.9.9.9 | | https | 8.8.8.8, 9.9.9.9, 10.0.0.1",
            ),
            (
                &[("forwarded", "host=A.test"), (HOST, "a.test")],
                "10.0.0.1 | a.test | http | unknown, 10.0.0.1",
            ),
        ] {
            assert_eq!(
                story(headers).map(|story| story.replace(" |  |", " | |")).as_deref(),
                Ok(expected),
                "{headers:?}"
            );
        }
    }

    #[test]
    fn two_stories_are_a_doubt() {
        for headers in [
            [("forwarded", "for=9.9.9.9"), (FOR, "8.8.8.8")],
            [("forwarded", "for=9.9.9.9, for=10.0.0.2"), (FOR, "8.8.8.8, 9.9.9.8, 10.0.0.2")],
            [("forwarded", "host=a.test"), (HOST, "b.test")],
            [("forwarded", "host=a.test"), (HOST, "a.test:81")],
            [("forwarded", "proto=http"), (PROTO, "https")],
            [("forwarded", "for=\"9.9.9.9"), (FOR, "9.9.9.9")],
            [("forwarded", "for=9.9.9.9;for=9.9.9.9"), (FOR, "9.9.9.9")],
        ] {
            assert!(story(&headers).is_err(), "{headers:?}");
        }
        let stranger = origin("1.2.3.4", &[("forwarded", "for=\""), (FOR, "x")], &["10.0.0.0/8"]);
        assert_eq!(stranger.doubt, None, "a stranger is not read at all");
    }

    /// A proxy appends to the list that its client sent, which then begins with the client's words.
    #[test]
    fn a_list_is_read_at_the_clients_place() {
        for (headers, expected) in [
            (&[(PROTO, "https, http")][..], "10.0.0.1 | | http"),
            (&[(HOST, "evil.test"), (HOST, "a.test")], "10.0.0.1 | a.test | http"),
            (&[(FOR, "9.9.9.9"), (HOST, "evil.test, a.test")], "9.9.9.9 | a.test | http"),
            (
                &[(FOR, "6.6.6.6, 9.9.9.9, 10.0.0.2"), (PROTO, "http, https, http")],
                "9.9.9.9 | | https",
            ),
            (&[(FOR, "9.9.9.9, 10.0.0.2"), (PROTO, "https")], "9.9.9.9 | | https"),
            (&[(FOR, "9.9.9.9"), (HOST, "a b"), (PROTO, "HTTPS")], "9.9.9.9 | | https"),
        ] {
            let story = story(headers).unwrap_or_default().replace(" |  |", " | |");
            assert!(story.starts_with(expected), "{headers:?}: {story}");
        }
    }

    #[test]
    fn addresses_are_shown_as_everywhere() {
        for address in
            ["0.0.0.0", "1.2.3.4", "10.99.100.9", "255.255.255.255", "2001:db8::1", "127.0.0.1"]
        {
            assert_eq!(address.parse().map(shown), Ok(value(address)), "{address}");
        }
        assert_eq!("::ffff:10.0.0.1".parse().map(shown), Ok(value("10.0.0.1")));
    }

    #[test]
    fn odd_addresses_end_the_chain() {
        let origin = origin(
            "::ffff:10.0.0.1",
            &[("x-forwarded-for", "6.6.6.6, nonsense, [2001:db8::1]:80")],
            &["10.0.0.0/8", "2001:db8::/32"],
        );
        assert_eq!(origin.forwarded.client, "2001:db8::1".parse().ok());
    }
}
