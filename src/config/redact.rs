//! Values that are never shown, neither in messages nor in the effective configuration.

use super::path::{KeyPath, PathStep};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashSet;

pub const REDACTED: &str = "[redacted]";

/// Whether the value at `path` may be a secret, by the names of the keys that lead to it.
pub fn is_secret(path: &KeyPath) -> bool {
    let mut keys = path.keys();
    let section = path.keys().next();
    let chosen_by_the_user = match keys.next() {
        // the section about clients' tokens holds none
        Some("token") => return false,
        Some("authorization_servers" | "upstreams") => 1,
        _ => 0,
    };
    keys.skip(chosen_by_the_user).any(|key| {
        let key = key.to_ascii_lowercase();
        match &*key {
            "token_type_hint"
            | "token_endpoint"
            | "token_endpoint_auth_method"
            | "tokens"
            | "end_with_token" => false,
            // a number, among a listener's limits
            "headers" if section == Some("listeners") => false,
            // templates of requests, which contain credentials
            "headers" | "parameters" | "body" => true,
            // URLs with user and password
            "proxy" => true,
            // Redis's may hold a password
            "url" => section == Some("cache"),
            key => ["token", "secret", "key", "password"].iter().any(|word| key.contains(word)),
        }
    })
}

/// Replaces every value that came from the environment.
pub fn redact(values: &mut Value, foreign: &HashSet<KeyPath>) {
    for path in foreign {
        let found = path.steps().iter().try_fold(&mut *values, |value, step| match step {
            PathStep::Key(key) => value.get_mut(key),
            PathStep::Item(index) => value.get_mut(index),
        });
        if let Some(value) = found {
            *value = REDACTED.into();
        }
    }
}

/// Redacts the parts of every URL that may be secret: user name, password, and the values of its
/// query.
pub fn redact_urls(values: &mut Value) {
    match values {
        Value::String(text) => {
            if let Cow::Owned(shown) = without_secrets(text) {
                *text = shown;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact_urls),
        Value::Object(members) => members.values_mut().for_each(redact_urls),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A URL as it may be shown; any other text as it is. The text is taken apart by hand, since it may
/// be a template that no URL parser leaves alone.
fn without_secrets(text: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = text.split_once("://") else { return Cow::Borrowed(text) };
    let (before_fragment, fragment) = split_before(rest, '#');
    let (before_query, query) = split_before(before_fragment, '?');
    // a password may have any of these characters when it was not escaped
    let (user, place) = match before_query.rsplit_once('@') {
        Some((_, place)) => (true, place),
        None => (false, before_query),
    };
    if !user && query.len() < 2 && fragment.len() < 2 {
        return Cow::Borrowed(text);
    }
    let mut shown = format!("{scheme}://");
    if user {
        shown.push_str(REDACTED);
        shown.push('@');
    }
    shown.push_str(place);
    for (i, member) in query.split(['?', '&', ';']).skip(1).enumerate() {
        shown.push(if i == 0 { '?' } else { '&' });
        if let Some((name, _)) = member.split_once('=') {
            shown.push_str(name);
            shown.push('=');
        }
        shown.push_str(REDACTED);
    }
    if !fragment.is_empty() {
        shown.push('#');
        shown.push_str(REDACTED);
    }
    Cow::Owned(shown)
}

/// The second part begins with `at`, or is empty.
fn split_before(text: &str, at: char) -> (&str, &str) {
    text.split_at(text.find(at).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_shown_without_user_password_and_query_values() {
        for (url, shown) in [
            ("https://as.example.com/introspect", "https://as.example.com/introspect"),
            ("https://as/x?key=hunter2", "https://as/x?key=[redacted]"),
            ("https://as/x?key=hunter2&t={token}", "https://as/x?key=[redacted]&t=[redacted]"),
            ("https://as/x?a=1;b=hunter2", "https://as/x?a=[redacted]&b=[redacted]"),
            ("https://as/x?hunter2", "https://as/x?[redacted]"),
            ("https://as/x?a=b?hunter2", "https://as/x?a=[redacted]&[redacted]"),
            ("https://as/x?", "https://as/x?"),
            ("http://me:hunter2@proxy:3128", "http://[redacted]@proxy:3128"),
            ("http://hunter2@proxy:3128/x", "http://[redacted]@proxy:3128/x"),
            ("http://me:hun@ter2@proxy/", "http://[redacted]@proxy/"),
            ("http://me:hun/ter2@proxy/", "http://[redacted]@proxy/"),
            ("https://as/x#hunter2", "https://as/x#[redacted]"),
            ("https://as/{token}/x", "https://as/{token}/x"),
            ("unix:/run/x.sock", "unix:/run/x.sock"),
            ("claims.a == 'x?y=z'", "claims.a == 'x?y=z'"),
        ] {
            assert_eq!(without_secrets(url), shown, "{url}");
        }
    }

    #[test]
    fn secrets_are_known_by_their_keys() {
        let path = |text: &str| text.split('.').fold(KeyPath::root(), |path, key| path.key(key));
        for secret in [
            "admin.token",
            "admin.token_file",
            "authorization_servers.a.client_auth.client_secret",
            "authorization_servers.a.headers.X",
            "authorization_servers.a.parameters.p",
            "authorization_servers.a.passwordd",
            "cache.redis.KEY",
            "cache.redis.url",
        ] {
            assert!(is_secret(&path(secret)), "{secret}");
        }
        for open in [
            "token.from",
            "authorization_servers.token.timeout",
            "authorization_servers.a.token_type_hint",
            "authorization_servers.a.client_auth.token_endpoint_auth_method",
            "routes.end_with_token",
            "defaults.end_with_token",
            "listeners.limits.headers",
            "realm",
        ] {
            assert!(!is_secret(&path(open)), "{open}");
        }
    }
}
