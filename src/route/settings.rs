//! What the configuration says about one route.

use super::pattern::{HostPattern, PathPattern};
use crate::policy::{AuthMode, PolicySettings};
use http::Method;
use std::sync::Arc;
use std::time::Duration;

/// One of `routes`.
#[derive(Clone, Debug)]
pub struct RouteSettings {
    /// Unique; the `route` label.
    pub name: Arc<str>,
    /// Empty: any host.
    pub hosts: Vec<HostPattern>,
    /// At least one.
    pub paths: Vec<PathPattern>,
    /// Empty: any method.
    pub methods: Vec<Method>,
    /// Names one of the upstreams.
    pub upstream: Arc<str>,
    pub strip_prefix: Option<String>,
    pub add_prefix: Option<String>,
    /// How long the upstream may take until its response header is here.
    pub timeout: Duration,
    pub auth: AuthMode,
    /// Names of authorization servers, whose token selectors decide which one is asked; empty only
    /// with `auth: none`.
    pub authorization_servers: Vec<Arc<str>>,
    pub policy: PolicySettings,
    /// This route's own limit on a cached answer's age.
    pub max_age: Option<Duration>,
    /// CORS preflight goes to the upstream without a token.
    pub preflight_pass: bool,
}
