//! Collects the problems of one reading of the file, each at its place.

use super::document::ConfigDocument;
use super::path::{KeyPath, Position};
use super::problem::{Problem, Severity};
use super::redact::{REDACTED, is_secret};
use std::cell::RefCell;
use std::collections::HashSet;

pub struct Report<'d> {
    document: &'d ConfigDocument,
    foreign: &'d HashSet<KeyPath>,
    /// Values that were reported and removed. Problems that follow from their absence are not
    /// reported.
    broken: RefCell<HashSet<KeyPath>>,
    problems: RefCell<Vec<Problem>>,
}

impl<'d> Report<'d> {
    /// `foreign`: the places whose text came from the environment.
    pub fn new(
        document: &'d ConfigDocument,
        foreign: &'d HashSet<KeyPath>,
        problems: Vec<Problem>,
    ) -> Self {
        Self { document, foreign, broken: RefCell::default(), problems: RefCell::new(problems) }
    }

    /// A mistake in a value.
    pub fn error(&self, path: &KeyPath, message: impl Into<String>) {
        self.add(Severity::Error, self.document.value_at(path), path, message.into());
    }

    /// A mistake in that the key is there, or is missing.
    pub fn error_at_key(&self, path: &KeyPath, message: impl Into<String>) {
        self.add(Severity::Error, self.document.key_at(path), path, message.into());
    }

    /// A mistake inside of a text, `offset` characters after its start.
    pub fn error_within(
        &self,
        path: &KeyPath,
        text: &str,
        offset: usize,
        message: impl Into<String>,
    ) {
        let at = self.document.character_at(path, text, offset);
        self.add(Severity::Error, at, path, message.into());
    }

    pub fn warning_at_key(&self, path: &KeyPath, message: impl Into<String>) {
        self.add(Severity::Warning, self.document.key_at(path), path, message.into());
    }

    pub fn warning(&self, path: &KeyPath, message: impl Into<String>) {
        self.add(Severity::Warning, self.document.value_at(path), path, message.into());
    }

    fn add(&self, severity: Severity, at: Position, path: &KeyPath, message: String) {
        self.problems.borrow_mut().push(Problem::at(severity, at, path, message));
    }

    /// Suppresses further reports about this place.
    pub fn give_up(&self, path: KeyPath) {
        self.broken.borrow_mut().insert(path);
    }

    /// Whether this place, or one that it is in, was given up.
    pub fn is_broken(&self, path: &KeyPath) -> bool {
        self.broken.borrow().iter().any(|broken| path.is_within(broken))
    }

    /// The names of a section's members that were given up.
    pub fn broken_members(&self, section: &KeyPath) -> Vec<String> {
        let broken = self.broken.borrow();
        let members = broken.iter().filter(|path| path.parent().as_ref() == Some(section));
        members.filter_map(|path| path.keys().last().map(str::to_owned)).collect()
    }

    /// Whether it was written in the file.
    pub fn has(&self, path: &KeyPath) -> bool {
        self.document.has(path)
    }

    /// `line 12`, for a message about another place.
    pub fn line(&self, path: &KeyPath) -> String {
        format!("line {}", self.document.key_at(path).line)
    }

    /// A text of the file as messages may show it.
    pub fn shown(&self, path: &KeyPath, text: &str) -> String {
        if self.hides(path) {
            return REDACTED.to_owned();
        }
        let short: String = text.chars().take(60).flat_map(char::escape_debug).collect();
        let short = short.replace("\\'", "'").replace("\\\"", "\"");
        format!("`{short}{}`", if text.chars().count() > 60 { "…" } else { "" })
    }

    /// Whether the value at `path` must not be shown.
    pub fn hides(&self, path: &KeyPath) -> bool {
        self.foreign.contains(path) || is_secret(path)
    }

    /// Whether anything in there must not be shown.
    pub fn hides_within(&self, path: &KeyPath) -> bool {
        is_secret(path) || self.foreign.iter().any(|foreign| foreign.is_within(path))
    }

    pub fn has_errors(&self) -> bool {
        self.problems.borrow().iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Whether there is an error in this top-level section.
    pub fn has_errors_in(&self, section: &str) -> bool {
        let is_error = |problem: &&Problem| problem.severity == Severity::Error;
        self.problems.borrow().iter().filter(is_error).any(|problem| problem.concerns(section))
    }

    /// All problems by their place, each once.
    pub fn into_problems(self) -> Vec<Problem> {
        sorted(self.problems.into_inner())
    }
}

pub fn sorted(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by(|a, b| {
        let key = |problem: &Problem| (problem.line, problem.column, problem.severity);
        key(a)
            .cmp(&key(b))
            .then_with(|| a.path.cmp(&b.path))
            .then_with(|| a.message.cmp(&b.message))
    });
    problems.dedup();
    problems
}
