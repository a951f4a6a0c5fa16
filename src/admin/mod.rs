//! The admin listener: health, metrics, status, purge, events. Apart from the proxy's listeners,
//! and on loopback unless configured otherwise.

mod body;
mod explain;
mod page;
mod purge;
mod security_events;
mod status;

use crate::runtime::Process;
use async_trait::async_trait;
use http::{HeaderValue, Method, Response, StatusCode, header};
use pingora_core::apps::http_app::ServeHttp;
use pingora_core::protocols::http::ServerSession;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub struct Admin {
    process: Arc<Process>,
}

impl Admin {
    pub fn new(process: Arc<Process>) -> Self {
        Self { process }
    }
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let request = session.req_header();
        let path = request.uri.path().to_owned();
        let get = matches!(request.method, Method::GET | Method::HEAD);
        match path.as_str() {
            "/api/cache/purge" if request.method == Method::POST => {
                purge::purge(&self.process, session).await
            }
            "/api/cache/purge" => not_allowed("POST"),
            "/api/explain" if request.method == Method::POST => {
                explain::explain(&self.process, session).await
            }
            "/api/explain" => not_allowed("POST"),
            "/api/events" => security_events::events(&self.process, session).await,
            "/" | "/livez" | "/readyz" | "/metrics" | "/api/status" | "/api/config" if !get => {
                not_allowed("GET, HEAD")
            }
            "/" => response(StatusCode::OK, "text/html; charset=utf-8", page::PAGE.to_owned()),
            "/livez" => text(StatusCode::OK, "alive\n"),
            "/readyz" if self.process.ready.load(Ordering::SeqCst) => {
                text(StatusCode::OK, "ready\n")
            }
            "/readyz" => text(
                StatusCode::SERVICE_UNAVAILABLE,
                "not ready: the listeners are not open yet, or a stop has begun\n",
            ),
            "/metrics" => response(
                StatusCode::OK,
                "text/plain; version=0.0.4; charset=utf-8",
                status::metrics(&self.process),
            ),
            "/api/status" => json(StatusCode::OK, &status::status(&self.process)),
            "/api/config" => json(
                StatusCode::OK,
                &serde_json::from_str(&self.process.runtime.load().shown).unwrap_or_default(),
            ),
            _ => problem(StatusCode::NOT_FOUND, "Nothing is served here."),
        }
    }
}

fn response(status: StatusCode, content_type: &'static str, body: String) -> Response<Vec<u8>> {
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

fn text(status: StatusCode, body: &str) -> Response<Vec<u8>> {
    response(status, "text/plain; charset=utf-8", body.to_owned())
}

fn json(status: StatusCode, body: &Value) -> Response<Vec<u8>> {
    response(status, "application/json", format!("{body:#}\n"))
}

fn problem(status: StatusCode, detail: &str) -> Response<Vec<u8>> {
    let title = status.canonical_reason().unwrap_or_default();
    let body =
        json!({"type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail});
    response(status, "application/problem+json", format!("{body}\n"))
}

fn not_allowed(allowed: &'static str) -> Response<Vec<u8>> {
    let mut response =
        problem(StatusCode::METHOD_NOT_ALLOWED, "This is served for another method.");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}
