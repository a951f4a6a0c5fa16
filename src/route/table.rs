//! From host, path and method to a route, by specificity and never by order.

use super::pattern::{HostPattern, PathPattern, Segment};
use http::Method;
use std::collections::{BTreeSet, HashMap};

/// What requests a route reaches out for.
#[derive(Clone, Debug)]
pub struct Reach {
    /// Empty: any host.
    pub hosts: Vec<HostPattern>,
    pub paths: Vec<PathPattern>,
    /// Empty: any method.
    pub methods: Vec<Method>,
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
}

/// The paths that a request of some method can reach; methods that no route names share one table.
#[derive(Debug, Default)]
struct Methods {
    named: Vec<(Method, Paths)>,
    others: Paths,
}

#[derive(Debug, Default)]
struct Paths {
    exact: HashMap<String, usize>,
    parameters: matchit::Router<usize>,
    prefixes: matchit::Router<usize>,
}

impl RouteTable {
    /// Builds the table; routes are known by their place in `reaches`. All ties are found.
    pub fn build(reaches: &[Reach]) -> Result<Self, Vec<Tie>> {
        let ties = ties(reaches);
        if !ties.is_empty() {
            return Err(ties);
        }
        let mut by_host: HashMap<Option<&HostPattern>, Vec<usize>> = HashMap::new();
        for (route, reach) in reaches.iter().enumerate() {
            if reach.hosts.is_empty() {
                by_host.entry(None).or_default().push(route);
            }
            for host in &reach.hosts {
                by_host.entry(Some(host)).or_default().push(route);
            }
        }
        let mut table = Self::default();
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

    /// The most specific route for a request. `host` as [`host_of`] gives it, `path` in normal
    /// form.
    pub fn find(&self, host: &str, path: &str, method: &Method) -> Option<usize> {
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
    fn build(reaches: &[Reach], routes: &[usize]) -> Self {
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
    fn build<'a>(reaches: &[Reach], routes: impl Iterator<Item = &'a usize>) -> Self {
        let mut paths = Self::default();
        for &route in routes {
            for path in &reaches[route].paths {
                // an insertion fails only where the same pattern is there already: the first one
                // wins
                match path {
                    PathPattern::Exact(path) => {
                        paths.exact.entry(path.clone()).or_insert(route);
                    }
                    PathPattern::Parameters(segments) => {
                        let _ = paths.parameters.insert(matcher(segments), route);
                    }
                    PathPattern::Prefix(segments) => {
                        let stem = matcher(segments);
                        let _ = paths.prefixes.insert(format!("{stem}/{{*below}}"), route);
                        let _ = paths.prefixes.insert(format!("{stem}/"), route);
                        if !stem.is_empty() {
                            let _ = paths.prefixes.insert(stem, route);
                        }
                    }
                }
            }
        }
        paths
    }

    fn find(&self, path: &str) -> Option<usize> {
        if let Some(&route) = self.exact.get(path) {
            return Some(route);
        }
        let matched = self.parameters.at(path).or_else(|_| self.prefixes.at(path));
        matched.ok().map(|matched| *matched.value)
    }
}

/// The pattern in the router's own syntax; parameters by position, since names do not matter there.
fn matcher(segments: &[Segment]) -> String {
    let mut pattern = String::new();
    for (i, segment) in segments.iter().enumerate() {
        pattern.push('/');
        match segment {
            Segment::Literal(text) => pattern.push_str(&text.replace('{', "{{").replace('}', "}}")),
            Segment::Parameter(_) => pattern.push_str(&format!("{{p{i}}}")),
        }
    }
    pattern
}

/// Routes that reach for the same host and paths of the same shape, and share a method or both name
/// none.
fn ties(reaches: &[Reach]) -> Vec<Tie> {
    let mut seen: HashMap<(Option<&HostPattern>, String, Option<&Method>), usize> = HashMap::new();
    let mut found = Vec::new();
    let mut told = BTreeSet::new();
    for (route, reach) in reaches.iter().enumerate() {
        for host in any_or(&reach.hosts) {
            for path in &reach.paths {
                for method in any_or(&reach.methods) {
                    let first = *seen.entry((host, path.shape(), method)).or_insert(route);
                    if first != route && told.insert((first, route)) {
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

/// The name that routes are matched by: in lower case, without port and final dot.
pub fn host_of(authority: &str) -> String {
    let name = match authority.rfind(']') {
        Some(end) => &authority[..=end],
        None => authority.split(':').next().unwrap_or_default(),
    };
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `"METHODS HOST PATH"`, with `-` for any.
    fn reach(text: &str) -> Reach {
        let mut words = text
            .split(' ')
            .map(|word| if word == "-" { Vec::new() } else { word.split('|').collect() });
        let mut next = || words.next().unwrap_or_default();
        Reach {
            methods: next().iter().filter_map(|method| method.parse().ok()).collect(),
            hosts: next().iter().filter_map(|host| HostPattern::parse(host).ok()).collect(),
            paths: next().iter().filter_map(|path| PathPattern::parse(path).ok()).collect(),
        }
    }

    fn table(reaches: &[&str]) -> Result<RouteTable, Vec<Tie>> {
        RouteTable::build(&reaches.iter().map(|text| reach(text)).collect::<Vec<_>>())
    }

    #[test]
    fn the_most_specific_route_wins_whatever_the_order() {
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
                let found = method.parse().ok().and_then(|method| table.find(host, path, &method));
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
                method.parse().ok().and_then(|method| table.find(host, path, &method)),
                None,
                "{method} {host} {path}"
            );
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

    #[test]
    fn hosts_are_matched_without_port_case_and_final_dot() {
        for (authority, host) in [
            ("API.Example.com:8080", "api.example.com"),
            ("example.com.", "example.com"),
            ("example.com.:80", "example.com"),
            ("[::1]:80", "[::1]"),
            ("", ""),
        ] {
            assert_eq!(host_of(authority), host);
        }
    }
}
