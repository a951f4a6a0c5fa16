//! `origins`: the web sites whose scripts may call. A browser names the site in `Origin` (RFC 6454
//! §7), and a script cannot change it: a site that reaches a local service by DNS rebinding is
//! refused. It needs no facts, so it comes before every question about a token.

use super::{Compared, Finding};
use crate::deny::{Denial, Reason};
use http::{HeaderMap, HeaderValue, header};
use std::fmt;
use url::Url;

/// The name of the check in explanations.
const NAME: &str = "origin";

const NOT_LISTED: &str = "Requests from this origin are not allowed.";
const SEVERAL: &str = "The request has more than one Origin.";

/// One of `origins`, in the form in which two are compared (RFC 6454 §4 and §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedOrigin {
    /// `null`: documents without a site, such as files and sandboxed frames.
    Null,
    /// Scheme, host and port.
    Site { scheme: String, host: String, port: AllowedPort },
}

/// The port of an allowed origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllowedPort {
    /// `:*`
    Any,
    /// This one. `None`: none was written, and the scheme has no default port.
    Only(Option<u16>),
}

impl AllowedOrigin {
    /// Reads an origin of the configuration. Scheme and host may have any case, and a default port
    /// may be written or not. An error says in words what is wrong and what to do.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const EXAMPLE: &str = "is not an origin; write scheme, host and perhaps a port, as in `https://app.example.com`";
        if text == "null" {
            return Ok(Self::Null);
        }
        if text == "*" {
            return Err(
                "would allow every site; list the sites, or remove `origins` if every site may call",
            );
        }
        let (scheme, rest) = text.split_once("://").ok_or(EXAMPLE)?;
        if rest.contains(['/', '?', '#', '\\']) {
            return Err(
                "has a path; an origin is scheme, host and port alone: remove everything behind them, a final slash too",
            );
        }
        if rest.contains('@') {
            return Err("has a user name; an origin is scheme, host and port alone: remove it");
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err("has white space or control characters; an origin has none");
        }
        let (authority, any_port) = match rest.strip_suffix(":*") {
            Some(authority) => (authority, true),
            None => (rest, false),
        };
        if authority.contains('*') {
            return Err(
                "has `*` elsewhere than for the port; write each host, and `:*` behind it for any port",
            );
        }
        let url = Url::parse(&format!("{scheme}://{authority}")).map_err(|_| EXAMPLE)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(EXAMPLE)?;
        if any_port && (url.port().is_some() || has_port(authority)) {
            return Err("has two ports; write one, or `*` for any");
        }
        let port = match any_port {
            true => AllowedPort::Any,
            false => AllowedPort::Only(url.port_or_known_default()),
        };
        Ok(Self::Site { scheme: url.scheme().to_owned(), host: host.to_ascii_lowercase(), port })
    }

    /// Whether this is the origin that a request names.
    fn is(&self, named: &[u8]) -> bool {
        match self {
            Self::Null => named == b"null",
            Self::Site { scheme, host, port } => Named::read(named).is_some_and(|named| {
                named.scheme.eq_ignore_ascii_case(scheme)
                    && named.host.eq_ignore_ascii_case(host)
                    && match port {
                        AllowedPort::Any => true,
                        AllowedPort::Only(port) => named.port.or(default_port(scheme)) == *port,
                    }
            }),
        }
    }
}

/// As the configuration writes it, in normal form.
impl fmt::Display for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Site { scheme, host, port } => {
                write!(f, "{scheme}://{host}")?;
                match port {
                    AllowedPort::Any => f.write_str(":*"),
                    AllowedPort::Only(port) if *port == default_port(scheme) => Ok(()),
                    AllowedPort::Only(Some(port)) => write!(f, ":{port}"),
                    AllowedPort::Only(None) => Ok(()),
                }
            }
        }
    }
}

/// Checks the `Origin` of a request. `allowed` empty: every origin passes. A request without
/// `Origin` passes: no browser sent it for a script of another site.
pub fn check(allowed: &[AllowedOrigin], headers: &HeaderMap) -> Result<(), Denial> {
    if allowed.is_empty() {
        return Ok(());
    }
    let mut lines = headers.get_all(header::ORIGIN).iter().map(HeaderValue::as_bytes);
    let Some(named) = lines.next() else { return Ok(()) };
    // a proxy in front may have joined several lines (RFC 9110 §5.3); no origin has a comma
    if lines.next().is_some() || named.contains(&b',') {
        return Err(Denial::with_detail(Reason::BadRequest, SEVERAL));
    }
    if allowed.iter().any(|origin| origin.is(named)) {
        Ok(())
    } else {
        Err(Denial::with_detail(Reason::Require, NOT_LISTED))
    }
}

