//! Where a route leads: an upstream, and under which path.

use super::{DestinationSettings, Upstream};
use crate::telemetry::RouteMetrics;
use std::borrow::Cow;
use std::sync::Arc;

pub struct Destination {
    pub upstream: Arc<Upstream>,
    pub settings: DestinationSettings,
    pub metrics: RouteMetrics,
}

impl Destination {
    /// The path that the upstream gets for a path in normal form. A prefix is whole segments.
    pub fn rewrite<'p>(&self, path: &'p str) -> Cow<'p, str> {
        let stripped = match self
            .settings
            .strip_prefix
            .as_deref()
            .map(|prefix| prefix.trim_end_matches('/'))
            .and_then(|prefix| path.strip_prefix(prefix))
        {
            Some("") => "/",
            Some(rest) if rest.starts_with('/') => rest,
            _ => path,
        };
        match self.settings.add_prefix.as_deref().map(|prefix| prefix.trim_end_matches('/')) {
            None | Some("") => Cow::Borrowed(stripped),
            Some(prefix) => Cow::Owned(format!("{prefix}{stripped}")),
        }
    }
}
