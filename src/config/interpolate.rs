//! `${NAME}` and `${NAME:-default}` in text values, from the environment; `$${` is an escaped `${`.

use super::document::ConfigDocument;
use super::path::KeyPath;
use super::problem::{Problem, Severity};
use serde_json::Value;
use std::collections::HashSet;

/// Outcome of the texts that refer to the environment.
#[derive(Debug, Default)]
pub struct Interpolated {
    /// Holds something that came from the environment, and is therefore never shown.
    pub foreign: HashSet<KeyPath>,
    /// One reference and nothing else, so that its value may be a number or a boolean.
    pub whole: HashSet<KeyPath>,
    /// Could not be resolved; already reported.
    pub failed: HashSet<KeyPath>,
}

/// Replaces all references in `values`; those that cannot be replaced stay and are reported.
pub fn interpolate(
    values: &mut Value,
    document: &ConfigDocument,
    env: &dyn Fn(&str) -> Option<String>,
    problems: &mut Vec<Problem>,
) -> Interpolated {
    let mut done = Interpolated::default();
    walk(values, &KeyPath::root(), &mut |text, path| {
        if !text.contains("${") {
            return;
        }
        let expansion = expand(text, env);
        for (nth, message) in expansion.faults {
            let at = document.reference_at(path, nth, references);
            problems.push(Problem::at(Severity::Error, at, path, message));
            done.failed.insert(path.clone());
        }
        if expansion.foreign {
            done.foreign.insert(path.clone());
        }
        if expansion.whole {
            done.whole.insert(path.clone());
        }
        *text = expansion.text;
    });
    done
}

fn walk(value: &mut Value, path: &KeyPath, visit: &mut dyn FnMut(&mut String, &KeyPath)) {
    match value {
        Value::String(text) => visit(text, path),
        Value::Array(items) => {
            items.iter_mut().enumerate().for_each(|(i, item)| walk(item, &path.item(i), visit))
        }
        Value::Object(members) => {
            members.iter_mut().for_each(|(key, member)| walk(member, &path.key(key), visit))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[derive(Debug, Default)]
struct Expansion {
    text: String,
    foreign: bool,
    whole: bool,
    /// The index of the reference, and its fault.
    faults: Vec<(usize, String)>,
}

fn expand(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Expansion {
    let mut expansion = Expansion::default();
    let mut nth = 0;
    for piece in pieces(text) {
        match piece {
            Piece::Plain(plain) => expansion.text.push_str(plain),
            Piece::Reference { inside, .. } => {
                expansion.whole = inside.is_some_and(|inside| inside.len() + 3 == text.len());
                match resolve(inside, env) {
                    Ok((value, foreign)) => {
                        expansion.text.push_str(&value);
                        expansion.foreign |= foreign;
                    }
                    Err(message) => expansion.faults.push((nth, message)),
                }
                nth += 1;
            }
        }
    }
    expansion
}

/// The value, and whether it came from the environment rather than from the file.
fn resolve(
    inside: Option<&str>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(String, bool), String> {
    let inside = inside.ok_or(
        "`${` has no `}` behind it; close it, or write `$${` for the two characters themselves",
    )?;
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let valid = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if name.is_empty() || !valid {
        return Err("the text in `${…}` is not the name of an environment variable; write `${NAME}` or `${NAME:-default}`, \
                    or `$${` for the two characters themselves"
            .into());
    }
    match (env(name), default) {
        // as in a shell, `:-` also replaces an empty variable
        (None, Some(default)) => Ok((default.to_owned(), false)),
        (Some(value), Some(default)) if value.is_empty() => Ok((default.to_owned(), false)),
        (Some(value), _) => Ok((value, true)),
        (None, None) => Err(format!(
            "the environment variable `{name}` is not set; set it, or write `${{{name}:-default}}`"
        )),
    }
}

/// Where in `text` each reference begins, in bytes.
fn references(text: &str) -> Vec<usize> {
    pieces(text)
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Reference { at, .. } => Some(at),
            Piece::Plain(_) => None,
        })
        .collect()
}

enum Piece<'t> {
    Plain(&'t str),
    /// The text between the braces; `None` without a closing brace.
    Reference {
        at: usize,
        inside: Option<&'t str>,
    },
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("${").map(|offset| at + offset) {
        if text[at..found].ends_with('$') {
            pieces.push(Piece::Plain(&text[at..found - 1]));
            pieces.push(Piece::Plain("${"));
            at = found + 2;
            continue;
        }
        pieces.push(Piece::Plain(&text[at..found]));
        let inside = text[found + 2..].split_once('}').map(|(inside, _)| inside);
        pieces.push(Piece::Reference { at: found, inside });
        at = inside.map_or(text.len(), |inside| found + 3 + inside.len());
    }
    pieces.push(Piece::Plain(&text[at..]));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "A" => Some("alpha".into()),
            "EMPTY" => Some(String::new()),
            "REF" => Some("${A}".into()),
            _ => None,
        }
    }

    #[test]
    fn references_are_replaced_once() {
        for (text, expected) in [
            ("${A}", "alpha"),
            ("x${A}y${A}", "xalphayalpha"),
            ("${NONE:-fallback}", "fallback"),
            ("${NONE:-}", ""),
            ("${NONE:-a:-b}", "a:-b"),
            ("${A:-fallback}", "alpha"),
            ("${EMPTY:-fallback}", "fallback"),
            ("${EMPTY}", ""),
            ("${REF}", "${A}"),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
            ("$A $ $}", "$A $ $}"),
            ("ünï${A}cödé", "ünïalphacödé"),
        ] {
            let expansion = expand(text, &env);
            assert_eq!((&*expansion.text, expansion.faults.len()), (expected, 0), "{text}");
        }
    }

    #[test]
    fn only_a_lone_reference_may_become_a_number() {
        for (text, whole) in [
            ("${A}", true),
            ("${NONE:-5}", true),
            ("${A}${A}", false),
            ("x${A}", false),
            ("${A} ", false),
        ] {
            assert_eq!(expand(text, &env).whole, whole, "{text}");
        }
    }

    #[test]
    fn broken_references_are_reported() {
        for text in ["${NONE}", "${", "${A", "${}", "${1A}", "${A-b}", "${:-x}", "${a b}"] {
            assert_eq!(expand(text, &env).faults.len(), 1, "{text}");
        }
        assert_eq!(
            expand("${NONE}${A}${", &env).faults.iter().map(|(nth, _)| *nth).collect::<Vec<_>>(),
            [0, 2]
        );
    }

    #[test]
    fn only_values_from_the_environment_are_foreign() {
        assert!(expand("${A}", &env).foreign);
        assert!(!expand("${NONE:-x}", &env).foreign);
    }
}
