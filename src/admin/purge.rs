//! `POST /api/cache/purge`: forgets cached answers about tokens.

use super::body::{self, Unread};
use super::respond::{json as respond_json, problem};
use crate::cache::{Purge, PurgeSelector, StreamEnd};
use crate::runtime::Process;
use crate::token::AccessToken;
use http::{HeaderValue, Response, StatusCode, header};
use pingora_core::protocols::http::ServerSession;
use serde::Deserialize;
use serde_json::json;

/// The body of the request: one selector.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PurgeRequest {
    token: Option<String>,
    sub: Option<String>,
    client_id: Option<String>,
    jti: Option<String>,
    sid: Option<String>,
    all: Option<bool>,
}

pub async fn purge(process: &Process, session: &mut ServerSession) -> Response<Vec<u8>> {
    match asked(process, session).await {
        Ok(purge) => {
            let (purged, told) = process.purge(&purge, StreamEnd::Purged).await;
            let mut answer = json!({"purged": purged});
            if let Some(told) = told {
                answer["fleet_told"] = told.into();
            }
            respond_json(StatusCode::OK, &answer)
        }
        Err(refused) => refused.response(),
    }
}

/// A call that is not carried out, and why.
pub(super) struct RefusedCall(pub StatusCode, pub &'static str);

impl RefusedCall {
    pub(super) fn response(self) -> Response<Vec<u8>> {
        let Self(status, detail) = self;
        let mut refusal = problem(status, detail);
        if status == StatusCode::UNAUTHORIZED {
            refusal.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"introgate admin\""),
            );
        }
        refusal
    }
}

/// The body of a call by one who may change something.
pub(super) async fn body_of_trusted(
    process: &Process,
    session: &mut ServerSession,
) -> Result<Vec<u8>, RefusedCall> {
    may_change(process, session)?;
    body::read_body(session).await.map_err(|unread| {
        let status = if unread == Unread::TooLarge {
            StatusCode::PAYLOAD_TOO_LARGE
        } else {
            StatusCode::BAD_REQUEST
        };
        RefusedCall(status, unread.why())
    })
}

async fn asked(process: &Process, session: &mut ServerSession) -> Result<Purge, RefusedCall> {
    let body = body_of_trusted(process, session).await?;
    selector(process, &body).map_err(|detail| RefusedCall(StatusCode::BAD_REQUEST, detail))
}

/// With `admin.token`, all callers that know it; without it, only callers on this machine, and no
/// web page that a browser on this machine happens to show.
fn may_change(process: &Process, session: &ServerSession) -> Result<(), RefusedCall> {
    let runtime = process.runtime.load();
    if let Some(token) = &runtime.settings.admin.token {
        let given = session
            .get_header(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '));
        let known = given.is_some_and(|(scheme, given)| {
            scheme.eq_ignore_ascii_case("bearer") && token.matches(given.trim())
        });
        let refused = RefusedCall(
            StatusCode::UNAUTHORIZED,
            "This needs `Authorization: Bearer` with the token in admin.token.",
        );
        return if known { Ok(()) } else { Err(refused) };
    }
    let local = session.client_addr().is_none_or(|address| {
        address.as_inet().is_none_or(|address| address.ip().to_canonical().is_loopback())
    });
    if !local {
        return Err(RefusedCall(
            StatusCode::FORBIDDEN,
            "From another machine this needs admin.token in the configuration.",
        ));
    }
    if session.get_header(header::ORIGIN).is_some() && !is_own_page(session) {
        return Err(RefusedCall(
            StatusCode::FORBIDDEN,
            "From a web page this needs admin.token in the configuration.",
        ));
    }
    Ok(())
}

/// Whether the request comes from a page of this listener. Its name was checked before, so no other
/// site can have the same one.
fn is_own_page(session: &ServerSession) -> bool {
    let text = |name| session.get_header(name).and_then(|value| value.to_str().ok());
    match (text(header::ORIGIN), text(header::HOST)) {
        (Some(origin), Some(host)) => origin.strip_prefix("http://") == Some(host),
        _ => false,
    }
}

fn selector(process: &Process, body: &[u8]) -> Result<Purge, &'static str> {
    const ONE: &str = "Send a JSON object with exactly one of `token`, `sub`, `client_id`, `jti`, `sid` (texts), or `all` (true).";
    let body: PurgeRequest = serde_json::from_slice(body).map_err(|_| ONE)?;
    let PurgeRequest { token, sub, client_id, jti, sid, all } = body;
    match (token, sub, client_id, jti, sid, all) {
        (Some(token), None, None, None, None, None) => of_token(process, &token),
        (None, Some(subject), None, None, None, None) => {
            Ok(Purge::Matching(vec![PurgeSelector::subject(subject)]))
        }
        (None, None, Some(client_id), None, None, None) => {
            Ok(Purge::Matching(vec![PurgeSelector::client_id(client_id)]))
        }
        (None, None, None, Some(token_id), None, None) => {
            Ok(Purge::Matching(vec![PurgeSelector::token_id(token_id)]))
        }
        (None, None, None, None, Some(session), None) => {
            Ok(Purge::Matching(vec![PurgeSelector::session(session)]))
        }
        (None, None, None, None, None, Some(true)) => Ok(Purge::All),
        _ => Err(ONE),
    }
}

/// The token's answers of every authorization server. Where one of them answers by the host that
/// a client asked for, a token cannot be found by itself, and everything goes.
fn of_token(process: &Process, token: &str) -> Result<Purge, &'static str> {
    let token = AccessToken::parse(token.as_bytes(), usize::MAX)
        .map_err(|_| "`token` is not an access token.")?;
    let runtime = process.runtime.load();
    let digests: Option<Vec<_>> =
        runtime.servers.iter().map(|server| server.cached.digest_for_purge(token)).collect();
    let Some(mut digests) = digests else { return Ok(Purge::All) };
    // responses that began under an earlier configuration
    let watched = process.parts.store.streams.digests_of(token);
    digests.extend(
        watched.into_iter().filter(|watched| !digests.contains(watched)).collect::<Vec<_>>(),
    );
    Ok(Purge::Tokens(digests))
}
