//! `routes` and `defaults`.

use super::{Allowed, OneOrMany, Period};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One of `routes`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["path", "upstream"]))]
pub struct Route {
    /// Its name in metrics and logs; unique. Derived from what it matches unless written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// One or a list: `api.example.com`, or `*.example.com` for all names below. Any unless
    /// written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<OneOrMany<String>>,
    /// One or a list: an exact path, with `{name}` for one segment, or with a trailing `/*` for the
    /// path itself and all below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<OneOrMany<String>>,
    /// Any unless written.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub methods: Option<Vec<String>>,
    /// The name of an upstream, or a URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// How the path is changed for the upstream.
    pub rewrite: Rewrite,
    /// How long the upstream may take until its response begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Period>,
    #[serde(flatten)]
    pub demands: Demands,
}

/// `routes[].rewrite`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rewrite {
    /// Taken off the path's beginning, as `/v1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strip_prefix: Option<String>,
    /// Put before it then, as `/internal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add_prefix: Option<String>,
}

/// What a route may inherit from `defaults`.
#[derive(Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Demands {
    /// `required` unless written; `optional`: a request without a token is anonymous, a bad token
    /// is refused all the same; `none`: nothing is checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// Which authorization server is asked; the only one unless written. A list of several is not
    /// supported in this version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_server: Option<OneOrMany<String>>,
    /// The token must have all of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// And at least one of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes_any: Option<Vec<String>>,
    /// The token's `aud` must contain one of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<Vec<String>>,
    /// Members of the answer and what they must be: a value, or a list of allowed values. Dotted
    /// paths reach inside objects; `\.` stands for a dot in a name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claims: Option<BTreeMap<String, Allowed>>,
    /// A condition in CEL. Not supported in this version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require: Option<String>,
    /// This route's own limit on a cached answer's age.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Period>,
    /// Sender-constrained tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
    /// A stronger login (RFC 9470). Not supported in this version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_up: Option<StepUp>,
    /// How many requests there may be. Not supported in this version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// `authenticate`: CORS preflight needs a token as any other request; `pass`: it goes to the
    /// upstream, unauthenticated, without identity headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preflight: Option<Preflight>,
}

impl Demands {
    /// What is written here, and for the rest what `defaults` say.
    pub fn over(self, defaults: &Self) -> Self {
        let defaults = defaults.clone();
        Self {
            auth: self.auth.or(defaults.auth),
            authorization_server: self.authorization_server.or(defaults.authorization_server),
            scopes: self.scopes.or(defaults.scopes),
            scopes_any: self.scopes_any.or(defaults.scopes_any),
            audience: self.audience.or(defaults.audience),
            claims: self.claims.or(defaults.claims),
            require: self.require.or(defaults.require),
            max_age: self.max_age.or(defaults.max_age),
            binding: self.binding.or(defaults.binding),
            step_up: self.step_up.or(defaults.step_up),
            rate_limit: self.rate_limit.or(defaults.rate_limit),
            preflight: self.preflight.or(defaults.preflight),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    Required,
    Optional,
    None,
}

/// `binding`.
#[derive(Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Binding {
    /// Tokens bound to a key (RFC 9449). This version supports `off`: such tokens are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dpop: Option<Proof>,
    /// Tokens bound to a certificate (RFC 8705). This version supports `off`: such tokens are
    /// refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtls: Option<Proof>,
    /// `true`: a bound token is accepted without a proof.
    pub allow_unbound_use: bool,
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    Off,
    #[serde(rename = "if_bound")]
    WhenBound,
    Required,
}

/// `step_up`.
#[derive(Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StepUp {
    /// Of these, the token's `acr` must be one.
    pub acr_values: Vec<String>,
    /// How long ago the user may have logged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Period>,
}

/// `rate_limit`.
#[derive(Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["per", "requests", "window"]))]
pub struct RateLimit {
    /// Whose requests are counted together, such as `client_id` or `sub`.
    pub per: String,
    /// How many there may be.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub requests: u32,
    /// In what time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Period>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Preflight {
    Authenticate,
    Pass,
}
