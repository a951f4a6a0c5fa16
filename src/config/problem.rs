//! Problems of a configuration, and their presentation.

use super::path::{KeyPath, Position};
use std::fmt;
use std::path::Path;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can be used, but probably does not do what the user intended.
    Warning,
}

/// One mistake. It never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub severity: Severity,
    /// Counts from 1; 0 when the problem is not at a place in the file.
    pub line: usize,
    /// Counts from 1, in characters.
    pub column: usize,
    /// `routes[0].scopes`; empty for the document as a whole.
    pub path: String,
    /// The problem; the remedy.
    pub message: String,
}

impl Problem {
    pub(super) fn at(
        severity: Severity,
        at: Position,
        path: &KeyPath,
        message: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            line: at.line,
            column: at.column,
            path: path.to_string(),
            message: message.into(),
        }
    }

    /// Whether it is about this top-level section, or about the file as a whole.
    pub fn concerns(&self, section: &str) -> bool {
        let inside = self.path.strip_prefix(section);
        self.path.is_empty()
            || inside.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }

    /// A problem of the file as such: it is missing, say. `line` 0: it has no place.
    pub(super) fn of_the_file(line: usize, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            line,
            column: line.min(1),
            path: String::new(),
            message: message.into(),
        }
    }

    /// `FILE:LINE:COL: error: path.to.key: what is wrong; what to do`.
    pub fn display<'a>(&'a self, file: &'a Path) -> impl fmt::Display + 'a {
        InFile { problem: self, file }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

struct InFile<'a> {
    problem: &'a Problem,
    file: &'a Path,
}

impl fmt::Display for InFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { severity, line, column, path, message } = self.problem;
        write!(f, "{}:", self.file.display())?;
        if *line > 0 {
            write!(f, "{line}:{column}:")?;
        }
        write!(f, " {severity}: ")?;
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        f.write_str(message)
    }
}
