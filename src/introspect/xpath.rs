//! As much of XPath 1.0 as reading an answer takes: `//p:Name`, `/a/b`, `@attr` at the end, and
//! `= 'text'` behind it.

use roxmltree::{Document, Node};
use std::collections::BTreeMap;
use thiserror::Error;

/// A path, and perhaps a text to compare its result with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    steps: Vec<XPathStep>,
    attribute: Option<XPathName>,
    /// `=`
    pub equals: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct XPathStep {
    /// `//` precedes it: at any depth below.
    deep: bool,
    /// `None`: any element, before the attribute of `//@name`.
    name: Option<XPathName>,
}

/// A name with its namespace; without a prefix it is in none (XPath 1.0 §2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XPathName {
    pub namespace: Option<String>,
    pub local: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Wrong {
    #[error("is not a path; write one such as `//v:Valid`, `/a/b/@c` or `//v:Valid = 'true'`")]
    Path,
    #[error("uses the prefix `{0}`, which is not among `namespaces`")]
    Prefix(String),
}

impl Expression {
    pub fn parse(text: &str, namespaces: &BTreeMap<String, String>) -> Result<Self, Wrong> {
        let (path, equals) = match text.split_once('=') {
            None => (text, None),
            Some((path, literal)) => {
                (path, Some(quoted(literal.trim()).ok_or(Wrong::Path)?.to_owned()))
            }
        };
        let mut rest = path.trim();
        let (mut steps, mut attribute) = (Vec::new(), None);
        while !rest.is_empty() {
            if attribute.is_some() {
                return Err(Wrong::Path);
            }
            let behind = rest.strip_prefix("//");
            let deep = behind.is_some();
            let behind = behind.or_else(|| rest.strip_prefix('/')).ok_or(Wrong::Path)?;
            let end = behind.find('/').unwrap_or(behind.len());
            let (step, after) = behind.split_at(end);
            rest = after;
            match step.strip_prefix('@') {
                Some(name) => {
                    if deep {
                        steps.push(XPathStep { deep, name: None });
                    }
                    attribute = Some(XPathName::parse(name, namespaces)?);
                }
                None => {
                    steps.push(XPathStep { deep, name: Some(XPathName::parse(step, namespaces)?) })
                }
            }
        }
        if steps.is_empty() { Err(Wrong::Path) } else { Ok(Self { steps, attribute, equals }) }
    }

    /// The texts that the path leads to, without white space around them; at most `limit` + 1.
    pub fn find(&self, document: &Document<'_>, limit: usize) -> Vec<String> {
        let mut nodes = vec![document.root()];
        for step in &self.steps {
            nodes = step.from(&nodes);
        }
        let found = nodes.into_iter().filter_map(|node| match &self.attribute {
            None => Some(text(node)),
            Some(name) => node
                .attributes()
                .find(|attribute| {
                    attribute.name() == name.local
                        && attribute.namespace() == name.namespace.as_deref()
                })
                .map(|attribute| attribute.value().trim().to_owned()),
        });
        found.take(limit + 1).collect()
    }
}

impl XPathStep {
    /// The elements that it leads to, in the order of the document, each once.
    fn from<'d, 'i>(&self, nodes: &[Node<'d, 'i>]) -> Vec<Node<'d, 'i>> {
        let mut found = Vec::new();
        // nodes are in the order of the document, and so are their descendants' numbers
        let mut covered = None;
        for node in nodes {
            if self.deep {
                if covered >= Some(node.id().get()) {
                    continue;
                }
                found.extend(node.descendants().skip(1).filter(|node| self.is(*node)));
                covered = node.descendants().next_back().map(|node| node.id().get());
            } else {
                found.extend(node.children().filter(|node| self.is(*node)));
            }
        }
        found
    }

    fn is(&self, node: Node) -> bool {
        node.is_element() && self.name.as_ref().is_none_or(|name| name.is_of(node))
    }
}

impl XPathName {
    pub fn parse(text: &str, namespaces: &BTreeMap<String, String>) -> Result<Self, Wrong> {
        let (prefix, local) = match text.split_once(':') {
            None => (None, text),
            Some((prefix, local)) => (Some(prefix), local),
        };
        if !is_name(local) || !prefix.is_none_or(is_name) {
            return Err(Wrong::Path);
        }
        let namespace = match prefix {
            None => None,
            Some(prefix) => Some(
                namespaces.get(prefix).ok_or_else(|| Wrong::Prefix(prefix.to_owned()))?.clone(),
            ),
        };
        Ok(Self { namespace, local: local.to_owned() })
    }

