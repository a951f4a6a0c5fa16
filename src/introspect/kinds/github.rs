//! GitHub's "check a token", for the tokens of one app: the current interface (`POST`, the token in
//! a JSON body) and the legacy one (`GET`, the token in the path).

use crate::clock::Clock;
use crate::introspect::http_client::{HttpAnswer, HttpClient};
use crate::introspect::placed;
use crate::introspect::status::{failure, retry_after, shown, throttled};
use crate::introspect::tokeninfo::Translation;
use crate::introspect::{
    BadAnswer, BuildParts, CalledUrl, ClientAuth, Credentials, Failure, Inquiry, Introspector,
    Profile, ServerKind, ServerSettings, SettingsFingerprint, UnusableSettings,
};
use crate::secret::Secret;
use crate::token::Facts;
use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use url::Url;

#[derive(Clone, Debug)]
pub struct GithubSettings {
    /// `https://api.github.com`, or `https://HOST/api/v3` of an own server.
    pub endpoint: Url,
    pub client_id: String,
    pub client_secret: Secret,
    pub api: GithubApi,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GithubApi {
    Current,
    Legacy,
}

impl ServerKind for GithubSettings {
    fn word(&self) -> &'static str {
        "github"
    }

    fn fingerprint(&self, _: Option<&str>) -> SettingsFingerprint {
        SettingsFingerprint::named(self.word())
            .with("endpoint", self.endpoint.as_str())
            .with("client_id", &self.client_id)
            .with("client_secret", self.client_secret.expose())
            .with("api", format!("{:?}", self.api))
    }

    fn profile<'k>(&'k self, _: Option<&str>) -> Profile<'k> {
        Profile {
            calls: vec![CalledUrl::To(self.endpoint.clone())],
            credentials: Credentials::Configured,
            auth_method: None,
            client_auth: None,
            certificate: None,
            forward_host: false,
            audience: &[],
            client_id: Some(&self.client_id),
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
        Ok(Box::new(Github::new(server, self, parts.clock)?))
    }
}

struct Github {
    client: HttpClient,
    api: GithubApi,
    /// `…/applications/ID/token`, or `…/applications/ID/tokens/` without the token.
    base: String,
    headers: HeaderMap,
    clock: Clock,
    /// For the log.
    shown: String,
}

impl Github {
    fn new(
        settings: &ServerSettings,
        github: &GithubSettings,
        clock: Clock,
    ) -> Result<Self, UnusableSettings> {
        let credentials = || UnusableSettings::Credentials(settings.name.to_string());
        let auth = ClientAuth::ClientSecretBasic {
            client_id: github.client_id.clone(),
            client_secret: github.client_secret.clone(),
            form_encode: false,
        };
        let mut headers = HeaderMap::new();
        let basic = auth.header().map_err(|_| credentials())?.ok_or_else(credentials)?;
        headers.insert(header::AUTHORIZATION, basic);
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/vnd.github+json"));
        if github.api == GithubApi::Current {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(
                HeaderName::from_static("x-github-api-version"),
                HeaderValue::from_static("2022-11-28"),
            );
        }
        let what = match github.api {
            GithubApi::Current => "token",
            GithubApi::Legacy => "tokens/",
        };
        let root = shown(&github.endpoint);
        let base = format!(
            "{}/applications/{}/{what}",
            root.trim_end_matches('/'),
            placed::in_url(&github.client_id)
        );
        let client = HttpClient::new(settings, clock.clone())?;
        Ok(Self { client, api: github.api, shown: base.clone(), base, headers, clock })
    }

    /// `None`: the token cannot be part of a path, so it is not one of GitHub's.
    fn url(&self, token: &str) -> Option<Url> {
        match self.api {
            GithubApi::Current => Url::parse(&self.base).ok(),
            GithubApi::Legacy => {
                placed::exact_url(&format!("{}{}", self.base, placed::in_url(token)))
            }
        }
    }
}

