//! What an authorization server said about a token.

use super::{Claims, ScopeSet};

/// The outcome of one introspection.
#[derive(Debug)]
pub enum Facts {
    Active(Box<ActiveFacts>),
    /// Expired, revoked, never issued: the server does not say (RFC 7662 §2.2).
    Inactive,
    /// Found wanting here, without asking anybody.
    Refused(Refused),
}

/// Why a token that is checked here is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Not a JWT that can be verified.
    InvalidJwt,
    /// Signed, if at all, with a key that is not known: it may become known.
    UnknownKey,
    Expired,
    NotYetValid,
    Issuer,
    Audience,
}

impl Refused {
    /// Whether the same token will be refused for as long as the settings are the same.
    pub fn is_lasting(self) -> bool {
        !matches!(self, Self::UnknownKey | Self::NotYetValid)
    }
}

/// The members that decisions need, read once (RFC 7662 §2.2), and the whole answer.
#[derive(Debug)]
pub struct ActiveFacts {
    pub scopes: ScopeSet,
    pub subject: Option<Box<str>>,
    pub client_id: Option<Box<str>>,
    pub issuer: Option<Box<str>>,
    /// `aud`; empty when there was none.
    pub audience: Vec<Box<str>>,
    pub token_id: Option<Box<str>>,
    /// `exp`, seconds since the Unix epoch.
    pub expires_at: Option<i64>,
    /// `nbf`, seconds since the Unix epoch.
    pub not_before: Option<i64>,
    /// `iat`, seconds since the Unix epoch.
    pub issued_at: Option<i64>,
    /// Seconds by which the clock of whoever wrote `exp` and `nbf` may differ from ours.
    pub leeway: i64,
    /// The answer says that this is a refresh token (`token_type` or `token_use`).
    pub refresh_token: bool,
    pub confirmation: Confirmation,
    pub claims: Claims,
}

/// What `cnf` binds the token to (RFC 7800, RFC 8705, RFC 9449).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Confirmation {
    #[default]
    None,
    /// `jkt`: a DPoP key.
    Dpop,
    /// `x5t#S256`: a client certificate.
    Mtls,
    /// Something that this program does not know.
    Other,
}
