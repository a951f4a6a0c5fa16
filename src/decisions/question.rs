//! The request that another proxy asks about, as its headers describe it.
//!
//! | header | sent by |
//! |---|---|
//! | `X-Forwarded-Method`, `-Proto`, `-Host`, `-Uri` | Traefik, Caddy, HAProxy |
//! | `X-Original-Method` and `X-Original-URI` or `X-Original-URL` | nginx |
//! | none of these: the request itself is meant | Envoy, the Gateway API |

use crate::deny::{Denial, Reason};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use url::Url;

const FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
const ORIGINAL_URL: HeaderName = HeaderName::from_static("x-original-url");

const DISAGREE: &str = "The proxy describes the request in two ways that disagree.";

/// The longest target that is read, in bytes.
const LONGEST: usize = 64 * 1024;

/// A request that another proxy holds back until it has an answer.
#[derive(Debug, PartialEq, Eq)]
pub struct HeldRequest {
    pub method: Method,
    /// Path and query, as the client sent them.
    pub target: String,
    /// The client's, with `Host` as the client sent it.
    pub headers: HeaderMap,
}

impl HeldRequest {
    /// Whether headers describe a request, so that the proxy's own request is not meant itself.
    pub fn is_described(headers: &HeaderMap) -> bool {
        [FORWARDED_METHOD, FORWARDED_URI, ORIGINAL_METHOD, ORIGINAL_URI, ORIGINAL_URL]
            .iter()
            .any(|name| headers.contains_key(name))
    }

    /// Reads the question. `method`, `target` and `headers` are those of the proxy's own request;
    /// `prefix` is the listener's `path_prefix`, taken off a target that is meant itself.
    pub fn from_headers(
        method: &Method,
        target: &str,
        headers: &HeaderMap,
        prefix: Option<&str>,
    ) -> Result<Self, Denial> {
        let named_method = one(headers, [FORWARDED_METHOD, ORIGINAL_METHOD])?;
        let url = match only(headers, &ORIGINAL_URL)? {
            Some(url) => Some(absolute(url)?),
            None => None,
        };
        let uri = one(headers, [FORWARDED_URI, ORIGINAL_URI])?;
        let named_target = agreed(uri, url.as_ref().map(|url| url.target.as_str()))?;
        let (host, proto) = (only(headers, &FORWARDED_HOST)?, only(headers, &FORWARDED_PROTO)?);
        if let Some(url) = &url {
            // host and scheme have no case (RFC 3986 §6.2.2.1)
            let is = |held: &str, other: &str| held.eq_ignore_ascii_case(other);
            if host.is_some_and(|host| !is(host, &url.authority))
                || proto.is_some_and(|proto| !is(proto, &url.scheme))
            {
                return Err(refuse(DISAGREE));
            }
        }
        let host = host.or(url.as_ref().map(|url| url.authority.as_str()));

        let (method, target) = match (named_method, named_target) {
            (None, None) => {
                (method.clone(), without_prefix(target, prefix.unwrap_or_default())?.to_owned())
            }
            (Some(method), Some(target)) => (
                Method::from_bytes(method.as_bytes())
                    .map_err(|_| refuse("The method is malformed."))?,
                target.to_owned(),
            ),
            (None, Some(_)) => {
                return Err(refuse("The proxy names a target without a method."));
            }
            (Some(_), None) => {
                return Err(refuse("The proxy names a method without a target."));
            }
        };
        if !target.starts_with('/') || target.len() > LONGEST {
            return Err(refuse("The target is not a path, or it is too long."));
        }
        let mut asked = headers.clone();
        for name in [FORWARDED_METHOD, FORWARDED_URI, ORIGINAL_METHOD, ORIGINAL_URI, ORIGINAL_URL] {
            asked.remove(name);
        }
        if let Some(host) = host {
            let host = HeaderValue::try_from(host).map_err(|_| refuse("The host is malformed."))?;
            asked.insert(FORWARDED_HOST, host.clone());
            asked.insert(header::HOST, host);
        }
        if let Some(url) = url {
            let scheme = HeaderValue::try_from(url.scheme);
            asked.insert(FORWARDED_PROTO, scheme.map_err(|_| refuse("The scheme is malformed."))?);
        }
        Ok(Self { method, target, headers: asked })
    }
}

/// The parts of an absolute URL, the target as it was written.
struct Absolute {
    scheme: String,
    authority: String,
    target: String,
}

