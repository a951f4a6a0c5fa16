//! `authorization_servers.NAME.events`.

use super::Context;
use super::kinds::{KeyKeys, algorithms, keys, texts};
use crate::config::path::KeyPath;
use crate::config::raw::{Events, ServerCommon};
use crate::introspect::jwt::Issuer;
use crate::introspect::{EventSettings, Profile};

/// `None` when a part of it is wrong. `server` is the path of the authorization server.
pub fn events(
    cx: Context,
    server: &KeyPath,
    common: &ServerCommon,
    profile: &Profile,
    events: &Events,
) -> Option<EventSettings> {
    let path = server.key("events");
    if cx.raw.admin.address == "off" {
        cx.report.error_at_key(
            &path,
            "come in on the admin listener, and `admin.address` is `off`; give it an address",
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
    let issuer = match (&events.issuer, &profile.verification) {
        (Some(issuer), _) => {
            if issuer.chars().any(|c| c.is_whitespace() || c.is_control()) {
                cx.report.error(&issuer_at, "must have no white space: no `iss` would ever match");
            }
            Some(issuer.clone()).filter(|issuer| !issuer.is_empty())
        }
        (None, Some(verification)) => match verification.issuer {
            Issuer::Exactly(issuer) => Some(issuer.clone()),
            Issuer::OfTenants { .. } => None,
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
    let own = events.issuer.is_some() || events.jwks_uri.is_some() || events.keys.is_some();
    let keys = match &profile.verification {
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
    })
}
