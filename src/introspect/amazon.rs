//! Login with Amazon's tokeninfo. Its `exp` is the number of seconds that are left.

use super::http_client::Answer;
use super::status;
use super::tokeninfo::{Tokeninfo, Translation};
use super::{BadAnswer, Failure, Inquiry, Introspector, ServerSettings, Unusable};
use crate::clock::Clock;
use crate::token::Facts;
use async_trait::async_trait;
use http::StatusCode;
use url::Url;

pub struct Amazon(Tokeninfo);

impl Amazon {
    pub fn new(settings: &ServerSettings, endpoint: Url, clock: Clock) -> Result<Self, Unusable> {
        Tokeninfo::new(settings, endpoint, clock).map(Self)
    }
}

#[async_trait]
impl Introspector for Amazon {
    async fn introspect(&self, inquiry: &Inquiry) -> Result<Facts, Failure> {
        self.0.ask(inquiry, |answer, asked| interpret(answer, asked, inquiry)).await
    }
}

fn interpret(answer: &Answer, asked: i64, inquiry: &Inquiry) -> Result<Facts, Failure> {
    match answer.status {
        StatusCode::OK => Ok(translate(&answer.body, asked, inquiry)?),
        // the token is all that there is in the request
        StatusCode::BAD_REQUEST => Ok(Facts::Inactive),
        _ => Err(status::failure(answer, "tokeninfo needs no credentials; check the endpoint")),
    }
}

/// `aud` is the client that the token was made for; that it is one of ours is the policy's matter.
fn translate(body: &[u8], asked: i64, inquiry: &Inquiry) -> Result<Facts, BadAnswer> {
    let mut answer = Translation::read(body)?;
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
    fn what_is_left_may_be_nothing_or_far_away() {
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
    fn what_is_missing_or_of_another_type_is_no_answer() {
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
