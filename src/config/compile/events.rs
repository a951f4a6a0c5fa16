//! `authorization_servers.NAME.events`.

use super::client_auth::client_auth;
use super::kinds::{KeyKeys, algorithms, keys, texts};
use super::{Context, Reported};
use crate::config::path::KeyPath;
use crate::config::raw::{Delivery, Events, ServerCommon};
use crate::introspect::jwt::{KeySource, RequiredIssuer};
use crate::introspect::{ClientAuth, EventSettings, PollSettings, Profile, StreamSettings};
use url::Url;

/// `None` when a part of it is wrong. `server` is the path of the authorization server.
pub fn events(
    cx: Context,
    server: &KeyPath,
    common: &ServerCommon,
    profile: &Profile,
    events: &Events,
) -> Option<EventSettings> {
    let path = server.key("events");
    let polls = events.delivery == Delivery::Poll;
    if cx.raw.admin.address == "off" && !polls {
        cx.report.error_at_key(
            &path,
            "are pushed to the admin listener, and `admin.address` is `off`; give it an address, or write `delivery: poll`",
        );
    }
    if profile.verification.is_some() && profile.then.is_none() {
        let message = "would end nothing: a token that is checked here by its signature alone is as good after an event as before; write `then` \
                       as well, so that a server is asked which knows, or remove this section";
        cx.report.error_at_key(&path, message);
    }
    let (issuer_at, audience_at) = (path.key("issuer"), path.key("audience"));
    let audience = texts(cx, &audience_at, Some(&events.audience));
    let max_age = cx.positive(&path.key("max_age"), events.max_age);
    let stream = stream(cx, &path, events);
    let poll = poll(cx, &path, events);
    let client_auth = transmitter_auth(cx, &path, common, profile, events);
    let issuer = match (&events.issuer, &profile.verification) {
        (None, _) if !events.transmitter.is_empty() => Some(events.transmitter.clone()),
        (Some(issuer), _) => {
            if issuer.chars().any(|c| c.is_whitespace() || c.is_control()) {
                cx.report.error(&issuer_at, "must have no white space: no `iss` would ever match");
            }
            Some(issuer.clone()).filter(|issuer| !issuer.is_empty())
        }
        (None, Some(verification)) => match verification.issuer {
            RequiredIssuer::Exactly(issuer) => Some(issuer.clone()),
            RequiredIssuer::OfTenants { .. } => None,
        },
        (None, None) => common.issuer.clone().filter(|issuer| !issuer.is_empty()),
    };
    if issuer.is_none() {
        cx.needed(&issuer_at, "write the exact `iss` of events, or the server's own `issuer`");
    }
    let written = KeyKeys {
        issuer: issuer.as_deref(),
        jwks_uri: events.jwks_uri.as_deref(),
        files: events.keys.as_deref(),
    };
    let found = stream.as_ref().ok().and_then(Option::as_ref);
    let by_stream = found.filter(|_| events.jwks_uri.is_none() && events.keys.is_none());
    let own = events.issuer.is_some() || events.jwks_uri.is_some() || events.keys.is_some();
    let keys = match &profile.verification {
        _ if by_stream.is_some() => {
            by_stream.map(|found| KeySource::Transmitter(found.issuer.clone(), found.at.clone()))
        }
        // its mistake is reported
        _ if stream.is_err() => None,
        Some(verification) if !own => Some(verification.keys.clone()),
        _ => issuer.as_ref().and_then(|_| keys(cx, &path, written)),
    };
    let algorithms = algorithms(cx, &path.key("algorithms"), events.algorithms.as_deref());
    Some(EventSettings {
        issuer: issuer?,
        audience,
        keys: keys?,
        algorithms: algorithms?,
        max_age: max_age?,
        client_auth: client_auth?,
        poll: poll.ok()?,
        stream: stream.ok()?,
    })
}

