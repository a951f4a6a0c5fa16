//! OAuth 2.0 Token Introspection (RFC 7662): `POST` a form, get JSON.

use crate::clock::Clock;
use crate::introspect::client_auth::{ASSERTION_TYPE, FetchedToken, OwnToken};
use crate::introspect::discovery::{Discovery, WantedEndpoint};
use crate::introspect::fetched::Fetched;
use crate::introspect::http_client::{HttpAnswer, HttpClient};
use crate::introspect::signed_answer::{MEDIA_TYPE, SignedAnswers, SignedSettings};
use crate::introspect::status::{self, shown};
use crate::introspect::{
    BadAnswer, BuildParts, CalledUrl, ClientAuth, Credentials, Documents, Failure, FailureKind,
    Inquiry, Introspector, Profile, ServerKind, ServerSettings, SettingsFingerprint,
    UnusableSettings, read_answer,
};
use crate::request::Forwarded;
use crate::secret::Secret;
use crate::token::Facts;
use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use reqwest::Request;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

#[derive(Clone, Debug)]
pub struct Rfc7662Settings {
    /// Tried in order when one fails; none: found by the issuer.
    pub endpoints: Vec<Url>,
    pub client_auth: ClientAuth,
    pub token_type_hint: Option<String>,
    /// Extra form parameters; none is named `token`, `token_type_hint` or as our credentials are.
    pub parameters: Vec<(String, String)>,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Send the client's `X-Forwarded-*` to the server too.
    pub forward_host: bool,
    /// Of `response: jwt`; none: plain JSON.
    pub signed: Option<SignedSettings>,
}

impl ServerKind for Rfc7662Settings {
    fn word(&self) -> &'static str {
        "rfc7662"
    }

    /// RFC 7662 §2.2: a server may answer differently to each caller.
    fn fingerprint(&self, issuer: Option<&str>) -> SettingsFingerprint {
        let mut fingerprint = SettingsFingerprint::named(self.word());
        let mut list = |name: &str, items: Vec<String>| fingerprint.list(name, items);
        if self.endpoints.is_empty() {
            list("issuer", issuer.map(str::to_owned).into_iter().collect());
        }
        list("endpoints", self.endpoints.iter().map(ToString::to_string).collect());
        list(
            "client_auth",
            self.client_auth.fingerprint().into_iter().map(str::to_owned).collect(),
        );
        list("token_type_hint", self.token_type_hint.iter().cloned().collect());
        list(
            "parameters",
            self.parameters
                .iter()
                .flat_map(|(name, value)| [name.clone(), value.clone()])
                .collect(),
        );
        let headers = self.headers.iter().flat_map(|(name, value)| {
            [name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()]
        });
        list("headers", headers.collect());
        list("forward_host", vec![self.forward_host.to_string()]);
        list("signed", self.signed.iter().flat_map(SignedSettings::fingerprint).collect());
        fingerprint
    }

    fn profile<'k>(&'k self, issuer: Option<&str>) -> Profile<'k> {
        Profile {
            calls: self.calls(issuer),
            credentials: match self.client_auth {
                ClientAuth::None => Credentials::Missing,
                _ => Credentials::Configured,
            },
            auth_method: self.client_auth.method(),
            client_auth: Some(&self.client_auth),
            certificate: self.client_auth.certificate(),
            forward_host: self.forward_host,
            audience: &[],
            client_id: None,
            verification: None,
            then: None,
        }
    }

    fn one_by_one(&self) -> Vec<Arc<dyn ServerKind>> {
        if self.endpoints.len() < 2 {
            return Vec::new();
        }
        let only = |endpoint: &Url| -> Arc<dyn ServerKind> {
            Arc::new(Self { endpoints: vec![endpoint.clone()], ..self.clone() })
        };
        self.endpoints.iter().map(only).collect()
    }

    fn build(
        &self,
        server: &ServerSettings,
        parts: BuildParts<'_>,
    ) -> Result<Box<dyn Introspector>, UnusableSettings> {
        Ok(Box::new(Rfc7662::new(server, self, parts.clock, parts.documents)?))
    }
}

