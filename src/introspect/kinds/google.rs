//! Google's tokeninfo: the current one (`aud`, `sub`, `exp` as text, `azp`) and v1 (`audience`,
//! `user_id`, `expires_in`), distinguished by the answer's members.

use crate::introspect::http_client::HttpAnswer;
use crate::introspect::status;
use crate::introspect::tokeninfo::{Tokeninfo, Translation};
use crate::introspect::{
    BadAnswer, BuildParts, CalledUrl, Credentials, Failure, FailureKind, Inquiry, Introspector,
    Profile, ServerKind, ServerSettings, SettingsFingerprint, UnusableSettings,
};
use crate::token::{Facts, json};
use async_trait::async_trait;
use http::StatusCode;
use std::sync::Arc;
use url::Url;

#[derive(Clone, Debug)]
pub struct GoogleSettings {
    pub endpoint: Url,
    /// The client ids of which a token must be for one; at least one.
    pub audience: Vec<String>,
}

impl ServerKind for GoogleSettings {
    fn word(&self) -> &'static str {
        "google"
    }

    fn fingerprint(&self, _: Option<&str>) -> SettingsFingerprint {
        SettingsFingerprint::named(self.word()).with("endpoint", self.endpoint.as_str())
    }

    fn profile<'k>(&'k self, _: Option<&str>) -> Profile<'k> {
        Profile {
            calls: vec![CalledUrl::To(self.endpoint.clone())],
            credentials: Credentials::NotNeeded,
            auth_method: None,
            client_auth: None,
            certificate: None,
            forward_host: false,
            audience: &self.audience,
            client_id: None,
            verification: None,
            then: None,
        }
    }

    fn one_by_one(&self) -> Vec<Arc<dyn ServerKind>> {
        Vec::new()
    }

    fn build(
        &self,
        server: &ServerSettings,
        parts: BuildParts<'_>,
    ) -> Result<Box<dyn Introspector>, UnusableSettings> {
        Ok(Box::new(Google(Tokeninfo::new(server, self.endpoint.clone(), parts.clock)?)))
    }
}

struct Google(Tokeninfo);

#[async_trait]
impl Introspector for Google {
    async fn introspect(&self, inquiry: &Inquiry) -> Result<Facts, Failure> {
        self.0.ask(inquiry, |answer, asked| interpret(answer, asked, inquiry)).await
    }
}

fn interpret(answer: &HttpAnswer, asked: i64, inquiry: &Inquiry) -> Result<Facts, Failure> {
    match answer.status {
        StatusCode::OK => Ok(translate(&answer.body, asked, inquiry)?),
        StatusCode::BAD_REQUEST if is_invalid_token(&answer.body) => Ok(Facts::Inactive),
        status @ StatusCode::BAD_REQUEST => Err(Failure::new(
            FailureKind::BadResponse,
            format!("status {status}, and not because of the token; check the endpoint"),
        )),
        _ => Err(status::failure(answer, "tokeninfo needs no credentials; check the endpoint")),
    }
}

/// `audience` and `aud` say for whom the token was made; that it is one of ours is the policy's
/// matter. `azp` (v1: `issued_to`) is the client that got it.
fn translate(body: &[u8], asked: i64, inquiry: &Inquiry) -> Result<Facts, BadAnswer> {
    let mut answer = Translation::parse(body)?;
    answer.name("aud", &["audience"]);
    answer.name("sub", &["user_id"]);
    answer.name("client_id", &["azp", "issued_to", "aud"]);
    if answer.has("exp") {
        answer.leave("expires_in");
    } else {
        answer.expires_in("expires_in", asked)?;
    }
    answer.need(&["aud", "exp"])?;
    answer.facts(inquiry)
}

/// `{"error": "invalid_token"}`; an older form has nothing but a description.
fn is_invalid_token(body: &[u8]) -> bool {
    let Ok(members) = json::object(body) else { return false };
    let text = |name| members.get(name).and_then(serde_json::Value::as_str);
    match members.get("error") {
        Some(_) => text("error") == Some("invalid_token"),
        None => {
            text("error_description").is_some_and(|text| text.eq_ignore_ascii_case("invalid value"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::introspect::tokeninfo::tests::{asked, kind, outcome};
    use crate::token::ActiveFacts;

    fn read(status: u16, body: &'static str) -> Result<Option<ActiveFacts>, FailureKind> {
        outcome(status, body, interpret)
    }

    #[test]
    fn v1_is_read() {
        let Ok(Some(facts)) = read(
            200,
            r#"{"audience":"8819981768.apps.googleusercontent.com","user_id":"123456789","scope":"https://www.googleapis.com/auth/userinfo.profile https://www.googleapis.com/auth/userinfo.email","expires_in":436}"#,
        ) else {
            panic!("not active")
        };
        assert!(facts.audience().eq(["8819981768.apps.googleusercontent.com"]));
        assert_eq!(facts.subject(), Some("123456789"));
        assert_eq!(facts.client_id(), Some("8819981768.apps.googleusercontent.com"));
        assert_eq!(facts.expires_at, Some(asked() + 436));
        assert!(facts.scopes().contains("https://www.googleapis.com/auth/userinfo.email"));
        assert!(!facts.claims.text().contains("expires_in"), "relative times are not kept");
    }

    #[test]
    fn the_current_one_is_read() {
        let Ok(Some(facts)) = read(
            200,
            r#"{"azp":"app","aud":"web","sub":"1","scope":"openid","exp":"1700000000","expires_in":"3599","email":"a@example.com","email_verified":"true"}"#,
        ) else {
            panic!("not active")
        };
        assert_eq!((facts.client_id(), facts.expires_at), (Some("app"), Some(1_700_000_000)));
        assert!(facts.audience().eq(["web"]));
        assert!(facts.claims.text().contains("email_verified"));
    }

    #[test]
    fn only_invalid_token_is_inactive() {
        for body in [
            r#"{"error":"invalid_token"}"#,
            r#"{"error":"invalid_token","error_description":"Invalid Value"}"#,
            r#"{"error_description":"Invalid Value"}"#,
        ] {
            assert!(matches!(read(400, body), Ok(None)), "{body}");
        }
        for body in [
            "",
            "<html>",
            r#"{"error":"invalid_request"}"#,
            r#"{"error":{"code":400}}"#,
            r#"{"error_description":"else"}"#,
            "{}",
            "[]",
        ] {
            assert_eq!(kind(read(400, body)), Some(FailureKind::BadResponse), "{body}");
        }
    }

    #[test]
    fn missing_members_and_wrong_types_are_no_answer() {
        for body in [
            r#"{"user_id":"1","expires_in":436}"#,
            r#"{"audience":"a","user_id":"1"}"#,
            r#"{"aud":null,"exp":"1"}"#,
            r#"{"aud":1,"exp":"1"}"#,
            r#"{"aud":"a","exp":"soon"}"#,
            r#"{"aud":"a","expires_in":true}"#,
            r#"{"aud":"a","exp":"1","scope":1}"#,
            r#"{"aud":"a","aud":"b","exp":"1"}"#,
            "[]",
            "",
            "<html>",
        ] {
            assert_eq!(kind(read(200, body)), Some(FailureKind::BadResponse), "{body}");
        }
    }
}
