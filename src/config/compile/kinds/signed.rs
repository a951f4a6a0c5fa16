//! `response: jwt` of `rfc7662`: whose signature on answers is believed.

use super::decryption::decryption_keys;
use super::jwt::{KeyKeys, algorithms, keys, leeway, texts};
use super::{Context, Reported};
use crate::config::path::KeyPath;
use crate::config::raw::{self, ResponseKind, ServerCommon};
use crate::introspect::SignedSettings;

/// Keys that mean nothing while answers are plain JSON.
const FOR_SIGNED: [&str; 6] =
    ["audience", "jwks_uri", "keys", "algorithms", "leeway", "decryption_keys"];

/// `None`: answers are plain JSON.
pub fn signed(
    cx: Context,
    path: &KeyPath,
    common: &ServerCommon,
    raw: &raw::Rfc7662,
) -> Result<Option<SignedSettings>, Reported> {
    if cx.report.is_broken(&path.key("response")) {
        return Err(Reported);
    }
    if matches!(raw.response, ResponseKind::Json) {
        for key in FOR_SIGNED {
            let at = path.key(key);
            let hint = if key == "audience" {
                "; the required `aud` of tokens is configured in routes"
            } else {
                ""
            };
            if cx.report.has(&at) {
                cx.report.error_at_key(
                    &at,
                    format!(
                        "is about signed answers; write `response: jwt` as well, or remove it{hint}"
                    ),
                );
            }
        }
        return Ok(None);
    }
    let issuer = common.issuer.as_deref().filter(|issuer| !issuer.is_empty());
    if issuer.is_none() && !cx.report.has(&path.key("issuer")) {
        cx.needed(&path.key("issuer"), "write the exact `iss` of signed answers");
    }
    let published =
        KeyKeys { issuer, jwks_uri: raw.jwks_uri.as_deref(), files: raw.keys.as_deref() };
    let keys = issuer.and_then(|_| keys(cx, path, published));
    let algorithms = algorithms(cx, &path.key("algorithms"), raw.algorithms.as_deref());
    let audience = audience(cx, path, raw);
    let leeway = leeway(cx, &path.key("leeway"), raw.leeway);
    let keys_at = path.key("decryption_keys");
    let decryption_keys = decryption_keys(cx, &keys_at, raw.decryption_keys.as_deref())?;
    Ok(Some(SignedSettings {
        issuer: issuer.ok_or(Reported)?.to_owned(),
        keys: keys.ok_or(Reported)?,
        algorithms: algorithms.ok_or(Reported)?,
        audience: audience.ok_or(Reported)?,
        decryption_keys,
        leeway,
    }))
}

/// RFC 9701 §5: `aud` is the one that asks. Without it, an answer for another could be taken for
/// one's own.
fn audience(cx: Context, server: &KeyPath, raw: &raw::Rfc7662) -> Option<Vec<String>> {
    let (path, client_id) = (server.key("audience"), &raw.client_auth.client_id);
    let written = texts(cx, &path, raw.audience.as_deref());
    match written.is_empty() {
        false => Some(written),
        true if !client_id.is_empty() && raw.audience.is_none() => Some(vec![client_id.clone()]),
        true => {
            let broken = cx.report.is_broken(&server.key("client_auth"));
            if !broken {
                cx.needed(&path, "write the server's name for this gateway in `aud` of signed answers; the default is `client_auth.client_id`, if there is one");
            }
            None
        }
    }
}
