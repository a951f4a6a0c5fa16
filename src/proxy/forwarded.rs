//! Who the client is, and what it asked for, when proxies stand in between. What an untrusted
//! peer says of others is replaced.

use crate::request::Forwarded;
use http::{HeaderMap, HeaderValue, header};
use ipnet::IpNet;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};

/// What the connection and the headers together say of the client.
#[derive(Debug, PartialEq, Eq)]
pub struct Origin {
    pub trusted_peer: bool,
    pub forwarded: Forwarded,
}

impl Origin {
    /// `peer` is `None` on a Unix socket, whose other end is on this machine and trusted only when
    /// loopback addresses are. `authority` is that of the request target, where there is no `Host`.
    pub fn of(
        peer: Option<IpAddr>,
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
        if !trusted_peer {
            let client = peer.map(|peer| peer.to_canonical());
            let forwarded =
                Forwarded { client, chain: peer.map_or(UNKNOWN, shown), host, proto: HTTP };
            return Self { trusted_peer, forwarded };
        }
        let lines = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok());
        let shown = peer.map_or(UNKNOWN, shown);
        let mut chain: Vec<&str> = lines
            .flat_map(|line| line.split(','))
            .map(str::trim)
            .filter(|address| !address.is_empty())
            .collect();
        let mut client = peer.map(|peer| peer.to_canonical());
        for address in chain.iter().rev() {
            let Some(address) = address_of(address) else { break };
            client = Some(address);
            if !is_trusted(address) {
                break;
            }
        }
        chain.push(shown.to_str().unwrap_or_default());
        let forwarded = Forwarded {
            client,
            chain: HeaderValue::try_from(chain.join(", ")).unwrap_or(shown),
            host: text(headers.get("x-forwarded-host")).unwrap_or(host),
            proto: text(headers.get("x-forwarded-proto"))
                .filter(|proto| proto == "https" || proto == "http")
                .unwrap_or(HTTP),
        };
        Self { trusted_peer, forwarded }
    }
}

/// An address, perhaps with a port, as proxies write it.
fn address_of(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.split(']').next());
    let parsed = bare
        .unwrap_or(text)
        .parse()
        .ok()
        .or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()));
    parsed.map(|address: IpAddr| address.to_canonical())
}

const HTTP: HeaderValue = HeaderValue::from_static("http");
const UNKNOWN: HeaderValue = HeaderValue::from_static("unknown");

/// An address as `X-Forwarded-For` shows it.
fn shown(address: IpAddr) -> HeaderValue {
    let mut text = [0; 48];
    let mut rest = text.as_mut_slice();
    let _ = match address.to_canonical() {
        // on every request: a quarter of what the formatter takes
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

    fn origin(peer: &str, headers: &[(&'static str, &str)], trusted: &[&str]) -> Origin {
        let headers = headers
            .iter()
            .filter_map(|(name, value)| {
                Some((HeaderName::from_static(name), HeaderValue::try_from(*value).ok()?))
            })
            .collect();
        let trusted: Vec<IpNet> = trusted.iter().filter_map(|net| net.parse().ok()).collect();
        Origin::of(peer.parse().ok(), &headers, None, &trusted)
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
