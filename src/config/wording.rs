//! The schema's findings about a value, in plain words.

use super::nearest::nearest;
use jsonschema::error::ValidationErrorKind as Kind;
use serde_json::Value;

/// `wanted`: the schema of the place. `shown` makes a text of the file fit to be printed.
pub fn wording(
    kind: &Kind,
    wanted: &Value,
    value: &Value,
    shown: &dyn Fn(&str) -> String,
) -> String {
    let found = found(value, shown);
    match kind {
        Kind::MinItems { .. } => "is an empty list; name at least one, or remove the key".into(),
        Kind::MinProperties { .. } => "is empty; write at least one".into(),
        _ if value.is_null() => {
            format!("has no value; write {}, or remove the key", expected(wanted))
        }
        Kind::Minimum { limit } if !has_title(wanted) => {
            format!("must be at least {limit}, found {found}")
        }
        Kind::Maximum { limit } if !has_title(wanted) => {
            format!("must be at most {limit}, found {found}")
        }
        _ => {
            format!("expected {}, found {found}{}", expected(wanted), advice(wanted, value, &found))
        }
    }
}

fn has_title(wanted: &Value) -> bool {
    wanted.get("title").is_some()
}

fn expected(wanted: &Value) -> String {
    if let Some(title) =
        wanted.get("title").and_then(Value::as_str).filter(|_| !is_kind(wanted, "object"))
    {
        return title.to_owned();
    }
    if let Some(options) = options(wanted) {
        let words: Vec<String> =
            options.iter().map(|option| format!("`{}`", plain(option))).collect();
        return match words.as_slice() {
            [only] => only.clone(),
            words => format!("one of {}", words.join(", ")),
        };
    }
    let kinds: Vec<&str> = match wanted.get("type") {
        Some(Value::String(kind)) => vec![kind],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let words: Vec<&str> = kinds.into_iter().map(kind_word).collect();
    if words.is_empty() { "something else".into() } else { words.join(" or ") }
}

fn kind_word(kind: &str) -> &str {
    match kind {
        "object" => "a mapping (`key: value`)",
        "array" => "a list",
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "`true` or `false`",
        other => other,
    }
}

fn found(value: &Value, shown: &dyn Fn(&str) -> String) -> String {
    match value {
        Value::Null => "nothing".into(),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "a mapping".into(),
        Value::String(text) => shown(text),
        number_or_boolean => shown(&number_or_boolean.to_string()),
    }
}

fn advice(wanted: &Value, value: &Value, found: &str) -> String {
    let hidden = !found.starts_with('`');
    if let (Some(options), Value::String(text), false) = (options(wanted), value, hidden) {
        let words: Vec<String> = options.iter().map(plain).collect();
        return nearest(text, words.iter().map(String::as_str))
            .map(|word| format!("; did you mean `{word}`?"))
            .unwrap_or_default();
    }
    let only_text = is_kind(wanted, "string") && !has_title(wanted) && options(wanted).is_none();
    match value {
        Value::Number(_) | Value::Bool(_) if only_text => "; put it in quotes".into(),
        Value::String(_) | Value::Number(_) if is_kind(wanted, "array") => {
            "; put it in brackets, as in `[a, b]`".into()
        }
        _ => String::new(),
    }
}

fn is_kind(wanted: &Value, kind: &str) -> bool {
    wanted.get("type").is_some_and(|wanted| wanted == kind)
}

fn options(wanted: &Value) -> Option<&Vec<Value>> {
    wanted.get("enum").and_then(Value::as_array)
}

fn plain(option: &Value) -> String {
    option.as_str().map_or_else(|| option.to_string(), str::to_owned)
}
