//! The part of an address that one client has to itself.

use std::net::{IpAddr, Ipv6Addr};

/// An IPv4 address as it is, and of an IPv6 address its /64, which one client usually has to itself
/// (RFC 6177): it could use a new address for each request otherwise. An IPv4 address within IPv6
/// is the IPv4 address.
pub fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from(u128::from(address) & !u128::from(u64::MAX)))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_its_ipv4_address_or_its_ipv6_64() {
        for (client, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::", "2001:db8:1:2::"),
        ] {
            let of = |text: &str| text.parse::<IpAddr>().ok();
            assert_eq!(of(client).map(network), of(expected), "{client}");
        }
    }
}
