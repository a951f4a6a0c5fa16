//! `routes`.

use super::Context;
use super::demands::{MergedKeys, authorization_servers, demands};
use super::destination::destination;
use super::limits::limits;
use super::reach::reach;
use super::ties;
use crate::config::path::KeyPath;
use crate::config::raw::Route;
use crate::gate::{DemandSettings, RouteSettings};
use crate::policy::AuthMode;
use crate::route::Reach;
use crate::upstream::UpstreamSettings;
use http::Method;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The routes, and the upstreams that some of them name by URL.
pub fn routes(cx: Context) -> (Option<Vec<RouteSettings>>, Vec<UpstreamSettings>) {
    let (section, defaults) = (KeyPath::root().key("routes"), KeyPath::root().key("defaults"));
    let origin = MergedKeys { section: &defaults, inherited: None };
    let auth = demands(cx, &cx.raw.defaults.demands, origin, None).auth;
    limits(cx, &cx.raw.defaults.limits, auth, origin);
    let reaches: Vec<Option<Reach>> =
        cx.raw.routes.iter().enumerate().map(|(i, raw)| reach(cx, &section.item(i), raw)).collect();
    let names = names(cx, &section, &reaches);
    ties::ties(cx, &section, &reaches, &names);
    let mut by_url = BTreeMap::new();
    let mut compiled = Vec::new();
    for (i, (raw, (reach, name))) in
        cx.raw.routes.iter().zip(reaches.into_iter().zip(&names)).enumerate()
    {
        let origin = MergedKeys { section: &section.item(i), inherited: Some(&defaults) };
        compiled.push(route(cx, origin, raw, reach, name, &mut by_url));
    }
    (compiled.into_iter().collect(), by_url.into_values().collect())
}

fn route(
    cx: Context,
    origin: MergedKeys,
    raw: &Route,
    reach: Option<Reach>,
    name: &Arc<str>,
    by_url: &mut BTreeMap<String, UpstreamSettings>,
) -> Option<RouteSettings> {
    let paths = reach.as_ref().map_or(&[][..], |reach| &reach.paths);
    let destination = destination(cx, origin.section, &raw.destination, paths, by_url);
    let merged = raw.demands.clone().over(&cx.raw.defaults.demands);
    let demands = demands(cx, &merged, origin, reach.as_ref().map(|_| paths));
    let servers = match demands.auth {
        AuthMode::None => Some(Vec::new()),
        AuthMode::Required | AuthMode::Optional => authorization_servers(cx, &merged, origin),
    };
    let limits = raw.limits.clone().over(&cx.raw.defaults.limits);
    let limits = super::limits::limits(cx, &limits, demands.auth, origin);
    Some(RouteSettings {
        name: name.clone(),
        reach: reach?,
        demands: DemandSettings { authorization_servers: servers?, ..demands },
        destination: destination?.into(),
        limits: limits.into(),
    })
}

/// One for each route: the written one, else one made from its match. All differ, unless two were
/// written alike, which is an error.
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
                "must be 1 to 100 characters of printable ASCII: it is used in metrics and logs",
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
