//! `identity`.

use super::Context;
use super::headers::STANDARD;
use crate::config::path::KeyPath;
use crate::identity::{Identity, IdentitySettings};
use crate::token::ClaimPath;
use std::collections::BTreeMap;

/// Names that are always forwarded behind the prefix, or have a meaning of their own there.
const REGISTERED: [&str; 16] = [
    "sub",
    "username",
    "client-id",
    "scope",
    "aud",
    "iss",
    "exp",
    "iat",
    "nbf",
    "jti",
    "token-type",
    "act-sub",
    "act-client-id",
    "server",
    "claims",
    "assertion",
];

pub fn identity(cx: Context) -> Option<IdentitySettings> {
    let section = KeyPath::root().key("identity");
    let identity = &cx.raw.identity;
    let prefix = prefix(cx, &section.key("prefix"));
    let claims = claims(cx, &section.key("claims"));
    Some(IdentitySettings { prefix: prefix?, claims: claims?, all_claims: identity.all_claims })
}

fn prefix(cx: Context, path: &KeyPath) -> Option<String> {
    let prefix = &cx.raw.identity.prefix;
    let lower = prefix.to_ascii_lowercase();
    let valid = prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !prefix.starts_with('-')
        && !prefix.contains("--");
    if !valid || !prefix.ends_with('-') {
        let message =
            "must be letters, digits and `-`, with `-` at its end, as in `X-Introspected-`";
        cx.report.error(path, message);
        return None;
    }
    if prefix.len() < 3 {
        cx.report
            .error(path, "is too short; write at least three characters, as in `X-Introspected-`");
        return None;
    }
    if let Some(taken) = STANDARD.iter().find(|name| name.starts_with(&lower)) {
        let message = format!(
            "would remove `{taken}` and the like from every request; choose a prefix of its own, as `X-Introspected-`"
        );
        cx.report.error(path, message);
        return None;
    }
    Some(prefix.clone())
}

fn claims(cx: Context, section: &KeyPath) -> Option<Vec<ClaimPath>> {
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut claims = Vec::new();
    for (i, text) in cx.raw.identity.claims.iter().enumerate() {
        let path = section.item(i);
        let Some(claim) = ClaimPath::parse(text) else {
            let message = "is not the name of a member; write `name`, or `outer.inner` for one inside an object, and `\\.` for a dot in a name";
            cx.report.error(&path, message);
            continue;
        };
        let Some(name) =
            Identity::header_name("", claim.steps()).map(|name| name.to_ascii_lowercase())
        else {
            let message = "cannot be part of a header's name; letters, digits, `_`, `-`, `.`, `:` and `/` can";
            cx.report.error(&path, message);
            continue;
        };
        if REGISTERED.contains(&&*name) {
            cx.report.error(
                &path,
                format!(
                    "its header, `…-{name}`, is taken by the gateway or sent anyway; remove it"
                ),
            );
        } else if let Some(first) = names.insert(name, i) {
            let other = section.item(first);
            cx.report
                .error(&path, format!("has the same header name as {other}; keep one of the two"));
        }
        claims.push(claim);
    }
    (claims.len() == cx.raw.identity.claims.len()).then_some(claims)
}
