//! `identity`.

use super::Context;
use super::headers::STANDARD;
use crate::config::path::KeyPath;
use crate::config::raw::Assertion;
use crate::identity::{AssertionKey, AssertionSettings, Identity, IdentitySettings};
use crate::introspect::{Signer, SigningKey};
use crate::token::ClaimPath;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

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
    let assertion =
        identity.assertion.as_ref().map(|raw| assertion(cx, &section.key("assertion"), raw));
    Some(IdentitySettings {
        prefix: prefix?,
        claims: claims?,
        all_claims: identity.all_claims,
        assertion: assertion.map_or(Some(None), |made| made.map(Some))?,
    })
}

/// A longer life would outlast many a revocation.
const LONGEST: Duration = Duration::from_secs(3600);

/// `iss` of assertions where `public_url` is not written.
const ISSUER: &str = "introgate";

fn assertion(cx: Context, path: &KeyPath, raw: &Assertion) -> Option<AssertionSettings> {
    let key = assertion_key(cx, &path.key("private_key"), &raw.private_key);
    let at = path.key("audience");
    if raw.audience.trim().is_empty() && !cx.report.is_broken(&at) {
        cx.report.error(&at, "is empty; name the upstreams that assertions are for, or no upstream can tell that one is for it");
    }
    let ttl = raw.ttl.0;
    if !(Duration::from_secs(1)..=LONGEST).contains(&ttl) || ttl.subsec_nanos() != 0 {
        cx.report.error(&path.key("ttl"), "must be whole seconds, from 1s to 1h");
    }
    let issuer = cx.raw.public_url.trim_end_matches('/');
    Some(AssertionSettings {
        key: Arc::new(key?),
        issuer: if issuer.is_empty() { ISSUER } else { issuer }.to_owned(),
        audience: raw.audience.clone(),
        ttl,
    })
}

fn assertion_key(cx: Context, at: &KeyPath, name: &str) -> Option<AssertionKey> {
    if name.is_empty() {
        cx.report.error(at, "is empty; name a file with a private key");
        return None;
    }
    let content = cx.content(at, name)?;
    if let Some((_, _, true)) = cx.look_at(at, name) {
        cx.report.warning(at, "is readable by every user of this machine, each of whom can then sign as the gateway; let only the gateway's user read it");
    }
    let key = SigningKey::of_file(&content, "").map_err(|wrong| cx.report.error(at, wrong)).ok()?;
    let algorithm = *key.algorithms.first()?;
    let (Signer::Known(encoding), Some(algorithm)) = (key.signer, algorithm.known()) else {
        cx.report.error(at, "the key in the file is one of P-521, which few services can verify; RSA of 2048 to 8192 bits, EC (P-256, P-384) and Ed25519 can be used: have another one made");
        return None;
    };
    let made = AssertionKey::new(encoding, algorithm);
    if made.is_none() {
        cx.report.error(at, "the key in the file cannot sign; name another one");
    }
    made
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
