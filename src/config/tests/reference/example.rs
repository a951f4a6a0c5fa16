//! Reads values from `gateway.yaml.example`, also from lines that are commented out there. A key
//! without a value may have one in its comment: `key: ""  # example: value; further text`.

use crate::config::tests::EXAMPLE;
use serde_json::Value;
use std::collections::BTreeMap;

/// Maps whose keys are names of the user's choice.
const NAMED: [&str; 2] = ["authorization_servers", "upstreams"];

/// From a key's path, as in `routes[].scopes`, to the first value that is written for it.
pub fn values() -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    // the keys above the present line, each with its column
    let mut above: Vec<(usize, String)> = Vec::new();
    for line in EXAMPLE.lines() {
        let Some((column, entry, key, value)) = parts(line) else { continue };
        above.retain(|(other, _)| *other < column);
        if entry && let Some((_, list)) = above.last_mut() {
            *list = list.trim_end_matches("[]").to_owned() + "[]";
        }
        let parent = above.last().map_or("", |(_, path)| path);
        let path = match parent {
            "" => key.to_owned(),
            named if NAMED.contains(&named) => format!("{named}.NAME"),
            parent => format!("{parent}.{key}"),
        };
        add(&mut values, &path, value);
        above.push((if entry { column + 1 } else { column }, path));
    }
    values
}

/// Column, whether it begins an entry of a list, key and value of a line such as `  # key: value`.
fn parts(line: &str) -> Option<(usize, bool, &str, &str)> {
    let text = line.trim_start_matches([' ', '#']);
    let mut column = line.len() - text.len();
    if line.trim_start().starts_with("# ") {
        column -= 2;
    }
    let (entry, text) = match text.strip_prefix("- ") {
        Some(text) => (true, text),
        None => (false, text),
    };
    let (key, value) = text.split_once(':')?;
    let is_key = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let is_value = value.is_empty() || value.starts_with(' ');
    let (value, comment) = split_comment(value);
    let example = comment.strip_prefix("# example: ").and_then(|text| text.split("; ").next());
    let value = match value.trim() {
        "" | "\"\"" | "[]" | "{}" => example.unwrap_or_default(),
        value => value,
    };
    let column = if entry { column + 1 } else { column };
    (is_key && is_value).then_some((column, entry, key, value))
}

/// The value, and the comment behind it, which begins with `#` after a space outside of quotes.
fn split_comment(value: &str) -> (&str, &str) {
    let mut quoted = false;
    let mut before = ' ';
    for (place, c) in value.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '#' if !quoted && before == ' ' => return value.split_at(place),
            _ => {}
        }
        before = c;
    }
    (value, "")
}

/// This value, and those inside of it if it is `{ … }`.
fn add(values: &mut BTreeMap<String, String>, path: &str, text: &str) {
    let read: Value = serde_yaml::from_str(text).unwrap_or_default();
    if let Value::Object(members) = &read {
        for (key, value) in members {
            let text = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            add(values, &format!("{path}.{key}"), &text);
        }
    }
    if !matches!(text, "" | "|") {
        values.entry(path.to_owned()).or_insert_with(|| text.trim_matches('"').to_owned());
    }
}