/// The same for people; `None` where nothing is demanded.
pub fn finding(allowed: &[AllowedOrigin], headers: &HeaderMap) -> Option<Finding> {
    if allowed.is_empty() {
        return None;
    }
    let demanded: Vec<String> = allowed.iter().map(ToString::to_string).collect();
    let lines = headers.get_all(header::ORIGIN).iter();
    let found: Vec<_> = lines.map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
    let found = (!found.is_empty()).then(|| found.join(", "));
    let compared = Compared::with(format!("one of {}, or none", demanded.join(", ")), found);
    Some(Finding { check: NAME, compared: Some(compared), outcome: check(allowed, headers) })
}

/// The origin that a request names, as it came (RFC 6454 §6.2).
struct Named<'n> {
    scheme: &'n str,
    host: &'n str,
    port: Option<u16>,
}

impl<'n> Named<'n> {
    /// `None`: it cannot be compared, and so is none of the allowed ones.
    fn read(named: &'n [u8]) -> Option<Self> {
        let (scheme, authority) = std::str::from_utf8(named).ok()?.split_once("://")?;
        let (host, port) = match authority_of(authority) {
            (host, "") => (host, None),
            (host, port) => (host, Some(decimal(port.strip_prefix(':')?)?)),
        };
        Some(Self { scheme, host, port })
    }
}

/// Host and the rest, which begins with the colon of the port.
fn authority_of(authority: &str) -> (&str, &str) {
    let host = match authority.starts_with('[') {
        true => authority.find(']').map_or(authority.len(), |end| end + 1),
        false => authority.find(':').unwrap_or(authority.len()),
    };
    authority.split_at(host)
}

/// Whether a port is written, the default one too, which [`Url`] leaves out.
fn has_port(authority: &str) -> bool {
    !authority_of(authority).1.is_empty()
}

