//! Settings of an authorization server whose tokens are checked here.

use super::Algorithm;
use super::jwe::DecryptionKeys;
use super::keys::KeySet;
use crate::introspect::CalledUrl;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// `authorization_servers.NAME` with `type: jwt`.
#[derive(Clone, Debug)]
pub struct JwtSettings {
    pub issuer: RequiredIssuer,
    pub keys: KeySource,
    /// One of these must be in `aud`; empty where every route demands one.
    pub audience: Vec<String>,
    /// At least one; none of a secret-key family.
    pub algorithms: Vec<Algorithm>,
    /// Allowed media types, in lower case and without `application/`; empty: those of ordinary
    /// access tokens.
    pub typ: Vec<String>,
    /// For encrypted tokens; with them as without, a token that is signed only is a token.
    pub decryption_keys: Option<Arc<DecryptionKeys>>,
    pub leeway: Duration,
    /// The authorization server that is asked as well when the signature holds.
    pub then: Option<Arc<str>>,
}

/// The required `iss`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequiredIssuer {
    Exactly(String),
    /// With [`TENANT`] in it, which a token replaces by one of the tenants.
    OfTenants {
        template: String,
        tenants: Vec<String>,
    },
}

/// The placeholder in a multi-tenant issuer, as Microsoft writes it.
pub const TENANT: &str = "{tenantid}";

#[derive(Clone, Debug)]
pub enum KeySource {
    /// `jwks_uri`.
    At(Url),
    /// Found by the issuer: its text, and where it is.
    Issuer(String, Url),
    /// Found in the configuration of a transmitter of security events, by its issuer.
    Transmitter(String, Url),
    Files {
        keys: Arc<KeySet>,
        /// Of the files' content.
        digest: String,
    },
}

impl RequiredIssuer {
    /// Whether a token of `iss` is one of these; with tenants, `tid` must not name another one.
    pub fn is(&self, iss: &str, tid: Option<&str>) -> bool {
        match self {
            Self::Exactly(issuer) => issuer == iss,
            Self::OfTenants { template, tenants } => tenants.iter().any(|tenant| {
                template.replace(TENANT, tenant) == iss && tid.is_none_or(|tid| tid == tenant)
            }),
        }
    }

    /// As it is written.
    pub fn text(&self) -> &str {
        match self {
            Self::Exactly(issuer) => issuer,
            Self::OfTenants { template, .. } => template,
        }
    }
}

impl KeySource {
    /// Beside the issuer's text.
    pub fn fingerprint(&self) -> Vec<String> {
        match self {
            Self::At(url) => vec!["at".into(), url.to_string()],
            Self::Issuer(..) => vec!["discovered".into()],
            Self::Transmitter(..) => vec!["transmitter".into()],
            Self::Files { digest, .. } => vec!["files".into(), digest.clone()],
        }
    }

    /// The call by which they are fetched; `None`: they are in files.
    pub fn call(&self) -> Option<CalledUrl> {
        match self {
            Self::At(url) => Some(CalledUrl::To(url.clone())),
            Self::Issuer(_, url) | Self::Transmitter(_, url) => {
                Some(CalledUrl::FoundBy(url.clone()))
            }
            Self::Files { .. } => None,
        }
    }
}

impl JwtSettings {
    /// RFC 9068: nothing but its media type is allowed.
    pub fn is_rfc9068(&self) -> bool {
        !self.typ.is_empty() && self.typ.iter().all(|typ| typ == "at+jwt")
    }
}