/// `X-Original-URL`: nginx sends `$scheme://$http_host$request_uri`.
fn absolute(text: &str) -> Result<Absolute, Denial> {
    let malformed = || refuse("X-Original-URL is not an http or https URL.");
    if Url::parse(text).is_err() {
        return Err(malformed());
    }
    let (scheme, rest) = text.split_once("://").ok_or_else(malformed)?;
    let scheme = scheme.to_ascii_lowercase();
    if scheme != "http" && scheme != "https" {
        return Err(malformed());
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    if authority.is_empty() || authority.contains('@') || target.contains('#') {
        return Err(malformed());
    }
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    Ok(Absolute { scheme, authority: authority.to_owned(), target })
}

/// The one value of two headers that mean the same.
fn one(headers: &HeaderMap, [first, second]: [HeaderName; 2]) -> Result<Option<&str>, Denial> {
    agreed(only(headers, &first)?, only(headers, &second)?)
}

/// The value of a header with a single line; an empty one counts as missing.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Denial> {
    let mut lines = headers.get_all(name).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        let repeated = headers.contains_key(name);
        return if repeated {
            Err(refuse("The proxy describes the request twice."))
        } else {
            Ok(None)
        };
    };
    let text = line.to_str().map_err(|_| refuse("The proxy's description is not ASCII."))?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn agreed<'t>(one: Option<&'t str>, other: Option<&'t str>) -> Result<Option<&'t str>, Denial> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => Err(refuse(DISAGREE)),
        (one, other) => Ok(one.or(other)),
    }
}

/// A prefix is whole segments.
fn without_prefix<'t>(target: &'t str, prefix: &str) -> Result<&'t str, Denial> {
    let prefix = prefix.trim_end_matches('/');
    match target.strip_prefix(prefix) {
        Some("") => Ok("/"),
        Some(rest) if rest.starts_with('/') => Ok(rest),
        _ => Err(refuse("The path does not begin with the listener's path_prefix.")),
    }
}

fn refuse(detail: &'static str) -> Denial {
    Denial::with_detail(Reason::BadRequest, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        target: &str,
        prefix: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<String, Denial> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::try_from(*value) {
                map.append(HeaderName::from_static(name), value);
            }
        }
        let question = HeldRequest::from_headers(&Method::GET, target, &map, Some(prefix))?;
        let host = question.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        Ok(format!("{} {} {}", question.method, host.unwrap_or("-"), question.target))
    }

    #[test]
    fn every_proxys_description_is_read() {
        for (target, prefix, headers, expected) in [
            (
                "/",
                "",
                &[
                    ("x-forwarded-method", "PUT"),
                    ("x-forwarded-host", "a"),
                    ("x-forwarded-uri", "/x?y=%2F"),
                ][..],
                "PUT a /x?y=%2F",
            ),
            (
                "/auth",
                "",
                &[("host", "a"), ("x-original-method", "POST"), ("x-original-uri", "/x")],
                "POST a /x",
            ),
            (
                "/auth",
                "",
                &[
                    ("host", "gw"),
                    ("x-original-method", "GET"),
                    ("x-original-url", "https://a:8/x?q=/"),
                ],
                "GET a:8 /x?q=/",
            ),
            ("/x?y", "", &[("host", "a")], "GET a /x?y"),
            ("/check/x?y", "/check", &[("host", "a")], "GET a /x?y"),
            ("/check", "/check/", &[("host", "a")], "GET a /"),
            (
                "/",
                "",
                &[
                    ("x-original-method", "GET"),
                    ("x-forwarded-method", "GET"),
                    ("x-original-uri", "/x"),
                    ("x-forwarded-uri", "/x"),
                    ("x-original-url", "http://a/x"),
                    ("x-forwarded-host", "a"),
                    ("x-forwarded-proto", "http"),
                ],
                "GET a /x",
            ),
        ] {
            assert_eq!(
                read(target, prefix, headers).as_deref().ok(),
                Some(expected),
                "{headers:?}"
            );
        }
    }

    #[test]
    fn a_description_that_can_be_read_in_two_ways_is_refused() {
        let method = ("x-original-method", "GET");
        for headers in [
            &[("x-original-uri", "/x")][..],
            &[method],
            &[method, ("x-forwarded-method", "POST"), ("x-original-uri", "/x")],
            &[method, ("x-original-uri", "/x"), ("x-forwarded-uri", "/y")],
            &[method, ("x-original-uri", "/x"), ("x-original-uri", "/x")],
            &[method, ("x-original-uri", "x")],
            &[method, ("x-original-url", "/x")],
            &[method, ("x-original-url", "ftp://a/x")],
            &[method, ("x-original-url", "http://u@a/x")],
            &[method, ("x-original-url", "http://a/x"), ("x-forwarded-host", "b")],
            &[method, ("x-original-url", "http://a/x"), ("x-forwarded-proto", "https")],
            &[method, ("x-original-url", "http://a/x"), ("x-original-uri", "/y")],
            &[("x-original-method", "G T"), ("x-original-uri", "/x")],
        ] {
            assert!(read("/", "", headers).is_err(), "{headers:?}");
        }
        assert!(read("/checked", "/check", &[]).is_err());
        let long = format!("/{}", "a".repeat(100_000));
        assert!(read("/", "", &[method, ("x-original-uri", &long)]).is_err());
    }
}