/// A port; no sign, which `parse` alone would accept.
fn decimal(digits: &str) -> Option<u16> {
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// The port of an origin that names none (RFC 6454 §4).
fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        "ftp" => Some(21),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(allowed: &[&str], lines: &[&[u8]]) -> Result<(), Reason> {
        let parsed: Result<Vec<_>, _> =
            allowed.iter().map(|text| AllowedOrigin::parse(text)).collect();
        let mut headers = HeaderMap::new();
        for line in lines {
            if let Ok(value) = HeaderValue::from_bytes(line) {
                headers.append(header::ORIGIN, value);
            }
        }
        assert_eq!(headers.len(), lines.len(), "{lines:?}");
        let allowed = parsed.unwrap_or_else(|flaw| panic!("{allowed:?} {flaw}"));
        check(&allowed, &headers).map_err(|denial| denial.reason)
    }

    #[test]
    fn only_listed_origins_pass() {
        let listed = ["https://app.example.com", "http://localhost:*", "https://[::1]:8443"];
        for named in [
            "https://app.example.com",
            "https://app.example.com:443",
            "HTTPS://App.Example.COM",
            "http://localhost",
            "http://localhost:80",
            "http://localhost:65535",
            "https://[::1]:8443",
        ] {
            assert_eq!(outcome(&listed, &[named.as_bytes()]), Ok(()), "{named}");
        }
        for named in [
            "",
            "null",
            "http://app.example.com",
            "https://app.example.com:80",
            "https://app.example.com:8443",
            "https://app.example.com:",
            "https://app.example.com:+443",
            "https://app.example.com:443x",
            "https://app.example.com:65979",
            "https://app.example.com.",
            "https://app.example.com/",
            "https://app.example.com.evil.test",
            "https://evil.test/https://app.example.com",
            "https://evil.test#https://app.example.com",
            "https://user@app.example.com",
            "https://xapp.example.com",
            "https://example.com",
            "https://app.example.com https://app.example.com",
            "app.example.com",
            "//app.example.com",
            "https:/app.example.com",
            "https://localhost:3000",
            "http://localhost.evil.test",
            "http://localhost:3000/",
            "http://localhost:3000@evil.test",
            "http://localhost:*",
            "http://localhost:-1",
            "http://localhost:65536",
            "http://localhost:",
            "http://127.0.0.1",
            "https://[::1]",
            "https://[::1]x:8443",
            "https://[::1:8443",
            "https://::1:8443",
        ] {
            assert_eq!(outcome(&listed, &[named.as_bytes()]), Err(Reason::Require), "{named}");
        }
        let not_text: &[u8] = b"https://app.example.com\xff";
        assert_eq!(outcome(&listed, &[not_text]), Err(Reason::Require));
        assert_eq!(outcome(&listed, &[]), Ok(()), "no browser");
        assert_eq!(outcome(&[], &[b"https://evil.test"]), Ok(()), "no demand");
    }

    /// RFC 6454 §7.3: a user agent sends one line with one origin.
    #[test]
    fn more_than_one_origin_is_ambiguous() {
        let listed = ["https://a.test", "https://b.test", "null"];
        for lines in [
            &[&b"https://a.test"[..], b"https://b.test"][..],
            &[b"https://a.test", b"https://a.test"],
            &[b"https://evil.test", b"null"],
            &[b"https://a.test, https://b.test"],
            &[b"https://a.test,https://a.test"],
            &[b"null,null"],
        ] {
            assert_eq!(outcome(&listed, lines), Err(Reason::BadRequest), "{lines:?}");
        }
    }

    #[test]
    fn null_is_an_origin_only_where_it_is_written() {
        assert_eq!(outcome(&["null"], &[b"null"]), Ok(()));
        for named in [&b"NULL"[..], b"null ", b"nul", b"https://null", b""] {
            assert_eq!(outcome(&["null"], &[named]), Err(Reason::Require), "{named:?}");
        }
        assert_eq!(outcome(&["https://null"], &[b"null"]), Err(Reason::Require));
    }

    /// RFC 6454 §4 and §5.
    #[test]
    fn equal_origins_are_equal_however_they_are_written() {
        for (written, normal) in [
            ("https://app.example.com", "https://app.example.com"),
            ("HTTPS://APP.example.com:443", "https://app.example.com"),
            ("http://localhost:80", "http://localhost"),
            ("http://localhost:8080", "http://localhost:8080"),
            ("http://LOCALHOST:*", "http://localhost:*"),
            ("https://m\u{fc}nchen.example", "https://xn--mnchen-3ya.example"),
            ("https://[0:0:0:0:0:0:0:1]:8443", "https://[::1]:8443"),
            ("http://[::1]:*", "http://[::1]:*"),
            ("http://127.1", "http://127.0.0.1"),
            ("chrome-extension://AbCdef", "chrome-extension://abcdef"),
            ("vscode-webview://abc:1", "vscode-webview://abc:1"),
            ("null", "null"),
        ] {
            let shown = AllowedOrigin::parse(written).map(|origin| origin.to_string());
            assert_eq!(shown.as_deref(), Ok(normal), "{written}");
            let again = AllowedOrigin::parse(normal);
            assert_eq!(AllowedOrigin::parse(written), again, "{written}");
        }
        let extension: &[u8] = b"chrome-extension://abcdef";
        assert_eq!(outcome(&["chrome-extension://abcdef"], &[extension]), Ok(()));
        let with_port: &[u8] = b"chrome-extension://abcdef:80";
        let listed = ["chrome-extension://abcdef"];
        assert_eq!(outcome(&listed, &[with_port]), Err(Reason::Require));
    }

    #[test]
    fn each_mistake_has_its_message() {
        for (written, told) in [
            ("", "is not an origin"),
            ("app.example.com", "is not an origin"),
            ("localhost:3000", "is not an origin"),
            ("https://", "is not an origin"),
            ("https://:443", "is not an origin"),
            ("https://app.example.com:99999", "is not an origin"),
            ("https://app.example.com:x", "is not an origin"),
            ("https://[::1", "is not an origin"),
            ("Null", "is not an origin"),
            ("file://", "is not an origin"),
            ("1http://a", "is not an origin"),
            ("*", "would allow every site"),
            ("https://*", "has `*`"),
            ("https://*.example.com", "has `*`"),
            ("https://app*.example.com:*", "has `*`"),
            ("https://app.example.com:443:*", "has two ports"),
            ("https://app.example.com:8443:*", "has two ports"),
            ("https://app.example.com/", "has a path"),
            ("https://app.example.com/a", "has a path"),
            ("https://app.example.com?a", "has a path"),
            ("https://app.example.com#a", "has a path"),
            ("http://localhost:*/", "has a path"),
            ("https://me@app.example.com", "has a user name"),
            ("https://me:secret@app.example.com", "has a user name"),
            ("https://app.example.com ", "has white space"),
            ("https://app.example.com\u{7}", "has white space"),
        ] {
            let flaw = AllowedOrigin::parse(written).err().unwrap_or_default();
            assert!(flaw.starts_with(told), "{written}: {flaw}");
        }
    }
}
