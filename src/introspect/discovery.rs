//! Finding an authorization server's endpoints by its issuer: RFC 8414, and OpenID Connect
//! Discovery as RFC 8414 §5 has it.

use super::document::json_object;
use super::documents::Documents;
use super::endpoint::is_safe;
use super::fetched::{Fetch, FetchSettings, Fetched};
use super::http_client::HttpClient;
use super::status::shown;
use super::{Failure, FailureKind, ServerSettings};
use crate::clock::Clock;
use async_trait::async_trait;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// One endpoint of an authorization server, found in the metadata that the server publishes.
pub struct Discovery {
    client: Arc<HttpClient>,
    /// The exact issuer that the document must contain (RFC 8414 §3.3).
    issuer: String,
    /// Where the document may be, in the order of trying.
    places: [Url; 2],
    wanted: WantedEndpoint,
}

/// The member of the metadata that is wanted.
#[derive(Clone, Copy)]
pub enum WantedEndpoint {
    Member(&'static str),
    /// The same for clients with a certificate, where the server has another one for them (RFC 8705
    /// §5).
    WithCertificate(&'static str),
}

/// How long a document is taken for true.
const REFRESH: Duration = Duration::from_secs(60 * 60);

impl Discovery {
    /// `at` is the issuer as a URL: the same text, save for a multi-tenant issuer's placeholder.
    pub fn for_issuer(
        documents: &Documents,
        wanted: WantedEndpoint,
        (issuer, at): (&str, &Url),
        client: &Arc<HttpClient>,
        server: &ServerSettings,
    ) -> Arc<Fetched<Self>> {
        let source = || Self {
            client: client.clone(),
            issuer: issuer.to_owned(),
            places: places(at),
            wanted,
        };
        documents.fetched_by(
            server,
            "discovery",
            REFRESH,
            &format!("{} of {issuer} at {at}", wanted.shown()),
            source,
        )
    }

    /// `jwks_uri` of a transmitter of security events (SSF 1.0 §7.1.1).
    pub fn of_transmitter_keys(
        documents: &Documents,
        (issuer, at): (&str, &Url),
        client: &Arc<HttpClient>,
        server: &ServerSettings,
    ) -> Arc<Fetched<Self>> {
        let source = || Self {
            client: client.clone(),
            issuer: issuer.to_owned(),
            places: transmitter_places(at),
            wanted: WantedEndpoint::Member("jwks_uri"),
        };
        let place = format!("jwks_uri of the transmitter {issuer} at {at}");
        documents.fetched_by(server, "discovery", REFRESH, &place, source)
    }

    fn url_in(&self, members: &Map<String, Value>) -> Result<Url, String> {
        check_issuer(members, &self.issuer)?;
        let shown = self.wanted.shown();
        let wanted =
            self.wanted.member(members).ok_or_else(|| format!("the document has no `{shown}`"))?;
        callable(wanted).map_err(|wrong| format!("the document's `{shown}` {wrong}"))
    }
}

impl WantedEndpoint {
    fn member(self, members: &Map<String, Value>) -> Option<&str> {
        match self {
            Self::Member(name) => members.get(name)?.as_str(),
            Self::WithCertificate(name) => {
                let alias =
                    members.get("mtls_endpoint_aliases").and_then(|aliases| aliases.get(name));
                alias.or_else(|| members.get(name))?.as_str()
            }
        }
    }

    fn shown(self) -> String {
        match self {
            Self::Member(name) => name.to_owned(),
            Self::WithCertificate(name) => format!("mtls_endpoint_aliases.{name}` or `{name}"),
        }
    }
}

#[async_trait]
impl Fetch for Discovery {
    type Document = Url;

    /// A place that has no proper document is passed over; trouble on the way ends the search.
    async fn fetch(&self) -> Result<Url, Failure> {
        let mut found = Vec::new();
        for place in &self.places {
            match json_object(&self.client, place).await {
                Ok(members) => match self.url_in(&members) {
                    Ok(url) => return Ok(url),
                    Err(wrong) => found.push(format!("{}: {wrong}", shown(place))),
                },
                Err(failure)
                    if matches!(
                        failure.kind,
                        FailureKind::BadResponse | FailureKind::RejectedUs
                    ) =>
                {
                    found.push(failure.detail.to_string())
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::new(FailureKind::BadResponse, found.join("; ")))
    }
}

/// A URL of a document that may be called, or why not, as the end of a sentence.
pub fn callable(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).ok().filter(|url| {
        url.username().is_empty() && url.password().is_none() && url.fragment().is_none()
    });
    match url {
        None => Err("is not a URL that can be called"),
        Some(url) if !is_safe(&url) => Err("is not an https URL"),
        Some(url) => Ok(url),
    }
}

/// RFC 8414 §3.3.
fn check_issuer(members: &Map<String, Value>, issuer: &str) -> Result<(), String> {
    match members.get("issuer").and_then(Value::as_str) {
        None => Err("the document has no `issuer`".into()),
        Some(theirs) if theirs != issuer => Err(
            "the document's `issuer` is not the configured one; both must be the same to the letter, final slash included".into()
        ),
        Some(_) => Ok(()),
    }
}

/// The metadata that the server publishes under its configured issuer, for the doctor. `None`: it
/// has no issuer by which metadata can be found.
pub async fn metadata(
    server: &ServerSettings,
    clock: &Clock,
) -> Option<Result<Map<String, Value>, Failure>> {
    let issuer = server.issuer.as_deref()?;
    let at = Url::parse(issuer).ok().filter(is_safe)?;
    Some(document_of(server, issuer, &places(&at), clock).await)
}

/// The configuration of the transmitter `issuer`, which is at `at` (SSF 1.0 §7.2).
pub async fn transmitter_configuration(
    server: &ServerSettings,
    (issuer, at): (&str, &Url),
    clock: &Clock,
) -> Result<Map<String, Value>, Failure> {
    let mut found = Vec::new();
    for place in transmitter_places(at) {
        match document_of(server, issuer, &[place], clock).await {
            Err(failure) if failure.kind == FailureKind::BadResponse => {
                found.push(failure.detail.to_string())
            }
            outcome => return outcome,
        }
    }
    Err(Failure::new(FailureKind::BadResponse, found.join("; ")))
}

/// The first document that is published at `places` and names this issuer.
async fn document_of(
    server: &ServerSettings,
    issuer: &str,
    places: &[Url],
    clock: &Clock,
) -> Result<Map<String, Value>, Failure> {
    let unusable =
        |error: super::UnusableSettings| Failure::new(FailureKind::Unavailable, error.to_string());
    let client = HttpClient::new(server, clock.clone()).map_err(unusable)?;
    let mut outcome = Err(Failure::new(FailureKind::Unavailable, "no metadata"));
    for place in places {
        let found = tokio::time::timeout(server.timeout, json_object(&client, place)).await;
        let late = |_| Err(Failure::new(FailureKind::Timeout, "no answer in time"));
        outcome = found.unwrap_or_else(late).and_then(|members| {
            let wrong = |why: String| Failure::new(FailureKind::BadResponse, why).at(&shown(place));
            check_issuer(&members, issuer).map_err(wrong).map(|()| members)
        });
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// SSF 1.0 §7.2: between host and path. Keycloak has it behind the path, as OpenID Connect
/// Discovery §4 would.
fn transmitter_places(issuer: &Url) -> [Url; 2] {
    well_known(issuer, "ssf-configuration", "ssf-configuration")
}

/// RFC 8414 §3: between host and path. OpenID Connect Discovery §4: behind the path.
fn places(issuer: &Url) -> [Url; 2] {
    well_known(issuer, "oauth-authorization-server", "openid-configuration")
}

/// The document `between` the issuer's host and its path, and the one `behind` its path. Both
/// without the issuer's final slash.
fn well_known(issuer: &Url, between: &str, behind: &str) -> [Url; 2] {
    let path = issuer.path().trim_end_matches('/');
    let at = |path: String| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url
    };
    [at(format!("/.well-known/{between}{path}")), at(format!("{path}/.well-known/{behind}"))]
}

impl ServerSettings {
    /// How one of the server's documents is fetched. The pause is the one after which a server that
    /// failed is asked again.
    pub fn fetch(&self, what: &'static str, refresh: Duration) -> FetchSettings {
        let (pause, timeout) = (self.circuit_breaker.open_for, self.timeout);
        FetchSettings {
            server: self.name.clone(),
            what,
            refresh,
            pause,
            timeout,
            retries: self.retries,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8414_section_3_well_known_goes_between_host_and_path() {
        for (issuer, expected) in [
            (
                "https://as.example.com",
                [
                    "https://as.example.com/.well-known/oauth-authorization-server",
                    "https://as.example.com/.well-known/openid-configuration",
                ],
            ),
            (
                "https://as.example.com:8443/realms/a/",
                [
                    "https://as.example.com:8443/.well-known/oauth-authorization-server/realms/a",
                    "https://as.example.com:8443/realms/a/.well-known/openid-configuration",
                ],
            ),
        ] {
            let places =
                Url::parse(issuer).map(|issuer| places(&issuer).map(|place| place.to_string()));
            assert_eq!(places, Ok(expected.map(str::to_owned)));
        }
    }
}
