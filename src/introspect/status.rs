//! The meaning of status codes other than a good answer's, alike for all kinds of server.

use super::http_client::HttpAnswer;
use super::{Failure, FailureKind};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use url::Url;

/// The failure for a status other than a good answer's. `credentials` is the advice for a server that
/// does not accept the gateway.
pub fn failure(answer: &HttpAnswer, credentials: &str) -> Failure {
    let status = answer.status;
    let bad = |detail: String| Failure::new(FailureKind::BadResponse, detail);
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::new(
            FailureKind::RejectedUs,
            format!(
                "status {status}{}: the server does not accept this gateway; {credentials}",
                shown_code(&answer.body)
            ),
        ),
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => Failure::new(
            FailureKind::Unavailable,
            "status 407: the proxy on the way does not let the gateway through; check user and password of `proxy`",
        ),
        StatusCode::TOO_MANY_REQUESTS => throttled(status, retry_after(answer)),
        status if status.is_redirection() => bad(redirected(status, &answer.headers)),
        status if status.is_server_error() => {
            let retry_after = retry_after(answer);
            let may_pass = matches!(
                status,
                StatusCode::BAD_GATEWAY
                    | StatusCode::SERVICE_UNAVAILABLE
                    | StatusCode::GATEWAY_TIMEOUT
            );
            Failure {
                // a server that names a time is not asked again at once
                transient: may_pass && retry_after.is_none_or(|pause| pause.is_zero()),
                retry_after,
                ..Failure::new(FailureKind::Unavailable, format!("status {status}"))
            }
        }
        status => {
            bad(format!("status {status}{}, where 200 was expected", shown_code(&answer.body)))
        }
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

/// How long the server asks to be left alone (RFC 9110 §10.2.3): in seconds, or until a date, which
/// counts from the answer's own `Date` where it has one, so that the server's clock may be wrong. Of
/// several values the longest counts; a value that is neither counts for nothing.
pub fn retry_after(answer: &HttpAnswer) -> Option<Duration> {
    let date = |value: &HeaderValue| httpdate::parse_http_date(value.to_str().ok()?).ok();
    let sent = answer.headers.get(header::DATE).and_then(date);
    let ours = || UNIX_EPOCH + Duration::from_secs(answer.at.try_into().unwrap_or_default());
    let sent = sent.unwrap_or_else(ours);
    let lines = answer.headers.get_all(header::RETRY_AFTER).iter();
    lines.filter_map(|line| pause(line.to_str().ok()?, sent)).max()
}

/// However long a server asks for.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// A date that is there already asks for a moment all the same.
const SHORTEST_UNTIL: Duration = Duration::from_secs(1);

fn pause(text: &str, sent: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(until) = httpdate::parse_http_date(text) {
        let left = until.duration_since(sent).unwrap_or_default();
        return Some(left.clamp(SHORTEST_UNTIL, LONGEST));
    }
    let (first, rest) =
        text.split_once(',').map_or((text, None), |(first, rest)| (first, Some(rest)));
    let digits = first.trim();
    let number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // more digits than fit are a very long time
    let seconds =
        number.then(|| Duration::from_secs(digits.parse().unwrap_or(u64::MAX)).min(LONGEST));
    // values that a proxy joined
    let others = if number { rest.and_then(|rest| pause(rest, sent)) } else { None };
    seconds.max(others)
}

/// The same as a log may show it (RFC 6749 §5.2: visible ASCII without quotes), ` (CODE)` or nothing.
pub fn shown_code(body: &[u8]) -> String {
    let code = error_code(body).unwrap_or_default();
    let fits = |byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    if code.is_empty() || code.len() > 60 || !code.bytes().all(fits) {
        return String::new();
    }
    format!(" ({code})")
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
    let path: Vec<&str> = path.split('/').map(without_token).collect();
    let path = path.join("/");
    format!(
        "status {status} to path `{path}`: redirects are not followed, since they would forward the token; the usual reason is a missing or superfluous final slash; a redirect to a login page means that the path is wrong"
    )
}

/// A segment of a path for the log. A server that has the token in its path (`type: custom`) may
/// redirect to a path with the token, and no token is logged; tokens are longer than the names of
/// endpoints.
fn without_token(segment: &str) -> &str {
    if segment.len() > LONGEST_NAME { "…" } else { segment }
}

/// Bytes.
const LONGEST_NAME: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const SENT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    /// The same in seconds since the Unix epoch.
    const SENT_SECONDS: i64 = 784_111_777;

    /// Of an answer with these `Retry-After` lines and this `Date`, which came at `at`.
    fn seconds(lines: &[&'static str], date: Option<&'static str>, at: i64) -> Option<u64> {
        let lines = lines.iter().map(|line| (header::RETRY_AFTER, *line));
        let headers = lines.chain(date.map(|date| (header::DATE, date)));
        let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
        let headers = headers.collect();
        let answer = HttpAnswer { status: StatusCode::OK, headers, body: Bytes::new(), at };
        retry_after(&answer).map(|pause| pause.as_secs())
    }

    /// RFC 9110 §10.2.3.
    #[test]
    fn retry_after_is_seconds_or_a_date() {
        const DAY: u64 = 24 * 60 * 60;
        let in_ten = "Sun, 06 Nov 1994 08:49:47 GMT";
        for (lines, date, at, expected) in [
            (&["7"][..], None, 0, Some(7)),
            (&["0"], None, 0, Some(0)),
            (&[" 7 "], None, 0, Some(7)),
            (&["99999999999999999999999"], None, 0, Some(DAY)),
            (&["86401"], None, 0, Some(DAY)),
            (&["-5"], None, 0, None),
            (&["+5"], None, 0, None),
            (&["1.5"], None, 0, None),
            (&["soon"], None, 0, None),
            (&[""], None, 0, None),
            // by the server's own clock, however wrong it or ours is
            (&[in_ten], Some(SENT), 0, Some(10)),
            (&[in_ten], Some(SENT), SENT_SECONDS + 3600, Some(10)),
            // by ours where the answer has no date, or none that can be read
            (&[in_ten], None, SENT_SECONDS, Some(10)),
            (&[in_ten], Some("yesterday"), SENT_SECONDS, Some(10)),
            (&[in_ten], None, SENT_SECONDS + 3600, Some(1)),
            (&[in_ten], None, -1, Some(DAY)),
            (&[SENT], Some(in_ten), 0, Some(1)),
            // the obsolete forms of a date (RFC 9110 §5.6.7)
            (&["Sunday, 06-Nov-94 08:49:47 GMT"], Some(SENT), 0, Some(10)),
            (&["Sun Nov  6 08:49:47 1994"], Some(SENT), 0, Some(10)),
            (&["Sun, 31 Feb 1994 08:49:47 GMT"], Some(SENT), 0, None),
            // both forms, and a line that a proxy joined
            (&["3", in_ten], Some(SENT), 0, Some(10)),
            (&["30", in_ten], Some(SENT), 0, Some(30)),
            (&["3, Sun, 06 Nov 1994 08:49:47 GMT"], Some(SENT), 0, Some(10)),
            (&["3, 4"], None, 0, Some(4)),
            (&["soon", "4"], None, 0, Some(4)),
        ] {
            assert_eq!(seconds(lines, date, at), expected, "{lines:?} {date:?} {at}");
        }
    }

    #[test]
    fn a_server_that_names_a_time_is_not_asked_again_at_once() {
        for (status, line, transient) in [
            (503, None, true),
            (503, Some("120"), false),
            (503, Some("0"), true),
            (500, None, false),
        ] {
            let headers = line.map(|line| (header::RETRY_AFTER, HeaderValue::from_static(line)));
            let status = StatusCode::from_u16(status).unwrap_or_default();
            let headers = headers.into_iter().collect();
            let answer = HttpAnswer { status, headers, body: Bytes::new(), at: 0 };
            assert_eq!(failure(&answer, "").transient, transient, "{status} {line:?}");
        }
    }
}
