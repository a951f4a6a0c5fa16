//! Patterns of a route's host and path.

use super::comparable::comparable;
use super::normalise::normalise;
use std::fmt;
use thiserror::Error;

/// `api.example.com` or `*.example.com`, in lower case, without port and final dot; an IPv6
/// address in brackets and in its short form.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    Exact(String),
    /// One or more labels below this one, not this one itself; kept without `*.`.
    Below(String),
}

/// The paths that a route is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    written: String,
    form: PathForm,
}

/// A pattern as requests are compared with it: in the form that
/// [`comparable`](super::comparable) makes of paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PathForm {
    /// Exactly this path.
    Exact(String),
    /// With `{name}` for one whole segment, at least one.
    Parameters(Vec<Segment>),
    /// Written with a trailing `/*`: this path itself and all below it; empty for `/*`. It may
    /// have parameters too.
    Prefix(Vec<Segment>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    Literal(String),
    Parameter,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PatternError {
    #[error(
        "`{0}` is not a host name; write `api.example.com` or `*.example.com`, without scheme, port or path"
    )]
    Host(String),
    #[error("`{0}` does not start with `/`")]
    NotAbsolute(String),
    #[error("`{0}` can never match, since requests are matched in normal form: {1}")]
    NotNormal(String, String),
    #[error("`*` is allowed only at the end, as `/*`, in `{0}`")]
    Star(String),
    #[error("`{0}` has a parameter that is not a whole segment such as `{{id}}`")]
    Parameter(String),
    #[error("`{0}` has two parameters named `{1}`")]
    ParameterTwice(String, String),
}

impl HostPattern {
    pub fn parse(written: &str) -> Result<Self, PatternError> {
        let lower = written.to_ascii_lowercase();
        let (below, name) = match lower.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, &*lower),
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        let bracketed = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        let address = bracketed.and_then(|name| name.parse::<std::net::Ipv6Addr>().ok());
        let label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        if let Some(address) = address.filter(|_| !below) {
            return Ok(Self::Exact(format!("[{address}]")));
        }
        if !name.split('.').all(label) {
            return Err(PatternError::Host(written.to_owned()));
        }
        Ok(if below { Self::Below(name.to_owned()) } else { Self::Exact(name.to_owned()) })
    }
}

impl HostPattern {
    /// `name` is that of a [`Host`](super::Host).
    pub fn takes(&self, name: &str) -> bool {
        match self {
            Self::Exact(own) => own == name,
            Self::Below(own) => {
                let below = name.strip_suffix(own.as_str());
                below.is_some_and(|below| below.len() > 1 && below.ends_with('.'))
            }
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Below(name) => write!(f, "*.{name}"),
        }
    }
}

impl PathPattern {
    /// Reads a pattern as it is written in `routes[].path`.
    pub fn parse(written: &str) -> Result<Self, PatternError> {
        if !written.starts_with('/') {
            return Err(PatternError::NotAbsolute(written.to_owned()));
        }
        let (path, prefix) = match written.strip_suffix("/*") {
            Some(path) => (path, true),
            None => (written, false),
        };
        if path.contains('*') {
            return Err(PatternError::Star(written.to_owned()));
        }
        let (mut segments, mut plain) = (Vec::new(), String::new());
        let mut names: Vec<&str> = Vec::new();
        for segment in path.split('/').skip(1) {
            let name = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
            match name {
                Some(name) if is_name(name) => {
                    if names.contains(&name) {
                        return Err(PatternError::ParameterTwice(
                            written.to_owned(),
                            name.to_owned(),
                        ));
                    }
                    names.push(name);
                    segments.push(Segment::Parameter);
                    plain.push_str("/x");
                }
                None if !segment.contains(['{', '}']) => {
                    segments.push(Segment::Literal(comparable(segment).into_owned()));
                    plain.push('/');
                    plain.push_str(segment);
                }
                _ => return Err(PatternError::Parameter(written.to_owned())),
            }
        }
        let plain = if plain.is_empty() { "/".to_owned() } else { plain };
        match normalise(plain.as_bytes()) {
            Err(error) => {
                return Err(PatternError::NotNormal(written.to_owned(), error.to_string()));
            }
            Ok(target) if target.query.is_some() => {
                return Err(PatternError::NotNormal(
                    written.to_owned(),
                    "a path has no query".into(),
                ));
            }
            Ok(target) if target.path != plain => {
                return Err(PatternError::NotNormal(
                    written.to_owned(),
                    format!("write `{}`", target.path),
                ));
            }
            Ok(_) => {}
        }
        let form = if prefix {
            PathForm::Prefix(segments)
        } else if names.is_empty() {
            PathForm::Exact(comparable(written).into_owned())
        } else {
            PathForm::Parameters(segments)
        };
        Ok(Self { written: written.to_owned(), form })
    }

