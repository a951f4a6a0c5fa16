//! `require` of a route.

use super::Context;
use crate::config::path::KeyPath;
use crate::policy::Condition;
use crate::route::PathPattern;
use std::sync::Arc;

pub fn require(
    cx: Context,
    path: &KeyPath,
    source: Option<&str>,
    paths: Option<&[PathPattern]>,
) -> Option<Arc<Condition>> {
    let source = source.filter(|source| !source.is_empty())?;
    match Condition::compile(source, paths) {
        Ok(condition) => Some(Arc::new(condition)),
        Err(mistakes) if cx.report.hides(path) => {
            let count = mistakes.len();
            let message = format!(
                "has {count} mistakes, which are not shown since the text comes from the environment; write the condition in the file"
            );
            cx.report.error(path, message);
            None
        }
        Err(mistakes) => {
            for mistake in mistakes {
                cx.report.error_within(path, source, mistake.offset, mistake.message);
            }
            None
        }
    }
}
