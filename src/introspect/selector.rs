//! Which tokens an authorization server is asked about.

use crate::token::AccessToken;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use std::borrow::Cow;

/// `tokens`. Without members: all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenSelector {
    /// The prefix of its tokens.
    pub prefix: Option<String>,
    /// The unverified `iss` of its JWTs: it chooses among configured servers and proves nothing.
    pub jwt_issuer: Option<String>,
}

impl TokenSelector {
    /// Whether the server may see this token.
    pub fn takes(&self, token: AccessToken<'_>) -> bool {
        let token = token.expose();
        self.prefix.as_deref().is_none_or(|prefix| token.starts_with(prefix))
            && self
                .jwt_issuer
                .as_deref()
                .is_none_or(|issuer| claimed_issuer(token).as_deref() == Some(issuer))
    }

    /// Of two selectors that take a token, the one with the greater value is more specific: an
    /// issuer is more specific than a prefix, and a long prefix than a short one. Two different
    /// selectors of the same value never take the same token.
    pub fn specificity(&self) -> (bool, usize) {
        (self.jwt_issuer.is_some(), self.prefix.as_ref().map_or(0, String::len))
    }
}

/// `iss` of a signed token (RFC 7515 §3.1: three parts), unverified. A token with a duplicate `iss`
/// has none.
fn claimed_issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Payload<'p> {
        #[serde(borrow)]
        iss: Cow<'p, str>,
    }
    let mut parts = token.split('.');
    let (Some(_), Some(payload), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice::<Payload>(&payload).ok().map(|payload| payload.iss.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(payload: &str) -> String {
        format!(
            "{}.{}.c2ln",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#),
            URL_SAFE_NO_PAD.encode(payload)
        )
    }

    fn takes(prefix: &str, issuer: &str, token: &str) -> Option<bool> {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let selector = TokenSelector { prefix: some(prefix), jwt_issuer: some(issuer) };
        AccessToken::parse(token.as_bytes(), 8192).ok().map(|token| selector.takes(token))
    }

    #[test]
    fn a_prefix_is_compared_byte_by_byte() {
        for (token, expected) in
            [("gho_x", true), ("gho_", true), ("GHO_x", false), ("gh", false), ("xgho_", false)]
        {
            assert_eq!(takes("gho_", "", token), Some(expected), "{token}");
        }
        assert_eq!(takes("", "", "anything"), Some(true));
    }

    #[test]
    fn an_issuer_is_read_from_the_payload_alone() {
        let iss = r#"{"sub":"x","iss":"https://as"}"#;
        assert_eq!(takes("", "https://as", &jwt(iss)), Some(true));
        assert_eq!(takes("ey", "https://as", &jwt(iss)), Some(true));
        assert_eq!(takes("zz", "https://as", &jwt(iss)), Some(false));
        for payload in [
            r#"{"iss":"https://as/"}"#,
            r#"{"iss":["https://as"]}"#,
            r#"{"iss":"https://as","iss":"https://as"}"#,
            r#"{"iss":"https://other","iss":"https://as"}"#,
            r#"{"ISS":"https://as"}"#,
            r#"[{"iss":"https://as"}]"#,
            r#"{"iss":"https://as""#,
            "{}",
            "",
        ] {
            assert_eq!(takes("", "https://as", &jwt(payload)), Some(false), "{payload}");
        }
        for token in [
            "opaque".to_owned(),
            format!("{}.x", jwt(iss)),
            jwt(iss).replace(".c2ln", ""),
            "..".into(),
            "a.%.b".into(),
        ] {
            assert_eq!(takes("", "https://as", &token), Some(false), "{token}");
        }
    }
}
