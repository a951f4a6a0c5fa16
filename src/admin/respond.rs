//! Responses of the admin listener, and sending them.

use http::{HeaderValue, Response, StatusCode, header};
use pingora_core::Result;
use pingora_core::protocols::http::ServerSession;
use pingora_http::ResponseHeader;
use serde_json::{Value, json};

/// Sends a whole response.
pub async fn send(session: &mut ServerSession, response: Response<Vec<u8>>) -> Result<()> {
    let (parts, body) = response.into_parts();
    session.write_response_header(Box::new(ResponseHeader::from(parts))).await?;
    session.write_response_body(body.into(), true).await
}

pub fn response(status: StatusCode, content_type: &'static str, body: String) -> Response<Vec<u8>> {
    let length = body.len();
    let mut response = Response::new(body.into_bytes());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    response
}

pub fn text(status: StatusCode, body: &str) -> Response<Vec<u8>> {
    response(status, "text/plain; charset=utf-8", body.to_owned())
}

pub fn json(status: StatusCode, body: &Value) -> Response<Vec<u8>> {
    response(status, "application/json", format!("{body:#}\n"))
}

/// RFC 9457.
pub fn problem(status: StatusCode, detail: &str) -> Response<Vec<u8>> {
    let title = status.canonical_reason().unwrap_or_default();
    let body =
        json!({"type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail});
    response(status, "application/problem+json", format!("{body}\n"))
}

pub fn not_found() -> Response<Vec<u8>> {
    problem(StatusCode::NOT_FOUND, "There is nothing at this path.")
}

pub fn not_allowed(allowed: &'static str) -> Response<Vec<u8>> {
    let mut response =
        problem(StatusCode::METHOD_NOT_ALLOWED, "This path does not support the method.");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}
