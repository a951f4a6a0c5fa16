//! Patterns with a trailing `/*`: the longest one that a path begins with.

use super::pattern::Segment;
use super::table::matcher;
use std::collections::HashMap;

/// The routes of prefixes. A tree of prefixes takes more than a kilobyte for each of them, so one is
/// made only where prefixes have parameters.
#[derive(Debug)]
pub(super) enum Prefixes {
    Literal(LiteralPrefixes),
    WithParameters(matchit::Router<usize>),
}

/// Prefixes without parameters.
#[derive(Debug, Default)]
pub(super) struct LiteralPrefixes {
    /// The route of `/*`.
    all: Option<usize>,
    /// By the prefix without its final `/*`.
    below: HashMap<Box<str>, usize>,
    /// The greatest number of segments of a prefix. No path is looked at beyond them.
    deepest: usize,
}

impl Default for Prefixes {
    fn default() -> Self {
        Self::Literal(LiteralPrefixes::default())
    }
}

impl Prefixes {
    /// Of two equal prefixes, the first one wins.
    pub fn build(prefixes: &[(&[Segment], usize)]) -> Self {
        let has_parameter = |segments: &[Segment]| segments.contains(&Segment::Parameter);
        if !prefixes.iter().any(|(segments, _)| has_parameter(segments)) {
            return Self::Literal(LiteralPrefixes::build(prefixes));
        }
        let mut router = matchit::Router::new();
        for &(segments, route) in prefixes {
            let stem = matcher(segments);
            // an insertion fails only where the same pattern is there already
            let _ = router.insert(format!("{stem}/{{*below}}"), route);
            let _ = router.insert(format!("{stem}/"), route);
            if !stem.is_empty() {
                let _ = router.insert(stem, route);
            }
        }
        Self::WithParameters(router)
    }

    /// The route of the most specific prefix of `path`, which begins with a slash.
    pub fn find(&self, path: &str) -> Option<usize> {
        match self {
            Self::Literal(prefixes) => prefixes.find(path),
            Self::WithParameters(router) => router.at(path).ok().map(|matched| *matched.value),
        }
    }
}

impl LiteralPrefixes {
    fn build(prefixes: &[(&[Segment], usize)]) -> Self {
        let mut built = Self::default();
        for &(segments, route) in prefixes {
            if segments.is_empty() {
                built.all.get_or_insert(route);
                continue;
            }
            built.deepest = built.deepest.max(segments.len());
            built.below.entry(literal(segments).into()).or_insert(route);
        }
        built.below.shrink_to_fit();
        built
    }

    fn find(&self, path: &str) -> Option<usize> {
        if !path.starts_with('/') {
            return None;
        }
        let mut found = self.all;
        if self.deepest > 0 {
            let inner = path.match_indices('/').skip(1).map(|(slash, _)| slash);
            for end in inner.chain([path.len()]).take(self.deepest) {
                if let Some(&route) = self.below.get(&path[..end]) {
                    found = Some(route);
                }
            }
        }
        found
    }
}

/// The path of segments that are all literal.
fn literal(segments: &[Segment]) -> String {
    let mut path = String::new();
    for segment in segments {
        if let Segment::Literal(text) = segment {
            path.push('/');
            path.push_str(text);
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::PathPattern;
    use crate::route::pattern::PathForm;

    fn build(patterns: &[String], tree: bool) -> Prefixes {
        let patterns: Vec<PathPattern> =
            patterns.iter().filter_map(|written| PathPattern::parse(written).ok()).collect();
        let mut segments: Vec<(&[Segment], usize)> = Vec::new();
        for (route, pattern) in patterns.iter().enumerate() {
            if let PathForm::Prefix(own) = pattern.form() {
                segments.push((own, route));
            }
        }
        let parameter = [Segment::Literal("only-in-the-tree".into()), Segment::Parameter];
        if tree {
            segments.push((&parameter, usize::MAX));
        }
        Prefixes::build(&segments)
    }

    #[test]
    fn the_longest_prefix_wins() {
        let patterns = ["/*", "/a/*", "/a/b/*", "/ab/*", "/a/b/c/d/*"].map(str::to_owned);
        let prefixes = build(&patterns, false);
        assert!(matches!(prefixes, Prefixes::Literal(_)));
        for (path, route) in [
            ("/", Some(0)),
            ("/x", Some(0)),
            ("/a", Some(1)),
            ("/a/", Some(1)),
            ("/a/x", Some(1)),
            ("/a/b", Some(2)),
            ("/a/b/", Some(2)),
            ("/a/b/c", Some(2)),
            ("/a/b/c/d", Some(4)),
            ("/a/b/c/d/e/f", Some(4)),
            ("/a/bc", Some(1)),
            ("/ab", Some(3)),
            ("/abc", Some(0)),
            ("", None),
            ("*", None),
        ] {
            assert_eq!(prefixes.find(path), route, "{path}");
        }
        assert_eq!(build(&patterns[1..], false).find("/x"), None);
    }

    proptest::proptest! {
        /// Without parameters, the map and the tree find the same route.
        #[test]
        fn the_map_agrees_with_the_tree(
            patterns in proptest::collection::vec("(/(a|b|ab)){0,4}/\\*", 1..8),
            paths in proptest::collection::vec("(/(a|b|ab|c)){0,6}/?", 1..20)
        ) {
            let patterns: Vec<String> =
                patterns.into_iter().filter(|written| PathPattern::parse(written).is_ok()).collect();
            let (map, tree) = (build(&patterns, false), build(&patterns, true));
            for path in paths.iter().filter(|path| path.starts_with('/')) {
                proptest::prop_assert_eq!(map.find(path), tree.find(path), "{}", path);
            }
        }
    }
}
