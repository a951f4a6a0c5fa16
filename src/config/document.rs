//! The file as read: its values with their positions.

use super::path::{KeyPath, PathStep, Position};
use super::problem::{Problem, Severity};
use super::tree::{self, NodeKind, YamlNode};
use super::values;
use serde_json::Value;

const START: Position = Position { line: 1, column: 1 };

const FOREIGN_LINE_BREAK: &str = "this character (U+0085, U+2028 or U+2029) ends a line in YAML \
    1.1 and not in YAML 1.2; remove it, or write it as an escape in double quotes";

const TWO_READINGS: &str = "this file has a different structure in YAML 1.1 and in YAML 1.2; write \
    it without unusual characters and forms";

/// Keeps the positions; the values are handed out once and then changed.
pub struct ConfigDocument {
    root: YamlNode,
    text: String,
}

struct FoundNode<'d> {
    /// Where the key is that names it, or the value itself in a list.
    key_at: Position,
    node: &'d YamlNode,
}

/// The first character that ends a line for the reader of the values (YAML 1.1) and not for the
/// reader of the positions (YAML 1.2): a comment for the one would be a key for the other.
fn foreign_line_break(text: &str) -> Option<Position> {
    let at = text.find(['\u{85}', '\u{2028}', '\u{2029}'])?;
    let before = text.get(..at).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Some(Position {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    })
}

impl ConfigDocument {
    /// Reads a text. Without a document there is at least one error in `problems`; with one there
    /// may be duplicate keys.
    pub fn parse(text: &str, problems: &mut Vec<Problem>) -> Option<(Self, Value)> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut error = |at, path: &KeyPath, message: String| {
            problems.push(Problem::at(Severity::Error, at, path, message))
        };
        if let Some(at) = foreign_line_break(text) {
            error(at, &KeyPath::root(), FOREIGN_LINE_BREAK.into());
            return None;
        }
        let mut repeated = Vec::new();
        let root = match tree::parse(text, &mut repeated) {
            Ok(root) => root,
            Err(fault) => {
                error(fault.at, &fault.path, fault.message);
                return None;
            }
        };
        for fault in repeated {
            error(fault.at, &fault.path, fault.message);
        }
        let Some(root) = root else {
            error(
                START,
                &KeyPath::root(),
                "there is nothing in the file; write at least `authorization_servers` and `routes`"
                    .into(),
            );
            return None;
        };
        match values::parse(text) {
            Ok(Value::Null) => {
                error(START, &KeyPath::root(), "there is nothing in the file; write at least `authorization_servers` and `routes`".into());
                None
            }
            Ok(values) if !root.agrees_with(&values) => {
                error(START, &KeyPath::root(), TWO_READINGS.into());
                None
            }
            Ok(values) => Some((Self { root, text: text.to_owned() }, values)),
            Err(unreadable) => {
                let (line, column) = unreadable.place.unwrap_or((1, 1));
                error(
                    Position { line, column },
                    &KeyPath::root(),
                    format!("this cannot be read: {}", unreadable.message),
                );
                None
            }
        }
    }

    /// Whether it was written in the file.
    pub fn has(&self, path: &KeyPath) -> bool {
        self.find(path).is_some()
    }

    /// The position of the key, or of the nearest one above that was written.
    pub fn key_at(&self, path: &KeyPath) -> Position {
        match (self.find(path), path.parent()) {
            (Some(found), _) => found.key_at,
            (None, Some(parent)) => self.key_at(&parent),
            (None, None) => START,
        }
    }

    /// The position of the value, or of the key of the nearest one above that was written.
    pub fn value_at(&self, path: &KeyPath) -> Position {
        self.find(path).map_or_else(|| self.key_at(path), |found| found.node.at)
    }

    /// The position of a character of the text that is written at `path`. `text`: that text
    /// without quotes, indentation and the like; `offset`: characters from its start.
    pub fn character_at(&self, path: &KeyPath, text: &str, offset: usize) -> Position {
        let Some(FoundNode { node, .. }) = self.find(path) else { return self.value_at(path) };
        let (from, to) = node.source;
        let source = self.text.chars().skip(from).take(to.saturating_sub(from));
        match place_in_source(text, offset, source) {
            Some(place) => self.position(from + place),
            None => node.at,
        }
    }

    /// The position of the first character of the `nth` reference to the environment of a text,
    /// where `references` gives the places of references in a text.
    pub fn reference_at(
        &self,
        path: &KeyPath,
        nth: usize,
        references: impl Fn(&str) -> Vec<usize>,
    ) -> Position {
        let Some(FoundNode { node, .. }) = self.find(path) else { return self.value_at(path) };
        let (from, to) = node.source;
        let source: String = self.text.chars().skip(from).take(to.saturating_sub(from)).collect();
        let Some(&offset) = references(&source).get(nth) else { return node.at };
        self.position(from + source.get(..offset).unwrap_or_default().chars().count())
    }

    /// `offset`: characters from the start of the file.
    fn position(&self, offset: usize) -> Position {
        let before: String = self.text.chars().take(offset).collect();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    fn find(&self, path: &KeyPath) -> Option<FoundNode<'_>> {
        let mut found = FoundNode { key_at: START, node: &self.root };
        for step in path.steps() {
            found = match (step, &*found.node.kind) {
                (PathStep::Key(key), NodeKind::Map(entries)) => {
                    let entry = entries.iter().find(|entry| entry.key == *key)?;
                    FoundNode { key_at: entry.key_at, node: &entry.value }
                }
                (PathStep::Item(index), NodeKind::List(items)) => {
                    let node = items.get(*index)?;
                    FoundNode { key_at: node.at, node }
                }
                _ => return None,
            };
        }
        Some(found)
    }
}

/// The place of the character of `text` at `offset` in the text's source, which may have quotes,
/// escapes and indentation besides.
fn place_in_source(text: &str, offset: usize, source: impl Iterator<Item = char>) -> Option<usize> {
    let mut source = source.enumerate();
    let mut place = None;
    for wanted in text.chars().take(offset + 1) {
        // a line break may be a space of the text
        let is_it = |c: char| c == wanted || c.is_whitespace() && wanted.is_whitespace();
        place = Some(source.by_ref().find(|(_, c)| is_it(*c))?.0);
    }
    place
}
