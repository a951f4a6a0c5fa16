//! Calls by HTTP/1.1 over plain TCP: hyper's connections, kept and used again.
//!
//! Such a call costs less than half of one by the general client, whose layers for redirects, retries,
//! proxies and cookies have nothing to do here. Everything but plain http without a proxy is called
//! by the general client.

mod gzip;
mod idle;

use super::broken_call::{Broken, is_timeout, sentence};
use super::http_client::{Body, KEEPALIVE, Largest, user_agent};
use super::{Failure, ServerSettings};
use crate::clock::Clock;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::service::Service;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::service::TowerToHyperService;
use idle::{IdleCallers, Origin};
use reqwest::Request;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use url::{Position, Url};

/// One connection, while no response is under way on it.
type Caller = http1::SendRequest<reqwest::Body>;

/// Calls `http` URLs, each call on a connection of its own.
pub struct DirectClient {
    connector: TowerToHyperService<HttpConnector>,
    connect_timeout: Duration,
    idle: Arc<IdleCallers>,
    clock: Clock,
}

/// The connection that a call takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOn {
    /// One that is open, if there is one.
    AnyConnection,
    NewConnection,
}

/// A response whose body has not been read.
pub struct UnreadResponse {
    status: StatusCode,
    headers: HeaderMap,
    body: Incoming,
    caller: Caller,
    origin: Arc<Origin>,
}

impl DirectClient {
    /// `None` where the server's calls cannot be direct: a proxy may take them, or the
    /// configuration has `fast_path: false`.
    pub fn new(settings: &ServerSettings, clock: Clock) -> Option<Self> {
        if !settings.fast_path || settings.proxy.takes_plain_http() {
            return None;
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(settings.connect_timeout));
        connector.set_nodelay(true);
        connector.set_keepalive(Some(KEEPALIVE.idle));
        connector.set_keepalive_interval(Some(KEEPALIVE.interval));
        connector.set_keepalive_retries(Some(KEEPALIVE.retries));
        #[cfg(target_os = "linux")]
        connector.set_tcp_user_timeout(Some(KEEPALIVE.unacknowledged));
        Some(Self {
            connector: TowerToHyperService::new(connector),
            connect_timeout: settings.connect_timeout,
            idle: Arc::default(),
            clock,
        })
    }

    /// Whether this client can call the URL.
    pub fn takes(&self, url: &Url) -> bool {
        url.scheme() == "http"
    }

    /// Sends a request, and returns when the head of its response is there.
    pub async fn send(&self, mut request: Request, on: CallOn) -> Result<UnreadResponse, Broken> {
        let url = request.url();
        let origin = self.idle.origin(&url[Position::BeforeHost..Position::AfterPort])?;
        let target = Uri::try_from(&url[Position::BeforePath..Position::AfterQuery])
            .map_err(|_| Broken::UnusableUrl)?;
        let body = request.body_mut().take().unwrap_or_default();
        let mut outgoing = http::Request::new(body);
        *outgoing.method_mut() = request.method().clone();
        *outgoing.uri_mut() = target;
        let headers = outgoing.headers_mut();
        *headers = std::mem::take(request.headers_mut());
        // as the general client: a header that is there already stays
        headers.entry(header::HOST).or_insert_with(|| origin.authority.clone());
        headers.entry(header::USER_AGENT).or_insert_with(user_agent);
        headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        headers.entry(header::ACCEPT_ENCODING).or_insert(HeaderValue::from_static("gzip"));

        let waiting = match on {
            CallOn::AnyConnection => origin.take(self.clock.now().mono),
            CallOn::NewConnection => None,
        };
        let mut caller = match waiting {
            Some(caller) => caller,
            // rare and large: in a box, so that it is not a part of each call's state
            None => Box::pin(self.connect(&origin)).await?,
        };
        let response = caller.send_request(outgoing).await.map_err(Broken::Unanswered)?;
        let (head, body) = response.into_parts();
        Ok(UnreadResponse { status: head.status, headers: head.headers, body, caller, origin })
    }

    async fn connect(&self, origin: &Origin) -> Result<Caller, Broken> {
        let connecting = self.connector.call(origin.uri.clone());
        let stream = match tokio::time::timeout(self.connect_timeout, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                let timed_out = is_timeout(&error);
                return Err(Broken::Unconnected { timed_out, why: sentence(&error) });
            }
            Err(_) => {
                let why = format!("not within connect_timeout ({:?})", self.connect_timeout);
                return Err(Broken::Unconnected { timed_out: true, why });
            }
        };
        let (caller, connection) = http1::handshake(stream).await.map_err(Broken::Unanswered)?;
        tokio::spawn(async move {
            // the calls on it see how it ends
            drop(connection.await);
        });
        Ok(caller)
    }

    /// The status, the headers and the whole body, decoded. The connection is kept for another call
    /// if it can have one.
    pub async fn read(
        &self,
        response: UnreadResponse,
        largest: Largest,
    ) -> Result<(StatusCode, HeaderMap, Bytes), Failure> {
        let UnreadResponse { status, mut headers, body: mut incoming, caller, origin } = response;
        if incoming.size_hint().lower() > largest.bytes() as u64 {
            return Err(largest.exceeded());
        }
        let mut body = Body::default();
        while !incoming.is_end_stream() {
            let frame = poll_fn(|context| Pin::new(&mut incoming).poll_frame(context)).await;
            let Some(frame) = frame else { break };
            // the frames of another kind are trailers, which are ignored
            if let Ok(data) = frame.map_err(Broken::CutOff)?.into_data() {
                body.append(data, largest)?;
            }
        }
        drop(incoming);
        self.idle.keep(&origin, caller, &self.clock);
        let body = gzip::decoded(&mut headers, body.finish(), largest)?;
        Ok((status, headers, body))
    }
}
