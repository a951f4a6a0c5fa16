//! The demands of a route: scopes, audience, claims, and the servers that are asked.

use super::Context;
use super::claims::claims;
use super::origins::origins;
use super::proof::binding;
use super::require::require;
use crate::config::path::KeyPath;
use crate::config::raw::{Auth, Demands, Detail, Preflight, StepUp};
use crate::deny::LoginDemand;
use crate::gate::DemandSettings;
use crate::policy::{AuthMode, PolicySettings};
use crate::route::PathPattern;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

type Members = serde_json::Map<String, Value>;

/// A route's keys together with the inherited ones, each known by where it was written.
#[derive(Clone, Copy)]
pub struct MergedKeys<'a> {
    /// The route, or `defaults` when these are looked at alone.
    pub section: &'a KeyPath,
    pub inherited: Option<&'a KeyPath>,
}

impl MergedKeys<'_> {
    pub fn path_of(self, cx: Context, key: &str) -> KeyPath {
        let own = self.section.key(key);
        match self.inherited {
            Some(defaults) if !cx.report.has(&own) && cx.report.has(&defaults.key(key)) => {
                defaults.key(key)
            }
            _ => own,
        }
    }

    /// Whether it was written here rather than inherited.
    pub fn is_own(self, cx: Context, key: &str) -> bool {
        cx.report.has(&self.section.key(key))
    }
}

/// The authorization servers are left out: see [`authorization_servers`].
/// `paths`: those of the route; `None` where there is no route, or where they are in error.
pub fn demands(
    cx: Context,
    raw: &Demands,
    origin: MergedKeys,
    paths: Option<&[PathPattern]>,
) -> DemandSettings {
    let auth = match raw.auth.unwrap_or(Auth::Required) {
        Auth::Required => AuthMode::Required,
        Auth::Optional => AuthMode::Optional,
        Auth::None => AuthMode::None,
    };
    let broken = cx.report.is_broken(&origin.path_of(cx, "auth"));
    if auth == AuthMode::None && !broken {
        ignored(cx, origin);
    }
    let policy = PolicySettings {
        scopes: scopes(cx, &origin.path_of(cx, "scopes"), raw.scopes.as_deref()),
        scopes_any: scopes(cx, &origin.path_of(cx, "scopes_any"), raw.scopes_any.as_deref()),
        audience: audience(cx, &origin.path_of(cx, "audience"), raw.audience.as_deref()),
        claims: claims(cx, &origin.path_of(cx, "claims"), raw.claims.as_ref()),
        authorization_details: details(
            cx,
            &origin.path_of(cx, "authorization_details"),
            raw.authorization_details.as_deref(),
        ),
        require: require(cx, &origin.path_of(cx, "require"), raw.require.as_deref(), paths),
        login: login(cx, &origin.path_of(cx, "step_up"), raw.step_up.as_ref()),
        origins: origins(cx, &origin.path_of(cx, "origins"), raw.origins.as_deref()),
        shadow: raw.enforce == Some(false),
        binding: binding(cx, &origin.path_of(cx, "binding"), raw.binding.as_ref()),
    };
    if let Some(both) = policy.scopes_any.iter().position(|scope| policy.scopes.contains(scope)) {
        let path = origin.path_of(cx, "scopes_any").item(both);
        cx.report.warning(&path, "is among `scopes` as well, so that `scopes_any` demands nothing more; remove one of the two");
    }
    if policy.shadow && auth != AuthMode::None {
        cx.report.warning_at_key(
            &origin.path_of(cx, "enforce"),
            "is shadow mode: requests that would be refused are forwarded, without identity headers; remove it to protect the upstream",
        );
    }
    if auth == AuthMode::None {
        // inherited demands on tokens do not concern a route without authentication
        return DemandSettings {
            auth,
            authorization_servers: Vec::new(),
            preflight_pass: false,
            policy: PolicySettings { origins: policy.origins, ..PolicySettings::default() }.into(),
        };
    }
    DemandSettings {
        auth,
        authorization_servers: Vec::new(),
        preflight_pass: raw.preflight == Some(Preflight::Pass),
        policy: policy.into(),
    }
}

