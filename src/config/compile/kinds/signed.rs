//! `response: jwt` of `rfc7662`: whose signature on answers is believed.

use super::Context;
use super::decryption::decryption_keys;
use super::jwt::{algorithms, keys, leeway, texts};
use crate::config::path::KeyPath;
use crate::config::raw::{ResponseKind, Server};
use crate::introspect::SignedSettings;

/// Keys that mean nothing while answers are plain JSON.
const FOR_SIGNED: [&str; 6] =
    ["audience", "jwks_uri", "keys", "algorithms", "leeway", "decryption_keys"];

/// `None` when a part of it is wrong; `Some(None)` for plain answers.
#[expect(clippy::option_option, reason = "the house's way of saying that an error was told")]
pub fn signed(cx: Context, path: &KeyPath, raw: &Server) -> Option<Option<SignedSettings>> {
    if cx.report.is_broken(&path.key("response")) {
        return None;
    }
    if matches!(raw.response, ResponseKind::Json) {
        for key in FOR_SIGNED {
            let at = path.key(key);
            let hint = if key == "audience" {
                "; what `aud` of tokens must be is written in routes"
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
        return Some(None);
    }
    let issuer = raw.issuer.clone().filter(|issuer| !issuer.is_empty());
    if issuer.is_none() && !cx.report.has(&path.key("issuer")) {
        cx.needed(&path.key("issuer"), "write what `iss` of signed answers must be, to the letter");
    }
    let keys = issuer.as_ref().and_then(|_| keys(cx, path, raw));
    let algorithms = algorithms(cx, &path.key("algorithms"), raw);
    let audience = audience(cx, path, raw);
    let leeway = leeway(cx, &path.key("leeway"), raw);
    let decryption_keys = decryption_keys(cx, &path.key("decryption_keys"), raw)?;
    Some(Some(SignedSettings {
        issuer: issuer?,
        keys: keys?,
        algorithms: algorithms?,
        audience: audience?,
        decryption_keys,
        leeway,
    }))
}

/// RFC 9701 §5: `aud` is the one that asks. Without it, an answer for another could be taken for
/// one's own.
fn audience(cx: Context, server: &KeyPath, raw: &Server) -> Option<Vec<String>> {
    let (path, client_id) = (server.key("audience"), &raw.client_auth.client_id);
    let written = texts(cx, &path, raw.audience.as_deref());
    match written.is_empty() {
        false => Some(written),
        true if !client_id.is_empty() && raw.audience.is_none() => Some(vec![client_id.clone()]),
        true => {
            let broken = cx.report.is_broken(&server.key("client_auth"));
            if !broken {
                cx.needed(&path, "write what the server calls this gateway in `aud` of signed answers; `client_auth.client_id`, where there is one, is that unless written");
            }
            None
        }
    }
}
