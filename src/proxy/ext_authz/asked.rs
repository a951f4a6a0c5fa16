//! The request that Envoy asks about.

use crate::deny::{Denial, Reason};
use crate::proxy::head::Head;
use envoy_types::ext_authz::v3::pb::{Address, CheckRequest};
use envoy_types::pb::envoy::config::core::v3::HeaderMap as RawHeaders;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header};
use std::collections::HashMap;
use std::net::IpAddr;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The longest target that is read, in bytes.
const LONGEST: usize = 64 * 1024;

/// Header lines at most; Envoy's own limit is 100 unless it is raised.
const MOST_HEADERS: usize = 1000;

/// A request that Envoy holds back until it has an answer.
pub struct CheckedRequest {
    pub method: Method,
    /// Path and query, as the client sent them.
    pub target: String,
    pub headers: HeaderMap,
}

impl CheckedRequest {
    /// # Errors
    ///
    /// Denies a question that leaves out the request, or that describes it in a way that can be read
    /// in two ways.
    pub fn from_check(question: CheckRequest) -> Result<Self, Denial> {
        let attributes = question.attributes.unwrap_or_default();
        let client = attributes.source.as_ref().and_then(address);
        let http = attributes.request.and_then(|request| request.http);
        let http = http.ok_or_else(|| refuse("Envoy describes no HTTP request."))?;
        let raw = http.header_map.as_ref().map_or(0, |map| map.headers.len());
        if raw.max(http.headers.len()) > MOST_HEADERS {
            return Err(refuse("The request has too many headers."));
        }
        let HttpRequest { method, headers, header_map, path, host, scheme, .. } = http;
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| refuse("The method is malformed."))?;
        if !path.starts_with('/') || path.len() > LONGEST {
            return Err(refuse("The target is not a path, or it is too long."));
        }
        // the raw lines are there where Envoy is told to send them (`encode_raw_headers`)
        let mut headers = match header_map.filter(|map| !map.headers.is_empty()) {
            Some(raw) => lines(raw)?,
            None => joined(headers)?,
        };
        let host = HeaderValue::try_from(host).map_err(|_| refuse("The host is malformed."))?;
        if host.is_empty() {
            return Err(refuse("Envoy names no host."));
        }
        if headers.insert(header::HOST, host.clone()).is_some_and(|other| other != host) {
            return Err(refuse("Envoy names two hosts."));
        }
        headers.insert(FORWARDED_HOST, host);
        if !scheme.is_empty() {
            let scheme =
                HeaderValue::try_from(scheme).map_err(|_| refuse("The scheme is malformed."))?;
            headers.insert(FORWARDED_PROTO, scheme);
        }
        if let Some(client) = client {
            name_client(&mut headers, client)?;
        }
        Ok(Self { method, target: path, headers })
    }

    /// In place of one that could not be read, for the log.
    pub fn unreadable() -> Self {
        let method = Method::from_bytes(b"-").unwrap_or_default();
        Self { method, target: String::new(), headers: HeaderMap::new() }
    }

    pub fn head(&self) -> Head<'_> {
        Head {
            method: &self.method,
            target: self.target.as_bytes(),
            authority: None,
            version: Version::HTTP_11,
            headers: &self.headers,
        }
    }
}

/// The client of Envoy's connection is the last address of `X-Forwarded-For`, whether Envoy adds it
/// or not.
fn name_client(headers: &mut HeaderMap, client: IpAddr) -> Result<(), Denial> {
    let malformed = |_| refuse("X-Forwarded-For is malformed.");
    let before: Vec<&str> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .map(|line| line.to_str().map_err(|_| refuse("X-Forwarded-For is malformed.")))
        .collect::<Result<_, _>>()?;
    let before = before.join(", ");
    let last = before.rsplit(',').next().unwrap_or_default().trim();
    let chain = if last.parse() == Ok(client) {
        before
    } else if before.is_empty() {
        client.to_string()
    } else {
        format!("{before}, {client}")
    };
    headers.insert(FORWARDED_FOR, HeaderValue::try_from(chain).map_err(malformed)?);
    Ok(())
}

fn address(peer: &Peer) -> Option<IpAddr> {
    match peer.address.as_ref()?.address.as_ref()? {
        Address::SocketAddress(address) => address.address.parse().ok(),
        _ => None,
    }
}

/// Every line as it came.
fn lines(raw: RawHeaders) -> Result<HeaderMap, Denial> {
    let mut headers = HeaderMap::new();
    for line in raw.headers {
        let value =
            if line.raw_value.is_empty() { line.value.into_bytes() } else { line.raw_value };
        add(&mut headers, &line.key, &value)?;
    }
    Ok(headers)
}

/// Lines of one name are joined by commas: two tokens are then a malformed one.
fn joined(fields: HashMap<String, String>) -> Result<HeaderMap, Denial> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        add(&mut headers, &name, value.as_bytes())?;
    }
    Ok(headers)
}

