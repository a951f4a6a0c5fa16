//! `POST /api/events`: security events by push (RFC 8935), and back-channel logout (OpenID Connect
//! Back-Channel Logout 1.0). Events are authenticated by the signature of their authorization
//! server; `admin.token` is not required.

use super::body::{self, Unread};
use super::respond::{not_allowed, not_found, response, text};
use crate::delivery::{RefusedEvent, take};
use crate::runtime::Process;
use crate::security_events::{Code, Delivery, Refusal};
use crate::telemetry::Received;
use http::{HeaderValue, Method, Response, StatusCode, header};
use pingora_core::protocols::http::ServerSession;
use serde_json::json;

pub async fn events(process: &Process, session: &mut ServerSession) -> Response<Vec<u8>> {
    if process.runtime.load().events.is_off() {
        return not_found();
    }
    if session.req_header().method != Method::POST {
        return not_allowed("POST");
    }
    let Some(delivery) = delivery(session) else {
        session.set_keepalive(None);
        let why = "The content type is neither application/secevent+jwt nor application/x-www-form-urlencoded.";
        return refuse(
            process,
            Delivery::Push,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            (None, Refusal::invalid(why)),
        );
    };
    let body = match body::read_body(session).await {
        Ok(body) => body,
        Err(unread) => {
            let status = if unread == Unread::TooLarge {
                StatusCode::PAYLOAD_TOO_LARGE
            } else {
                StatusCode::BAD_REQUEST
            };
            return refuse(process, delivery, status, (None, Refusal::invalid(unread.why())));
        }
    };
    let token = token(&body, delivery).map_err(|refusal| (None, refusal));
    let taken = match token {
        Ok(token) => take(process, &token, delivery).await,
        Err(refused) => Err(refused),
    };
    match taken {
        Ok(()) => text(
            if delivery == Delivery::Logout { StatusCode::OK } else { StatusCode::ACCEPTED },
            "",
        ),
        Err(refused) => {
            // RFC 8935 §2.3: 400 means that the event is invalid, and another status that it may be
            // valid
            let unavailable = refused.1.code == Code::Unavailable;
            let status =
                if unavailable { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::BAD_REQUEST };
            refuse(process, delivery, status, refused)
        }
    }
}

fn delivery(session: &ServerSession) -> Option<Delivery> {
    let content_type = session.get_header(header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let is = |wanted: &str| essence.eq_ignore_ascii_case(wanted);
    match () {
        () if is("application/secevent+jwt") => Some(Delivery::Push),
        () if is("application/x-www-form-urlencoded") => Some(Delivery::Logout),
        () => None,
    }
}

fn token(body: &[u8], delivery: Delivery) -> Result<String, Refusal> {
    if delivery != Delivery::Logout {
        let token = std::str::from_utf8(body.trim_ascii());
        return token
            .map(str::to_owned)
            .map_err(|_| Refusal::invalid("the body is not a security event token"));
    }
    let mut tokens = form_urlencoded::parse(body)
        .filter(|(name, _)| name == "logout_token")
        .map(|(_, token)| token.into_owned());
    match (tokens.next(), tokens.next()) {
        (Some(token), None) => Ok(token),
        _ => Err(Refusal::invalid("the form has no `logout_token`, or more than one")),
    }
}

/// RFC 8935 §2.3; in the words of OAuth for logout (Back-Channel Logout 1.0 §2.8).
fn refuse(
    process: &Process,
    delivery: Delivery,
    status: StatusCode,
    refused: RefusedEvent,
) -> Response<Vec<u8>> {
    let (server, refusal) = refused;
    let parts = &process.parts;
    let (result, outcome) =
        (refusal.code.label(), Err(refusal.detail.as_deref().unwrap_or(refusal.why)));
    let now = parts.clock.now().mono;
    Received { server: server.as_deref(), result, outcome, now }
        .emit(&parts.metrics, &parts.event_log);

    let body = match delivery {
        Delivery::Push | Delivery::Poll => {
            json!({"err": refusal.code.as_str(), "description": refusal.why})
        }
        Delivery::Logout => json!({"error": "invalid_request", "error_description": refusal.why}),
    };
    let mut response = response(status, "application/json", format!("{body}\n"));
    response.headers_mut().insert(header::CONTENT_LANGUAGE, HeaderValue::from_static("en"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}
