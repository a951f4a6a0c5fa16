//! URLs, of authorization servers and of upstreams. A URL is never part of a message: it may hold
//! a password.

use super::Context;
use crate::config::path::KeyPath;
use crate::introspect::is_loopback;
use crate::upstream::Endpoint;
use http::uri::Authority;
use std::net::IpAddr;
use url::{Host, Url};

impl Context<'_> {
    /// An `http://` or `https://` URL without user name and fragment.
    pub fn url(self, path: &KeyPath, text: &str) -> Option<Url> {
        match parse(text, "`https://as.example.com/introspect`", CLIENT_AUTH) {
            Ok(url) => Some(url),
            Err(message) => {
                self.report.error(path, message);
                None
            }
        }
    }

    /// The URL of an authorization server, with a warning where tokens would be seen on the way.
    pub fn asked_url(self, path: &KeyPath, text: &str) -> Option<Url> {
        let url = self.url(path, text)?;
        if url.scheme() == "http" && !is_loopback(&url) {
            self.report.warning(path, "is plain http: tokens and the gateway's own credentials cross the network unprotected; use https");
        }
        Some(url)
    }

    /// The name that TLS asks for in place of a URL's host. Empty: none.
    pub fn server_name(self, path: &KeyPath, name: &str, example: &str) -> Option<String> {
        if name.is_empty() {
            return None;
        }
        let host = name
            .parse::<Authority>()
            .is_ok_and(|authority| authority.host() == name && !name.starts_with('['));
        if !host || name.parse::<IpAddr>().is_ok() {
            self.report.error(path, format!("is not a host name; write one such as `{example}`"));
            return None;
        }
        Some(name.to_owned())
    }

    /// The URL of an upstream's server: no path, no query.
    pub fn endpoint(self, path: &KeyPath, text: &str) -> Option<Endpoint> {
        match endpoint(text) {
            Ok(endpoint) => Some(endpoint),
            Err(message) => {
                self.report.error(path, message);
                None
            }
        }
    }
}

/// Whether a route's `upstream` is a URL rather than a name.
pub fn is_url(text: &str) -> bool {
    text.contains("://") || text.starts_with("unix:")
}

/// `/path` of `unix:/path`.
pub fn unix_path(text: &str) -> Option<Result<&str, String>> {
    let path = text.strip_prefix("unix:")?;
    Some(if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') {
        Err("is not an absolute path; write one such as `unix:/run/introgate.sock`".into())
    } else if path.len() > 107 {
        Err("is longer than the 107 bytes that a socket's path may have; write a shorter one"
            .into())
    } else {
        Ok(path)
    })
}

fn endpoint(text: &str) -> Result<Endpoint, String> {
    if let Some(path) = unix_path(text) {
        return path.map(|path| Endpoint::Unix(path.into()));
    }
    let url = parse(text, "`http://127.0.0.1:9000` or `unix:/run/service.sock`", CLIENT_AUTH)?;
    if !matches!(url.path(), "" | "/") {
        return Err(
            "must have no path; write the path as `rewrite: { add_prefix: … }` of the routes"
                .into(),
        );
    }
    if url.query().is_some() {
        return Err("must have no query; only scheme, host and port belong here (routes change paths by `rewrite`)".into());
    }
    let host = match url.host() {
        Some(Host::Domain(name)) => name.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        None => return Err("has no host".into()),
    };
    let port = url
        .port_or_known_default()
        .filter(|&port| port != 0)
        .ok_or("must have a port other than 0")?;
    Ok(Endpoint::Tcp { host, port, tls: url.scheme() == "https" })
}

const CLIENT_AUTH: &str = "for an authorization server they belong into `client_auth`";

/// An `http://` or `https://` URL without user name and fragment. `credentials` says where user name
/// and password belong.
pub fn parse(text: &str, example: &str, credentials: &str) -> Result<Url, String> {
    if text.is_empty() {
        return Err(format!("is empty; write a URL such as {example}"));
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("must have no white space; a URL has none".into());
    }
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    if !matches!(scheme.as_deref(), Some("http" | "https")) {
        return Err(format!(
            "must start with `http://` or `https://`; write a URL such as {example}"
        ));
    }
    let url = Url::parse(text)
        .map_err(|error| format!("is not a URL: {error}; write one such as {example}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("must have no user name and password; {credentials}"));
    }
    if url.fragment().is_some() {
        return Err("must have no fragment; remove `#` and everything after it".into());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_host_and_port() {
        let tcp = |host: &str, port, tls| Ok(Endpoint::Tcp { host: host.into(), port, tls });
        assert_eq!(endpoint("http://127.0.0.1:9000"), tcp("127.0.0.1", 9000, false));
        assert_eq!(endpoint("https://api.example.com/"), tcp("api.example.com", 443, true));
        assert_eq!(endpoint("HTTP://[::1]"), tcp("::1", 80, false));
        assert_eq!(endpoint("unix:/run/x.sock"), Ok(Endpoint::Unix("/run/x.sock".into())));
        for text in [
            "",
            "a",
            "a:9000",
            "ftp://a",
            "http://",
            "http://a/x",
            "http://a?x",
            "http://a#x",
            "http://u@a",
            "http://u:p@a",
            "http://a:0",
            "http://a b",
            "unix:x",
            "unix:",
            "unix:/",
            "http://a:99999",
        ] {
            assert!(endpoint(text).is_err(), "{text}");
        }
    }
}
