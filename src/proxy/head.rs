//! A request's header section, as both ways read it.

use http::{HeaderMap, Method, Version};
use pingora_http::RequestHeader;

#[derive(Clone, Copy)]
pub struct Head<'r> {
    pub method: &'r Method,
    /// The request target, as it came.
    pub target: &'r [u8],
    /// The host and port of an absolute target.
    pub authority: Option<&'r str>,
    pub version: Version,
    pub headers: &'r HeaderMap,
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
