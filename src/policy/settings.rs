//! What the configuration says a route demands of the facts.

use crate::token::ClaimPath;

#[derive(Clone, Debug, Default)]
pub struct PolicySettings {
    /// All of these.
    pub scopes: Vec<String>,
    /// And at least one of these, unless empty.
    pub scopes_any: Vec<String>,
    /// `aud` must contain one of these, unless empty.
    pub audience: Vec<String>,
    pub claims: Vec<ClaimDemand>,
    /// `binding: {allow_unbound_use: true}`: accept a bound token without its proof.
    pub allow_unbound_use: bool,
}

/// What one authorization server's answers must say, on every route that asks it.
#[derive(Clone, Debug, Default)]
pub struct ServerDemands {
    /// What a present `iss` must be.
    pub issuer: Option<String>,
    /// `iss` must be there.
    pub require_issuer: bool,
    /// `aud` must contain one of these, unless empty: a token that was made for another app is
    /// none of ours.
    pub audience: Vec<String>,
    /// What `client_id` must be, for the same reason.
    pub client_id: Option<String>,
}

/// `claims: { name: value or list of allowed values }`.
#[derive(Clone, Debug)]
pub struct ClaimDemand {
    pub path: ClaimPath,
    /// At least one; scalars only.
    pub allowed: Vec<serde_json::Value>,
}

/// `auth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMode {
    Required,
    /// No token: anonymous. A bad token is refused all the same.
    Optional,
    /// Nothing is read and nothing is checked.
    None,
}
