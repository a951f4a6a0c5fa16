//! The admin listener: health, metrics, status, purge, events. Apart from the proxy's listeners,
//! and on loopback unless configured otherwise.

mod body;
mod decisions;
mod explain;
mod host;
mod page;
mod purge;
mod respond;
mod security_events;
mod status;

use crate::runtime::Process;
use async_trait::async_trait;
use decisions::{Filter, Followers};
use http::{Method, Response, StatusCode};
use pingora_core::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_error::ErrorType;
use pingora_http::RequestHeader;
use respond::{json, not_allowed, not_found, problem, response, text};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

/// How long a connection may take to send a header section, the idle time before it included.
const HEADER_TIMEOUT: Duration = Duration::from_secs(60);

/// Paths that answer GET and HEAD alone.
const READ_ONLY: [&str; 10] = [
    "/",
    "/page.css",
    "/page.js",
    "/livez",
    "/readyz",
    "/metrics",
    "/api/status",
    "/api/config",
    "/api/decisions",
    "/.well-known/jwks.json",
];

pub struct Admin {
    process: Arc<Process>,
    followers: Followers,
}

/// The answer to a request.
enum Reply {
    Whole(Response<Vec<u8>>),
    /// Decisions as they happen, for as long as the turn is held.
    Decisions(Filter, OwnedSemaphorePermit),
}

impl From<Response<Vec<u8>>> for Reply {
    fn from(response: Response<Vec<u8>>) -> Self {
        Self::Whole(response)
    }
}

impl Admin {
    pub fn new(process: Arc<Process>) -> Self {
        Self { process, followers: Followers::default() }
    }

    async fn reply(&self, session: &mut ServerSession) -> Reply {
        let request = session.req_header();
        let path = request.uri.path().to_owned();
        // probes and scrapers call by any name; these paths reveal nothing to a browser
        let open = matches!(path.as_str(), "/livez" | "/readyz" | "/metrics");
        if !open && let Err(refusal) = host::check(request, &self.process) {
            return refusal.into();
        }
        let get = matches!(request.method, Method::GET | Method::HEAD);
        if path == "/api/decisions" && get {
            return self.decisions(request).unwrap_or_else(Reply::Whole);
        }
        let response = match path.as_str() {
            "/api/cache/purge" if request.method == Method::POST => {
                purge::purge(&self.process, session).await
            }
            "/api/cache/purge" => not_allowed("POST"),
            "/api/explain" if request.method == Method::POST => {
                explain::explain(&self.process, session).await
            }
            "/api/explain" => not_allowed("POST"),
            "/api/events" => security_events::events(&self.process, session).await,
            path if READ_ONLY.contains(&path) && !get => not_allowed("GET, HEAD"),
            "/" => match decisions::filter(request) {
                Ok(filter) => page::page(&self.process, &filter),
                Err(refusal) => refusal,
            },
            "/page.css" => page::style(),
            "/page.js" => page::script(),
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
            "/.well-known/jwks.json" => keys(&self.process),
            _ => not_found(),
        };
        response.into()
    }

    fn decisions(&self, request: &RequestHeader) -> Result<Reply, Response<Vec<u8>>> {
        let filter = decisions::filter(request)?;
        if decisions::wants_stream(request) && request.method == Method::GET {
            return Ok(Reply::Decisions(filter, self.followers.join()?));
        }
        Ok(decisions::list(&self.process, &filter).into())
    }
}

/// pingora's own `HttpServer` logs a header section that it cannot read, credentials included. Here
/// a malformed request is answered, and not quoted.
#[async_trait]
impl HttpServerApp for Admin {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        match timeout(HEADER_TIMEOUT, session.read_request()).await {
            Ok(Ok(true)) => {}
            // the client left, or sent nothing for too long
            Ok(Ok(false)) | Err(_) => return None,
            Ok(Err(error)) => {
                if *error.etype() == ErrorType::InvalidHTTPHeader {
                    refuse_malformed(session).await;
                }
                return None;
            }
        }
        session.set_keepalive(if *shutdown.borrow() { None } else { Some(60) });
        let sent = match self.reply(&mut session).await {
            Reply::Whole(response) => respond::send(&mut session, response).await,
            Reply::Decisions(filter, _turn) => {
                decisions::follow(&self.process, &filter, &mut session, shutdown).await
            }
        };
        // a client that is gone needs no further answer
        sent.ok()?;
        let settings = HttpPersistentSettings::for_session(&session);
        let reusable = session.finish().await.ok()??;
        Some(ReusedHttpStream::from_reusable_stream(reusable, settings))
    }
}

/// The public keys of assertions.
fn keys(process: &Process) -> Response<Vec<u8>> {
    let parts = &process.parts;
    match parts.assertion_keys.lock().set(parts.clock.now().mono) {
        Some(set) => response(StatusCode::OK, "application/jwk-set+json", set.to_string()),
        None => not_found(),
    }
}

async fn refuse_malformed(mut session: ServerSession) {
    let peer = session.client_addr().map(ToString::to_string);
    tracing::debug!(peer, "the admin listener refused a malformed request");
    session.set_keepalive(None);
    let refusal = problem(StatusCode::BAD_REQUEST, "The request is malformed.");
    // a client that is gone by now needs no answer
    let _ = respond::send(&mut session, refusal).await;
    session.shutdown().await;
}
