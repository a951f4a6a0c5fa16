//! A request's header section, as both ways read it.

use http::{HeaderMap, Method, Version};
use pingora_http::RequestHeader;
use pingora_http::authority::raw_target_authority;

#[derive(Clone, Copy)]
pub struct Head<'r> {
    pub method: &'r Method,
    /// The request target, as it came.
    pub target: &'r [u8],
    /// `:authority` of HTTP/2.
    pub authority: Option<&'r str>,
    pub version: Version,
    pub headers: &'r HeaderMap,
}

impl<'r> Head<'r> {
    /// The host and port of an absolute target (RFC 9112 §3.2.2) or of `:authority`.
    pub fn target_authority(&self) -> Option<&'r str> {
        let absolute = raw_target_authority(self.target).authority();
        absolute.map_or(self.authority, |authority| std::str::from_utf8(authority).ok())
    }
}

impl<'r> From<&'r RequestHeader> for Head<'r> {
    fn from(request: &'r RequestHeader) -> Self {
        Self {
            method: &request.method,
            target: request.raw_path(),
            authority: request.uri.authority().map(http::uri::Authority::as_str),
            version: request.version,
            headers: &request.headers,
        }
    }
}
