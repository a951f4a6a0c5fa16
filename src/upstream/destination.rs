//! Where a route leads: an upstream, and under which path.

use super::Upstream;
use crate::telemetry::RouteMetrics;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

pub struct Destination {
    pub upstream: Arc<Upstream>,
    pub strip_prefix: Option<String>,
    pub add_prefix: Option<String>,
    /// How long the upstream may take until its response header is here, attempts included.
    pub timeout: Duration,
    pub metrics: RouteMetrics,
}

impl Destination {
    /// The path that the upstream gets for a path in normal form. A prefix is whole segments.
    pub fn rewrite<'p>(&self, path: &'p str) -> Cow<'p, str> {
        let stripped = match self
            .strip_prefix
            .as_deref()
            .map(|prefix| prefix.trim_end_matches('/'))
            .and_then(|prefix| path.strip_prefix(prefix))
        {
            Some("") => "/",
            Some(rest) if rest.starts_with('/') => rest,
            _ => path,
        };
        match self.add_prefix.as_deref().map(|prefix| prefix.trim_end_matches('/')) {
            None | Some("") => Cow::Borrowed(stripped),
            Some(prefix) => Cow::Owned(format!("{prefix}{stripped}")),
        }
    }
}
