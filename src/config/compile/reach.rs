//! `host`, `path`, `methods` and `encoded_slashes` of a route.

use super::Context;
use crate::config::path::KeyPath;
use crate::config::raw::{EncodedSlashes, OneOrMany, Route};
use crate::route::{HostPattern, PathPattern, PatternError, Reach};
use http::Method;

/// `None` when any part of it is wrong or missing.
pub fn reach(cx: Context, path: &KeyPath, route: &Route) -> Option<Reach> {
    let raw = &route.reach;
    let (host, written, method) = (path.key("host"), path.key("path"), path.key("methods"));
    let hosts = patterns(cx, &host, raw.host.as_ref(), HostPattern::parse);
    let paths = patterns(cx, &written, raw.path.as_ref(), PathPattern::parse);
    let methods = methods(cx, &method, raw.methods.as_deref().unwrap_or_default());
    let rules = route.path_rules.clone().over(&cx.raw.defaults.path_rules);
    let keeps_encoded_slashes = rules.encoded_slashes == Some(EncodedSlashes::Keep);
    if let Some(paths) = &paths {
        odd_characters(cx, &written, raw.path.as_ref(), paths, keeps_encoded_slashes);
    }
    let broken = [host, written, method].iter().any(|path| cx.report.is_broken(path));
    let paths = paths?.into();
    let reach = Reach { hosts: hosts?, paths, methods: methods?, keeps_encoded_slashes };
    (!broken && !reach.paths.is_empty()).then_some(reach)
}

/// Paths whose requests are refused, or may be, by the rules for `%2F` and `;`.
fn odd_characters(
    cx: Context,
    path: &KeyPath,
    written: Option<&OneOrMany<String>>,
    patterns: &[PathPattern],
    keeps_encoded_slashes: bool,
) {
    let is_list = written.is_some_and(OneOrMany::is_list);
    for (i, pattern) in patterns.iter().enumerate() {
        let path = if is_list { path.item(i) } else { path.clone() };
        if pattern.has_encoded_slash() && !keeps_encoded_slashes {
            cx.report.error(
                &path,
                "has `%2F` and can never match; write `encoded_slashes: keep` beside it, or the path without `%2F`",
            );
        }
        if pattern.has_segment_parameters() {
            cx.report.warning(
                &path,
                "has path parameters (`;`): a request is refused unless the path without them takes the same route, so list that path here too",
            );
        }
    }
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
            Ok(_) if matches!(upper.as_str(), "CONNECT" | "TRACE" | "TRACK") => {
                cx.report.error(
                    &path,
                    format!(
                        "{shown} is never forwarded, so that this route could not match; remove it"
                    ),
                );
            }
            Ok(method) if methods.contains(&method) => {
                cx.report.error(&path, "is a duplicate; remove one of the two")
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
