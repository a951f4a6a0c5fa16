//! The hosts that an authorization server receives (`forward_host`). Its answers are distinguished
//! by them.

use crate::request::Forwarded;
use crate::route::Host;
use http::HeaderValue;
use std::collections::HashSet;

/// The hosts that routes name, and the ports that a client may ask for. A client can invent any
/// other host: such hosts are not sent, and share their answers; otherwise one token would become
/// as many introspections and entries as there are names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToldHosts {
    names: HashSet<String>,
    ports: HashSet<u16>,
}

impl ToldHosts {
    /// `names` as [`Host::parse`] gives them; `ports` besides 80 and 443.
    pub fn new(
        names: impl IntoIterator<Item = String>,
        ports: impl IntoIterator<Item = u16>,
    ) -> Self {
        Self {
            names: names.into_iter().collect(),
            ports: ports.into_iter().chain([80, 443]).collect(),
        }
    }

    /// The part of the client's request that the server receives: the host only where a route names
    /// it, in one spelling.
    pub fn told(&self, forwarded: &Forwarded) -> Forwarded {
        let named = Host::parse(forwarded.host.as_bytes()).filter(|host| {
            self.names.contains(host.name.as_str())
                && host.port.is_none_or(|port| self.ports.contains(&port))
        });
        let host = named.map(|Host { name, port }| match port {
            Some(port) => format!("{name}:{port}"),
            None => name.into(),
        });
        let host = HeaderValue::try_from(host.unwrap_or_default());
        Forwarded { host: host.unwrap_or(HeaderValue::from_static("")), ..forwarded.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_hosts_are_sent() {
        let hosts = ToldHosts::new(["a.test".to_owned(), "[::1]".to_owned()], [8080]);
        for (host, told) in [
            ("a.test", "a.test"),
            ("A.Test.", "a.test"),
            ("a.test:8080", "a.test:8080"),
            ("a.test:80", "a.test:80"),
            ("[0::1]:443", "[::1]:443"),
            ("a.test:8081", ""),
            ("b.test", ""),
            ("x.a.test", ""),
            ("", ""),
            ("a b", ""),
        ] {
            let host = HeaderValue::from_static(host);
            let forwarded = Forwarded { host, ..Forwarded::default() };
            assert_eq!(hosts.told(&forwarded).host, told);
        }
    }
}
