//! A compiled condition.

use super::evaluate::{self, Subject};
use super::typed::{TypeChecker, Uses};
use crate::policy::check::Case;
use crate::route::PathPattern;
use cel::IdedExpr;
use cel::common::ast::SourceInfo;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Bytes of a condition.
const LONGEST: usize = 4096;
/// Brackets inside each other; the parser takes more of them apart than the checker allows.
const PARSED_DEPTH: u16 = 48;

/// `require` of one route.
pub struct Condition {
    source: Box<str>,
    pub(super) expression: IdedExpr,
    pub(super) uses: Uses,
    /// The paths of the route, the most specific first: they give `request.params`.
    pub(super) paths: Box<[PathPattern]>,
}

/// A mistake in a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionMistake {
    /// Characters from the start of the condition.
    pub offset: usize,
    /// The mistake, and how to correct it.
    pub message: String,
}

impl Condition {
    /// `paths`: those that the route matches; `None` where no route is known yet, as in `defaults`.
    /// All mistakes are found, in the order of the text.
    pub fn compile(
        source: &str,
        paths: Option<&[PathPattern]>,
    ) -> Result<Self, Vec<ConditionMistake>> {
        if source.len() > LONGEST {
            let message = format!("is longer than {LONGEST} bytes; make it shorter");
            return Err(vec![ConditionMistake { offset: 0, message }]);
        }
        let (expression, info) = parse(source)?;
        let mut checker = TypeChecker::new(&info);
        checker.condition(&expression);
        let TypeChecker { params, uses, mut mistakes, .. } = checker;
        if let Some(paths) = paths {
            for (name, offset) in params {
                if let Some(path) = paths.iter().find(|path| !path.has_parameter(name)) {
                    let message =
                        format!("the route's path `{path}` has no parameter `{{{name}}}`");
                    mistakes.push(ConditionMistake { offset, message });
                }
            }
        }
        if !mistakes.is_empty() {
            mistakes.sort_by_key(|mistake| mistake.offset);
            mistakes.dedup();
            return Err(mistakes);
        }
        let mut paths = paths.unwrap_or_default().to_vec();
        paths.sort_by_key(PathPattern::specificity);
        Ok(Self { source: source.into(), expression, uses, paths: paths.into() })
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it is true. An error explains in words why evaluation failed, and names no value of
    /// the token or the request.
    pub fn holds(&self, case: &Case<'_>) -> Result<bool, String> {
        let subject = Subject::new(self, case)?;
        // the library is not written by us; a panic in it must not let a request pass, nor end it
        // without an answer
        let outcome =
            catch_unwind(AssertUnwindSafe(|| evaluate::evaluate(&self.expression, &subject)));
        outcome.unwrap_or_else(|_| Err("the evaluation panicked; please report this".into()))
    }
}

/// An expression, and where each part of it is written.
pub(super) type ParsedCondition = (IdedExpr, SourceInfo);

fn parse(source: &str) -> Result<ParsedCondition, Vec<ConditionMistake>> {
    let compile = || evaluate::parse(source, PARSED_DEPTH);
    // the parser recurses as deep as the text does, so it gets a stack of its own
    let parsed = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(PARSER_STACK);
        match thread.spawn_scoped(scope, compile) {
            Ok(parsing) => parsing.join().ok(),
            Err(_) => None,
        }
    });
    match parsed {
        Some(Ok(parsed)) => Ok(parsed),
        Some(Err(errors)) => Err(errors
            .errors
            .iter()
            .map(|error| ConditionMistake {
                offset: offset(source, error.pos),
                message: format!("is no CEL: {}", short(&error.msg)),
            })
            .collect()),
        None => {
            let message = "cannot be parsed; make it simpler".into();
            Err(vec![ConditionMistake { offset: 0, message }])
        }
    }
}

/// Bytes.
const PARSER_STACK: usize = 32 << 20;

/// A line and a column, both from 1, as characters from the start.
fn offset(source: &str, (line, column): (isize, isize)) -> usize {
    let line = usize::try_from(line).unwrap_or(1).max(1);
    let before: usize =
        source.split_inclusive('\n').take(line - 1).map(|line| line.chars().count()).sum();
    before + usize::try_from(column).unwrap_or(1).max(1) - 1
}

/// Without the parser's list of everything that could have been there.
fn short(message: &str) -> String {
    let first = message.lines().next().unwrap_or_default();
    let first = first.split(", expecting").next().unwrap_or(first);
    let first = first.split(" expecting").next().unwrap_or(first);
    first.trim_start_matches("Syntax error: ").trim().to_owned()
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.source).finish()
    }
}
