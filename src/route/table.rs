//! From host, path and method to a route, by specificity and never by order.

use super::comparable::without_parameters;
use super::normalise::Unsafe;
use super::pattern::{HostPattern, PathForm, PathPattern, Segment};
use super::prefixes::Prefixes;
use http::Method;
use std::borrow::Borrow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The requests that a route matches.
#[derive(Clone, Debug)]
pub struct Reach {
    /// Empty: any host.
    pub hosts: Vec<HostPattern>,
    /// At least one. Shared with the route's destination.
    pub paths: Arc<[PathPattern]>,
    /// Empty: any method.
    pub methods: Vec<Method>,
    /// `%2F` is a character of its segment.
    pub keeps_encoded_slashes: bool,
}

/// Two routes, by their place in the list, that could both be the one for the same request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tie {
    pub first: usize,
    pub second: usize,
    /// Where they meet, in words.
    pub at: String,
}

/// A prebuilt table. A look-up costs at most one pass for each of: the exact host, the wildcard
/// hosts above it, any host.
///
/// Specificity: exact host before wildcard (the longest first) before any; within a host an exact
/// path before parameters before the longest prefix; a route with methods before one without.
#[derive(Debug, Default)]
pub struct RouteTable {
    exact_hosts: HashMap<String, Methods>,
    hosts_below: HashMap<String, Methods>,
    any_host: Methods,
    /// Of each route, whether it takes paths with `%2F`.
    keeps_encoded_slashes: Box<[bool]>,
}

/// The paths that a request of some method can reach; methods that no route names share one table.
#[derive(Debug, Default)]
struct Methods {
    named: Vec<(Method, Paths)>,
    others: Paths,
}

#[derive(Debug, Default)]
struct Paths {
    exact: HashMap<Box<str>, usize>,
    parameters: matchit::Router<usize>,
    prefixes: Prefixes,
}

impl RouteTable {
    /// Finds all ties among routes, which are known by their place in `reaches`.
    pub fn check<R: Borrow<Reach>>(reaches: &[R]) -> Result<(), Vec<Tie>> {
        let reaches: Vec<&Reach> = reaches.iter().map(Borrow::borrow).collect();
        let ties = ties(&reaches);
        if ties.is_empty() { Ok(()) } else { Err(ties) }
    }

    /// Builds the table; routes are known by their place in `reaches`. All ties are found.
    pub fn build<R: Borrow<Reach>>(reaches: &[R]) -> Result<Self, Vec<Tie>> {
        Self::check(reaches)?;
        let reaches: Vec<&Reach> = reaches.iter().map(Borrow::borrow).collect();
        let reaches = reaches.as_slice();
        let mut by_host: HashMap<Option<&HostPattern>, Vec<usize>> = HashMap::new();
        for (route, reach) in reaches.iter().enumerate() {
            if reach.hosts.is_empty() {
                by_host.entry(None).or_default().push(route);
            }
            for host in &reach.hosts {
                by_host.entry(Some(host)).or_default().push(route);
            }
        }
        let mut table = Self {
            keeps_encoded_slashes: reaches
                .iter()
                .map(|reach| reach.keeps_encoded_slashes)
                .collect(),
            ..Self::default()
        };
        for (host, routes) in by_host {
            let methods = Methods::build(reaches, &routes);
            match host {
                Some(HostPattern::Exact(name)) => {
                    drop(table.exact_hosts.insert(name.clone(), methods))
                }
                Some(HostPattern::Below(name)) => {
                    drop(table.hosts_below.insert(name.clone(), methods))
                }
                None => table.any_host = methods,
            }
        }
        Ok(table)
    }

    /// The most specific route for a request. `host` is the name of a [`Host`](super::Host), `path` as
    /// [`Target::comparable`](super::Target::comparable) gives it.
    ///
    /// Errors: a path whose parameters (RFC 3986 §3.3) lead to another route than the path without
    /// them, since some services cut them off; a path with `%2F` that no route takes which keeps
    /// it.
    pub fn find(&self, host: &str, path: &str, method: &Method) -> Result<Option<usize>, Unsafe> {
        let found = self.most_specific(host, path, method);
        if !path.bytes().any(|byte| matches!(byte, b'%' | b';')) {
            return Ok(found);
        }
        let bare = without_parameters(path);
        if bare.is_some_and(|bare| self.most_specific(host, &bare, method) != found) {
            return Err(Unsafe::Parameters);
        }
        let keeps = |route: usize| self.keeps_encoded_slashes.get(route).copied() == Some(true);
        if path.contains("%2F") && !found.is_some_and(keeps) {
            return Err(Unsafe::EncodedSlash);
        }
        Ok(found)
    }

