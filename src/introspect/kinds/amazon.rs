//! Login with Amazon's tokeninfo. Its `exp` is the number of seconds that are left.

use crate::introspect::http_client::HttpAnswer;
use crate::introspect::status;
use crate::introspect::tokeninfo::{Tokeninfo, Translation};
use crate::introspect::{
    BadAnswer, BuildParts, CalledUrl, Credentials, Failure, Inquiry, Introspector, Profile,
    ServerKind, ServerSettings, SettingsFingerprint, UnusableSettings,
};
use crate::token::Facts;
use async_trait::async_trait;
use http::StatusCode;
use std::sync::Arc;
use url::Url;

#[derive(Clone, Debug)]
pub struct AmazonSettings {
    pub endpoint: Url,
    /// The client ids of which a token must be for one; at least one.
    pub audience: Vec<String>,
}

impl ServerKind for AmazonSettings {
    fn word(&self) -> &'static str {
        "amazon"
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
        Ok(Box::new(Amazon(Tokeninfo::new(server, self.endpoint.clone(), parts.clock)?)))
    }
}

struct Amazon(Tokeninfo);

#[async_trait]
impl Introspector for Amazon {
    async fn introspect(&self, inquiry: &Inquiry) -> Result<Facts, Failure> {
        self.0.ask(inquiry, |answer, asked| interpret(answer, asked, inquiry)).await
    }
}

fn interpret(answer: &HttpAnswer, asked: i64, inquiry: &Inquiry) -> Result<Facts, Failure> {
    match answer.status {
        StatusCode::OK => Ok(translate(&answer.body, asked, inquiry)?),
        // the token is all that there is in the request
        StatusCode::BAD_REQUEST => Ok(Facts::Inactive),
        _ => Err(status::failure(answer, "tokeninfo needs no credentials; check the endpoint")),
    }
}

/// `aud` is the client that the token was made for; that it is one of ours is the policy's matter.
fn translate(body: &[u8], asked: i64, inquiry: &Inquiry) -> Result<Facts, BadAnswer> {
    let mut answer = Translation::parse(body)?;
    answer.name("sub", &["user_id"]);
    answer.name("client_id", &["aud"]);
    answer.expires_in("exp", asked)?;
    answer.need(&["aud", "exp"])?;
    answer.facts(inquiry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::introspect::FailureKind;
    use crate::introspect::tokeninfo::tests::{asked, kind, outcome};

    #[test]
    fn the_published_answer_is_read() {
        let body = r#"{"iss":"https://www.amazon.com","user_id":"amznl.account.K2LI23KL2LK2","aud":"amznl.oa2-client.ASFWDFBRN","app_id":"amznl.application.436457DFHDH","exp":3597,"iat":1311280970}"#;
        let Ok(Some(facts)) = outcome(200, body, interpret) else { panic!("not active") };
        assert_eq!(facts.subject(), Some("amznl.account.K2LI23KL2LK2"));
        assert_eq!(facts.client_id(), Some("amznl.oa2-client.ASFWDFBRN"));
        assert_eq!(facts.issuer(), Some("https://www.amazon.com"));
        assert_eq!(
            (facts.expires_at, facts.issued_at),
            (Some(asked() + 3597), Some(1_311_280_970))
        );
        assert!(facts.claims.text().contains(r#""app_id":"amznl.application.436457DFHDH""#));
    }

    #[test]
    fn the_remaining_time_may_be_zero_or_huge() {
        for (exp, expected) in [
            ("0", asked()),
            ("-5", asked() - 5),
            ("\"10\"", asked() + 10),
            ("1e300", i64::MAX),
            ("3.9", asked() + 3),
        ] {
            let body: &'static str = format!(r#"{{"aud":"a","exp":{exp}}}"#).leak();
            let facts = outcome(200, body, interpret).ok().flatten();
            assert_eq!(facts.and_then(|facts| facts.expires_at), Some(expected), "{exp}");
        }
    }

    #[test]
    fn missing_members_and_wrong_types_are_no_answer() {
        for body in [
            r#"{"exp":1}"#,
            r#"{"aud":"a"}"#,
            r#"{"aud":["a",1],"exp":1}"#,
            r#"{"aud":"a","exp":"soon"}"#,
            "[]",
            "",
            "{}",
        ] {
            assert_eq!(
                kind(outcome(200, body, interpret)),
                Some(FailureKind::BadResponse),
                "{body}"
            );
        }
        assert!(matches!(outcome(400, r#"{"error":"invalid_token"}"#, interpret), Ok(None)));
        assert_eq!(kind(outcome(404, "", interpret)), Some(FailureKind::BadResponse));
    }
}
