//! The demands of a route, and of an authorization server, as the configuration describes them.

use super::{AllowedOrigin, Condition, Implications};
use crate::deny::LoginDemand;
use crate::token::ClaimPath;
use std::fmt;
use std::sync::Arc;

/// The demands of one route on the facts and the request.
#[derive(Clone, Debug, Default)]
pub struct PolicySettings {
    /// All of these.
    pub scopes: Vec<String>,
    /// And at least one of these, unless empty.
    pub scopes_any: Vec<String>,
    /// `aud` must contain one of these, unless empty.
    pub audience: Vec<String>,
    /// Each must be met.
    pub claims: Vec<ClaimDemand>,
    /// Each with a member `type`; for each the token must have an object that contains it.
    pub authorization_details: Vec<serde_json::Map<String, serde_json::Value>>,
    /// Must be true for the token and its request.
    pub require: Option<Arc<Condition>>,
    /// `step_up`.
    pub login: LoginDemand,
    /// `Origin` of a request must be one of these or absent, unless empty.
    pub origins: Vec<AllowedOrigin>,
    /// `enforce: false`: requests that would be refused are forwarded all the same.
    pub shadow: bool,
    /// `binding`.
    pub binding: BindingSettings,
}

impl PolicySettings {
    /// Whether both demand the same. Conditions are the same only where they are one.
    pub fn is_same(&self, other: &Self) -> bool {
        let Self {
            scopes,
            scopes_any,
            audience,
            claims,
            authorization_details,
            require,
            login,
            origins,
            shadow,
            binding,
        } = self;
        let same_condition = match (require, &other.require) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, Some(_)) | (Some(_), None) => false,
        };
        same_condition
            && *scopes == other.scopes
            && *scopes_any == other.scopes_any
            && *audience == other.audience
            && *claims == other.claims
            && *authorization_details == other.authorization_details
            && *login == other.login
            && *origins == other.origins
            && *shadow == other.shadow
            && *binding == other.binding
    }
}

/// `binding`: sender-constrained tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BindingSettings {
    /// Tokens bound to a key (RFC 9449).
    pub dpop: BindingMode,
    /// Tokens bound to a client certificate (RFC 8705).
    pub mtls: BindingMode,
    /// A bound token passes without its proof, unless the binding is required.
    pub allow_unbound_use: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BindingMode {
    /// The binding cannot be proved here: a token that has it is refused.
    Off,
    /// A token that has the binding needs its proof.
    #[default]
    WhenBound,
    /// Only tokens that have the binding, with their proof.
    Required,
}

/// As the configuration writes it.
impl fmt::Display for BindingMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::WhenBound => "if_bound",
            Self::Required => "required",
        })
    }
}

/// Demands on the answers of one authorization server, on every route that asks it.
#[derive(Clone, Debug, Default)]
pub struct ServerDemands {
    /// The required value of `iss`, if present.
    pub issuer: Option<String>,
    /// `iss` must be there.
    pub require_issuer: bool,
    /// `aud` must contain one of these, unless empty: a token that was made for another app is
    /// none of ours.
    pub audience: Vec<String>,
    /// The required `client_id`, for the same reason.
    pub client_id: Option<String>,
    /// `scope_implications`.
    pub implications: Arc<Implications>,
}

/// `claims: { name: value or list of allowed values }`.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimDemand {
    pub path: ClaimPath,
    /// At least one; scalars only.
    pub allowed: Vec<serde_json::Value>,
}

/// `auth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMode {
    /// A request without a token is refused.
    Required,
    /// No token: anonymous. A bad token is refused all the same.
    Optional,
    /// Nothing is read and nothing is checked.
    None,
}