/// Demands beside `auth: none` would look as if they were made.
fn ignored(cx: Context, origin: MergedKeys) {
    let auth_is_own = origin.is_own(cx, "auth");
    for key in [
        "scopes",
        "scopes_any",
        "audience",
        "claims",
        "authorization_details",
        "require",
        "step_up",
    ] {
        let own = origin.is_own(cx, key);
        let path = origin.path_of(cx, key);
        // a route may drop all inherited demands by `auth: none`
        if cx.report.has(&path) && (own || !auth_is_own) {
            cx.report.error_at_key(
                &path,
                "would be ignored, since `auth` is `none` here; remove it, or write another `auth`",
            );
        }
    }
    for key in
        ["authorization_server", "max_age", "end_with_token", "preflight", "binding", "enforce"]
    {
        if origin.is_own(cx, key) {
            cx.report.warning_at_key(
                &origin.section.key(key),
                "is ignored, since `auth` is `none` here; remove it",
            );
        }
    }
}

fn scopes(cx: Context, section: &KeyPath, scopes: Option<&[String]>) -> Vec<String> {
    let Some(scopes) = not_empty(cx, section, scopes) else { return Vec::new() };
    for (i, scope) in scopes.iter().enumerate() {
        let path = section.item(i);
        if let Some(flaw) = scope_flaw(scope) {
            cx.report.error(&path, flaw);
        } else if scopes[..i].contains(scope) {
            cx.report.warning(&path, "is a duplicate; remove one of the two");
        }
    }
    scopes.to_vec()
}

/// The reason why a text is not a scope (RFC 6749 §3.3), as a message.
pub fn scope_flaw(scope: &str) -> Option<&'static str> {
    if scope.is_empty() {
        Some("is empty; name a scope")
    } else if scope.contains(char::is_whitespace) {
        Some(
            "has white space, which a scope cannot have; write each scope as an item of its own, as in `[read, write]`",
        )
    } else if !scope.bytes().all(is_scope_byte) {
        Some(
            "has characters that no scope has (RFC 6749 §3.3): visible ASCII other than `\"` and `\\`",
        )
    } else {
        None
    }
}

fn is_scope_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)
}

fn details(cx: Context, section: &KeyPath, details: Option<&[Detail]>) -> Vec<Members> {
    let Some(details) = not_empty(cx, section, details) else { return Vec::new() };
    for (i, Detail(members)) in details.iter().enumerate() {
        if members.get("type").and_then(Value::as_str).is_some_and(str::is_empty) {
            let path = section.item(i).key("type");
            cx.report.error(&path, "is empty; name a type of authorization details");
        }
    }
    details.iter().map(|Detail(members)| members.clone()).collect()
}

fn login(cx: Context, section: &KeyPath, raw: Option<&StepUp>) -> LoginDemand {
    let Some(raw) = raw else { return LoginDemand::default() };
    for (i, acr) in raw.acr_values.iter().enumerate() {
        let path = section.key("acr_values").item(i);
        // the challenge has them between quotes, separated by spaces (RFC 9470 §3)
        if acr.is_empty() || !acr.bytes().all(is_scope_byte) {
            cx.report.error(&path, "must be visible ASCII without `\"`, `\\` and white space; write each value as an item of its own");
        } else if raw.acr_values[..i].contains(acr) {
            cx.report.warning(&path, "is a duplicate; remove one of the two");
        }
    }
    let max_age = raw.max_age.map_or(Duration::ZERO, |max_age| max_age.0);
    if max_age.subsec_nanos() > 0 {
        let path = section.key("max_age");
        cx.report.error(&path, "must be whole seconds, since `auth_time` is; write `1s` or more");
    }
    LoginDemand {
        acr_values: raw.acr_values.clone(),
        max_age: (!max_age.is_zero()).then_some(max_age.as_secs()),
    }
}

