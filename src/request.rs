//! The gate's view of a request. It knows no proxy, so that the gate is tested without a socket.

pub mod names;
mod network;

pub use network::network;

use crate::clock::{Mono, Now};
use crate::token::Thumbprint;
use http::{HeaderMap, HeaderValue, Method, header};
use std::net::IpAddr;

/// A request, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct RequestView<'r> {
    /// The method on the wire.
    pub method: &'r Method,
    /// In lower case, without port and final dot; empty when the client sent none.
    pub host: &'r str,
    /// In the form that routes are matched by: the same for all ways to write a path.
    pub path: &'r str,
    /// Everything behind the first `?`, as it came.
    pub query: Option<&'r str>,
    /// The client's headers, as they came.
    pub headers: &'r HeaderMap,
    /// The body, where it is a form that may hold the token, and was read for it.
    pub form: Option<&'r [u8]>,
    /// The client's address, and the request's host and scheme as the client used them.
    pub forwarded: &'r Forwarded,
    /// Whether the other end of the connection is one of `trusted_proxies`, whose headers are
    /// believed.
    pub trusted_peer: bool,
    /// The thumbprint of the certificate of the connection's client, verified by the listener;
    /// `None` without TLS or without one.
    pub certificate: Option<Thumbprint>,
    /// `public_url`: scheme and host that clients call, where these are configured.
    pub public_url: Option<&'r str>,
    /// When the gate is asked.
    pub at: Now,
}

/// The client's request as it was made, from the connection and from trusted proxies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// The nearest address that is not a trusted proxy's; `None` on a Unix socket without one.
    pub client: Option<IpAddr>,
    /// `X-Forwarded-For`: the trusted chain, then the peer.
    pub chain: HeaderValue,
    /// Empty when the client sent none.
    pub host: HeaderValue,
    /// `http` or `https`.
    pub proto: HeaderValue,
}

impl Default for Forwarded {
    fn default() -> Self {
        let nothing = HeaderValue::from_static("");
        Self { client: None, chain: nothing.clone(), host: nothing.clone(), proto: nothing }
    }
}

/// A request, kept for as long as its response goes on.
#[derive(Clone, Debug)]
pub struct KeptRequest {
    method: Method,
    host: String,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
    forwarded: Forwarded,
    trusted_peer: bool,
    certificate: Option<Thumbprint>,
    public_url: Option<String>,
}

impl KeptRequest {
    /// The request, but for its body, asked about `at` that time.
    pub fn view(&self, at: Now) -> RequestView<'_> {
        RequestView {
            method: &self.method,
            host: &self.host,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.headers,
            form: None,
            forwarded: &self.forwarded,
            trusted_peer: self.trusted_peer,
            certificate: self.certificate,
            public_url: self.public_url.as_deref(),
            at,
        }
    }
}

impl RequestView<'_> {
    /// An owned copy.
    pub fn keep(&self) -> KeptRequest {
        KeptRequest {
            method: self.method.clone(),
            host: self.host.to_owned(),
            path: self.path.to_owned(),
            query: self.query.map(str::to_owned),
            headers: self.headers.clone(),
            forwarded: self.forwarded.clone(),
            trusted_peer: self.trusted_peer,
            certificate: self.certificate,
            public_url: self.public_url.map(str::to_owned),
        }
    }
}

impl<'r> RequestView<'r> {
    /// `GET /` with these headers and nothing else, at the beginning of time: a start for requests
    /// that are made up.
    pub fn bare(headers: &'r HeaderMap, forwarded: &'r Forwarded) -> Self {
        Self {
            method: &Method::GET,
            host: "",
            path: "/",
            query: None,
            headers,
            form: None,
            forwarded,
            trusted_peer: false,
            certificate: None,
            public_url: None,
            at: Now { wall: 0, mono: Mono::ZERO },
        }
    }
}

impl RequestView<'_> {
    /// A CORS preflight: `OPTIONS` with `Origin` and `Access-Control-Request-Method` (Fetch
    /// §3.2.2); gives the method that is asked for.
    pub fn preflight_for(&self) -> Option<Method> {
        if self.method != Method::OPTIONS || !self.headers.contains_key(header::ORIGIN) {
            return None;
        }
        let method = self.headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
        Method::from_bytes(method.as_bytes()).ok()
    }

    /// The members of a header that is a comma-separated list, over all its lines.
    pub fn list<'h>(&'h self, name: &header::HeaderName) -> impl Iterator<Item = &'h [u8]> {
        let lines = self.headers.get_all(name).iter().map(HeaderValue::as_bytes);
        lines.flat_map(members)
    }
}
/// The members of a line that is a comma-separated list (RFC 9110 §5.6.1).
pub fn members(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}