    pub fn is_of(&self, node: Node) -> bool {
        node.tag_name().name() == self.local
            && node.tag_name().namespace() == self.namespace.as_deref()
    }
}

/// All text within an element (XPath 1.0 §5.2), without white space around it.
pub fn text(node: Node) -> String {
    let whole: String =
        node.descendants().filter(Node::is_text).filter_map(|node| node.text()).collect();
    whole.trim().to_owned()
}

fn quoted(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    text.strip_prefix(quote)?.strip_suffix(quote).filter(|inner| !inner.contains(quote))
}

/// A name without a colon, as names are in practice.
fn is_name(text: &str) -> bool {
    let first = |c: char| c.is_alphabetic() || c == '_';
    text.starts_with(first)
        && text.chars().all(|c| first(c) || c.is_numeric() || matches!(c, '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespaces() -> BTreeMap<String, String> {
        [("v".to_owned(), "urn:v".to_owned()), ("w".to_owned(), "urn:w".to_owned())].into()
    }

    const XML: &str = r#"<r xmlns:x="urn:v" id="1"><x:a k="K" x:k="NS"> one <b>two</b></x:a><a>plain</a><x:c><x:a>deep<x:a>er</x:a></x:a></x:c></r>"#;

    fn found(path: &str) -> Option<Vec<String>> {
        let document = Document::parse(XML).ok()?;
        Some(Expression::parse(path, &namespaces()).ok()?.find(&document, 9))
    }

    #[test]
    fn paths_lead_where_they_say() {
        for (path, expected) in [
            ("//v:a", &["one two", "deeper", "er"][..]),
            ("/r/v:a", &["one two"]),
            ("/r/a", &["plain"]),
            ("//a", &["plain"]),
            ("//w:a", &[]),
            ("/a", &[]),
            ("/r/v:c//v:a", &["deeper", "er"]),
            ("//v:a//v:a", &["er"]),
            ("//v:c/v:a/v:a", &["er"]),
            ("/r/@id", &["1"]),
            ("//v:a/@k", &["K"]),
            ("//v:a/@v:k", &["NS"]),
            ("//@k", &["K"]),
            ("//@id", &["1"]),
            ("/r/@none", &[]),
            ("  //b  ", &["two"]),
        ] {
            assert_eq!(
                found(path).as_deref(),
                Some(&expected.iter().map(ToString::to_string).collect::<Vec<_>>()[..]),
                "{path}"
            );
        }
    }

    #[test]
    fn a_comparison_has_a_quoted_text() {
        let equals =
            |text: &str| Expression::parse(text, &namespaces()).map(|expression| expression.equals);
        assert_eq!(equals("//v:a = 'true'"), Ok(Some("true".into())));
        assert_eq!(equals("//v:a=\"it's = x\""), Ok(Some("it's = x".into())));
        assert_eq!(equals("//v:a"), Ok(None));
        for text in [
            "//v:a = true",
            "//v:a = 'true",
            "//v:a = ",
            "//v:a = 'a' or 'b'",
            "= 'x'",
            "//v:a = ''x'",
        ] {
            assert_eq!(equals(text), Err(Wrong::Path), "{text}");
        }
    }

    #[test]
    fn everything_else_of_xpath_is_refused() {
        for text in [
            "", "/", "//", "a", "v:a", "//*", "//v:a[1]", "//v:a/..", "/a//", "//text()", "@a",
            "/@a", "//@a/b", "//a|//b", "///a", "//a b", "//a:b:c", "//1a",
        ] {
            assert_eq!(Expression::parse(text, &namespaces()), Err(Wrong::Path), "{text}");
        }
        assert_eq!(Expression::parse("//u:a", &namespaces()), Err(Wrong::Prefix("u".into())));
    }

    #[test]
    fn the_number_of_matches_is_limited() {
        let Ok(document) = Document::parse("<r><a>1</a><a>2</a><a>3</a></r>") else {
            panic!("no XML")
        };
        let Ok(path) = Expression::parse("//a", &namespaces()) else { panic!("no path") };
        assert_eq!(path.find(&document, 1), ["1", "2"]);
    }
}