fn audience(cx: Context, section: &KeyPath, audience: Option<&[String]>) -> Vec<String> {
    let Some(audience) = not_empty(cx, section, audience) else { return Vec::new() };
    for (i, text) in audience.iter().enumerate() {
        let path = section.item(i);
        if text.trim().is_empty() {
            cx.report.error(&path, "is blank and can never match; name an audience");
        } else if text.trim() != text || text.chars().any(char::is_control) {
            cx.report.error(&path, "has white space around it or control characters and can never match; write it as it is in `aud`");
        } else if audience[..i].contains(text) {
            cx.report.warning(&path, "is a duplicate; remove one of the two");
        }
    }
    audience.to_vec()
}

/// An empty list reads like a demand and makes none.
pub fn not_empty<'l, T>(cx: Context, path: &KeyPath, list: Option<&'l [T]>) -> Option<&'l [T]> {
    let list = list?;
    if list.is_empty() {
        cx.report.error(
            path,
            "is an empty list, which would demand nothing; name at least one, or remove the key",
        );
    }
    Some(list)
}

/// The names of the authorization servers one of which a route's tokens are shown to.
pub fn authorization_servers(
    cx: Context,
    raw: &Demands,
    origin: MergedKeys,
) -> Option<Vec<Arc<str>>> {
    let path = origin.path_of(cx, "authorization_server");
    let known = cx.server_names()?;
    let Some(written) = &raw.authorization_server else {
        if cx.report.is_broken(&path) {
            return None;
        }
        if let [only] = known.as_slice() {
            return Some(vec![only.as_str().into()]);
        }
        if !known.is_empty() {
            let message =
                format!("is missing; there are several, so name one: {}", known.join(", "));
            cx.report.error_at_key(&path, message);
        }
        return None;
    };
    let (mut names, mut fine): (Vec<Arc<str>>, bool) = (Vec::new(), true);
    for (i, name) in written.as_slice().iter().enumerate() {
        let path = if written.is_list() { path.item(i) } else { path.clone() };
        if !known.contains(name) {
            cx.unknown_name(&path, "authorization server", name, &known, "");
            fine = false;
        } else if names.iter().any(|other| **other == **name) {
            cx.report.error(&path, "is a duplicate; remove one of the two");
            fine = false;
        } else if let Some(undecided) = names.iter().find(|other| same_tokens(cx, other, name)) {
            cx.report.error(&path, undecided_between(cx, undecided, name));
            fine = false;
        }
        names.push(name.as_str().into());
    }
    fine.then_some(names)
}

/// Whether nothing decides which of two servers a token is meant for. A longer prefix decides
/// against a shorter one, and anything against nothing.
fn same_tokens(cx: Context, one: &str, other: &str) -> bool {
    let section = KeyPath::root().key("authorization_servers");
    let tokens =
        |name: &str| cx.raw.authorization_servers.get(name).map(|server| &server.common.tokens);
    let broken =
        [one, other].iter().any(|name| cx.report.is_broken(&section.key(name).key("tokens")));
    match (tokens(one), tokens(other)) {
        (Some(one), Some(other)) if !broken => {
            one.prefix == other.prefix && one.jwt_issuer == other.jwt_issuer
        }
        _ => false,
    }
}

fn undecided_between(cx: Context, one: &str, other: &str) -> String {
    let bare = cx.raw.authorization_servers.get(other).is_some_and(|server| {
        server.common.tokens.prefix.is_empty() && server.common.tokens.jwt_issuer.is_empty()
    });
    let why = if bare { "neither has `tokens`" } else { "their `tokens` are the same" };
    format!(
        "the choice between `{one}` and `{other}` is undecided: {why}; write `tokens: {{ prefix: … }}` or `tokens: {{ jwt_issuer: … }}` of each"
    )
}