impl Rfc7662Settings {
    fn calls(&self, issuer: Option<&str>) -> Vec<CalledUrl> {
        let found_by_issuer =
            || issuer.and_then(|issuer| Url::parse(issuer).ok()).map(CalledUrl::FoundBy);
        let mut calls: Vec<CalledUrl> = self.endpoints.iter().cloned().map(CalledUrl::To).collect();
        if self.endpoints.is_empty() {
            calls.extend(found_by_issuer());
        }
        if let ClientAuth::ClientCredentials(own) = &self.client_auth {
            calls.extend(own.token_endpoint.clone().map(CalledUrl::To).or_else(found_by_issuer));
        }
        if let Some(signed) = &self.signed {
            calls.extend(signed.keys.call());
        }
        calls
    }
}

struct Rfc7662 {
    settings: Rfc7662Settings,
    timeout: Duration,
    client: Arc<HttpClient>,
    clock: Clock,
    /// Finds the endpoint where the settings name none.
    discovery: Option<Arc<Fetched<Discovery>>>,
    /// Of `client_credentials`.
    own_token: Option<Arc<OwnToken>>,
    /// Of `response: jwt`.
    signed: Option<SignedAnswers>,
    /// The headers of every call: `Accept`, `Content-Type`, the configured headers, constant
    /// credentials.
    headers: HeaderMap,
}

impl Rfc7662 {
    fn new(
        server: &ServerSettings,
        settings: &Rfc7662Settings,
        clock: Clock,
        documents: &Documents,
    ) -> Result<Self, UnusableSettings> {
        let client = Arc::new(HttpClient::new(server, clock.clone())?);
        let auth = &settings.client_auth;
        let issuer = server.issuer.as_deref().filter(|_| settings.endpoints.is_empty());
        let issuer = issuer.and_then(|issuer| Some((issuer, Url::parse(issuer).ok()?)));
        let wanted = match auth.certificate() {
            None => WantedEndpoint::Member("introspection_endpoint"),
            Some(_) => WantedEndpoint::WithCertificate("introspection_endpoint"),
        };
        let discovery = issuer.map(|(issuer, at)| {
            Discovery::for_issuer(documents, wanted, (issuer, &at), &client, server)
        });
        let own_token = match auth {
            ClientAuth::ClientCredentials(own) => {
                Some(OwnToken::for_server(server, own, &client, clock.clone(), documents)?)
            }
            _ => None,
        };
        let mut headers: HeaderMap = settings.headers.iter().cloned().collect();
        let signed = settings
            .signed
            .as_ref()
            .map(|signed| SignedAnswers::new(server, signed, clock.clone(), documents))
            .transpose()?;
        let accept = if signed.is_some() { MEDIA_TYPE } else { "application/json" };
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        let credentials = || UnusableSettings::Credentials(server.name.to_string());
        if let Some(value) = auth.header().map_err(|_| credentials())? {
            headers.insert(header::AUTHORIZATION, value);
        }
        Ok(Self {
            settings: settings.clone(),
            timeout: server.timeout,
            client,
            clock,
            discovery,
            own_token,
            signed,
            headers,
        })
    }

    /// One question to one endpoint; a second one where the server does not take the gateway's own
    /// token any more.
    async fn ask(
        &self,
        endpoint: &Url,
        inquiry: &Inquiry,
        own: Option<&Arc<FetchedToken>>,
    ) -> Result<Facts, Failure> {
        let mut answer = self.call(endpoint, inquiry, own).await?;
        // 403 for a token that has ended is seen too
        if let (Some(token), Some(own), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) =
            (own, &self.own_token, answer.status)
            && let Some(newer) = own.after(token).await?
        {
            answer = self.call(endpoint, inquiry, Some(&newer)).await?;
        }
        match &self.signed {
            Some(signed) if answer.status == StatusCode::OK => signed.verify(&answer).await,
            // RFC 9701 §5: errors are those of RFC 7662, and not signed
            _ => interpret(&answer, self.settings.client_auth.advice()),
        }
    }

