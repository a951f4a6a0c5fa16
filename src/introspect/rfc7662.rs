//! OAuth 2.0 Token Introspection (RFC 7662): `POST` a form, get JSON.

use super::http_client::{Answer, HttpClient};
use super::{BadAnswer, Failure, FailureKind, Inquiry, Introspector, ServerSettings, read_answer};
use crate::token::Facts;
use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::time::Duration;
use thiserror::Error;
use url::Url;

pub struct Rfc7662 {
    settings: ServerSettings,
    client: HttpClient,
    /// What every call carries: `Accept`, the configured headers, our credentials.
    headers: HeaderMap,
}

/// Settings that look right and cannot be used.
#[derive(Debug, Error)]
pub enum Unusable {
    #[error(
        "authorization server `{0}`: the credentials do not fit into a header; look for line breaks or other control characters in them"
    )]
    Credentials(String),
    #[error("authorization server `{name}`: no HTTPS client can be made: {why}; are CA certificates installed, and is tls.ca a PEM file?")]
    Client { name: String, why: String },
}

impl Rfc7662 {
    pub fn new(settings: ServerSettings) -> Result<Self, Unusable> {
        let name = || settings.name.to_string();
        let client = HttpClient::new(&settings).map_err(|why| Unusable::Client { name: name(), why })?;
        let mut headers: HeaderMap = settings.headers.iter().cloned().collect();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(credentials) = settings.client_auth.header() {
            headers.insert(header::AUTHORIZATION, credentials.ok_or_else(|| Unusable::Credentials(name()))?);
        }
        Ok(Self { settings, client, headers })
    }

    /// One question to one endpoint (RFC 7662 §2.1).
    async fn ask(&self, endpoint: &Url, inquiry: &Inquiry) -> Result<Facts, Failure> {
        let form = self.form(inquiry);
        let forwarded = inquiry.forwarded.as_ref().filter(|_| self.settings.forward_host);
        let answer = self.client.send(|client| {
            let mut request = client
                .post(endpoint.clone())
                .headers(self.headers.clone())
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.clone());
            for (name, value) in forwarded.into_iter().flat_map(|forwarded| {
                [("x-forwarded-host", &forwarded.host), ("x-forwarded-proto", &forwarded.proto), ("x-forwarded-for", &forwarded.chain)]
            }) {
                request = request.header(name, value);
            }
            request
        });
        interpret(&answer.await?)
    }

    /// The token, encoded so that nothing in it can become a parameter.
    fn form(&self, inquiry: &Inquiry) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", inquiry.token.expose());
        form.extend_pairs(self.settings.token_type_hint.iter().map(|hint| ("token_type_hint", hint)));
        form.extend_pairs(&self.settings.parameters);
        form.extend_pairs(self.settings.client_auth.parameters());
        form.finish()
    }
}

#[async_trait]
impl Introspector for Rfc7662 {
    /// Asks the endpoints in order, until one is not in trouble. Each gets an equal share of the time.
    async fn introspect(&self, inquiry: &Inquiry) -> Result<Facts, Failure> {
        let share = self.settings.timeout / u32::try_from(self.settings.endpoints.len()).unwrap_or(u32::MAX).max(1);
        let mut outcome = Err(Failure::new(FailureKind::Unavailable, "no introspection endpoint"));
        for endpoint in &self.settings.endpoints {
            outcome = match tokio::time::timeout(share, self.ask(endpoint, inquiry)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(Failure::new(FailureKind::Timeout, format!("no answer within {share:?}"))),
            };
            match &mut outcome {
                Err(failure) => {
                    failure.detail = format!("{}: {}", shown(endpoint), failure.detail).into();
                    if !failure.counts_for_breaker() {
                        break;
                    }
                }
                Ok(_) => break,
            }
        }
        outcome
    }
}

/// RFC 7662 §2.2 and §2.3, and what real servers make of them.
fn interpret(answer: &Answer) -> Result<Facts, Failure> {
    let status = answer.status;
    let bad = |detail: String| Err(Failure::new(FailureKind::BadResponse, detail));
    match status {
        StatusCode::OK => read_answer(&answer.body).or_else(|error| bad(explained(error))),
        // the server does not know such tokens (RFC 7009 §2.2.1 names the error)
        StatusCode::BAD_REQUEST if error_code(&answer.body).as_deref() == Some("unsupported_token_type") => Ok(Facts::Inactive),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Failure::new(
            FailureKind::RejectedUs,
            format!("status {status}: the server does not accept this gateway; check client_auth, its scope and form_encode"),
        )),
        StatusCode::TOO_MANY_REQUESTS => Err(Failure {
            retry_after: retry_after(&answer.headers),
            ..Failure::new(FailureKind::Throttled, "status 429: the server limits how often it is asked")
        }),
        status if status.is_redirection() => bad(redirected(status, &answer.headers)),
        status if status.is_server_error() => Err(Failure {
            transient: matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT),
            retry_after: retry_after(&answer.headers),
            ..Failure::new(FailureKind::Unavailable, format!("status {status}"))
        }),
        StatusCode::BAD_REQUEST => {
            bad(format!("status {status}: the server does not understand the call; missing or doubled client_auth is a usual reason"))
        }
        status => bad(format!("status {status}, where 200 was expected")),
    }
}