/// Keys of one way of delivery that are written with the other one would look as if they did
/// something.
fn poll(cx: Context, path: &KeyPath, events: &Events) -> Result<Option<PollSettings>, Reported> {
    let (endpoint_at, interval_at) = (path.key("poll_endpoint"), path.key("poll_interval"));
    if events.delivery == Delivery::Push {
        for at in [&endpoint_at, &interval_at] {
            if cx.report.has(at) {
                cx.report.error_at_key(at, "belongs to `delivery: poll`, and `delivery` is `push`; remove it, or change `delivery`");
            }
        }
        return Ok(None);
    }
    let interval = cx.positive(&interval_at, events.poll_interval).ok_or(Reported);
    let endpoint = match (&*events.poll_endpoint, &*events.transmitter) {
        _ if cx.report.is_broken(&endpoint_at) => Err(Reported),
        ("", "") => {
            cx.needed(
                &endpoint_at,
                "`delivery: poll` needs it, or `transmitter`, by which it is found",
            );
            Err(Reported)
        }
        ("", _) => Ok(None),
        (_, transmitter) if !transmitter.is_empty() => {
            cx.report.error_at_key(&endpoint_at, "`transmitter` is written as well, by whose stream it is found; keep one of the two");
            Err(Reported)
        }
        (text, _) => cx.asked_url(&endpoint_at, text).map(Some).ok_or(Reported),
    };
    Ok(Some(PollSettings { endpoint: endpoint?, interval: interval? }))
}

fn stream(
    cx: Context,
    path: &KeyPath,
    events: &Events,
) -> Result<Option<StreamSettings>, Reported> {
    let (at, verify_at) = (path.key("transmitter"), path.key("verify_every"));
    if events.transmitter.is_empty() {
        if cx.report.has(&verify_at) {
            cx.report.error_at_key(&verify_at, "needs `transmitter`, whose stream is verified; write that as well, or remove this key");
        }
        return Ok(None);
    }
    let verify_every = cx.positive(&verify_at, events.verify_every).ok_or(Reported);
    let url = cx
        .discoverable(&at, &events.transmitter, "`poll_endpoint` in its place, and keys")
        .ok_or(Reported);
    let push_endpoint = match (events.delivery, &*cx.raw.public_url) {
        (Delivery::Poll, _) => Ok(None),
        (Delivery::Push, "") => {
            cx.report.error_at_key(&at, "needs `public_url` with `delivery: push`: the transmitter pushes to `/api/events` there; write it, or `delivery: poll`");
            Err(Reported)
        }
        (Delivery::Push, public) => {
            let url = format!("{}/api/events", public.trim_end_matches('/'));
            Url::parse(&url).map(Some).map_err(|_| Reported)
        }
    };
    Ok(Some(StreamSettings {
        issuer: events.transmitter.clone(),
        at: url?,
        push_endpoint: push_endpoint?,
        verify_every: verify_every?,
    }))
}

/// The transmitter's endpoints take JSON: a method whose credentials are form parameters cannot be
/// used there.
fn transmitter_auth(
    cx: Context,
    path: &KeyPath,
    common: &ServerCommon,
    profile: &Profile,
    events: &Events,
) -> Option<ClientAuth> {
    let at = path.key("client_auth");
    let called = events.delivery == Delivery::Poll || !events.transmitter.is_empty();
    let auth = match &events.client_auth {
        Some(_) if !called => {
            cx.report.error_at_key(&at, "has no effect: with `delivery: push` and without `transmitter` no transmitter is called; remove it");
            return None;
        }
        Some(written) => client_auth(cx, path, common, written, None)?,
        None if !called => ClientAuth::None,
        None => profile.client_auth.cloned().unwrap_or(ClientAuth::None),
    };
    let in_form = matches!(
        auth,
        ClientAuth::ClientSecretPost { .. }
            | ClientAuth::Assertion(_)
            | ClientAuth::PlatformAssertion { .. }
    );
    if in_form && called {
        let whose =
            if events.client_auth.is_some() { "its method" } else { "the server's own method" };
        let message = format!(
            "{whose} sends credentials in a form, and the transmitter takes JSON; write `client_auth` here with `client_credentials`, `bearer`, `client_secret_basic` or `tls_client_auth`"
        );
        cx.report.error_at_key(&at, message);
        return None;
    }
    Some(auth)
}