    /// One request (RFC 7662 §2.1).
    async fn call(
        &self,
        endpoint: &Url,
        inquiry: &Inquiry,
        own: Option<&Arc<FetchedToken>>,
    ) -> Result<HttpAnswer, Failure> {
        let forwarded = inquiry.forwarded.as_ref().filter(|_| self.settings.forward_host);
        let platform = match &self.settings.client_auth {
            ClientAuth::PlatformAssertion { file, .. } => {
                Some(file.current(self.clock.now()).await?)
            }
            _ => None,
        };
        let build = || {
            let mut request = Request::new(Method::POST, endpoint.clone());
            *request.body_mut() = Some(self.form(endpoint, inquiry, platform.as_ref())?.into());
            let headers = request.headers_mut();
            headers.clone_from(&self.headers);
            if let Some(token) = own {
                headers.insert(header::AUTHORIZATION, token.header.clone());
            }
            if let Some(forwarded) = forwarded {
                forward(headers, forwarded);
            }
            Ok(request)
        };
        self.client.send_built(build).await
    }

    /// The token, encoded so that nothing in it can become a parameter.
    fn form(
        &self,
        endpoint: &Url,
        inquiry: &Inquiry,
        platform: Option<&Secret>,
    ) -> Result<String, Failure> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", inquiry.token.expose());
        form.extend_pairs(
            self.settings.token_type_hint.iter().map(|hint| ("token_type_hint", hint)),
        );
        form.extend_pairs(&self.settings.parameters);
        form.extend_pairs(self.settings.client_auth.parameters());
        let minted = match &self.settings.client_auth {
            ClientAuth::Assertion(assertion) => {
                Some(assertion.mint(endpoint, self.clock.now().unix_seconds())?)
            }
            _ => None,
        };
        if let Some(assertion) = minted.as_ref().or(platform) {
            form.append_pair("client_assertion_type", ASSERTION_TYPE)
                .append_pair("client_assertion", assertion.expose());
        }
        Ok(form.finish())
    }
}

/// Adds the headers that tell the server about the client's request.
fn forward(headers: &mut HeaderMap, forwarded: &Forwarded) {
    for (name, value) in [
        ("x-forwarded-host", &forwarded.host),
        ("x-forwarded-proto", &forwarded.proto),
        ("x-forwarded-for", &forwarded.chain),
    ] {
        if !value.is_empty() {
            headers.append(name, value.clone());
        }
    }
}

#[async_trait]
impl Introspector for Rfc7662 {
    /// Asks the endpoints in order, until one is not in trouble. Each gets an equal share of the
    /// time.
    async fn introspect(&self, inquiry: &Inquiry) -> Result<Facts, Failure> {
        let found;
        let endpoints = match &self.discovery {
            None => &*self.settings.endpoints,
            Some(discovery) => {
                found = discovery.get().await?;
                std::slice::from_ref(&*found)
            }
        };
        let own = match &self.own_token {
            None => None,
            Some(own) => Some(own.get().await?),
        };
        let share = self.timeout / u32::try_from(endpoints.len()).unwrap_or(u32::MAX).max(1);
        let mut outcome = Err(Failure::new(FailureKind::Unavailable, "no introspection endpoint"));
        for endpoint in endpoints {
            outcome = match tokio::time::timeout(share, self.ask(endpoint, inquiry, own.as_ref()))
                .await
            {
                Ok(outcome) => outcome,
                Err(_) => {
                    Err(Failure::new(FailureKind::Timeout, format!("no answer within {share:?}")))
                }
            };
            outcome = outcome.map_err(|failure| failure.at(&shown(endpoint)));
            if !outcome.as_ref().is_err_and(Failure::counts_for_breaker) {
                break;
            }
        }
        outcome
    }
}

