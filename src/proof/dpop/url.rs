//! `htu`: a URL in the one form in which two are compared (RFC 9449 §4.3, RFC 3986 §6.2).

use crate::request::RequestView;
use crate::route::normalise;

/// Scheme, host, port and path of an http or https URL, normalised by syntax and scheme. The path
/// is in the form in which routes are matched, the same for every way to write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl {
    https: bool,
    host: String,
    port: u16,
    path: String,
}

impl HttpUrl {
    /// Query and fragment are left out. `None` for anything that is not a sound absolute URL.
    pub fn parse(text: &str) -> Option<Self> {
        if !text.bytes().all(|byte| matches!(byte, 0x21..=0x7e)) {
            return None;
        }
        let (scheme, rest) = text.split_once("://")?;
        let https = match scheme {
            scheme if scheme.eq_ignore_ascii_case("https") => true,
            scheme if scheme.eq_ignore_ascii_case("http") => false,
            _ => return None,
        };
        let end = rest.find(['?', '#']).unwrap_or(rest.len());
        let rest = &rest[..end];
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = host_and_port(authority, if https { 443 } else { 80 })?;
        let path = if path.is_empty() { "/" } else { path };
        let path = normalise(path.as_bytes()).ok()?.comparable().to_owned();
        Some(Self { https, host, port, path })
    }

    /// The URL of a request as its client used it: scheme and host of `public_url`, else those of
    /// the connection and of trusted proxies. `None` when they are not sound.
    pub fn target(request: &RequestView<'_>) -> Option<Self> {
        let origin = match request.public_url {
            Some(public) => Self::parse(public)?,
            None => {
                let proto = request.forwarded.proto.to_str().ok()?;
                let host = request.forwarded.host.to_str().ok()?;
                // a host with a path or a query in it is invalid
                Self::parse(&format!("{proto}://{host}"))
                    .filter(|_| !host.contains(['/', '?', '#']))?
            }
        };
        Some(Self { path: request.path.to_owned(), ..origin })
    }
}

/// In lower case; an absent or empty port is the default one (RFC 3986 §6.2.3).
fn host_and_port(authority: &str, default: u16) -> Option<(String, u16)> {
    let end_of_host = match authority.starts_with('[') {
        true => authority.find(']')? + 1,
        false => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(end_of_host);
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:[]".contains(&byte);
    if host.is_empty() || !host.bytes().all(sound) {
        return None;
    }
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => default,
        None => return None,
        Some("") => default,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
        Some(_) => return None,
    };
    Some((host.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Forwarded;
    use http::{HeaderMap, HeaderValue};

    #[test]
    fn equal_urls_are_equal_however_they_are_written() {
        let url = HttpUrl::parse("https://api.example.com/a/b~c%2Cd");
        assert!(url.is_some());
        for same in [
            "HTTPS://api.example.com/a/b~c%2Cd",
            "https://API.Example.COM/a/b~c%2Cd",
            "https://api.example.com:443/a/b~c%2Cd",
            "https://api.example.com:/a/b~c%2Cd",
            "https://api.example.com/a/b%7Ec%2Cd",
            "https://api.example.com/a/b%7ec%2cd",
            "https://api.example.com/./a/x/../b~c%2Cd",
            "https://api.example.com/a/b~c%2Cd?q=1",
            "https://api.example.com/a/b~c%2Cd#f",
            "https://api.example.com/a/b~c%2Cd?q=1#f?/",
        ] {
            assert_eq!(HttpUrl::parse(same), url, "{same}");
        }
        assert_eq!(HttpUrl::parse("http://a"), HttpUrl::parse("http://A:80/?x"));
        assert_eq!(HttpUrl::parse("http://[::1]:80/"), HttpUrl::parse("http://[::1]"));
    }

    #[test]
    fn different_urls_are_different() {
        let url = HttpUrl::parse("https://api.example.com/a");
        for other in [
            "http://api.example.com/a",
            "https://api.example.com:8443/a",
            "https://api.example.com:80/a",
            "https://api.example.com./a",
            "https://example.com/a",
            "https://api.example.com/A",
            "https://api.example.com/a/",
            "https://api.example.com/",
            "https://api.example.com/a/b",
            "https://api.example.com",
        ] {
            let parsed = HttpUrl::parse(other);
            assert!(parsed.is_some() && parsed != url, "{other}");
        }
    }

    #[test]
    fn an_invalid_url_is_equal_to_nothing() {
        for bad in [
            "",
            "/a",
            "//api.example.com/a",
            "api.example.com/a",
            "ftp://api.example.com/a",
            "https:/api.example.com/a",
            "https:///a",
            "https://:443/a",
            "https://user@api.example.com/a",
            "https://api.example.com:x/a",
            "https://api.example.com:+443/a",
            "https://api.example.com:65536/a",
            "https://[::1/a",
            "https://[::1]x/a",
            "https://api.example.com/a b",
            " https://api.example.com/a",
            "https://api.example.com/é",
            "https://api.example.com/%2e%2e",
            "https://api.example.com/a%zz",
            "https://api.example.com\\a",
            "https://api%2eexample.com/a",
        ] {
            assert_eq!(HttpUrl::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_url_of_a_request_is_that_of_its_client() {
        let headers = HeaderMap::new();
        let url = |host: &'static str, proto: &'static str, public_url: Option<&str>| {
            let host = HeaderValue::from_static(host);
            let forwarded =
                Forwarded { host, proto: HeaderValue::from_static(proto), ..Forwarded::default() };
            let bare = RequestView::bare(&headers, &forwarded);
            HttpUrl::target(&RequestView { path: "/a", public_url, ..bare })
        };
        assert_eq!(url("A.test:8080", "http", None), HttpUrl::parse("http://a.test:8080/a"));
        assert_eq!(url("a.test", "https", None), HttpUrl::parse("https://a.test/a"));
        let public = Some("https://api.example.com");
        assert_eq!(url("10.0.0.1", "http", public), HttpUrl::parse("https://api.example.com/a"));
        for host in ["", "a.test/b", "a.test?", "a.test, b.test", "a@b", "a.test#"] {
            assert_eq!(url(host, "http", None), None, "{host}");
        }
        assert_eq!(url("a.test", "ftp", None), None);
    }
}