    fn most_specific(&self, host: &str, path: &str, method: &Method) -> Option<usize> {
        if let Some(route) =
            self.exact_hosts.get(host).and_then(|methods| methods.find(path, method))
        {
            return Some(route);
        }
        if !self.hosts_below.is_empty() {
            let mut rest = host;
            while let Some((_, parent)) = rest.split_once('.') {
                if let Some(route) =
                    self.hosts_below.get(parent).and_then(|methods| methods.find(path, method))
                {
                    return Some(route);
                }
                rest = parent;
            }
        }
        self.any_host.find(path, method)
    }
}

impl Methods {
    fn build(reaches: &[&Reach], routes: &[usize]) -> Self {
        let mut methods = Self::default();
        let without: Vec<usize> =
            routes.iter().copied().filter(|&route| reaches[route].methods.is_empty()).collect();
        for &route in routes {
            for method in &reaches[route].methods {
                if methods.named.iter().any(|(named, _)| named == method) {
                    continue;
                }
                let with: Vec<usize> = routes
                    .iter()
                    .copied()
                    .filter(|&route| reaches[route].methods.contains(method))
                    .collect();
                // routes that name the method come first, so the same pattern without it does not
                // replace them
                methods
                    .named
                    .push((method.clone(), Paths::build(reaches, with.iter().chain(&without))));
            }
        }
        methods.others = Paths::build(reaches, without.iter());
        methods
    }

    fn find(&self, path: &str, method: &Method) -> Option<usize> {
        let paths = self
            .named
            .iter()
            .find(|(named, _)| named == method)
            .map_or(&self.others, |(_, paths)| paths);
        paths.find(path)
    }
}

impl Paths {
    fn build<'a>(reaches: &[&Reach], routes: impl Iterator<Item = &'a usize>) -> Self {
        let mut paths = Self::default();
        let mut prefixes = Vec::new();
        for &route in routes {
            for path in reaches[route].paths.iter() {
                // an insertion fails only where the same pattern is there already: the first one
                // wins
                match path.form() {
                    PathForm::Exact(path) => {
                        paths.exact.entry(path.as_str().into()).or_insert(route);
                    }
                    PathForm::Parameters(segments) => {
                        let _ = paths.parameters.insert(matcher(segments), route);
                    }
                    PathForm::Prefix(segments) => prefixes.push((segments.as_slice(), route)),
                }
            }
        }
        paths.prefixes = Prefixes::build(&prefixes);
        paths
    }

    fn find(&self, path: &str) -> Option<usize> {
        if let Some(&route) = self.exact.get(path) {
            return Some(route);
        }
        match self.parameters.at(path) {
            Ok(matched) => Some(*matched.value),
            Err(_) => self.prefixes.find(path),
        }
    }
}

/// The pattern in the router's own syntax; parameters by position, since names do not matter there.
pub(super) fn matcher(segments: &[Segment]) -> String {
    let mut pattern = String::new();
    for (i, segment) in segments.iter().enumerate() {
        pattern.push('/');
        match segment {
            Segment::Literal(text) => pattern.push_str(&text.replace('{', "{{").replace('}', "}}")),
            Segment::Parameter => pattern.push_str(&format!("{{p{i}}}")),
        }
    }
    pattern
}

/// Routes that reach for the same host and paths of the same shape, and share a method or both name
/// none.
fn ties(reaches: &[&Reach]) -> Vec<Tie> {
    let mut seen: HashMap<(Option<&HostPattern>, String, Option<&Method>), usize> = HashMap::new();
    let mut found = Vec::new();
    let mut reported = BTreeSet::new();
    for (route, reach) in reaches.iter().enumerate() {
        for host in any_or(&reach.hosts) {
            for path in reach.paths.iter() {
                for method in any_or(&reach.methods) {
                    let first = *seen.entry((host, path.shape(), method)).or_insert(route);
                    if first != route && reported.insert((first, route)) {
                        let host = host
                            .map_or_else(|| "any host".to_owned(), |host| format!("host {host}"));
                        let method = method.map_or_else(
                            || "any method".to_owned(),
                            |method| format!("method {method}"),
                        );
                        found.push(Tie {
                            first,
                            second: route,
                            at: format!("{host}, path {path}, {method}"),
                        });
                    }
                }
            }
        }
    }
    found
}