fn explained(error: BadAnswer) -> String {
    format!("status 200, but {error}; is this the introspection endpoint?")
}

fn redirected(status: StatusCode, headers: &HeaderMap) -> String {
    let location = headers.get(header::LOCATION).and_then(|location| location.to_str().ok()).unwrap_or_default();
    let path = match Url::parse(location) {
        Ok(url) => url.path().to_owned(),
        Err(_) => location.split(['?', '#']).next().unwrap_or_default().to_owned(),
    };
    let path: String = path.chars().filter(|c| !c.is_control()).take(200).collect();
    format!(
        "status {status} to path `{path}`: redirects are not followed, since they would carry the token along; a final slash missing or too many is the usual reason"
    )
}

fn error_code(body: &[u8]) -> Option<String> {
    let members = crate::token::json::object(body).ok()?;
    members.get("error")?.as_str().map(str::to_owned)
}

/// `Retry-After` in seconds or as a date (RFC 9110 §10.2.3); a date counts from the answer's own.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = headers.get(header::DATE)?.to_str().ok()?;
    httpdate::parse_http_date(text).ok()?.duration_since(httpdate::parse_http_date(date).ok()?).ok()
}

/// An endpoint for the log: without query and userinfo.
fn shown(endpoint: &Url) -> String {
    format!("{}{}", endpoint.origin().ascii_serialization(), endpoint.path())
}

impl ServerSettings {
    /// Everything that can change what the server answers, for the key of cache entries
    /// (RFC 7662 §2.2: it may answer differently to each caller).
    pub fn fingerprint(&self) -> Vec<String> {
        let mut texts = vec!["rfc7662".to_owned()];
        let mut list = |name: &str, items: Vec<String>| {
            texts.push(format!("{name} {}", items.len()));
            texts.extend(items);
        };
        list("endpoints", self.endpoints.iter().map(ToString::to_string).collect());
        list("client_auth", self.client_auth.fingerprint().into_iter().map(str::to_owned).collect());
        list("token_type_hint", self.token_type_hint.iter().cloned().collect());
        list("parameters", self.parameters.iter().flat_map(|(name, value)| [name.clone(), value.clone()]).collect());
        let headers =
            self.headers.iter().flat_map(|(name, value)| [name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()]);
        list("headers", headers.collect());
        texts.push(format!("forward_host {}", self.forward_host));
        texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interpreted(status: u16, headers: &[(header::HeaderName, &'static str)], body: &'static str) -> Result<Facts, Failure> {
        let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        interpret(&Answer { status: StatusCode::from_u16(status).unwrap_or_default(), headers, body: body.into() })
    }

    fn kind(status: u16, body: &'static str) -> Option<FailureKind> {
        interpreted(status, &[], body).err().map(|failure| failure.kind)
    }

    #[test]
    fn a_status_says_whose_fault_it_is() {
        for (status, expected) in [
            (401, FailureKind::RejectedUs),
            (403, FailureKind::RejectedUs),
            (429, FailureKind::Throttled),
            (500, FailureKind::Unavailable),
            (503, FailureKind::Unavailable),
            (301, FailureKind::BadResponse),
            (404, FailureKind::BadResponse),
            (400, FailureKind::BadResponse),
            (204, FailureKind::BadResponse),
            (201, FailureKind::BadResponse),
        ] {
            assert_eq!(kind(status, r#"{"active":true}"#), Some(expected), "{status}");
        }
        assert_eq!(kind(200, "<html>"), Some(FailureKind::BadResponse));
    }

    #[test]
    fn an_unsupported_token_type_is_an_inactive_token() {
        assert!(matches!(interpreted(400, &[], r#"{"error":"unsupported_token_type"}"#), Ok(Facts::Inactive)));
        assert_eq!(kind(400, r#"{"error":"invalid_request"}"#), Some(FailureKind::BadResponse));
        assert_eq!(kind(401, r#"{"error":"unsupported_token_type"}"#), Some(FailureKind::RejectedUs));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let after =
            |headers: &[(header::HeaderName, &'static str)]| interpreted(429, headers, "").err().and_then(|failure| failure.retry_after);
        assert_eq!(after(&[(header::RETRY_AFTER, "7")]), Some(Duration::from_secs(7)));
        let dates = [(header::RETRY_AFTER, "Sun, 06 Nov 1994 08:49:47 GMT"), (header::DATE, "Sun, 06 Nov 1994 08:49:37 GMT")];
        assert_eq!(after(&dates), Some(Duration::from_secs(10)));
        assert_eq!(after(&[(header::RETRY_AFTER, "soon")]), None);
    }

    #[test]
    fn a_redirect_is_explained_without_its_query() {
        let failure = interpreted(301, &[(header::LOCATION, "/o/introspect/?token=secret")], "").err();
        let detail = failure.map(|failure| failure.detail.to_string()).unwrap_or_default();
        assert!(detail.contains("`/o/introspect/`") && detail.contains("final slash") && !detail.contains("secret"), "{detail}");
    }

    #[test]
    fn only_the_servers_own_trouble_counts_for_the_breaker() {
        for (status, counts) in [(500, true), (429, true), (401, false), (400, false), (301, false), (404, false)] {
            assert_eq!(interpreted(status, &[], "").err().map(|failure| failure.counts_for_breaker()), Some(counts), "{status}");
        }
    }
}
