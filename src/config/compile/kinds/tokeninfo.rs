//! `google` and `amazon`.

use super::Context;
use crate::config::path::KeyPath;
use crate::config::raw::Server;
use crate::introspect::Kind;
use url::Url;

pub fn google(cx: Context, path: &KeyPath, raw: &Server) -> Option<Kind> {
    let audience = audience(cx, &path.key("audience"), raw, "123.apps.googleusercontent.com");
    let endpoint =
        endpoint(cx, &path.key("endpoint"), raw, "https://oauth2.googleapis.com/tokeninfo");
    Some(Kind::Google { endpoint: endpoint?, audience: audience? })
}

pub fn amazon(cx: Context, path: &KeyPath, raw: &Server) -> Option<Kind> {
    let audience = audience(cx, &path.key("audience"), raw, "amzn1.application-oa2-client.123");
    let endpoint =
        endpoint(cx, &path.key("endpoint"), raw, "https://api.amazon.com/auth/o2/tokeninfo");
    Some(Kind::Amazon { endpoint: endpoint?, audience: audience? })
}

/// Without it a token that was made for any other app would be good here.
fn audience(cx: Context, path: &KeyPath, raw: &Server, example: &str) -> Option<Vec<String>> {
    let audience = raw.audience.as_deref().unwrap_or_default();
    if audience.is_empty() {
        cx.needed(path, &format!("name your own client ids, such as `{example}`: else a token made for any other app would be good here"));
        return None;
    }
    for (i, text) in audience.iter().enumerate() {
        if text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            cx.report.error(&path.item(i), "is empty or has white space, and is no client id");
        }
    }
    Some(audience.to_vec())
}

fn endpoint(cx: Context, path: &KeyPath, raw: &Server, default: &str) -> Option<Url> {
    if cx.report.is_broken(path) {
        return None;
    }
    let url = cx.asked_url(path, raw.endpoint.as_deref().unwrap_or(default))?;
    if url.query_pairs().any(|(name, _)| name == "access_token") {
        cx.report.error(
            path,
            "has `access_token` in its query, which the gateway itself sends; remove it",
        );
    }
    Some(url)
}