fn any_or<T>(items: &[T]) -> Vec<Option<&T>> {
    if items.is_empty() { vec![None] } else { items.iter().map(Some).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `"METHODS HOST PATH"`, with `-` for any, and ` keep` for encoded slashes.
    fn reach(text: &str) -> Reach {
        let mut words = text
            .split(' ')
            .map(|word| if word == "-" { Vec::new() } else { word.split('|').collect() });
        let mut next = || words.next().unwrap_or_default();
        Reach {
            methods: next().iter().filter_map(|method| method.parse().ok()).collect(),
            hosts: next().iter().filter_map(|host| HostPattern::parse(host).ok()).collect(),
            paths: next().iter().filter_map(|path| PathPattern::parse(path).ok()).collect(),
            keeps_encoded_slashes: next() == ["keep"],
        }
    }

    fn table(reaches: &[&str]) -> Result<RouteTable, Vec<Tie>> {
        RouteTable::build(&reaches.iter().map(|text| reach(text)).collect::<Vec<_>>())
    }

    #[test]
    fn the_most_specific_route_wins_in_any_order() {
        let routes = [
            "- - /*",
            "- - /items/*",
            "- - /items/{id}",
            "- - /items/new",
            "GET - /items/new",
            "- *.example.com /items/*",
            "- *.a.example.com /items/*",
            "- api.example.com /items/*",
            "- - /items/{id}/parts",
            "- - /items/special/*",
        ];
        let cases = [
            ("GET", "x", "/", 0),
            ("GET", "x", "/other/y", 0),
            ("GET", "x", "/items", 1),
            ("GET", "x", "/items/", 1),
            ("GET", "x", "/items/5/y", 1),
            ("GET", "x", "/itemsx", 0),
            ("GET", "x", "/items/5", 2),
            ("POST", "x", "/items/new", 3),
            ("GET", "x", "/items/new", 4),
            ("BREW", "x", "/items/new", 3),
            ("GET", "b.example.com", "/items/new", 5),
            ("GET", "a.example.com", "/items/new", 5),
            ("GET", "x.y.a.example.com", "/items/new", 6),
            ("GET", "api.example.com", "/items/new", 7),
            ("GET", "example.com", "/items/new", 4),
            ("GET", "api.example.com", "/other", 0),
            ("GET", "x", "/items/special/parts", 8),
            ("GET", "x", "/items/special/more", 9),
            ("GET", "x", "/items/special", 2),
        ];
        for reversed in [false, true] {
            let mut order: Vec<usize> = (0..routes.len()).collect();
            if reversed {
                order.reverse();
            }
            let reaches: Vec<Reach> = order.iter().map(|&i| reach(routes[i])).collect();
            let table = RouteTable::build(&reaches).unwrap_or_default();
            for (method, host, path, expected) in cases {
                let found =
                    method.parse().ok().and_then(|method| table.find(host, path, &method).ok()?);
                assert_eq!(
                    found.map(|i| order[i]),
                    Some(expected),
                    "{method} {host} {path} reversed={reversed}"
                );
            }
        }
    }

    #[test]
    fn no_route_is_no_route() {
        let table = table(&["GET a.example.com /x", "- *.b.com /x/{id}"]).unwrap_or_default();
        for (method, host, path) in [
            ("POST", "a.example.com", "/x"),
            ("GET", "c", "/x"),
            ("GET", "a.example.com", "/x/"),
            ("GET", "b.com", "/x/1"),
            ("GET", "a.b.com", "/x/"),
            ("GET", "a.b.com", "/x/1/2"),
        ] {
            assert_eq!(
                method.parse().ok().map(|method| table.find(host, path, &method)),
                Some(Ok(None)),
                "{method} {host} {path}"
            );
        }
    }

    /// The route that a request for a path finds.
    fn found(routes: &[&str], target: &str) -> Result<Option<usize>, Unsafe> {
        let table = table(routes).unwrap_or_default();
        table.find("x", crate::route::normalise(target.as_bytes())?.comparable(), &Method::GET)
    }

    #[test]
    fn an_escaped_character_is_the_character() {
        let routes =
            ["- - /*", "- - /v1/items:purge", "- - /pipe%7Cs", "- - /p%28x/*", "- - /{a}/@me"];
        for (target, route) in [
            ("/v1/items:purge", 1),
            ("/v1/items%3Apurge", 1),
            ("/v1/items%3apurge", 1),
            ("/%76%31/items%3Apurge", 1),
            ("/v1/items%3Apurges", 0),
            ("/pipe|s", 2),
            ("/pipe%7Cs", 2),
            ("/pipe%7cs", 2),
            ("/p(x/y", 3),
            ("/p%28x", 3),
            ("/u/@me", 4),
            ("/u/%40me", 4),
        ] {
            assert_eq!(found(&routes, target), Ok(Some(route)), "{target}");
        }
        let twice = table(&["- - /a:b", "- - /a%3ab"]).err().unwrap_or_default();
        assert_eq!(twice.len(), 1, "two ways to write one path tie");
    }

    #[test]
    fn path_parameters_do_not_choose_another_route() {
        let routes = ["- - /*", "- - /admin", "- - /items/{id}", "- - /m/a", "- - /m/a;v=1"];
        for (target, expected) in [
            ("/other;x", Ok(Some(0))),
            ("/items/5;v=1", Ok(Some(2))),
            ("/admin;x", Err(Unsafe::Parameters)),
            ("/admin%3Bx", Err(Unsafe::Parameters)),
            ("/admin;", Err(Unsafe::Parameters)),
            ("/;x/admin", Err(Unsafe::Parameters)),
            ("/admin/;x", Ok(Some(0))),
            ("/items;x/5", Err(Unsafe::Parameters)),
            ("/m/a;v=1", Err(Unsafe::Parameters)),
        ] {
            assert_eq!(found(&routes, target), expected, "{target}");
        }
        assert_eq!(found(&["- - /a;v=1"], "/a;v=1"), Err(Unsafe::Parameters), "no route for /a");
        assert_eq!(found(&["- - /a|/a;v=1"], "/a;v=1"), Ok(Some(0)), "the same route");
        assert_eq!(found(&["- - /b"], "/a;v=1"), Ok(None));
    }

    #[test]
    fn an_encoded_slash_is_for_routes_that_keep_it() {
        let routes = [
            "- - /*",
            "- - /npm/{package} keep",
            "- - /q/%2F/* keep",
            "- - /deep/* keep",
            "- - /deep/b",
        ];
        for (target, expected) in [
            ("/npm/@scope%2fname", Ok(Some(1))),
            ("/npm/@scope%2Fname/x", Err(Unsafe::EncodedSlash)),
            ("/q/%2f/x", Ok(Some(2))),
            ("/q/%2Fa/x", Err(Unsafe::EncodedSlash)),
            ("/a%2Fb", Err(Unsafe::EncodedSlash)),
            ("/deep/a%2Fb/c", Ok(Some(3))),
            ("/deep%2Fb", Err(Unsafe::EncodedSlash)),
        ] {
            assert_eq!(found(&routes, target), expected, "{target}");
        }
        assert_eq!(found(&["- - /a"], "/b%2Fc"), Err(Unsafe::EncodedSlash), "without a route too");
    }

    proptest::proptest! {
        /// A path written in any way takes the route of the plain one, or none at all.
        #[test]
        fn no_way_to_write_a_path_leads_to_another_route(
            path in "(/(v1|items:purge|admin|a\\|b|x;y|@me|p\\(q)){1,3}",
            ways in proptest::collection::vec(0..4, 40)
        ) {
            let routes = ["- - /*", "- - /v1/*", "- - /v1/items:purge", "- - /admin", "- - /{a}/@me", "- - /a%7Cb/*", "- - /p(q"];
            let written: String = path.bytes().zip(ways).map(|(byte, way)| match way {
                1 if byte != b'/' => format!("%{byte:02x}"),
                2 if byte != b'/' => format!("%{byte:02X}"),
                3 if byte == b'/' => "//".to_owned(),
                _ => char::from(byte).to_string(),
            }).collect();
            let (plain, other) = (found(&routes, &path), found(&routes, &written));
            proptest::prop_assert!(other == plain || other.is_err(), "{written}: {other:?}, not {plain:?}");
        }
    }

    #[test]
    fn all_ties_are_found_and_name_both() {
        let ties = table(&[
            "- - /a/{x}",
            "GET - /a/{y}",
            "- - /a/{z}",
            "GET|POST h /b/*",
            "POST h /b/*",
            "- - /c",
            "- - /c/",
        ])
        .err()
        .unwrap_or_default();
        let pairs: Vec<_> = ties.iter().map(|tie| (tie.first, tie.second)).collect();
        assert_eq!(pairs, [(0, 2), (3, 4)]);
        assert_eq!(ties[1].at, "host h, path /b/*, method POST");
    }
}
