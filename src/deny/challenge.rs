//! `WWW-Authenticate` (RFC 6750 §3, RFC 9110 §11.6.1).

use super::Reason;
use http::HeaderValue;

/// What a route's challenges say: made once, at load.
#[derive(Clone, Debug, Default)]
pub struct Challenge {
    realm: String,
    /// The scopes that the route needs, separated by spaces; empty: none.
    scope: String,
}

impl Challenge {
    /// `realm` and `scopes` come from a checked configuration; what could end a quoted string is
    /// left out all the same.
    pub fn new<'a>(realm: &str, scopes: impl IntoIterator<Item = &'a str>) -> Self {
        let scopes: Vec<&str> = scopes.into_iter().collect();
        Self { realm: quotable(realm), scope: quotable(&scopes.join(" ")) }
    }

    /// The header's value, where the reason wants one.
    pub fn for_reason(&self, reason: Reason) -> Option<HeaderValue> {
        let Self { realm, scope } = self;
        let mut value = format!("Bearer realm=\"{realm}\"");
        if let Some(error) = reason.oauth_error() {
            value += &format!(", error=\"{error}\", error_description=\"{}\"", reason.sentence());
        }
        let wants_scope = match reason {
            Reason::MissingToken | Reason::InsufficientScope => !scope.is_empty(),
            // RFC 6750 §3: a refusal of a token always carries a challenge
            Reason::Claim => false,
            reason if reason.oauth_error().is_some() => false,
            _ => return None,
        };
        if wants_scope {
            value += &format!(", scope=\"{scope}\"");
        }
        HeaderValue::try_from(value).ok()
    }
}

fn quotable(text: &str) -> String {
    text.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(reason: Reason) -> Option<String> {
        let challenge = Challenge::new("introgate", ["read", "write"]);
        challenge.for_reason(reason).and_then(|value| value.to_str().map(str::to_owned).ok())
    }

    #[test]
    fn rfc6750_section_3() {
        assert_eq!(
            value(Reason::MissingToken).as_deref(),
            Some(r#"Bearer realm="introgate", scope="read write""#)
        );
        assert_eq!(
            value(Reason::InsufficientScope).as_deref(),
            Some(concat!(
                r#"Bearer realm="introgate", error="insufficient_scope", "#,
                r#"error_description="The access token does not have the scope that this needs.", scope="read write""#
            ))
        );
        assert_eq!(value(Reason::Claim).as_deref(), Some(r#"Bearer realm="introgate""#));
        assert_eq!(value(Reason::AsUnavailable), None);
        assert_eq!(value(Reason::NoRoute), None);
    }

    #[test]
    fn every_refusal_of_a_token_is_a_challenge_with_a_realm() {
        for reason in Reason::ALL {
            let challenged =
                value(reason).is_some_and(|value| value.starts_with("Bearer realm=\"introgate\""));
            let of_a_token = reason.oauth_error().is_some()
                || matches!(reason, Reason::MissingToken | Reason::Claim);
            assert_eq!(challenged, of_a_token, "{reason:?}");
        }
    }

    #[test]
    fn nothing_ends_the_quoted_string() {
        let challenge = Challenge::new("a\"b\\c\r\nd\u{e9}", ["x\"y"]);
        let value = challenge.for_reason(Reason::MissingToken);
        assert_eq!(
            value.as_ref().and_then(|value| value.to_str().ok()),
            Some(r#"Bearer realm="abcd", scope="xy""#)
        );
    }
}
