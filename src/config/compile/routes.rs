//! `routes`.

use super::Context;
use super::demands::{Origin, authorization_servers, demands};
use super::ties;
use super::upstreams::by_url;
use super::url::is_url;
use crate::config::path::KeyPath;
use crate::config::raw::{OneOrMany, Route};
use crate::policy::AuthMode;
use crate::route::{HostPattern, PathPattern, PatternError, Reach, RouteSettings};
use crate::upstream::UpstreamSettings;
use http::Method;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// The routes, and the upstreams that some of them name by URL.
pub fn routes(cx: Context) -> (Option<Vec<RouteSettings>>, Vec<UpstreamSettings>) {
    let (section, defaults) = (KeyPath::root().key("routes"), KeyPath::root().key("defaults"));
    demands(cx, &cx.raw.defaults, Origin { section: &defaults, inherited: None });
    let reaches: Vec<Option<Reach>> =
        cx.raw.routes.iter().enumerate().map(|(i, raw)| reach(cx, &section.item(i), raw)).collect();
    let names = names(cx, &section, &reaches);
    ties::ties(cx, &section, &reaches, &names);
    let mut by_url = BTreeMap::new();
    let mut compiled = Vec::new();
    for (i, (raw, (reach, name))) in
        cx.raw.routes.iter().zip(reaches.into_iter().zip(&names)).enumerate()
    {
        let origin = Origin { section: &section.item(i), inherited: Some(&defaults) };
        compiled.push(route(cx, origin, raw, reach, name, &mut by_url));
    }
    (compiled.into_iter().collect(), by_url.into_values().collect())
}

fn route(
    cx: Context,
    origin: Origin,
    raw: &Route,
    reach: Option<Reach>,
    name: &Arc<str>,
    by_url: &mut BTreeMap<String, UpstreamSettings>,
) -> Option<RouteSettings> {
    let path = origin.section;
    let upstream = upstream(cx, &path.key("upstream"), raw, by_url);
    let paths = reach.as_ref().map_or(&[][..], |reach| &reach.paths);
    let strip_prefix = strip_prefix(cx, &path.key("rewrite").key("strip_prefix"), raw, paths);
    let add_prefix = raw
        .rewrite
        .add_prefix
        .as_deref()
        .and_then(|text| prefix(cx, &path.key("rewrite").key("add_prefix"), text));
    let timeout = match raw.timeout {
        Some(timeout) => cx.positive(&path.key("timeout"), timeout),
        None => Some(Duration::from_secs(60)),
    };
    let merged = raw.demands.clone().over(&cx.raw.defaults);
    let demanded = demands(cx, &merged, origin);
    let servers = match demanded.auth {
        AuthMode::None => Some(Vec::new()),
        AuthMode::Required | AuthMode::Optional => authorization_servers(cx, &merged, origin),
    };
    let reach = reach?;
    Some(RouteSettings {
        name: name.clone(),
        hosts: reach.hosts,
        paths: reach.paths,
        methods: reach.methods,
        upstream: upstream?,
        strip_prefix,
        add_prefix,
        timeout: timeout?,
        auth: demanded.auth,
        authorization_servers: servers?,
        policy: demanded.policy,
        max_age: demanded.max_age,
        preflight_pass: demanded.preflight_pass,
    })
}

/// `None` when any part of it is wrong or missing.
fn reach(cx: Context, path: &KeyPath, raw: &Route) -> Option<Reach> {
    let (host, written, method) = (path.key("host"), path.key("path"), path.key("methods"));
    let hosts = patterns(cx, &host, raw.host.as_ref(), HostPattern::parse);
    let paths = patterns(cx, &written, raw.path.as_ref(), PathPattern::parse);
    let methods = methods(cx, &method, raw.methods.as_deref().unwrap_or_default());
    let broken = [host, written, method].iter().any(|path| cx.report.is_broken(path));
    let reach = Reach { hosts: hosts?, paths: paths?, methods: methods? };
    (!broken && !reach.paths.is_empty()).then_some(reach)
}

fn patterns<P>(
    cx: Context,
    path: &KeyPath,
    written: Option<&OneOrMany<String>>,
    parse: fn(&str) -> Result<P, PatternError>,
) -> Option<Vec<P>> {
    let Some(written) = written else { return Some(Vec::new()) };
    let mut patterns = Vec::new();
    for (i, text) in written.as_slice().iter().enumerate() {
        let path = if written.is_list() { path.item(i) } else { path.clone() };
        match parse(text) {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => cx.report.error(&path, pattern_error(cx, &path, text, &error)),
        }
    }
    (patterns.len() == written.as_slice().len()).then_some(patterns)
}

fn pattern_error(cx: Context, path: &KeyPath, text: &str, error: &PatternError) -> String {
    match error {
        _ if !cx.report.hides(path) && !text.chars().any(char::is_control) => error.to_string(),
        PatternError::Host(_) => "is not a host name".into(),
        _ => "is not a path that can match".into(),
    }
}

