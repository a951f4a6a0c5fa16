//! What statuses other than a good answer's say, alike for all kinds of server.

use super::http_client::Answer;
use super::{Failure, FailureKind};
use http::{HeaderMap, StatusCode, header};
use std::time::Duration;
use url::Url;

/// The failure behind a status that is no answer. `credentials` says what to look at when the
/// server does not accept the gateway.
pub fn failure(answer: &Answer, credentials: &str) -> Failure {
    let status = answer.status;
    let bad = |detail: String| Failure::new(FailureKind::BadResponse, detail);
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::new(
            FailureKind::RejectedUs,
            format!("status {status}: the server does not accept this gateway; {credentials}"),
        ),
        StatusCode::TOO_MANY_REQUESTS => throttled(status, retry_after(&answer.headers)),
        status if status.is_redirection() => bad(redirected(status, &answer.headers)),
        status if status.is_server_error() => Failure {
            transient: matches!(
                status,
                StatusCode::BAD_GATEWAY
                    | StatusCode::SERVICE_UNAVAILABLE
                    | StatusCode::GATEWAY_TIMEOUT
            ),
            retry_after: retry_after(&answer.headers),
            ..Failure::new(FailureKind::Unavailable, format!("status {status}"))
        },
        status => bad(format!("status {status}, where 200 was expected")),
    }
}

/// The server wants to be asked less often.
pub fn throttled(status: StatusCode, retry_after: Option<Duration>) -> Failure {
    Failure {
        retry_after,
        ..Failure::new(
            FailureKind::Throttled,
            format!("status {}: the server limits how often it is asked", status.as_u16()),
        )
    }
}

/// `error` of an answer that is a JSON object (RFC 6749 §5.2).
pub fn error_code(body: &[u8]) -> Option<String> {
    let members = crate::token::json::object(body).ok()?;
    members.get("error")?.as_str().map(str::to_owned)
}

/// `Retry-After` in seconds or as a date (RFC 9110 §10.2.3); a date counts from the answer's own.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = headers.get(header::DATE)?.to_str().ok()?;
    httpdate::parse_http_date(text).ok()?.duration_since(httpdate::parse_http_date(date).ok()?).ok()
}

/// An endpoint for the log: without query and userinfo.
pub fn shown(endpoint: &Url) -> String {
    format!("{}{}", endpoint.origin().ascii_serialization(), endpoint.path())
}

fn redirected(status: StatusCode, headers: &HeaderMap) -> String {
    let location = headers
        .get(header::LOCATION)
        .and_then(|location| location.to_str().ok())
        .unwrap_or_default();
    let path = match Url::parse(location) {
        Ok(url) => url.path().to_owned(),
        Err(_) => location.split(['?', '#']).next().unwrap_or_default().to_owned(),
    };
    let path: String = path.chars().filter(|c| !c.is_control()).take(200).collect();
    format!(
        "status {status} to path `{path}`: redirects are not followed, since they would carry the token along; a final slash missing or too many is the usual reason"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let after = |headers: &[(header::HeaderName, &'static str)]| {
            retry_after(
                &headers
                    .iter()
                    .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
                    .collect(),
            )
        };
        assert_eq!(after(&[(header::RETRY_AFTER, "7")]), Some(Duration::from_secs(7)));
        let dates = [
            (header::RETRY_AFTER, "Sun, 06 Nov 1994 08:49:47 GMT"),
            (header::DATE, "Sun, 06 Nov 1994 08:49:37 GMT"),
        ];
        assert_eq!(after(&dates), Some(Duration::from_secs(10)));
        assert_eq!(after(&[(header::RETRY_AFTER, "soon")]), None);
    }
}
