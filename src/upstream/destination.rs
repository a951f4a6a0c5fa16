//! Where a route leads: an upstream, and under which path.

use super::{DestinationSettings, Upstream};
use crate::route::{PathPattern, comparable};
use crate::telemetry::RouteMetrics;
use std::borrow::Cow;
use std::sync::Arc;

pub struct Destination {
    pub upstream: Arc<Upstream>,
    pub settings: Arc<DestinationSettings>,
    pub metrics: RouteMetrics,
    /// `path` of the route.
    pub paths: Arc<[PathPattern]>,
}

impl Destination {
    /// The pattern that a path in normal form matches: `http.route` of traces. Of several, the one
    /// that the route table prefers.
    pub fn pattern(&self, path: &str) -> Option<&PathPattern> {
        if let [only] = &*self.paths {
            return Some(only);
        }
        let path = comparable(path);
        let matching = self.paths.iter().filter(|pattern| pattern.parameters(&path).is_some());
        matching.min_by_key(|pattern| pattern.specificity())
    }

    /// The path that the upstream gets for a path in normal form. A prefix is whole segments.
    pub fn rewrite<'p>(&self, path: &'p str) -> Cow<'p, str> {
        let prefix = self.settings.strip_prefix.as_deref();
        let stripped = prefix.map_or(path, |prefix| strip(path, prefix));
        match self.settings.add_prefix.as_deref().map(|prefix| prefix.trim_end_matches('/')) {
            None | Some("") => Cow::Borrowed(stripped),
            Some(prefix) => Cow::Owned(format!("{prefix}{stripped}")),
        }
    }
}

/// The part of `path` behind the segments of `prefix`, however they are written.
fn strip<'p>(path: &'p str, prefix: &str) -> &'p str {
    let segments = prefix.bytes().filter(|&byte| byte == b'/').count();
    let end = path.match_indices('/').nth(segments).map_or(path.len(), |(end, _)| end);
    match path.split_at_checked(end) {
        Some((first, rest)) if comparable(first) == prefix => {
            if rest.is_empty() {
                "/"
            } else {
                rest
            }
        }
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_stripped_however_it_is_written() {
        for (path, rest) in [
            ("/v1/a", "/a"),
            ("/v1", "/"),
            ("/v1/", "/"),
            ("/v1/a%3Ab", "/a%3Ab"),
            ("/v12/a", "/v12/a"),
            ("/a/v1", "/a/v1"),
        ] {
            assert_eq!(strip(path, "/v1"), rest, "{path}");
        }
        for path in ["/a:b/c/x", "/a%3Ab/c/x", "/a%3ab/c/x"] {
            assert_eq!(strip(path, "/a:b/c"), "/x", "{path}");
        }
    }
}
