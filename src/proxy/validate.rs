//! Requests that two readers could take for two different ones are refused before anything else
//! looks at them.

use super::head::Head;
use crate::deny::{Denial, Reason};
use crate::route::Host;
use compact_str::CompactString;
use http::{HeaderMap, HeaderValue, Version, header};
use pingora_http::authority::{RawTargetAuthority, is_http_family_scheme, raw_target_authority};

/// Checks a request's target, host and framing, and returns its host.
///
/// `raw` gives the header section as it came, since the parser has tidied up some of it already.
pub fn check(head: Head<'_>, raw: impl FnOnce() -> Vec<u8>) -> Result<Host, Denial> {
    method(head.method.as_str())?;
    framing(head.headers, raw)?;
    host(head)
}

/// `TRACE` would show a client the headers that the gateway adds (RFC 9110 §9.3.8); `TRACK` is an
/// old name for it. `CONNECT` asks for a tunnel, which this gateway does not make. Services exist
/// that read method names without regard to case.
fn method(method: &str) -> Result<(), Denial> {
    if REFUSED_METHODS.iter().any(|refused| method.eq_ignore_ascii_case(refused)) {
        return refuse(
            "The method is not supported: TRACE, TRACK and CONNECT are never forwarded.",
        );
    }
    Ok(())
}

const REFUSED_METHODS: [&str; 3] = ["TRACE", "TRACK", "CONNECT"];

/// The length of the body must be given in one way only (RFC 9112 §6.3).
fn framing(headers: &HeaderMap, raw: impl FnOnce() -> Vec<u8>) -> Result<(), Denial> {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        let mut encodings = headers.get_all(header::TRANSFER_ENCODING).iter();
        let chunked = encodings
            .next()
            .is_some_and(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"));
        if !chunked || encodings.next().is_some() {
            return refuse("Transfer-Encoding is something else than a single \"chunked\".");
        }
        // the parser drops Content-Length here (RFC 9112 §6.3 allows that, §6.1 names the danger)
        if has_line(&raw(), b"content-length") {
            return refuse("The request has both Content-Length and Transfer-Encoding.");
        }
    }
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let sound = |value: &HeaderValue| value.as_bytes().iter().all(u8::is_ascii_digit);
    if lengths.next().is_some_and(|value| !sound(value)) || lengths.next().is_some() {
        return refuse("Content-Length is not one number.");
    }
    Ok(())
}

/// The host of `Host`, of an absolute target (RFC 9112 §3.2.2) or of `:authority` (RFC 9113
/// §8.3.1); where a request has two of them, they agree. HTTP/1.1 requires `Host` in any case
/// (RFC 9112 §3.2). An HTTP/1.0 request may name none: the name is empty then.
fn host(head: Head<'_>) -> Result<Host, Denial> {
    let mut lines = head.headers.get_all(header::HOST).iter();
    let line = lines.next();
    if lines.next().is_some() {
        return refuse("The request has several Host lines.");
    }
    let named = line.map(|line| parsed(line.as_bytes())).transpose()?;
    let targeted = match raw_target_authority(head.target) {
        RawTargetAuthority::None => head.authority.map(str::as_bytes),
        RawTargetAuthority::Absolute { scheme, authority, .. } if is_http_family_scheme(scheme) => {
            Some(authority)
        }
        RawTargetAuthority::Absolute { .. } | RawTargetAuthority::AmbiguousAuthority => {
            return refuse("The request target is neither a path nor an http or https URL.");
        }
    };
    match (targeted.map(parsed).transpose()?, named) {
        (Some(targeted), Some(named)) if targeted != named => {
            refuse("The request target and Host name different hosts.")
        }
        (_, Some(named)) => Ok(named),
        (Some(targeted), None) if head.version != Version::HTTP_11 => Ok(targeted),
        (None, None) if head.version < Version::HTTP_11 => {
            Ok(Host { name: CompactString::default(), port: None })
        }
        _ => refuse("The request names no host."),
    }
}

fn parsed(text: &[u8]) -> Result<Host, Denial> {
    Host::parse(text)
        .map_or_else(|| refuse("The host is not a name or an address, perhaps with a port."), Ok)
}

fn refuse<T>(detail: &'static str) -> Result<T, Denial> {
    Err(Denial::with_detail(Reason::BadRequest, detail))
}

fn has_line(raw: &[u8], name: &[u8]) -> bool {
    raw.split(|&byte| byte == b'\n').any(|line| {
        line.iter()
            .position(|&byte| byte == b':')
            .is_some_and(|colon| line[..colon].trim_ascii().eq_ignore_ascii_case(name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, Method};

    fn checked(
        version: Version,
        method: &str,
        target: &str,
        authority: Option<&str>,
        lines: &[(&'static str, &str)],
    ) -> Option<String> {
        let headers: HeaderMap = lines
            .iter()
            .filter_map(|(name, value)| {
                Some((HeaderName::from_static(name), HeaderValue::try_from(*value).ok()?))
            })
            .collect();
        let method = Method::from_bytes(method.as_bytes()).ok()?;
        let target = target.as_bytes();
        let head = Head { method: &method, target, authority, version, headers: &headers };
        check(head, Vec::new).ok().map(|host| host.name.into())
    }

    #[test]
    fn one_host_from_all_that_names_it() {
        const H10: Version = Version::HTTP_10;
        const H11: Version = Version::HTTP_11;
        const H2: Version = Version::HTTP_2;
        for (version, target, authority, host, expected) in [
            (H11, "/", None, Some("a.test"), Some("a.test")),
            (H11, "/", None, None, None),
            (H11, "/", None, Some(""), None),
            (H11, "http://a.test/", None, Some("A.test"), Some("a.test")),
            (H11, "http://a.test/", None, None, None),
            (H11, "http://a.test/", None, Some("b.test"), None),
            (H11, "http://a.test:80/", None, Some("a.test:81"), None),
            (H11, "http://u@a.test/", None, Some("a.test"), None),
            (H11, "ftp://a.test/", None, Some("a.test"), None),
            (H11, "http:/\\a.test/", None, Some("a.test"), None),
            (H10, "/", None, None, Some("")),
            (H10, "http://a.test/", None, None, Some("a.test")),
            (H10, "http://a%zz/", None, None, None),
            (H10, "/", None, Some("a:80:80"), None),
            (H2, "/", Some("a.test"), None, Some("a.test")),
            (H2, "/", Some("a.test"), Some("a.test"), Some("a.test")),
            (H2, "/", Some("a.test"), Some("b.test"), None),
            (H2, "/", Some("a.test:443"), Some("a.test:444"), None),
            (H2, "/", None, Some("a.test"), Some("a.test")),
            (H2, "/", None, None, None),
        ] {
            let lines: Vec<_> = host.into_iter().map(|host| ("host", host)).collect();
            let found = checked(version, "GET", target, authority, &lines);
            assert_eq!(found.as_deref(), expected, "{version:?} {target} {authority:?} {host:?}");
        }
    }

    #[test]
    fn methods_that_are_never_forwarded() {
        for method in ["TRACE", "trace", "TRACK", "CONNECT", "Connect"] {
            let found = checked(Version::HTTP_11, method, "/", None, &[("host", "a")]);
            assert_eq!(found, None, "{method}");
        }
        assert!(checked(Version::HTTP_11, "BREW", "/", None, &[("host", "a")]).is_some());
    }
}