    pub(super) fn form(&self) -> &PathForm {
        &self.form
    }

    /// The one path that it matches, or the path before `/*`, as it was written: empty for `/*`.
    /// `None` where it has parameters.
    pub fn base(&self) -> Option<&str> {
        match &self.form {
            PathForm::Exact(_) => Some(&self.written),
            PathForm::Prefix(segments) if segments.iter().all(|s| s.literal().is_some()) => {
                self.written.strip_suffix("/*")
            }
            PathForm::Parameters(_) | PathForm::Prefix(_) => None,
        }
    }

    /// Whether it is one path, without parameters and `/*`.
    pub fn is_exact(&self) -> bool {
        matches!(self.form, PathForm::Exact(_))
    }

    /// Whether all its paths are `prefix` or below it; `prefix` is exact.
    pub fn is_within(&self, prefix: &Self) -> bool {
        let (shape, prefix) = (self.shape(), prefix.shape());
        shape
            .strip_prefix(&prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || prefix == "/")
    }

    /// Whether a segment has a slash in it, written `%2F`.
    pub fn has_encoded_slash(&self) -> bool {
        self.shape().contains("%2F")
    }

    /// Whether a segment is written with parameters, as `/a;v=1`.
    pub fn has_segment_parameters(&self) -> bool {
        self.shape().contains(';')
    }

    /// Whether it has `{name}`.
    pub fn has_parameter(&self, name: &str) -> bool {
        self.parameter_names().any(|own| own == name)
    }

    /// The segments of a path that its parameters match, by name; `None` where it does not match.
    /// `path` is in the form that [`comparable`](super::comparable) makes.
    pub fn parameters<'s, 'p>(&'s self, path: &'p str) -> Option<Vec<(&'s str, &'p str)>> {
        let (segments, whole) = match &self.form {
            PathForm::Exact(exact) => return (exact == path).then(Vec::new),
            PathForm::Parameters(segments) => (segments, true),
            PathForm::Prefix(segments) => (segments, false),
        };
        let (mut given, mut names) = (path.split('/').skip(1), self.parameter_names());
        let mut parameters = Vec::new();
        for segment in segments {
            let given = given.next()?;
            match segment {
                Segment::Literal(text) if text == given => {}
                Segment::Literal(_) => return None,
                Segment::Parameter if given.is_empty() => return None,
                Segment::Parameter => parameters.push((names.next()?, given)),
            }
        }
        (!whole || given.next().is_none()).then_some(parameters)
    }

    /// In their order in the path.
    fn parameter_names(&self) -> impl Iterator<Item = &str> {
        let segments = self.written.split('/');
        segments.filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
    }

    /// Sorts the patterns of one route: of those that match a path, the first one is the one that
    /// the route table prefers.
    pub fn specificity(&self) -> impl Ord + use<> {
        let (kind, segments) = match &self.form {
            PathForm::Exact(_) => (0, &[][..]),
            PathForm::Parameters(segments) => (1, &segments[..]),
            PathForm::Prefix(segments) => (2, &segments[..]),
        };
        // a literal comes before a parameter, and a longer prefix before its own beginning
        let is_parameter = |segment: &Segment| u8::from(segment.literal().is_none());
        let order: Vec<u8> = segments.iter().map(is_parameter).chain([u8::MAX]).collect();
        (kind, order)
    }

