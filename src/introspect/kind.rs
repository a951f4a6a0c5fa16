//! The interface of a kind of authorization server. Nothing outside `introspect/kinds/` and the
//! kind's two configuration files names a kind.

use super::jwt::{Algorithm, KeySource, RequiredIssuer, Then};
use super::{
    ClientAuth, ClientCertificate, Documents, Introspector, ServerSettings, SettingsFingerprint,
    UnusableSettings,
};
use crate::clock::Clock;
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use url::Url;

/// The settings that only one kind has; they represent the kind itself.
pub trait ServerKind: Any + fmt::Debug + Send + Sync {
    /// The value of `type` in the configuration.
    fn word(&self) -> &'static str;

    /// Everything that can change an answer or its meaning, for the keys of cache entries.
    /// `issuer`: the server's.
    fn fingerprint(&self, issuer: Option<&str>) -> SettingsFingerprint;

    /// Everything else that the rest of the gateway asks about a kind. `issuer`: the server's.
    fn profile<'k>(&'k self, issuer: Option<&str>) -> Profile<'k>;

    /// The same settings once for each endpoint, each with that endpoint alone; empty where there
    /// are no alternatives.
    fn one_by_one(&self) -> Vec<Arc<dyn ServerKind>>;

    /// The introspector, without guards and cache. Fails when the settings cannot be used, such as
    /// a secret that does not fit into a header.
    fn build(
        &self,
        server: &ServerSettings,
        parts: BuildParts<'_>,
    ) -> Result<Box<dyn Introspector>, UnusableSettings>;
}

/// The parts from which an introspector is built, beside its settings.
pub struct BuildParts<'p> {
    pub clock: Clock,
    pub documents: &'p Documents,
    /// Of [`Profile::then`].
    pub then: Option<Then>,
}

/// The properties of a kind that the rest of the gateway uses. It has no `Default`: every kind
/// decides about every field, so that a new field cannot pass a kind unnoticed.
pub struct Profile<'k> {
    pub calls: Vec<CalledUrl>,
    pub credentials: Credentials,
    /// The name of that authentication in the server's metadata (RFC 8414 §2).
    pub auth_method: Option<&'static str>,
    /// `client_auth`, of kinds that have it.
    pub client_auth: Option<&'k ClientAuth>,
    /// The certificate that TLS connections to the server present.
    pub certificate: Option<&'k ClientCertificate>,
    /// Whether the client's `X-Forwarded-*` go to the server too.
    pub forward_host: bool,
    /// `aud` of every answer must contain one of these, unless empty.
    pub audience: &'k [String],
    /// `client_id` of every answer must be this.
    pub client_id: Option<&'k str>,
    /// How tokens are verified in the gateway itself; `None`: the server is asked about each.
    pub verification: Option<LocalVerification<'k>>,
    /// The authorization server that is asked as well, after this one.
    pub then: Option<&'k Arc<str>>,
}

/// A URL that is called.
pub enum CalledUrl {
    /// As it is configured.
    To(Url),
    /// The place of the metadata that names the URL. The URL found there may have another scheme.
    FoundBy(Url),
}

/// How the gateway authenticates to the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Credentials {
    Configured,
    /// None, although the kind has them.
    Missing,
    /// The kind has none.
    NotNeeded,
}

/// How tokens are verified in the gateway itself.
pub struct LocalVerification<'k> {
    pub issuer: &'k RequiredIssuer,
    pub keys: &'k KeySource,
    /// One of these must be in `aud`; empty where every route demands one.
    pub audience: &'k [String],
    /// At least one.
    pub algorithms: &'k [Algorithm],
    /// Allowed values of `typ`; empty: those of ordinary access tokens.
    pub typ: &'k [String],
}

impl CalledUrl {
    pub fn url(&self) -> &Url {
        match self {
            Self::To(url) | Self::FoundBy(url) => url,
        }
    }

    /// Whether it is plain http for certain.
    pub fn is_plain(&self) -> bool {
        matches!(self, Self::To(url) if url.scheme() == "http")
    }
}