fn methods(cx: Context, section: &KeyPath, written: &[String]) -> Option<Vec<Method>> {
    let mut methods: Vec<Method> = Vec::new();
    for (i, text) in written.iter().enumerate() {
        let path = section.item(i);
        let upper = text.to_ascii_uppercase();
        let shown = cx.report.shown(&path, text);
        match Method::from_bytes(text.as_bytes()) {
            Ok(_) if *text != upper && is_standard(&upper) => {
                cx.report.error(
                    &path,
                    format!(
                        "{shown} is not `{upper}`, since case counts in methods; write `{upper}`"
                    ),
                );
            }
            Ok(method) if methods.contains(&method) => {
                cx.report.error(&path, "stands twice; remove one of the two")
            }
            Ok(method) => methods.push(method),
            Err(_) => {
                cx.report.error(&path, format!("{shown} is not a method; write one such as `GET`"))
            }
        }
    }
    (methods.len() == written.len()).then_some(methods)
}

fn is_standard(method: &str) -> bool {
    matches!(
        method,
        "GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "CONNECT" | "OPTIONS" | "TRACE" | "PATCH"
    )
}

/// One for each route: the written one, else one made from what it matches. All differ, unless two
/// were written alike, which is told.
fn names(cx: Context, section: &KeyPath, reaches: &[Option<Reach>]) -> Vec<Arc<str>> {
    let mut written: BTreeMap<&str, KeyPath> = BTreeMap::new();
    for (i, route) in cx.raw.routes.iter().enumerate() {
        let (path, Some(name)) = (section.item(i).key("name"), &route.name) else { continue };
        if name.trim().is_empty()
            || name.len() > 100
            || !name.bytes().all(|b| matches!(b, 0x20..=0x7e))
        {
            cx.report.error(
                &path,
                "must be 1 to 100 characters of printable ASCII: it stands in metrics and logs",
            );
        } else if let Some(first) = written.get(name.as_str()) {
            let (shown, line) = (cx.report.shown(&path, name), cx.report.line(first));
            let message = format!(
                "the route in {line} is named {shown} already; give each a name of its own"
            );
            cx.report.error(&path, message);
        } else {
            written.insert(name, path);
        }
    }
    let mut taken: BTreeSet<String> = written.keys().map(|&name| name.to_owned()).collect();
    let named = cx.raw.routes.iter().zip(reaches).map(|(route, reach)| match &route.name {
        Some(name) => name.as_str().into(),
        None => {
            let derived = reach.as_ref().map_or_else(|| "route".to_owned(), derive_name);
            let numbered = (2..).map(|n| format!("{derived} #{n}"));
            let free = std::iter::once(derived.clone())
                .chain(numbered)
                .find(|name| taken.insert(name.clone()));
            free.unwrap_or(derived).into()
        }
    });
    named.collect()
}

/// `GET,HEAD api.example.com/items/*`; of several hosts or paths the first, and how many follow.
fn derive_name(reach: &Reach) -> String {
    let methods: Vec<&str> = reach.methods.iter().map(Method::as_str).collect();
    let mut name = methods.join(",");
    if !name.is_empty() {
        name.push(' ');
    }
    name.extend(reach.hosts.first().map(ToString::to_string));
    name.extend(reach.paths.first().map(ToString::to_string));
    let more = reach.hosts.len().saturating_sub(1) + reach.paths.len().saturating_sub(1);
    if more > 0 {
        name.push_str(&format!(" +{more}"));
    }
    name
}

fn upstream(
    cx: Context,
    path: &KeyPath,
    raw: &Route,
    by_url_: &mut BTreeMap<String, UpstreamSettings>,
) -> Option<Arc<str>> {
    let text = raw.upstream.as_deref()?;
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

fn strip_prefix(cx: Context, path: &KeyPath, raw: &Route, paths: &[PathPattern]) -> Option<String> {
    let stripped = prefix(cx, path, raw.rewrite.strip_prefix.as_deref()?)?;
    let begins = |pattern: &PathPattern| {
        pattern
            .to_string()
            .strip_prefix(&stripped)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let paths_at =
        path.parent().and_then(|rewrite| rewrite.parent()).map(|route| route.key("path"));
    for pattern in paths.iter().filter(|pattern| !begins(pattern)) {
        let hidden = paths_at.as_ref().is_some_and(|paths| cx.report.hides_within(paths));
        let of_the_route = if hidden {
            "a path of the route".into()
        } else {
            format!("the route's path `{pattern}`")
        };
        let shown = cx.report.shown(path, &stripped);
        cx.report.error(
            path,
            format!(
                "{of_the_route} does not start with {shown}; write a prefix that all its paths have"
            ),
        );
    }
    Some(stripped)
}

fn prefix(cx: Context, path: &KeyPath, text: &str) -> Option<String> {
    match PathPattern::parse(text) {
        Ok(PathPattern::Exact(prefix)) if !prefix.ends_with('/') => Some(prefix),
        _ => {
            cx.report.error(
                path,
                "must be a plain path such as `/v1`, without a final slash, `*` and parameters",
            );
            None
        }
    }
}
