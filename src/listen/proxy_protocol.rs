//! The PROXY protocol, versions 1 and 2: a proxy sends the client's address in front of a
//! connection.
//!
//! It is believed from `trusted_proxies` alone. Everything else closes the connection: a client
//! could otherwise choose its own address.

use super::socket_stream::SocketStream;
use bytes::{Buf, BytesMut};
use ipnet::IpNet;
use ppp::{HeaderResult, PartialResult, v1, v2};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use thiserror::Error;
use tokio::io::AsyncReadExt;

/// A longer header is not waited for. Version 1 has 107 bytes at most; version 2 may carry values
/// of the proxy's own, which are not read.
const LONGEST: usize = 4096;

/// Why a connection's header is not believed.
#[derive(Debug, Error)]
pub enum Untrue {
    #[error("the peer is not in trusted_proxies")]
    Stranger,
    #[error("there is no PROXY protocol header")]
    Missing,
    #[error("the PROXY protocol header is malformed")]
    Malformed,
    #[error("the PROXY protocol header is too long")]
    TooLong,
    #[error("the PROXY protocol header did not arrive in time")]
    Slow,
    #[error("the connection ended within the PROXY protocol header")]
    Cut,
}

impl From<io::Error> for Untrue {
    fn from(_: io::Error) -> Self {
        Self::Cut
    }
}

/// Reads the header. `peer` is the other end of the connection, `None` on a Unix socket, which is
/// trusted where loopback addresses are. `None`: the proxy speaks for itself (`LOCAL`, `UNKNOWN`).
pub async fn read_header(
    stream: &mut SocketStream,
    peer: Option<IpAddr>,
    proxies: &[IpNet],
) -> Result<Option<IpAddr>, Untrue> {
    let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)).to_canonical();
    if !proxies.iter().any(|network| network.contains(&peer)) {
        return Err(Untrue::Stranger);
    }
    let mut read = BytesMut::with_capacity(256);
    loop {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(Untrue::Cut);
        }
        if let Some((client, length)) = parse(&read)? {
            read.advance(length);
            stream.unread(read);
            return Ok(client);
        }
        if read.len() >= LONGEST {
            return Err(Untrue::TooLong);
        }
    }
}

/// The client, and the bytes of the header. `None`: the header is incomplete.
fn parse(read: &[u8]) -> Result<Option<(Option<IpAddr>, usize)>, Untrue> {
    let begins = |prefix: &[u8]| {
        let common = read.len().min(prefix.len());
        read[..common] == prefix[..common]
    };
    if begins(v2::PROTOCOL_PREFIX) {
        parse_v2(read)
    } else if begins(b"PROXY ") {
        parse_v1(read)
    } else {
        Err(Untrue::Missing)
    }
}

fn parse_v1(read: &[u8]) -> Result<Option<(Option<IpAddr>, usize)>, Untrue> {
    /// With the line end.
    const LONGEST_V1: usize = 107;
    let Some(end) = read.windows(2).take(LONGEST_V1).position(|end| end == b"\r\n") else {
        return if read.len() < LONGEST_V1 { Ok(None) } else { Err(Untrue::TooLong) };
    };
    let length = end + 2;
    let header = v1::Header::try_from(&read[..length]).map_err(|_| Untrue::Malformed)?;
    let client = match header.addresses {
        v1::Addresses::Tcp4(addresses) => Some(IpAddr::V4(addresses.source_address)),
        v1::Addresses::Tcp6(addresses) => Some(IpAddr::V6(addresses.source_address)),
        v1::Addresses::Unknown => None,
    };
    Ok(Some((client.map(|client| client.to_canonical()), length)))
}

