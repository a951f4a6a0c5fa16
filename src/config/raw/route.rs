//! `routes` and `defaults`, in groups of keys: each group belongs to one module that carries it out.

use super::{Allowed, Detail, OneOrMany, Period};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One of `routes`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["path"]))]
pub struct Route {
    /// Its name in metrics and logs; unique. Default: derived from its patterns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(flatten)]
    pub reach: Reach,
    #[serde(flatten)]
    pub path_rules: PathRules,
    #[serde(flatten)]
    pub destination: Destination,
    #[serde(flatten)]
    pub demands: Demands,
    #[serde(flatten)]
    pub limits: Limits,
}

/// The requests that a route takes.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Reach {
    /// One or a list: `api.example.com`, or `*.example.com` for all names below. Any unless
    /// written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<OneOrMany<String>>,
    /// One or a list: an exact path, with `{name}` for one segment, or with a trailing `/*` for the
    /// path itself and all below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<OneOrMany<String>>,
    /// Default: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub methods: Option<Vec<String>>,
}

/// Where they go.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Destination {
    /// The name of an upstream, or a URL. May be left out where no listener serves `proxy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// How the path is changed for the upstream.
    pub rewrite: Rewrite,
    /// How long the upstream may take until its response begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Period>,
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

/// `defaults`: the groups that a route inherits.
#[derive(Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Defaults {
    #[serde(flatten)]
    pub path_rules: PathRules,
    #[serde(flatten)]
    pub demands: Demands,
    #[serde(flatten)]
    pub limits: Limits,
}

/// A group of keys that `defaults` may have too. A key that is not written is `None`.
macro_rules! inherited {
    ($(#[$of_group:meta])* pub struct $group:ident {
        $($(#[$of_key:meta])* pub $key:ident: $kind:ty,)*
    }) => {
        $(#[$of_group])*
        #[derive(Clone, Default, Deserialize, Serialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct $group {
            $($(#[$of_key])*
            #[serde(skip_serializing_if = "Option::is_none")]
            pub $key: Option<$kind>,)*
        }

        impl $group {
            /// The keys that are written here, and for the others those of `defaults`.
            pub fn over(self, defaults: &Self) -> Self {
                let defaults = defaults.clone();
                Self { $($key: self.$key.or(defaults.$key),)* }
            }
        }
    };
}

inherited! {
/// How the path of a request is read.
pub struct PathRules {
    /// `refuse`: a path with `%2F` is refused; `keep`: `%2F` is a character of its segment for
    /// matching, and is forwarded as it came, as npm scopes and GitLab projects need it. `refuse`
    /// unless written.
    pub encoded_slashes: EncodedSlashes,
}
}

inherited! {
/// Who may pass.
pub struct Demands {
    /// `required`, the default; `optional`: a request without a token is anonymous, a bad token
    /// is refused all the same; `none`: nothing is checked.
    pub auth: Auth,
    /// Which authorization server is asked; the only one unless written. Of a list of several, the
    /// servers' `tokens` keys decide which one is asked about a token.
    pub authorization_server: OneOrMany<String>,
    /// The token must have all of these.
    pub scopes: Vec<String>,
    /// And at least one of these.
    pub scopes_any: Vec<String>,
    /// The token's `aud` must contain one of these.
    pub audience: Vec<String>,
    /// Members of the answer and their required values: a value, or a list of allowed values.
    /// Dotted paths reach inside objects; write `\.` for a dot in a name.
    pub claims: BTreeMap<String, Allowed>,
    /// Objects as in RFC 9396: for each, one of the token's `authorization_details` of that `type`
    /// contains all its members.
    pub authorization_details: Vec<Detail>,
    /// A condition in CEL over `claims`, `scopes`, `request` and `now`; only `true` passes.
    pub require: String,
    /// Sender-constrained tokens.
    pub binding: Binding,
    /// The login that the route needs (RFC 9470).
    pub step_up: StepUp,
    /// The web sites whose scripts may call: a request whose `Origin` is none of these is refused
    /// with 403, whatever its token; a request without `Origin` passes. Scheme, host and port, as
    /// `https://app.example.com`; `http://localhost:*` is any port. Any site unless written.
    pub origins: Vec<String>,
    /// `false` is shadow mode: requests that would be refused are logged and counted, and forwarded
    /// without identity headers. Nothing is protected then.
    pub enforce: bool,
    /// `authenticate`: CORS preflight needs a token as any other request; `pass`: it goes to the
    /// upstream, unauthenticated, without identity headers.
    pub preflight: Preflight,
}
}

inherited! {
/// How often, and for how long.
pub struct Limits {
    /// This route's own limit on a cached answer's age.
    pub max_age: Period,
    /// Responses that end when their token stops being good: `streams`, the default: upgraded
    /// connections, event streams and gRPC streams; `all`; `off`.
    pub end_with_token: EndWithToken,
    /// How many requests of one client, user, address or token pass; the others are refused with
    /// 429. No limit unless written.
    pub rate_limit: RateLimit,
}
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    Required,
    Optional,
    None,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EncodedSlashes {
    Refuse,
    Keep,
}

/// `binding`.
#[derive(Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Binding {
    /// Tokens bound to a key (RFC 9449). `if_bound` unless written: they need a proof in `DPoP`;
    /// `required`: no other token passes; `off`: they are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dpop: Option<Proof>,
    /// Tokens bound to a client certificate (RFC 8705). `if_bound` unless written: they need that
    /// certificate on the connection, or in a header of one of `trusted_proxies`; `required`: no
    /// other token passes; `off`: they are refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtls: Option<Proof>,
    /// `true`: a bound token is accepted without a proof, unless a proof is `required`.
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
    /// The token's `acr` must be one of these.
    pub acr_values: Vec<String>,
    /// How long ago the user may have logged in, by `auth_time`; `0s`: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Period>,
}

/// `rate_limit`.
#[derive(Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["per", "requests", "window"]))]
pub struct RateLimit {
    /// Whose requests are counted together: those of one `client_id`, of one `sub`, of one
    /// `client_ip` (an IPv4 address or an IPv6 /64), or with one `token`. Requests without that
    /// value are counted by the client's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per: Option<Per>,
    /// How many may come at once, and within each `window` on average.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub requests: u32,
    /// The time for `requests`, from 1ms to 24h.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Period>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    ClientId,
    Sub,
    ClientIp,
    Token,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EndWithToken {
    Streams,
    All,
    Off,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Preflight {
    Authenticate,
    Pass,
}
