//! From facts to headers, once for each answer; a cached request only copies them.

use super::{Identity, encode};
use crate::token::ActiveFacts;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::HeaderValue;
use serde_json::{Map, Value};
use thiserror::Error;

/// Headers that are ready to be sent, and which `Identity` made them.
#[derive(Debug)]
pub struct Rendered {
    generation: u64,
    /// Names as they are usually written: some readers mind.
    pub headers: Box<[(Bytes, HeaderValue)]>,
}

/// A value of more than 4 KiB as it would be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an identity header's value is over 4 KiB")]
pub struct TooLarge;

impl Identity {
    /// Whether `rendered` is what this `Identity` would make, or an earlier configuration's.
    pub fn made(&self, rendered: &Rendered) -> bool {
        rendered.generation == self.generation
    }

    /// The headers for an answer of the authorization server named `server` (RFC 7662 §2.2).
    /// A missing member gives no header.
    pub fn render(&self, facts: &ActiveFacts, server: &str) -> Result<Rendered, TooLarge> {
        let members = facts.claims.read();
        let mut headers = Vec::with_capacity(12);
        let mut set = |member: &[String], value: Result<Option<HeaderValue>, TooLarge>| {
            let name = Self::header_name(&self.settings.prefix, member);
            if let (Some(value), Some(name)) = (value?, name) {
                headers.push((Bytes::from(name), value));
            }
            Ok(())
        };
        for member in REGISTERED {
            set(&[member.to_owned()], registered(member, facts, &members))?;
        }
        for claim in &self.settings.claims {
            set(claim.steps(), claim.find(&members).map_or(Ok(None), encode::value))?;
        }
        set(&["server".to_owned()], encode::text_value(server))?;
        if self.settings.all_claims {
            set(&["claims".to_owned()], encode::text_value(&URL_SAFE_NO_PAD.encode(facts.claims.text())))?;
        }
        Ok(Rendered { generation: self.generation, headers: headers.into() })
    }
}

/// The members that RFC 7662 §2.2 defines, `active` aside.
pub const REGISTERED: [&str; 11] = ["sub", "username", "client_id", "scope", "aud", "iss", "exp", "iat", "nbf", "jti", "token_type"];

fn registered(member: &str, facts: &ActiveFacts, members: &Map<String, Value>) -> Result<Option<HeaderValue>, TooLarge> {
    match member {
        "scope" => encode::text_value(&facts.scopes.to_string()),
        "exp" => Ok(facts.expires_at.map(HeaderValue::from)),
        "iat" => Ok(facts.issued_at.map(HeaderValue::from)),
        "nbf" => Ok(facts.not_before.map(HeaderValue::from)),
        member => members.get(member).map_or(Ok(None), encode::value),
    }
}

#[cfg(test)]
mod tests {
    use super::super::IdentitySettings;
    use super::*;
    use crate::introspect::read_answer;
    use crate::token::{ClaimPath, Facts};
    use serde_json::json;

    fn rendered(answer: Value, claims: &[&str], all_claims: bool) -> Result<Vec<String>, TooLarge> {
        let claims = claims.iter().filter_map(|claim| ClaimPath::parse(claim)).collect();
        let identity = Identity::new(IdentitySettings { prefix: "X-Introspected-".into(), claims, all_claims });
        let Ok(Facts::Active(facts)) = read_answer(answer.to_string().as_bytes()) else { return Ok(Vec::new()) };
        let rendered = identity.render(&facts, "main")?;
        let line =
            |(name, value): &(Bytes, HeaderValue)| format!("{}: {}", String::from_utf8_lossy(name), value.to_str().unwrap_or_default());
        Ok(rendered.headers.iter().map(line).collect())
    }

    #[test]
    fn rfc7662_example_answer() {
        let answer = json!({"active": true, "client_id": "l238j323ds-23ij4", "username": "jdoe", "scope": "read  write dolphin", "sub": "Z5O3upPC88QrAjx00dis",
            "aud": "https://protected.example.net/resource", "iss": "https://server.example.com/", "exp": 1419356238, "iat": "1419350238", "extension_field": "twenty-seven"});
        assert_eq!(
            rendered(answer, &["extension_field"], false).unwrap_or_default(),
            [
                "X-Introspected-Sub: Z5O3upPC88QrAjx00dis",
                "X-Introspected-Username: jdoe",
                "X-Introspected-Client-Id: l238j323ds-23ij4",
                "X-Introspected-Scope: read write dolphin",
                "X-Introspected-Aud: https://protected.example.net/resource",
                "X-Introspected-Iss: https://server.example.com/",
                "X-Introspected-Exp: 1419356238",
                "X-Introspected-Iat: 1419350238",
                "X-Introspected-Extension-Field: twenty-seven",
                "X-Introspected-Server: main",
            ]
        );
    }

    #[test]
    fn a_missing_empty_or_null_member_gives_no_header() {
        let answer = json!({"active": true, "sub": null, "username": "", "scope": ""});
        assert_eq!(rendered(answer, &["missing"], false).unwrap_or_default(), ["X-Introspected-Server: main"]);
    }

    #[test]
    fn arrays_and_objects_are_json() {
        let answer = json!({"active": true, "aud": ["a", "b"], "scope": ["r", "w"], "realm": {"roles": ["x", "ü"]}, "admin": true});
        assert_eq!(
            rendered(answer, &["realm", "realm.roles", "admin"], false).unwrap_or_default(),
            [
                "X-Introspected-Scope: r w",
                r#"X-Introspected-Aud: ["a","b"]"#,
                r#"X-Introspected-Realm: {"roles":["x","%C3%BC"]}"#,
                r#"X-Introspected-Realm-Roles: ["x","%C3%BC"]"#,
                "X-Introspected-Admin: true",
                "X-Introspected-Server: main",
            ]
        );
    }

    #[test]
    fn all_claims_can_be_read_back() {
        let answer = json!({"active": true, "sub": "é"});
        let lines = rendered(answer.clone(), &[], true).unwrap_or_default();
        let carried = lines.last().and_then(|line| line.strip_prefix("X-Introspected-Claims: ")).unwrap_or_default();
        let decoded = URL_SAFE_NO_PAD.decode(carried).unwrap_or_default();
        assert_eq!(serde_json::from_slice::<Value>(&decoded).unwrap_or_default(), answer);
    }

    #[test]
    fn a_value_that_does_not_fit_is_an_error() {
        assert_eq!(rendered(json!({"active": true, "sub": "x".repeat(65_536)}), &[], false), Err(TooLarge));
    }
}
