//! What the configuration says about one authorization server.

use super::jwt::KeySource;
use super::{
    ClientCertificate, CustomSettings, GithubSettings, JwtSettings, Rfc7662Settings, SoapSettings,
    TokenSelector,
};
use jsonwebtoken::Algorithm;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// `authorization_servers.NAME`.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    pub name: Arc<str>,
    pub kind: Kind,
    /// Which tokens it may see.
    pub tokens: TokenSelector,
    /// What `iss` must be wherever an answer carries it.
    pub issuer: Option<String>,
    pub require_issuer: bool,
    /// The whole call: waiting for its turn, all attempts, bodies included.
    pub timeout: Duration,
    pub connect_timeout: Duration,
    /// Bytes.
    pub max_response_size: usize,
    pub max_concurrent: usize,
    pub retries: u32,
    pub circuit_breaker: BreakerSettings,
    /// PEM file with further trust roots, and its content as read at load.
    pub extra_roots: Option<(PathBuf, Vec<u8>)>,
    /// The name that is asked for and verified in TLS, in place of the URL's host.
    pub server_name: Option<String>,
    /// Whose events about its tokens are believed; `None`: nobody's.
    pub events: Option<EventSettings>,
}

/// `authorization_servers.NAME.events`.
#[derive(Clone, Debug)]
pub struct EventSettings {
    /// What `iss` of events must be, to the letter.
    pub issuer: String,
    /// One of these must be in `aud`; at least one.
    pub audience: Vec<String>,
    pub keys: KeySource,
    /// At least one; none of a secret-key family.
    pub algorithms: Vec<Algorithm>,
    /// How long ago an event may have been issued when it comes.
    pub max_age: Duration,
}

/// What kind of server it is, and what only that kind needs.
#[derive(Clone, Debug)]
pub enum Kind {
    Rfc7662(Box<Rfc7662Settings>),
    Jwt(JwtSettings),
    Google {
        endpoint: Url,
        /// Client ids of whose tokens one must be; at least one.
        audience: Vec<String>,
    },
    Amazon {
        endpoint: Url,
        /// Client ids of whose tokens one must be; at least one.
        audience: Vec<String>,
    },
    Github(GithubSettings),
    Custom(Box<CustomSettings>),
    Soap(Box<SoapSettings>),
}

#[derive(Clone, Copy, Debug)]
pub struct BreakerSettings {
    /// Consecutive failures that open it.
    pub failures: u32,
    pub open_for: Duration,
}

/// Everything of a server's settings that can change its answers or how they are read: for the key
/// of cache entries.
#[derive(Debug, PartialEq, Eq)]
pub struct Fingerprint(Vec<String>);

impl Fingerprint {
    pub fn of(kind: &str) -> Self {
        Self(vec![kind.to_owned()])
    }

    /// A named list. Its length is part of it, so that no two lists run together.
    pub fn list(&mut self, name: &str, items: impl IntoIterator<Item = String>) {
        let at = self.0.len();
        self.0.extend(items);
        self.0.insert(at, format!("{name} {}", self.0.len() - at));
    }

    /// One named text.
    pub fn with(mut self, name: &str, text: impl Into<String>) -> Self {
        self.list(name, [text.into()]);
        self
    }

    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl ServerSettings {
    pub fn fingerprint(&self) -> Fingerprint {
        match &self.kind {
            Kind::Rfc7662(rfc7662) => rfc7662.fingerprint(self.issuer.as_deref()),
            Kind::Google { endpoint, .. } => {
                Fingerprint::of("google").with("endpoint", endpoint.as_str())
            }
            Kind::Amazon { endpoint, .. } => {
                Fingerprint::of("amazon").with("endpoint", endpoint.as_str())
            }
            Kind::Custom(custom) => custom.fingerprint(),
            Kind::Soap(soap) => soap.fingerprint(),
            Kind::Github(github) => Fingerprint::of("github")
                .with("endpoint", github.endpoint.as_str())
                .with("client_id", &github.client_id)
                .with("client_secret", github.client_secret.expose())
                .with("api", format!("{:?}", github.api)),
            Kind::Jwt(jwt) => jwt.fingerprint(),
        }
    }

    /// The authorization server that is asked as well, after this one.
    pub fn then(&self) -> Option<&Arc<str>> {
        match &self.kind {
            Kind::Jwt(jwt) => jwt.then.as_ref(),
            _ => None,
        }
    }

    /// The certificate that TLS connections to the server show.
    pub fn certificate(&self) -> Option<&ClientCertificate> {
        match &self.kind {
            Kind::Rfc7662(rfc7662) => rfc7662.client_auth.certificate(),
            _ => None,
        }
    }

    /// Whether nothing but plain http is ever called: what is found by an issuer may well be https.
    pub fn is_plain(&self) -> bool {
        let plain = |endpoint: &Url| endpoint.scheme() == "http";
        let kind = match &self.kind {
            Kind::Rfc7662(rfc7662) => rfc7662.is_plain(),
            Kind::Google { endpoint, .. } | Kind::Amazon { endpoint, .. } => plain(endpoint),
            Kind::Github(github) => plain(&github.endpoint),
            Kind::Soap(soap) => plain(&soap.endpoint),
            Kind::Custom(custom) => custom.url.text().starts_with("http://"),
            Kind::Jwt(jwt) => jwt.keys.is_plain(),
        };
        kind && self.events.as_ref().is_none_or(|events| events.keys.is_plain())
    }

    /// Whether the client's `X-Forwarded-*` go to the server too.
    pub fn forward_host(&self) -> bool {
        matches!(&self.kind, Kind::Rfc7662(rfc7662) if rfc7662.forward_host)
    }
}
