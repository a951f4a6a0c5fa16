//! A home-grown way of asking: a request of the operator's making, and pointers into the answer.

use crate::clock::Clock;
use crate::introspect::http_client::{HttpAnswer, HttpClient};
use crate::introspect::placed::{Template, TokenContext, exact_url};
use crate::introspect::status::failure;
use crate::introspect::tokeninfo::{NAMES, Translation};
use crate::introspect::{
    BadAnswer, BuildParts, CalledUrl, Credentials, Failure, Inquiry, Introspector, Profile,
    ServerKind, ServerSettings, SettingsFingerprint, UnusableSettings,
};
use crate::token::{Facts, json};
use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value};
use std::sync::Arc;
use url::Url;

#[derive(Clone, Debug)]
pub struct CustomSettings {
    pub method: Method,
    /// A whole URL in its normal form; places only in path and query.
    pub url: Template,
    pub headers: Vec<(HeaderName, Template)>,
    pub body: Option<BodyTemplate>,
    /// JSON pointer (RFC 6901) to the member for the token's state; without it any 200 does.
    pub active: Option<String>,
    /// JSON pointers to members, by their RFC 7662 names, `expires_in` for seconds from now, or
    /// any other name.
    pub answer: Vec<(String, String)>,
    pub inactive_status: Vec<StatusCode>,
}

#[derive(Clone, Debug)]
pub struct BodyTemplate {
    pub template: Template,
    pub place: TokenContext,
    /// Where the headers name none.
    pub content_type: Option<&'static str>,
}

impl ServerKind for CustomSettings {
    fn word(&self) -> &'static str {
        "custom"
    }

    fn fingerprint(&self, _: Option<&str>) -> SettingsFingerprint {
        let mut fingerprint = SettingsFingerprint::named(self.word())
            .with("method", self.method.as_str())
            .with("url", self.url.text());
        fingerprint.list(
            "headers",
            self.headers.iter().flat_map(|(name, value)| [name.to_string(), value.text()]),
        );
        fingerprint.list("body", self.body.iter().map(|body| body.template.text()));
        fingerprint.list("active", self.active.iter().cloned());
        fingerprint.list(
            "answer",
            self.answer.iter().flat_map(|(name, pointer)| [name.clone(), pointer.clone()]),
        );
        fingerprint.list("inactive_status", self.inactive_status.iter().map(ToString::to_string));
        fingerprint
    }

    fn profile<'k>(&'k self, _: Option<&str>) -> Profile<'k> {
        Profile {
            calls: Url::parse(&self.url.text()).into_iter().map(CalledUrl::To).collect(),
            credentials: Credentials::Configured,
            auth_method: None,
            client_auth: None,
            certificate: None,
            forward_host: false,
            audience: &[],
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
        Ok(Box::new(Custom::new(server, self, parts.clock)?))
    }
}

struct Custom {
    client: HttpClient,
    settings: CustomSettings,
    clock: Clock,
    /// For the log: the URL without its query, the place of the token left as it is.
    shown: String,
}

impl Custom {
    fn new(
        settings: &ServerSettings,
        custom: &CustomSettings,
        clock: Clock,
    ) -> Result<Self, UnusableSettings> {
        let url = custom.url.text();
        let shown = url.split('?').next().unwrap_or_default().to_owned();
        Ok(Self {
            client: HttpClient::new(settings, clock.clone())?,
            settings: custom.clone(),
            clock,
            shown,
        })
    }

    /// `None`: the token cannot be placed in the request, so it cannot be a token of the server.
    fn request(&self, token: &str) -> Option<(Url, HeaderMap, Option<String>)> {
        let url = exact_url(&self.settings.url.fill(token, TokenContext::Url))?;
        let mut headers =
            HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static("application/json"))]);
        if let Some(content_type) = self.settings.body.as_ref().and_then(|body| body.content_type) {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        for (name, template) in &self.settings.headers {
            let mut value =
                HeaderValue::try_from(template.fill(token, TokenContext::Plain)).ok()?;
            value.set_sensitive(true);
            headers.insert(name.clone(), value);
        }
        Some((
            url,
            headers,
            self.settings.body.as_ref().map(|body| body.template.fill(token, body.place)),
        ))
    }
}

