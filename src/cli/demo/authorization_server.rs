//! A small authorization server: introspection (RFC 7662) and revocation (RFC 7009) of a handful
//! of tokens, for one client that authenticates with HTTP Basic.

use crate::clock::Clock;
use crate::secret::Secret;
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dashmap::DashSet;
use http::{HeaderValue, Method, Response, StatusCode, header};
use pingora_core::apps::http_app::ServeHttp;
use pingora_core::protocols::http::ServerSession;
use serde_json::{Value, json};

pub struct DemoServer {
    clock: Clock,
    credentials: Secret,
    began: i64,
    revoked: DashSet<String>,
}

struct Issued {
    token: &'static str,
    scope: &'static str,
    audience: &'static str,
    /// Seconds from the server's start.
    lifetime: i64,
}

const HOUR: i64 = 3600;

const TOKENS: [Issued; 5] = [
    Issued {
        token: "demo-active",
        scope: "read write",
        audience: "https://demo.example",
        lifetime: HOUR,
    },
    Issued {
        token: "demo-narrow",
        scope: "read",
        audience: "https://demo.example",
        lifetime: HOUR,
    },
    Issued {
        token: "demo-expired",
        scope: "read write",
        audience: "https://demo.example",
        lifetime: -HOUR,
    },
    Issued {
        token: "demo-revoked",
        scope: "read write",
        audience: "https://demo.example",
        lifetime: HOUR,
    },
    Issued {
        token: "demo-other-audience",
        scope: "read write",
        audience: "https://elsewhere.example",
        lifetime: HOUR,
    },
];

/// Bytes.
const LONGEST_FORM: usize = 16 * 1024;

impl DemoServer {
    pub fn new(clock: Clock) -> Self {
        let revoked = DashSet::new();
        revoked.insert("demo-revoked".to_owned());
        let credentials = Secret::new(STANDARD.encode("demo-gateway:demo-secret"));
        Self { began: clock.now().unix_seconds(), clock, credentials, revoked }
    }

    /// RFC 7662 §2.2: the answer about an inactive token has no further members.
    fn introspect(&self, token: &str) -> Value {
        let now = self.clock.now().unix_seconds();
        let issued = TOKENS.iter().find(|issued| issued.token == token);
        match issued.filter(|issued| {
            self.began + issued.lifetime > now && !self.revoked.contains(issued.token)
        }) {
            None => json!({"active": false}),
            Some(issued) => json!({
                "active": true,
                "sub": "Z5O3upPC88QrAjx00dis",
                "username": "jdoe",
                "client_id": "demo-app",
                "scope": issued.scope,
                "aud": issued.audience,
                "exp": self.began + issued.lifetime,
                "iat": self.began,
                "token_type": "Bearer",
            }),
        }
    }

    fn is_our_client(&self, session: &ServerSession) -> bool {
        let given = session
            .get_header(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '));
        given.is_some_and(|(scheme, given)| {
            scheme.eq_ignore_ascii_case("basic") && self.credentials.matches(given)
        })
    }
}

#[async_trait]
impl ServeHttp for DemoServer {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let path = session.req_header().uri.path().to_owned();
        if !matches!(path.as_str(), "/introspect" | "/revoke") {
            return answer(StatusCode::NOT_FOUND, &json!({"error": "not_found"}));
        }
        if session.req_header().method != Method::POST {
            return answer(StatusCode::METHOD_NOT_ALLOWED, &json!({"error": "invalid_request"}));
        }
        if !self.is_our_client(session) {
            let mut refusal = answer(StatusCode::UNAUTHORIZED, &json!({"error": "invalid_client"}));
            refusal
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"demo\""));
            return refusal;
        }
        let Some(token) = token(session).await else {
            return answer(StatusCode::BAD_REQUEST, &json!({"error": "invalid_request"}));
        };
        if path == "/introspect" {
            return answer(StatusCode::OK, &self.introspect(&token));
        }
        // RFC 7009 §2.2: revoking an unknown token succeeds as well, and only known ones are kept
        if TOKENS.iter().any(|issued| issued.token == token) {
            self.revoked.insert(token);
        }
        answer(StatusCode::OK, &json!({}))
    }
}

/// The form parameter `token`, when there is exactly one.
async fn token(session: &mut ServerSession) -> Option<String> {
    let mut form = Vec::new();
    while let Some(chunk) = session.read_request_body().await.ok()? {
        form.extend_from_slice(&chunk);
        if form.len() > LONGEST_FORM {
            return None;
        }
    }
    let mut tokens = form_urlencoded::parse(&form).filter(|(name, _)| name == "token");
    let token = tokens.next().map(|(_, token)| token.into_owned());
    token.filter(|_| tokens.next().is_none())
}

fn answer(status: StatusCode, body: &Value) -> Response<Vec<u8>> {
    let body = body.to_string().into_bytes();
    let length = body.len();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use std::time::Duration;

    #[test]
    fn each_token_behaves_as_its_name_promises() {
        let clock = ManualClock::at(1_000_000);
        let server = DemoServer::new(Clock::Manual(clock.clone()));
        let active = |token| server.introspect(token)["active"] == json!(true);
        assert!(active("demo-active") && active("demo-narrow") && active("demo-other-audience"));
        assert!(!active("demo-expired") && !active("demo-revoked") && !active("unknown"));
        clock.advance(Duration::from_secs(3600));
        assert!(!active("demo-active"));
    }
}