#[async_trait]
impl Introspector for Github {
    async fn introspect(&self, inquiry: &Inquiry) -> Result<Facts, Failure> {
        let token = inquiry.token.expose();
        let Some(url) = self.url(token) else { return Ok(Facts::Inactive) };
        let asked = self.clock.now().unix_seconds();
        let answer = self.client.send(|client| match self.api {
            GithubApi::Legacy => client.get(url.clone()).headers(self.headers.clone()),
            GithubApi::Current => {
                let body = format!(r#"{{"access_token":"{}"}}"#, placed::in_json(token));
                client.post(url.clone()).headers(self.headers.clone()).body(body)
            }
        });
        answer
            .await
            .and_then(|answer| interpret(&answer, asked, inquiry))
            .map_err(|failure| failure.at(&self.shown))
    }
}

fn interpret(answer: &HttpAnswer, asked: i64, inquiry: &Inquiry) -> Result<Facts, Failure> {
    match answer.status {
        StatusCode::OK => Ok(translate(&answer.body, inquiry)?),
        StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY => Ok(Facts::Inactive),
        status @ (StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS) => {
            match pause(answer, asked) {
                None if status == StatusCode::FORBIDDEN => Err(refused(answer)),
                pause => Err(throttled(status, pause)),
            }
        }
        _ => Err(refused(answer)),
    }
}

fn refused(answer: &HttpAnswer) -> Failure {
    failure(answer, "check client_id and client_secret of the app")
}

/// How long GitHub wants to be left alone: `Retry-After`, or until the limit is lifted when nothing
/// is left of it.
fn pause(answer: &HttpAnswer, now: i64) -> Option<Duration> {
    let headers = &answer.headers;
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    if headers.contains_key(header::RETRY_AFTER) {
        // an unreadable limit causes a pause too
        return retry_after(answer).or(Some(Duration::from_secs(1)));
    }
    if number("x-ratelimit-remaining")? > 0 {
        return None;
    }
    let left = number("x-ratelimit-reset").map_or(1, |reset| reset.saturating_sub(now));
    Some(Duration::from_secs(u64::try_from(left).unwrap_or_default().max(1)))
}

/// `scopes`, `app.client_id`, `user.login`, `user.id`, `expires_at`. That the app is ours is the
/// policy's matter.
fn translate(body: &[u8], inquiry: &Inquiry) -> Result<Facts, BadAnswer> {
    let mut answer = Translation::parse(body)?;
    answer.need(&["scopes", "app"])?;
    answer.name("scope", &["scopes"]);
    for (ours, object, member) in
        [("client_id", "app", "client_id"), ("username", "user", "login"), ("sub", "user", "id")]
    {
        let value = answer
            .member(object)?
            .and_then(|members| members.get(member))
            .filter(|value| !value.is_null())
            .cloned();
        if let Some(value) = value {
            answer.set(ours, value);
        }
    }
    answer.need(&["client_id"])?;
    if let Some(end) = answer.get("expires_at") {
        let end = end.as_str().and_then(seconds).ok_or(BadAnswer::NotATime("expires_at"))?;
        answer.set("exp", end.into());
    }
    // the token again, in part and hashed
    for name in ["token", "token_last_eight", "hashed_token"] {
        answer.leave(name);
    }
    answer.facts(inquiry)
}

/// Seconds since the Unix epoch of an RFC 3339 time, cut down.
fn seconds(text: &str) -> Option<i64> {
    OffsetDateTime::parse(text, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::introspect::FailureKind;
    use crate::introspect::tokeninfo::tests::{asked, inquiry, kind, outcome};

    const ANSWER: &str = r#"{"id":1,"scopes":["public_repo","read:org"],"token":"abc123","hashed_token":"h","token_last_eight":"t","app":{"client_id":"abcde12345fghij67890"},"user":{"login":"octocat","id":1},"expires_at":"2027-01-15T08:00:00Z"}"#;

    #[test]
    fn the_published_answer_is_read() {
        let Ok(Some(facts)) = outcome(200, ANSWER, interpret) else { panic!("not active") };
        assert_eq!((facts.subject(), facts.client_id()), (Some("1"), Some("abcde12345fghij67890")));
        assert_eq!(
            (facts.scopes().to_string().as_str(), facts.expires_at),
            ("public_repo read:org", Some(1_800_000_000))
        );
        assert!(facts.claims.text().contains(r#""username":"octocat""#));
        assert!(!facts.claims.text().contains("token"), "{}", facts.claims.text());
    }

    #[test]
    fn a_user_and_an_end_may_be_absent() {
        for body in [
            r#"{"scopes":[],"app":{"client_id":"a"}}"#,
            r#"{"scopes":[],"app":{"client_id":"a"},"user":null,"expires_at":null}"#,
        ] {
            let Ok(Some(facts)) = outcome(200, body, interpret) else {
                panic!("not active: {body}")
            };
            assert_eq!((facts.subject(), facts.expires_at), (None, None));
        }
    }

    /// RFC 3339 §5.6 and §5.8.
    #[test]
    fn an_end_may_be_written_in_every_form() {
        for (text, expected) in [
            ("2027-01-15T08:00:00Z", 1_800_000_000),
            ("2027-01-15t08:00:00z", 1_800_000_000),
            ("2027-01-15T09:00:00+01:00", 1_800_000_000),
            ("2027-01-14T18:30:00-13:30", 1_800_000_000),
            ("2027-01-15T08:00:00-00:00", 1_800_000_000),
            ("2027-01-15T08:00:00.999999999Z", 1_800_000_000),
            ("2027-01-15T09:00:00.5+01:00", 1_800_000_000),
            ("1985-04-12T23:20:50.52Z", 482_196_050),
            ("1990-12-31T23:59:60Z", 662_687_999),
            ("1969-12-31T23:59:59.5Z", -1),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn missing_members_and_wrong_types_are_no_answer() {
        for body in [
            r#"{"app":{"client_id":"a"}}"#,
            r#"{"scopes":[]}"#,
            r#"{"scopes":[],"app":{}}"#,
            r#"{"scopes":[],"app":"a"}"#,
            r#"{"scopes":[],"app":{"client_id":{}}}"#,
            r#"{"scopes":[1],"app":{"client_id":"a"}}"#,
            r#"{"scopes":{},"app":{"client_id":"a"}}"#,
            r#"{"scopes":[],"app":{"client_id":"a"},"user":"octocat"}"#,
            r#"{"scopes":[],"app":{"client_id":"a"},"user":{"id":[]}}"#,
            r#"{"scopes":[],"app":{"client_id":"a"},"expires_at":1}"#,
            r#"{"scopes":[],"app":{"client_id":"a"},"expires_at":"tomorrow"}"#,
            r#"{"scopes":[],"app":{"client_id":"a"},"expires_at":"2027-01-15"}"#,
            r#"{"scopes":[],"app":{"client_id":"a"},"expires_at":"2027-01-15T08:00:00"}"#,
            r#"{"scopes":[],"app":{"client_id":"a"},"expires_at":"2027-02-30T08:00:00Z"}"#,
            r#"{"scopes":[],"app":{"client_id":"a"},"expires_at":"2027-01-15T08:00:00+0100"}"#,
            "[]",
            "",
        ] {
            assert_eq!(
                kind(outcome(200, body, interpret)),
                Some(FailureKind::BadResponse),
                "{body}"
            );
        }
    }

    fn refusal(
        status: u16,
        headers: &[(&'static str, &'static str)],
    ) -> Option<(FailureKind, Option<u64>)> {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let answer = HttpAnswer {
            status: StatusCode::from_u16(status).ok()?,
            headers,
            body: Default::default(),
            at: 0,
        };
        let failure = interpret(&answer, asked(), &inquiry()).err()?;
        Some((failure.kind, failure.retry_after.map(|pause| pause.as_secs())))
    }

    #[test]
    fn a_rate_limit_differs_from_bad_credentials() {
        let throttled = |pause| Some((FailureKind::Throttled, pause));
        assert_eq!(refusal(403, &[("retry-after", "60")]), throttled(Some(60)));
        assert_eq!(
            refusal(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1000030")]),
            throttled(Some(30))
        );
        assert_eq!(
            refusal(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")]),
            throttled(Some(1))
        );
        assert_eq!(refusal(403, &[("x-ratelimit-remaining", "0")]), throttled(Some(1)));
        assert_eq!(
            refusal(429, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1000030")]),
            throttled(Some(30))
        );
        assert_eq!(refusal(429, &[]), throttled(None));
        for headers in
            [&[][..], &[("x-ratelimit-remaining", "4999"), ("x-ratelimit-reset", "1000030")]]
        {
            assert_eq!(refusal(403, headers), Some((FailureKind::RejectedUs, None)));
        }
        assert_eq!(
            refusal(401, &[("x-ratelimit-remaining", "0")]),
            Some((FailureKind::RejectedUs, None))
        );
    }
}
