//! A denial as a response: `application/problem+json` (RFC 9457), or a gRPC status.

use super::{Challenge, Denial};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::json;

/// The form of the client's request, which decides the form of the refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Http,
    /// Headers only (RFC 9110 §9.3.2).
    Head,
    /// Trailers only, status in `grpc-status`.
    Grpc,
}

/// A response that the gateway makes itself, ready to be written: a refusal, mostly.
#[derive(Debug)]
pub struct OwnResponse {
    pub status: StatusCode,
    /// Names in their usual case: some clients compare them with case.
    pub headers: Vec<(&'static str, HeaderValue)>,
    pub body: Bytes,
    /// The value of `Content-Length`; for HEAD the body itself is empty.
    pub length: usize,
}

impl Shape {
    pub fn for_request(method: &Method, headers: &HeaderMap) -> Self {
        let content_type =
            headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
        // `application/grpc+proto` too, but not `application/grpc-web`, which is another protocol
        let grpc = content_type
            .strip_prefix(b"application/grpc")
            .is_some_and(|rest| matches!(rest, [] | [b'+' | b';', ..]));
        if grpc {
            Self::Grpc
        } else if method == Method::HEAD {
            Self::Head
        } else {
            Self::Http
        }
    }
}

impl Denial {
    /// The response. `request_id` is one of ours, or was checked.
    pub fn respond(&self, challenge: &Challenge, shape: Shape, request_id: &str) -> OwnResponse {
        let mut headers = vec![("Cache-Control", HeaderValue::from_static("no-store"))];
        let mut add = |name: &'static str, value: Option<HeaderValue>| {
            headers.extend(value.map(|value| (name, value)))
        };
        add("X-Request-Id", HeaderValue::try_from(request_id).ok());
        add("WWW-Authenticate", challenge.for_denial(self));
        add("Retry-After", self.retry_after_seconds().map(HeaderValue::from));
        let sentence = self.sentence();

        if shape == Shape::Grpc {
            add("Content-Type", Some(HeaderValue::from_static("application/grpc")));
            add("grpc-status", Some(HeaderValue::from_static(self.reason.grpc_status())));
            add("grpc-message", HeaderValue::try_from(sentence).ok());
            return OwnResponse { status: StatusCode::OK, headers, body: Bytes::new(), length: 0 };
        }

        add("Content-Type", Some(HeaderValue::from_static("application/problem+json")));
        let status = self.reason.status();
        let mut problem = json!({
            "type": format!("urn:introgate:{}", self.reason.as_str()),
            "title": status.canonical_reason().unwrap_or_default(),
            "status": status.as_u16(),
            "detail": sentence,
            "reason": self.reason.as_str(),
            "request_id": request_id,
        });
        if let Some(error) = self.oauth_error() {
            problem["error"] = error.into();
        }
        let body = Bytes::from(format!("{problem}\n"));
        let length = body.len();
        OwnResponse {
            status,
            headers,
            body: if shape == Shape::Head { Bytes::new() } else { body },
            length,
        }
    }

    /// Every 429 and 503 has `Retry-After`: the time of the limit or of the server that asked for
    /// it, else one second. A server's time is cut to five minutes.
    fn retry_after_seconds(&self) -> Option<u64> {
        let wanted =
            self.retry_after.map(|after| after.as_secs() + u64::from(after.subsec_nanos() > 0));
        let seconds = wanted.unwrap_or(1).max(1);
        match self.reason.status() {
            StatusCode::TOO_MANY_REQUESTS => Some(seconds),
            StatusCode::SERVICE_UNAVAILABLE => Some(seconds.min(300)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deny::Reason;
    use std::time::Duration;

    fn respond(denial: &Denial, shape: Shape) -> OwnResponse {
        denial.respond(&Challenge::new("introgate", ["read"]), shape, "id-1")
    }

    fn header<'a>(refusal: &'a OwnResponse, name: &str) -> Option<&'a str> {
        refusal
            .headers
            .iter()
            .find(|(held, _)| held.eq_ignore_ascii_case(name))
            .and_then(|(_, value)| value.to_str().ok())
    }

    #[test]
    fn rfc9457_problem_details() {
        let refusal = respond(&Denial::because(Reason::Inactive), Shape::Http);
        let problem: serde_json::Value = serde_json::from_slice(&refusal.body).unwrap_or_default();
        assert_eq!(
            problem,
            json!({"type": "urn:introgate:inactive", "title": "Unauthorized", "status": 401, "detail": Reason::Inactive.sentence(),
                "error": "invalid_token", "reason": "inactive", "request_id": "id-1"})
        );
        assert_eq!(header(&refusal, "content-type"), Some("application/problem+json"));
        assert_eq!(header(&refusal, "cache-control"), Some("no-store"));
    }

    #[test]
    fn head_gets_the_headers_alone() {
        let denial = Denial::because(Reason::MissingToken);
        let (get, head) = (respond(&denial, Shape::Http), respond(&denial, Shape::Head));
        assert!(head.body.is_empty());
        assert_eq!((head.status, head.length), (get.status, get.body.len()));
    }

    #[test]
    fn grpc_gets_a_grpc_status() {
        for (reason, status) in [
            (Reason::MissingToken, "16"),
            (Reason::InsufficientScope, "7"),
            (Reason::AsTimeout, "14"),
            (Reason::UpstreamUnavailable, "14"),
        ] {
            let refusal = respond(&Denial::because(reason), Shape::Grpc);
            assert_eq!(
                (refusal.status, header(&refusal, "grpc-status")),
                (StatusCode::OK, Some(status)),
                "{reason:?}"
            );
            assert!(refusal.body.is_empty());
        }
    }

    #[test]
    fn every_503_has_retry_after() {
        let after = |retry_after| {
            let refusal = respond(
                &Denial { retry_after, ..Denial::because(Reason::AsThrottled) },
                Shape::Http,
            );
            header(&refusal, "retry-after").map(str::to_owned)
        };
        assert_eq!(after(None).as_deref(), Some("1"));
        assert_eq!(after(Some(Duration::from_millis(2500))).as_deref(), Some("3"));
        assert_eq!(after(Some(Duration::from_secs(100_000))).as_deref(), Some("300"));
        assert_eq!(
            header(&respond(&Denial::because(Reason::Inactive), Shape::Http), "retry-after"),
            None
        );
    }
}
