//! The head of an upstream's response, as both ways read it.

use super::cache_control;
use super::hop_by_hop::strip;
use crate::request::members;
use http::{HeaderMap, Method, StatusCode, header};
use pingora_core::Result;
use pingora_error::{Error, ErrorType};
use pingora_http::ResponseHeader;

/// Checks a head, and removes the fields that the client must not get. Returns whether the
/// upstream's connection can be used again behind the response.
///
/// Errors: the framing of the body cannot be understood (RFC 9112 §6.1); to the client that is 502.
pub fn tidy(response: &mut ResponseHeader, method: &Method) -> Result<bool> {
    let reusable = !has_close(&response.headers) && !announces_a_forbidden_body(response, method);
    // RFC 9110 §8.6, RFC 9112 §6.1
    if response.status == StatusCode::NO_CONTENT || response.status.is_informational() {
        response.remove_header(&header::CONTENT_LENGTH);
        response.remove_header(&header::TRANSFER_ENCODING);
    }
    let mut codings = response.headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => {}
        (Some(one), None) if one.as_bytes().eq_ignore_ascii_case(b"chunked") => {}
        // the old name of no coding at all: the body ends with the connection
        (Some(one), None) if one.as_bytes().eq_ignore_ascii_case(b"identity") => {
            response.remove_header(&header::TRANSFER_ENCODING);
        }
        // no client was asked whether it knows another coding
        _ => return Err(not_understood()),
    }
    strip(response);
    if response.status.is_informational() {
        response.remove_header(&header::CONNECTION);
    }
    Ok(reusable)
}

/// Keeps a response out of shared caches.
pub fn keep_private(response: &mut ResponseHeader) -> Result<()> {
    let lines = response.headers.get_all(header::CACHE_CONTROL).iter();
    let value = cache_control::private(lines.map(|line| line.as_bytes()));
    response.insert_header(header::CACHE_CONTROL, value)
}

fn not_understood() -> Box<Error> {
    Error::explain(ErrorType::InvalidHTTPHeader, "Transfer-Encoding is not \"chunked\"").into_up()
}

/// `close` in any line of `Connection` (RFC 9110 §5.3: several lines are one list).
fn has_close(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::CONNECTION).iter();
    let mut options = lines.flat_map(|line| members(line.as_bytes()));
    options.any(|option| option.eq_ignore_ascii_case(b"close"))
}

/// Whether a response that has no body announces one. A server that sends it all the same would
/// answer the next request with it.
fn announces_a_forbidden_body(response: &ResponseHeader, method: &Method) -> bool {
    has_no_body(response.status, method)
        && (response.headers.contains_key(header::TRANSFER_ENCODING)
            || response
                .headers
                .get_all(header::CONTENT_LENGTH)
                .iter()
                .any(|length| length.as_bytes() != b"0"))
}

/// RFC 9112 §6.3: these responses end with their head, with any header fields.
pub fn has_no_body(status: StatusCode, method: &Method) -> bool {
    *method == Method::HEAD
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
}
