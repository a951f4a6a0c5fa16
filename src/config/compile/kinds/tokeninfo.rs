//! The keys that services with a tokeninfo endpoint have in common.

use super::Context;
use crate::config::path::KeyPath;
use url::Url;

/// The client ids whose tokens are accepted. Without any, a token that was made for any other app would be good here.
pub fn audience(
    cx: Context,
    path: &KeyPath,
    written: Option<&[String]>,
    example: &str,
) -> Option<Vec<String>> {
    let audience = written.unwrap_or_default();
    if audience.is_empty() {
        cx.needed(path, &format!("name your own client ids, such as `{example}`: else a token made for any other app would be good here"));
        return None;
    }
    for (i, text) in audience.iter().enumerate() {
        if text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            cx.report.error(&path.item(i), "is empty or has white space, so it is not a client id");
        }
    }
    Some(audience.to_vec())
}

/// Where it is asked; `default` unless written.
pub fn endpoint(cx: Context, path: &KeyPath, written: Option<&str>, default: &str) -> Option<Url> {
    if cx.report.is_broken(path) {
        return None;
    }
    let url = cx.asked_url(path, written.unwrap_or(default))?;
    if url.query_pairs().any(|(name, _)| name == "access_token") {
        cx.report.error(
            path,
            "has `access_token` in its query, which the gateway itself sends; remove it",
        );
    }
    Some(url)
}