    /// The same for all patterns that match the same paths: parameters have lost their names.
    pub fn shape(&self) -> String {
        match &self.form {
            PathForm::Exact(path) => path.clone(),
            PathForm::Parameters(segments) => shape(segments),
            PathForm::Prefix(segments) => shape(segments) + "/*",
        }
    }
}

fn shape(segments: &[Segment]) -> String {
    segments.iter().map(|segment| format!("/{}", segment.literal().unwrap_or("{}"))).collect()
}

impl Segment {
    pub(super) fn literal(&self) -> Option<&str> {
        match self {
            Self::Literal(text) => Some(text),
            Self::Parameter => None,
        }
    }
}

/// As it was written.
impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_by_name() {
        let of = |pattern: &str, path: &str| {
            let pattern = PathPattern::parse(pattern).ok()?;
            let found = pattern.parameters(path)?;
            Some(found.iter().map(|(name, text)| format!("{name}={text}")).collect::<Vec<_>>())
        };
        let found = |texts: &[&str]| Some(texts.iter().map(|&text| text.to_owned()).collect());
        assert_eq!(of("/t/{tenant}/*", "/t/acme/a/b"), found(&["tenant=acme"]));
        assert_eq!(of("/t/{tenant}/*", "/t/acme"), found(&["tenant=acme"]));
        assert_eq!(of("/t/{tenant}/*", "/t/"), None);
        assert_eq!(of("/{a}/x/{b}", "/1/x/2"), found(&["a=1", "b=2"]));
        assert_eq!(of("/{a}/x/{b}", "/1/y/2"), None);
        assert_eq!(of("/{a}/x/{b}", "/1/x/2/3"), None);
        assert_eq!(of("/plain", "/plain"), found(&[]));
        assert_eq!(of("/*", "/anything"), found(&[]));
    }

    #[test]
    fn the_most_specific_pattern_comes_first() {
        let mut patterns: Vec<PathPattern> =
            ["/*", "/a/*", "/{x}/b/*", "/{x}/{y}", "/a/{y}", "/a/b/*", "/a/b"]
                .iter()
                .flat_map(|pattern| PathPattern::parse(pattern))
                .collect();
        patterns.sort_by_key(PathPattern::specificity);
        let written: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        assert_eq!(written, ["/a/b", "/a/{y}", "/{x}/{y}", "/a/b/*", "/a/*", "/{x}/b/*", "/*"]);
    }

    #[test]
    fn patterns_are_read_and_shown_as_written() {
        for path in [
            "/",
            "/*",
            "/a",
            "/a/",
            "/a/*",
            "/items/{id}",
            "/items/{id}/parts/{part}",
            "/t/{tenant}/*",
            "/a;b",
            "/a%20b",
            "/.well-known/x",
            "/v1/items%3Apurge",
            "/caf%c3%a9",
            "/api/queues/%2F/{queue}",
        ] {
            assert_eq!(
                PathPattern::parse(path).map(|pattern| pattern.to_string()),
                Ok(path.to_owned())
            );
        }
        for host in ["api.example.com", "*.example.com", "localhost", "127.0.0.1", "[::1]"] {
            assert_eq!(
                HostPattern::parse(host).map(|pattern| pattern.to_string()),
                Ok(host.to_owned())
            );
        }
    }

    #[test]
    fn an_address_has_one_form() {
        let pattern = HostPattern::parse("[0:0:0:0:0:0:0:1]").map(|pattern| pattern.to_string());
        assert_eq!(pattern.as_deref(), Ok("[::1]"));
    }

    #[test]
    fn patterns_that_cannot_match_are_refused() {
        for path in [
            "",
            "a",
            "/a//b",
            "/a/../b",
            "/%61",
            "/a/..%2fb",
            "/a/*/b",
            "/a*",
            "/*/",
            "/{",
            "/{}",
            "/a{b}",
            "/{a}/{a}",
            "/{a b}",
            "/a?b",
            "/a#b",
            "/é",
        ] {
            assert!(PathPattern::parse(path).is_err(), "{path}");
        }
        for host in [
            "", "*", "*.", "a..b", "http://a", "a:80", "a/b", "*.*.com", "a.*.com", "é.com",
            "*.[::1]",
        ] {
            assert!(HostPattern::parse(host).is_err(), "{host}");
        }
    }
}