#[async_trait]
impl Introspector for Custom {
    async fn introspect(&self, inquiry: &Inquiry) -> Result<Facts, Failure> {
        let Some((url, headers, body)) = self.request(inquiry.token.expose()) else {
            return Ok(Facts::Inactive);
        };
        let asked = self.clock.now().unix_seconds();
        let answer = self.client.send(|client| {
            let request =
                client.request(self.settings.method.clone(), url.clone()).headers(headers.clone());
            match &body {
                Some(body) => request.body(body.clone()),
                None => request,
            }
        });
        answer
            .await
            .and_then(|answer| interpret(&self.settings, &answer, asked, inquiry))
            .map_err(|failure| failure.at(&self.shown))
    }
}

fn interpret(
    settings: &CustomSettings,
    answer: &HttpAnswer,
    asked: i64,
    inquiry: &Inquiry,
) -> Result<Facts, Failure> {
    if settings.inactive_status.contains(&answer.status) {
        return Ok(Facts::Inactive);
    }
    match answer.status {
        StatusCode::OK => Ok(translate(settings, &answer.body, asked, inquiry)?),
        _ => Err(failure(
            answer,
            "check the headers of `request`, or name the status in `inactive_status`",
        )),
    }
}

fn translate(
    settings: &CustomSettings,
    body: &[u8],
    asked: i64,
    inquiry: &Inquiry,
) -> Result<Facts, BadAnswer> {
    let points = settings.active.is_some() || !settings.answer.is_empty();
    let answer = match json::value(body) {
        Ok(answer) => answer,
        // the status alone speaks
        Err(_) if !points => Value::Null,
        Err(_) => return Err(BadAnswer::NotJson),
    };
    if let Some(pointer) = &settings.active
        && !is_true(answer.pointer(pointer).ok_or(BadAnswer::NothingAt("active"))?)?
    {
        return Ok(Facts::Inactive);
    }
    let named = settings.answer.iter().filter_map(|(name, pointer)| {
        let value = answer.pointer(pointer).filter(|value| !value.is_null())?;
        Some((name.clone(), value.clone()))
    });
    let named: Vec<_> = named.collect();
    let mut members = match answer {
        Value::Object(members) => rest(members),
        _ => Map::new(),
    };
    members.extend(named);
    let mut answer = Translation::from_members(members);
    answer.expires_in("expires_in", asked)?;
    answer.facts(inquiry)
}

/// The answer's members without those that the pointers select. Members that only happen to have a
/// name with a meaning here do not get that meaning, unless it speaks against the token.
fn rest(mut members: Map<String, Value>) -> Map<String, Value> {
    let against = |name: &str| matches!(name, "token_type" | "token_use");
    members.retain(|name, _| {
        against(name) || !(NAMES.contains(&name.as_str()) || name == "expires_in")
    });
    members
}