fn parse_v2(read: &[u8]) -> Result<Option<(Option<IpAddr>, usize)>, Untrue> {
    let parsed = HeaderResult::parse(read);
    if parsed.is_incomplete() {
        return Ok(None);
    }
    let HeaderResult::V2(Ok(header)) = parsed else { return Err(Untrue::Malformed) };
    let client = match (header.command, header.addresses) {
        (v2::Command::Local, _) => None,
        (v2::Command::Proxy, v2::Addresses::IPv4(addresses)) => {
            Some(IpAddr::V4(addresses.source_address))
        }
        (v2::Command::Proxy, v2::Addresses::IPv6(addresses)) => {
            Some(IpAddr::V6(addresses.source_address))
        }
        (v2::Command::Proxy, v2::Addresses::Unspecified | v2::Addresses::Unix(_)) => None,
    };
    let length = header.len();
    if length > LONGEST {
        return Err(Untrue::TooLong);
    }
    Ok(Some((client.map(|client| client.to_canonical()), length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\n";

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[command, family], &length, body].concat()
    }

    fn ports(addresses: &[&[u8]]) -> Vec<u8> {
        [&addresses.concat()[..], &[0x12, 0x34, 0, 80]].concat()
    }

    fn outcome(bytes: &[u8]) -> Result<Option<(Option<String>, usize)>, String> {
        parse(bytes)
            .map(|found| found.map(|(client, n)| (client.map(|client| client.to_string()), n)))
            .map_err(|untrue| format!("{untrue:?}"))
    }

    #[test]
    fn both_versions_name_the_client_and_end_where_they_say() {
        let v6 = ports(&[&[0x20, 1, 13, 184, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], &[0; 16]]);
        let v4 = ports(&[&[192, 0, 2, 1], &[10, 0, 0, 1]]);
        let with_tlv = [&v4[..], &[4, 0, 2, 1, 1]].concat();
        for (header, client) in [
            (b"PROXY TCP4 192.0.2.1 10.0.0.1 4660 80\r\n".to_vec(), Some("192.0.2.1")),
            (b"PROXY TCP6 2001:db8::1 ::1 4660 80\r\n".to_vec(), Some("2001:db8::1")),
            (b"PROXY TCP6 ::ffff:192.0.2.1 ::1 4660 80\r\n".to_vec(), Some("192.0.2.1")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (v2(0x21, 0x11, &v4), Some("192.0.2.1")),
            (v2(0x21, 0x11, &with_tlv), Some("192.0.2.1")),
            (v2(0x21, 0x21, &v6), Some("2001:db8::1")),
            (v2(0x20, 0x00, &[]), None),
            (v2(0x20, 0x11, &v4), None),
            (v2(0x21, 0x00, &[]), None),
        ] {
            let expected = Ok(Some((client.map(str::to_owned), header.len())));
            assert_eq!(outcome(&[&header, REQUEST].concat()), expected);
            for end in 0..header.len() {
                assert_eq!(outcome(&header[..end]), Ok(None), "{end} bytes of {header:?}");
            }
        }
    }

    #[test]
    fn headers_that_are_none_are_not_believed() {
        for header in [
            b"GET / HTTP/1.1\r\n".to_vec(),
            b"proxy TCP4 192.0.2.1 10.0.0.1 1 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 1\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1 10.0.0.1 1 99999\r\n".to_vec(),
            b"PROXY TCP4 2001:db8::1 ::1 1 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.1, 10.0.0.1 1 2\r\n".to_vec(),
            format!("PROXY TCP4 {}", "1".repeat(107)).into_bytes(),
            v2(0x11, 0x11, &ports(&[&[1; 8]])),
            v2(0x22, 0x11, &ports(&[&[1; 8]])),
            v2(0x21, 0x11, &[1, 2, 3]),
            v2(0x21, 0x41, &ports(&[&[1; 8]])),
            v2(0x21, 0x11, &[1; 5000]),
            b"\r\n\r\n\0\r\nQUIX\n!".to_vec(),
            b"\x16\x03\x01".to_vec(),
        ] {
            assert!(outcome(&header).is_err(), "{header:?}: {:?}", outcome(&header));
        }
    }
}
