//! The one way out to authorization servers: keep-alive, no redirects, bounded bodies.

use super::{Failure, FailureKind, ServerSettings, Unusable};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use reqwest::{Client, Error, RequestBuilder, Response};
use std::time::Duration;

pub struct HttpClient {
    pooled: Client,
    /// Without a pool: what it sends goes over a new connection.
    fresh: Client,
    max_response_size: usize,
}

/// A whole answer.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl HttpClient {
    pub fn new(settings: &ServerSettings) -> Result<Self, Unusable> {
        Self::build(settings).map_err(|error| Unusable::Client { name: settings.name.to_string(), why: explained(&error) })
    }

    fn build(settings: &ServerSettings) -> Result<Self, Error> {
        let builder = || {
            let mut builder = Client::builder()
                .user_agent(concat!("introgate/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .no_proxy()
                .connect_timeout(settings.connect_timeout)
                .tcp_nodelay(true);
            if let Some((_, pem)) = &settings.extra_roots {
                builder = builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(pem)?);
            }
            if settings.is_plain() {
                // nothing is verified, so that no trust roots need to be installed
                builder = builder.tls_certs_only([]);
            }
            Ok::<_, Error>(builder)
        };
        Ok(Self {
            pooled: builder()?.pool_idle_timeout(Duration::from_secs(20)).pool_max_idle_per_host(32).build()?,
            fresh: builder()?.pool_max_idle_per_host(0).build()?,
            max_response_size: settings.max_response_size,
        })
    }

    /// Sends what `request` builds. A server may close an idle connection just as it is used
    /// again: then the call is repeated at once, on a new one.
    pub async fn send(&self, request: impl Fn(&Client) -> RequestBuilder) -> Result<Answer, Failure> {
        let response = match request(&self.pooled).send().await {
            Err(error) if was_closed(&error) => request(&self.fresh).send().await,
            outcome => outcome,
        };
        self.read(response.map_err(failure)?).await
    }

    async fn read(&self, mut response: Response) -> Result<Answer, Failure> {
        let too_large = || {
            Failure::new(
                FailureKind::BadResponse,
                format!("the answer is larger than max_response_size ({} bytes)", self.max_response_size),
            )
        };
        if response.content_length().is_some_and(|length| length > self.max_response_size as u64) {
            return Err(too_large());
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(failure)? {
            if body.len() + chunk.len() > self.max_response_size {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status: response.status(), headers: std::mem::take(response.headers_mut()), body: body.freeze() })
    }
}

/// The connection ended before any answer came.
fn was_closed(error: &Error) -> bool {
    let closed = |kind| {
        use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
    };
    !error.is_connect()
        && !error.is_timeout()
        && causes(error).any(|cause| {
            cause.downcast_ref::<std::io::Error>().is_some_and(|error| closed(error.kind()))
                || cause.downcast_ref::<hyper::Error>().is_some_and(|error| error.is_incomplete_message() || error.is_canceled())
        })
}

/// What reqwest says, without the URL (its query could hold a token) and with all causes.
fn failure(error: Error) -> Failure {
    let error = error.without_url();
    let text = explained(&error);
    if error.is_connect() {
        let kind = if error.is_timeout() { FailureKind::Timeout } else { FailureKind::Unavailable };
        return Failure { transient: true, ..Failure::new(kind, format!("cannot connect: {text}")) };
    }
    if error.is_timeout() {
        return Failure::new(FailureKind::Timeout, "no answer in time");
    }
    if error.is_decode() {
        return Failure::new(FailureKind::BadResponse, format!("the answer cannot be decoded: {text}"));
    }
    let closed = was_closed(&error);
    Failure { transient: closed, ..Failure::new(FailureKind::Unavailable, format!("the call broke off: {text}")) }
}

fn explained(error: &Error) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn causes<'e>(error: &'e Error) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    let first: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |error| error.source())
}
