//! A route as the configuration describes it. Each group of keys belongs to the module that
//! carries it out.

use crate::policy::{AuthMode, PolicySettings};
use crate::rate_limit::RateLimitSettings;
use crate::route::Reach;
use crate::upstream::DestinationSettings;
use std::sync::Arc;
use std::time::Duration;

/// One of `routes`.
#[derive(Clone, Debug)]
pub struct RouteSettings {
    /// Unique; the `route` label.
    pub name: Arc<str>,
    /// `host`, `path` and `methods`.
    pub reach: Reach,
    pub demands: DemandSettings,
    /// `upstream`, `rewrite` and `timeout`.
    pub destination: Arc<DestinationSettings>,
    pub limits: Arc<LimitSettings>,
}

/// The keys that say who may pass.
#[derive(Clone, Debug)]
pub struct DemandSettings {
    pub auth: AuthMode,
    /// Names of authorization servers, whose token selectors decide which one is asked; empty only
    /// with `auth: none`.
    pub authorization_servers: Vec<Arc<str>>,
    /// CORS preflight goes to the upstream without a token.
    pub preflight_pass: bool,
    /// Shared with the policy that is made of it.
    pub policy: Arc<PolicySettings>,
}

/// The responses that end when their token stops being good (`end_with_token`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EndWithToken {
    /// Upgraded connections, event streams and gRPC streams.
    #[default]
    Streams,
    /// Any response.
    All,
    /// None.
    Off,
}

/// The keys that say how often and for how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitSettings {
    /// This route's own limit on a cached answer's age.
    pub max_age: Option<Duration>,
    /// How many requests of one client, subject, address or token pass.
    pub rate_limit: Option<RateLimitSettings>,
    /// The responses that end with their token.
    pub end_with_token: EndWithToken,
}