/// Only a boolean `true`, 1 and the text `true` are true.
fn is_true(value: &Value) -> Result<bool, BadAnswer> {
    match value {
        Value::Bool(value) => Ok(*value),
        Value::Number(number) => Ok(number.as_u64() == Some(1)),
        Value::String(text) => Ok(text == "true"),
        Value::Null => Ok(false),
        Value::Array(_) | Value::Object(_) => Err(BadAnswer::NotATruth("active")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::introspect::tokeninfo::tests::{asked, inquiry};
    use crate::token::ActiveFacts;

    fn settings(active: &str, answer: &[(&str, &str)]) -> CustomSettings {
        CustomSettings {
            method: Method::GET,
            url: Template::new("https://as.internal/check/{token}"),
            headers: Vec::new(),
            body: None,
            active: (!active.is_empty()).then(|| active.to_owned()),
            answer: answer
                .iter()
                .map(|(name, pointer)| ((*name).to_owned(), (*pointer).to_owned()))
                .collect(),
            inactive_status: Vec::new(),
        }
    }

    fn read(settings: &CustomSettings, body: &str) -> Result<Option<ActiveFacts>, BadAnswer> {
        translate(settings, body.as_bytes(), asked(), &inquiry()).map(|facts| match facts {
            Facts::Active(facts) => Some(*facts),
            _ => None,
        })
    }

    #[test]
    fn three_values_are_true() {
        let settings = settings("/valid", &[]);
        for (value, active) in [
            ("true", true),
            ("1", true),
            ("\"true\"", true),
            ("false", false),
            ("0", false),
            ("2", false),
            ("-1", false),
            ("1.5", false),
        ]
        .into_iter()
        .chain([
            ("\"True\"", false),
            ("\"1\"", false),
            ("\"yes\"", false),
            ("\"\"", false),
            ("null", false),
        ]) {
            let outcome =
                read(&settings, &format!(r#"{{"valid":{value}}}"#)).map(|facts| facts.is_some());
            assert_eq!(outcome, Ok(active), "{value}");
        }
        for body in [r#"{"valid":[]}"#, r#"{"valid":{}}"#] {
            assert_eq!(read(&settings, body).err(), Some(BadAnswer::NotATruth("active")), "{body}");
        }
        assert_eq!(
            read(&settings, r#"{"other":true}"#).err(),
            Some(BadAnswer::NothingAt("active"))
        );
        for body in ["", "<html>", r#"{"valid":false,"valid":true}"#] {
            assert_eq!(read(&settings, body).err(), Some(BadAnswer::NotJson), "{body}");
        }
    }

    #[test]
    fn members_are_where_the_pointers_say() {
        let settings = settings(
            "/valid",
            &[
                ("sub", "/user/id"),
                ("username", "/user/name"),
                ("scope", "/permissions"),
                ("expires_in", "/ttl"),
                ("tenant", "/a~1b/0"),
            ],
        );
        let body = r#"{"valid":1,"user":{"id":7,"name":"jo"},"permissions":["r","w"],"ttl":"60","a/b":["t"],"plan":"gold"}"#;
        let Ok(Some(facts)) = read(&settings, body) else { panic!("not active") };
        assert_eq!((facts.subject(), facts.scopes().to_string().as_str()), (Some("7"), "r w"));
        assert_eq!(facts.expires_at, Some(asked() + 60));
        for member in [r#""username":"jo""#, r#""tenant":"t""#, r#""plan":"gold""#] {
            assert!(facts.claims.text().contains(member), "{member}");
        }
    }

    #[test]
    fn members_without_a_pointer_have_no_meaning() {
        let body = r#"{"valid":true,"scope":"admin","sub":"root","exp":"tomorrow","expires_in":[],"aud":"x","iss":1}"#;
        let Ok(Some(facts)) = read(&settings("/valid", &[]), body) else { panic!("not active") };
        assert!(
            facts.scopes().is_empty()
                && facts.subject().is_none()
                && facts.audience().next().is_none()
        );
        assert_eq!(facts.claims.text(), r#"{"valid":true,"active":true}"#);
        for body in
            [r#"{"valid":true,"cnf":{"jkt":"x"}}"#, r#"{"valid":true,"token_use":"refresh"}"#]
        {
            let Ok(Some(facts)) = read(&settings("/valid", &[]), body) else {
                panic!("not active")
            };
            assert!(
                facts.refresh_token || facts.confirmation != crate::token::Confirmation::None,
                "{body}"
            );
        }
    }

    #[test]
    fn wrong_types_are_no_answer() {
        let settings =
            settings("", &[("sub", "/s"), ("scope", "/p"), ("exp", "/e"), ("expires_in", "/t")]);
        for body in
            [r#"{"s":{}}"#, r#"{"p":1}"#, r#"{"p":[1]}"#, r#"{"e":"soon"}"#, r#"{"t":{}}"#, "x"]
        {
            assert!(read(&settings, body).is_err(), "{body}");
        }
        assert!(
            read(&settings, r#"{"s":null}"#)
                .is_ok_and(|facts| facts.is_some_and(|facts| facts.subject().is_none()))
        );
    }

    #[test]
    fn a_status_may_be_the_whole_answer() {
        for body in ["", "OK", "[]", r#"{"a":1}"#] {
            assert!(read(&settings("", &[]), body).is_ok_and(|facts| facts.is_some()), "{body}");
        }
    }

    #[test]
    fn the_answer_may_be_a_list() {
        let settings = settings("/0/ok", &[("sub", "/0/id")]);
        assert!(
            read(&settings, r#"[{"ok":true,"id":"a"}]"#)
                .is_ok_and(|facts| facts.is_some_and(|facts| facts.subject() == Some("a")))
        );
    }
}
