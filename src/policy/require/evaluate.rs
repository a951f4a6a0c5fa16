//! One evaluation of a condition.

use super::bound::INPUT;
use super::condition::{Condition, ParsedCondition};
use super::functions::ENVIRONMENT;
use super::values::{ClaimsValue, Headers, RequestValue, Texts, of_json};
use crate::policy::check::Case;
use cel::common::types::{CelBool, CelList, CelString, CelTimestamp};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use cel::{Context, ExecutionError, IdedExpr, ParseErrors, Value};
use chrono::DateTime;
use serde_json::Map;
use std::sync::{Arc, LazyLock};

/// The variables of one evaluation.
pub struct Subject<'c> {
    claims: ClaimsValue<'c>,
    scopes: Option<CelList<'c>>,
    request: RequestValue<'c>,
    now: CelTimestamp,
}

static NO_CLAIMS: LazyLock<Map<String, serde_json::Value>> = LazyLock::new(Map::new);

impl<'c> Subject<'c> {
    /// Errors: a part of the input is too large, or cannot be read; the text names the part.
    pub fn new(condition: &'c Condition, case: &'c Case<'_>) -> Result<Self, String> {
        let uses = &condition.uses;
        let facts = case.facts;
        let members = match uses.any_claim || !uses.claims.is_empty() {
            true if facts.claims.text().len() as u64 > INPUT => {
                return Err("the claims are larger than 64 KiB".into());
            }
            true => facts.claims.members(),
            false => &NO_CLAIMS,
        };
        let mut named = Vec::with_capacity(uses.claims.len());
        for name in &uses.claims {
            if let Some(value) = members.get(&**name) {
                named.push((&**name, of_json(value)?));
            }
        }
        let scopes = uses.scopes.then(|| {
            let held = facts.scopes();
            let all = held.iter().chain(case.server.implications.added(held));
            let texts: Vec<Box<dyn Val + 'c>> =
                all.map(|scope| Box::new(CelString::from(scope)) as Box<dyn Val + 'c>).collect();
            CelList::from(texts)
        });
        let params = if uses.params { params(condition, case)? } else { Texts::default() };
        let client = case.request.forwarded.client;
        let request = RequestValue {
            request: case.request,
            client_ip: client.map(|client| client.to_string()).unwrap_or_default(),
            params,
            headers: Headers(case.request.headers),
        };
        let now = DateTime::from_timestamp_millis(case.now.wall).ok_or("the clock is wrong")?;
        Ok(Self {
            claims: ClaimsValue { members, named },
            scopes,
            request,
            now: CelTimestamp::from(now.fixed_offset()),
        })
    }
}

/// The parameters of the most specific path that matches.
fn params<'c>(condition: &'c Condition, case: &Case<'_>) -> Result<Texts<'c>, String> {
    let found = condition.paths.iter().find_map(|path| path.parameters(case.request.path));
    let mut texts = Vec::new();
    for (name, segment) in found.unwrap_or_default() {
        let decoded = percent_encoding::percent_decode_str(segment).decode_utf8();
        let decoded = decoded.map_err(|_| format!("the parameter `{name}` is not UTF-8"))?;
        texts.push((name, decoded.into_owned()));
    }
    Ok(Texts(texts))
}

impl VariableResolver for Subject<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        match variable {
            "claims" => Some(CowVal::Borrowed(&self.claims)),
            "scopes" => self.scopes.as_ref().map(|scopes| CowVal::Borrowed(scopes as &dyn Val)),
            "request" => Some(CowVal::Borrowed(&self.request)),
            "now" => Some(CowVal::Borrowed(&self.now)),
            _ => None,
        }
    }
}

pub fn evaluate(expression: &IdedExpr, subject: &Subject<'_>) -> Result<bool, String> {
    let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
    context.set_variable_resolver(subject);
    let value = Value::resolve_val(expression, &context).map_err(|error| cause(&error))?;
    match value.downcast_ref::<CelBool>() {
        Some(value) => Ok(*value.inner()),
        None => Err(format!("the value is not a bool, but {}", value.get_type().name())),
    }
}

/// In words, without a value of the token or the request.
fn cause(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(name) => format!("there is no member {}", quoted(name)),
        ExecutionError::NoSuchOverload(error) => error.to_string(),
        ExecutionError::UnexpectedType { got, want } => format!("{got} in place of {want}"),
        ExecutionError::UndeclaredReference(name) => format!("there is no {}", quoted(name)),
        ExecutionError::ValuesNotComparable(..) => "the values cannot be compared".into(),
        ExecutionError::UnsupportedBinaryOperator(operator, ..) => {
            format!("the operator `{operator}` is not for these values")
        }
        ExecutionError::DivisionByZero(_) => "division by zero".into(),
        ExecutionError::RemainderByZero(_) => "remainder by zero".into(),
        ExecutionError::Overflow(operator, ..) => format!("the operator `{operator}` overflowed"),
        ExecutionError::IndexOutOfBounds(_) | ExecutionError::UnsupportedIndex(..) => {
            "there is no such item in the list".into()
        }
        // the message of a conversion shows the value
        ExecutionError::FunctionError { function, message } => match function.as_str() {
            "claims" | "headers" | "request" => message.clone(),
            function => format!("the function `{function}` does not take this value"),
        },
        _ => "the expression is not for these values".into(),
    }
}

/// A name that may come from the request.
fn quoted(name: &str) -> String {
    format!("`{}`", name.chars().take(60).flat_map(char::escape_debug).collect::<String>())
}

/// Parses, with so many brackets inside each other at most.
pub fn parse(source: &str, depth: u16) -> Result<ParsedCondition, ParseErrors> {
    ENVIRONMENT.parser().max_recursion_depth(depth).parse_with_source_info(source)
}

/// Whether an expression without variables is true.
pub fn is_true(source: &str) -> bool {
    let Ok((expression, _)) = parse(source, 8) else { return false };
    let context = Context::with_env(Arc::clone(&ENVIRONMENT));
    let value = Value::resolve_val(&expression, &context);
    value.is_ok_and(|value| value.downcast_ref::<CelBool>().is_some_and(|value| *value.inner()))
}
