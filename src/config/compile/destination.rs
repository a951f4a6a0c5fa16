//! `upstream`, `rewrite` and `timeout` of a route.

use super::Context;
use super::upstreams::{by_url, nowhere};
use super::url::is_url;
use crate::config::path::KeyPath;
use crate::config::raw::{self, Serves};
use crate::route::{PathPattern, comparable};
use crate::upstream::{DestinationSettings, UpstreamSettings};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// `paths`: those that the route matches. An upstream that is written as a URL is added to
/// `by_url`.
pub fn destination(
    cx: Context,
    route: &KeyPath,
    raw: &raw::Destination,
    paths: &[PathPattern],
    by_url: &mut BTreeMap<String, UpstreamSettings>,
) -> Option<DestinationSettings> {
    let upstream = upstream(cx, &route.key("upstream"), raw, by_url);
    let rewrite = route.key("rewrite");
    let strip_prefix = strip_prefix(cx, &rewrite.key("strip_prefix"), raw, paths);
    let add_prefix = raw
        .rewrite
        .add_prefix
        .as_deref()
        .and_then(|text| prefix(cx, &rewrite.key("add_prefix"), text))
        .map(|prefix| prefix.to_string());
    let timeout = match raw.timeout {
        Some(timeout) => cx.positive(&route.key("timeout"), timeout),
        None => Some(Duration::from_secs(60)),
    };
    Some(DestinationSettings { upstream: upstream?, strip_prefix, add_prefix, timeout: timeout? })
}

fn upstream(
    cx: Context,
    path: &KeyPath,
    raw: &raw::Destination,
    by_url_: &mut BTreeMap<String, UpstreamSettings>,
) -> Option<Arc<str>> {
    let Some(text) = raw.upstream.as_deref() else {
        if cx.report.is_broken(path) {
            return None;
        }
        if cx.raw.listeners.iter().any(|listener| listener.serves == Serves::Proxy) {
            cx.report.error_at_key(path, "is missing; it must be written");
            return None;
        }
        // nothing is forwarded: the placeholder is an upstream without servers
        by_url_.insert(String::new(), nowhere());
        return Some("".into());
    };
    if is_url(text) {
        let upstream = by_url(cx, path, text)?;
        by_url_.insert(text.to_owned(), upstream);
        return Some(text.into());
    }
    let known = cx.upstream_names()?;
    if !known.iter().any(|name| name == text) {
        cx.unknown_name(
            path,
            "upstream",
            text,
            &known,
            "; define it under `upstreams`, or write a URL such as `http://127.0.0.1:9000`",
        );
        return None;
    }
    Some(text.into())
}

fn strip_prefix(
    cx: Context,
    path: &KeyPath,
    raw: &raw::Destination,
    paths: &[PathPattern],
) -> Option<String> {
    let stripped = prefix(cx, path, raw.rewrite.strip_prefix.as_deref()?)?;
    let paths_at =
        path.parent().and_then(|rewrite| rewrite.parent()).map(|route| route.key("path"));
    for pattern in paths.iter().filter(|pattern| !pattern.is_within(&stripped)) {
        let hidden = paths_at.as_ref().is_some_and(|paths| cx.report.hides_within(paths));
        let of_the_route = if hidden {
            "a path of the route".into()
        } else {
            format!("the route's path `{pattern}`")
        };
        let shown = cx.report.shown(path, &stripped.to_string());
        cx.report.error(
            path,
            format!(
                "{of_the_route} does not start with {shown}; write a prefix that all its paths have"
            ),
        );
    }
    Some(comparable(&stripped.to_string()).into_owned())
}

fn prefix(cx: Context, path: &KeyPath, text: &str) -> Option<PathPattern> {
    match PathPattern::parse(text) {
        Ok(prefix) if prefix.is_exact() && !text.ends_with('/') => Some(prefix),
        _ => {
            cx.report.error(
                path,
                "must be a plain path such as `/v1`, without a final slash, `*` and parameters",
            );
            None
        }
    }
}