/// Pseudo-header fields are told by the other attributes.
fn add(headers: &mut HeaderMap, name: &str, value: &[u8]) -> Result<(), Denial> {
    if name.starts_with(':') {
        return Ok(());
    }
    let name =
        HeaderName::try_from(name).map_err(|_| refuse("The name of a header is malformed."))?;
    let value = HeaderValue::from_bytes(value)
        .map_err(|_| refuse("The value of a header is malformed."))?;
    headers.append(name, value);
    Ok(())
}

fn refuse(detail: &'static str) -> Denial {
    Denial::with_detail(Reason::BadRequest, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use envoy_types::pb::envoy::config::core::v3::{
        Address as At, HeaderValue as Line, SocketAddress,
    };
    use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
    use envoy_types::pb::envoy::service::auth::v3::attribute_context::Request;

    fn question(http: HttpRequest, client: &str) -> CheckRequest {
        let address = SocketAddress { address: client.to_owned(), ..SocketAddress::default() };
        let address = At { address: Some(Address::SocketAddress(address)) };
        let source = Peer { address: Some(address), ..Peer::default() };
        let request = Request { http: Some(http), ..Request::default() };
        CheckRequest {
            attributes: Some(AttributeContext {
                source: Some(source),
                request: Some(request),
                ..AttributeContext::default()
            }),
        }
    }

    fn get(headers: &[(&str, &str)]) -> HttpRequest {
        HttpRequest {
            method: "GET".into(),
            path: "/a?b".into(),
            host: "api.example.com".into(),
            scheme: "https".into(),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
            ..HttpRequest::default()
        }
    }

    fn header(http: HttpRequest, name: &str) -> Option<String> {
        let asked = CheckedRequest::from_check(question(http, "192.0.2.7")).ok()?;
        let lines: Vec<&str> =
            asked.headers.get_all(name).iter().filter_map(|line| line.to_str().ok()).collect();
        Some(lines.join("|"))
    }

    #[test]
    fn the_client_is_the_one_that_envoy_sees() {
        for (sent, chain) in [
            (None, "192.0.2.7"),
            (Some("192.0.2.7"), "192.0.2.7"),
            (Some("6.6.6.6"), "6.6.6.6, 192.0.2.7"),
            (Some("6.6.6.6, 192.0.2.7"), "6.6.6.6, 192.0.2.7"),
        ] {
            let headers: Vec<_> = sent.map(|sent| ("x-forwarded-for", sent)).into_iter().collect();
            assert_eq!(header(get(&headers), "x-forwarded-for").as_deref(), Some(chain));
        }
        let headers =
            [("x-forwarded-proto", "http"), ("x-forwarded-host", "evil"), (":path", "/b")];
        assert_eq!(header(get(&headers), "x-forwarded-proto").as_deref(), Some("https"));
        assert_eq!(header(get(&headers), "x-forwarded-host").as_deref(), Some("api.example.com"));
        assert_eq!(header(get(&headers), "host").as_deref(), Some("api.example.com"));
    }

    #[test]
    fn raw_lines_stay_apart() {
        let line = |key: &str, raw: &[u8]| Line {
            key: key.into(),
            raw_value: raw.to_vec(),
            ..Line::default()
        };
        let map = RawHeaders {
            headers: vec![line("authorization", b"Bearer a"), line("authorization", b"Bearer b")],
        };
        let http = HttpRequest { header_map: Some(map), ..get(&[]) };
        assert_eq!(header(http, "authorization").as_deref(), Some("Bearer a|Bearer b"));
    }

    #[test]
    fn too_many_headers_are_refused() {
        let headers = (0..40_000).map(|n| (format!("x-{n}"), "1".to_owned())).collect();
        let http = HttpRequest { headers, ..get(&[]) };
        assert!(CheckedRequest::from_check(question(http, "192.0.2.7")).is_err());
        let line = |n| Line { key: format!("x-{n}"), ..Line::default() };
        let map = RawHeaders { headers: (0..40_000).map(line).collect() };
        let http = HttpRequest { header_map: Some(map), ..get(&[]) };
        assert!(CheckedRequest::from_check(question(http, "192.0.2.7")).is_err());
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        assert!(CheckedRequest::from_check(CheckRequest::default()).is_err());
        for http in [
            HttpRequest { method: "G T".into(), ..get(&[]) },
            HttpRequest { method: String::new(), ..get(&[]) },
            HttpRequest { path: "a".into(), ..get(&[]) },
            HttpRequest { path: "*".into(), ..get(&[]) },
            HttpRequest { path: format!("/{}", "a".repeat(100_000)), ..get(&[]) },
            HttpRequest { host: String::new(), ..get(&[]) },
            HttpRequest { host: "a\nb".into(), ..get(&[]) },
            get(&[("host", "other.example.com")]),
            get(&[("a b", "c")]),
            get(&[("a", "b\nc")]),
        ] {
            assert!(CheckedRequest::from_check(question(http, "192.0.2.7")).is_err());
        }
    }
}
