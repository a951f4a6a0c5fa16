//! `answer`: maps the members of another server's answers to those of RFC 7662.

use super::Context;
use crate::config::nearest::{hint, nearest};
use crate::config::path::{KeyPath, ShownKey};
use std::collections::BTreeMap;

/// The names that mean something here (RFC 7662 §2.2), and `expires_in`.
const KNOWN: [&str; 15] = [
    "active",
    "scope",
    "client_id",
    "username",
    "token_type",
    "token_use",
    "exp",
    "expires_in",
    "iat",
    "nbf",
    "sub",
    "aud",
    "iss",
    "jti",
    "cnf",
];

/// Where each member is. A name that is nearly a known one is a mistake; any other one becomes a
/// member under this name.
pub fn answer<'r>(
    cx: Context,
    path: &KeyPath,
    answer: Option<&'r BTreeMap<String, String>>,
) -> Vec<(&'r str, &'r str, KeyPath)> {
    let mut members = Vec::new();
    for (name, place) in answer.into_iter().flatten() {
        let path = path.key(name);
        if name.is_empty() || (!KNOWN.contains(&name.as_str()) && nearest(name, KNOWN).is_some()) {
            cx.report.error_at_key(
                &path,
                format!("unknown member `{}`{}", ShownKey(name), hint(name, KNOWN)),
            );
        } else if place.trim().is_empty() {
            cx.report.error(&path, "is empty; write where the answer has this, or remove the key");
        } else {
            members.push((name.as_str(), place.as_str(), path));
        }
    }
    let has = |name: &str| members.iter().any(|(member, ..)| *member == name);
    if has("exp") && has("expires_in") {
        cx.report.error_at_key(&path.key("exp"), "duplicates `expires_in`; keep one of the two");
    }
    members
}