/// RFC 7662 §2.2 and §2.3, and the deviations of real servers. `advice`: hints for a server that
/// does not accept the gateway.
fn interpret(answer: &HttpAnswer, advice: &str) -> Result<Facts, Failure> {
    let bad = |detail: String| Err(Failure::new(FailureKind::BadResponse, detail));
    match answer.status {
        StatusCode::OK => read_answer(&answer.body).or_else(|error| bad(explained(error))),
        StatusCode::BAD_REQUEST => match status::error_code(&answer.body).as_deref() {
            // the server does not know such tokens (RFC 7009 §2.2.1 names the error)
            Some("unsupported_token_type") => Ok(Facts::Inactive),
            // RFC 6749 §5.2 has 400 for this where the credentials were not in a header
            Some(code @ ("invalid_client" | "unauthorized_client")) => Err(Failure::new(
                FailureKind::RejectedUs,
                format!("status 400 ({code}): the server does not accept this gateway; {advice}"),
            )),
            _ => bad(format!(
                "status 400{}: the server does not understand the call; missing or doubled client_auth is a usual reason",
                status::shown_code(&answer.body)
            )),
        },
        _ => Err(status::failure(answer, advice)),
    }
}

fn explained(error: BadAnswer) -> String {
    format!("status 200, but {error}; is this the introspection endpoint?")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interpreted(
        status: u16,
        headers: &[(header::HeaderName, &'static str)],
        body: &'static str,
    ) -> Result<Facts, Failure> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect();
        let answer = HttpAnswer {
            status: StatusCode::from_u16(status).unwrap_or_default(),
            headers,
            body: body.into(),
            at: 0,
        };
        interpret(&answer, "check client_auth")
    }

    fn kind(status: u16, body: &'static str) -> Option<FailureKind> {
        interpreted(status, &[], body).err().map(|failure| failure.kind)
    }

    #[test]
    fn a_status_determines_the_party_at_fault() {
        for (status, expected) in [
            (401, FailureKind::RejectedUs),
            (403, FailureKind::RejectedUs),
            (429, FailureKind::Throttled),
            (500, FailureKind::Unavailable),
            (503, FailureKind::Unavailable),
            (301, FailureKind::BadResponse),
            (404, FailureKind::BadResponse),
            (400, FailureKind::BadResponse),
            (204, FailureKind::BadResponse),
            (201, FailureKind::BadResponse),
        ] {
            assert_eq!(kind(status, r#"{"active":true}"#), Some(expected), "{status}");
        }
        assert_eq!(kind(200, "<html>"), Some(FailureKind::BadResponse));
    }

    #[test]
    fn an_unsupported_token_type_is_an_inactive_token() {
        assert!(matches!(
            interpreted(400, &[], r#"{"error":"unsupported_token_type"}"#),
            Ok(Facts::Inactive)
        ));
        assert_eq!(kind(400, r#"{"error":"invalid_request"}"#), Some(FailureKind::BadResponse));
        assert_eq!(
            kind(401, r#"{"error":"unsupported_token_type"}"#),
            Some(FailureKind::RejectedUs)
        );
    }

    #[test]
    fn a_client_that_is_refused_by_400_is_refused() {
        assert_eq!(
            kind(400, r#"{"error":"invalid_client","error_description":"jti was used"}"#),
            Some(FailureKind::RejectedUs)
        );
        assert_eq!(kind(400, r#"{"error":"unauthorized_client"}"#), Some(FailureKind::RejectedUs));
    }

    #[test]
    fn a_redirect_is_explained_without_its_query() {
        let failure =
            interpreted(301, &[(header::LOCATION, "/o/introspect/?token=secret")], "").err();
        let detail = failure.map(|failure| failure.detail.to_string()).unwrap_or_default();
        assert!(
            detail.contains("`/o/introspect/`")
                && detail.contains("final slash")
                && !detail.contains("secret"),
            "{detail}"
        );
    }

    #[test]
    fn only_the_servers_own_trouble_counts_for_the_breaker() {
        for (status, counts) in
            [(500, true), (429, true), (401, false), (400, false), (301, false), (404, false)]
        {
            assert_eq!(
                interpreted(status, &[], "").err().map(|failure| failure.counts_for_breaker()),
                Some(counts),
                "{status}"
            );
        }
    }
}
