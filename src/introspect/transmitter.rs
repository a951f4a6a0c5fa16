//! Calls to a transmitter of security events: JSON over the same way out as introspection (proxy,
//! TLS, connect time-out), authenticated by `events.client_auth`.

use super::client_auth::{FetchedToken, OwnToken};
use super::http_client::{HttpAnswer, HttpClient};
use super::status::{self, shown};
use super::{
    ClientAuth, Documents, EventSettings, Failure, FailureKind, ServerSettings, UnusableSettings,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Bytes of a response. 10,000 events fit, although [`crate::introspect::EventSettings`] asks for
/// far fewer at a time.
pub const LARGEST_RESPONSE: usize = 8 << 20;

/// A client for one transmitter.
pub struct TransmitterClient {
    client: Arc<HttpClient>,
    headers: HeaderMap,
    /// Of `client_credentials`.
    own_token: Option<Arc<OwnToken>>,
    advice: &'static str,
    /// One call that is not held by the transmitter.
    pub timeout: Duration,
}

/// A response with a status that the caller decides about: any 2xx, 404 or 409.
pub struct Responded {
    pub status: StatusCode,
    pub body: Bytes,
}

impl TransmitterClient {
    /// Fails when the credentials do not fit into a header, or no TLS client can be made.
    pub fn new(
        server: &ServerSettings,
        events: &EventSettings,
        documents: &Documents,
    ) -> Result<Self, UnusableSettings> {
        let clock = documents.clock().clone();
        let auth = &events.client_auth;
        let client = HttpClient::with_certificate(server, auth.certificate(), clock.clone())?;
        let client = Arc::new(client.with_fixed_limit(LARGEST_RESPONSE));
        let credentials = || UnusableSettings::Credentials(server.name.to_string());
        let mut headers = HeaderMap::from_iter([
            (header::ACCEPT, HeaderValue::from_static("application/json")),
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            // RFC 8936 §2.4: the language of error descriptions
            (header::CONTENT_LANGUAGE, HeaderValue::from_static("en")),
        ]);
        if let Some(value) = auth.header().map_err(|_| credentials())? {
            headers.insert(header::AUTHORIZATION, value);
        }
        let own_token = match auth {
            ClientAuth::ClientCredentials(own) => {
                Some(OwnToken::for_server(server, own, &client, clock, documents)?)
            }
            _ => None,
        };
        let (advice, timeout) = (auth.advice(), server.timeout);
        Ok(Self { client, headers, own_token, advice, timeout })
    }

    /// One call, which may take `limit`. After a 401 it is repeated once with a new token of the
    /// gateway's own, where `client_credentials` fetches one. Fails with a detail for the operator.
    pub async fn call(
        &self,
        method: Method,
        url: &Url,
        body: Option<&Value>,
        limit: Duration,
    ) -> Result<Responded, Failure> {
        let late = |_| Err(Failure::new(FailureKind::Timeout, format!("no answer in {limit:?}")));
        let outcome = tokio::time::timeout(limit, self.authenticated(&method, url, body)).await;
        let answer = outcome.unwrap_or_else(late).map_err(|failure| failure.at(&shown(url)))?;
        match answer.status {
            status
                if status.is_success()
                    || matches!(status, StatusCode::NOT_FOUND | StatusCode::CONFLICT) =>
            {
                Ok(Responded { status, body: answer.body })
            }
            _ => Err(status::failure(&answer, self.advice).at(&shown(url))),
        }
    }

    async fn authenticated(
        &self,
        method: &Method,
        url: &Url,
        body: Option<&Value>,
    ) -> Result<HttpAnswer, Failure> {
        let own = match &self.own_token {
            None => None,
            Some(own) => Some(own.get().await?),
        };
        let answer = self.send(method, url, body, own.as_ref()).await?;
        if let (Some(token), Some(own), StatusCode::UNAUTHORIZED) =
            (&own, &self.own_token, answer.status)
            && let Some(newer) = own.after(token).await?
        {
            return self.send(method, url, body, Some(&newer)).await;
        }
        Ok(answer)
    }

    async fn send(
        &self,
        method: &Method,
        url: &Url,
        body: Option<&Value>,
        own: Option<&Arc<FetchedToken>>,
    ) -> Result<HttpAnswer, Failure> {
        let answer = self.client.send(|client| {
            let mut headers = self.headers.clone();
            if let Some(token) = own {
                headers.insert(header::AUTHORIZATION, token.header.clone());
            }
            let request = client.request(method.clone(), url.clone()).headers(headers);
            match body {
                Some(body) => request.body(body.to_string()),
                None => request,
            }
        });
        answer.await
    }
}
