//! Keys whose capability this version does not have: refused when they are written, never ignored.
//! Writing the documented default is no harm.

use crate::config::path::{KeyPath, Step};
use crate::config::report::Report;
use serde_json::{Value, json};

/// Where a key is, with `*` for any name or place in a list; and what may be written all the same.
type Entry = (String, Except);

#[derive(Clone)]
enum Except {
    /// The key as such is not supported.
    Nothing,
    /// Only values other than these are not supported.
    Values(Value),
}

/// Looks at values that fit the schema.
pub fn refuse_unsupported(values: &Value, report: &Report) {
    for (pattern, except) in entries() {
        let steps: Vec<&str> = pattern.split('.').collect();
        find(values, &steps, &KeyPath::root(), &mut |value, path| {
            refuse(&except, value, path, report)
        });
    }
}

fn refuse(except: &Except, value: &Value, path: &KeyPath, report: &Report) {
    let fine = match except {
        Except::Nothing => {
            report.error_at_key(path, "is not supported in this version; remove it");
            return;
        }
        Except::Values(Value::Array(fine)) => fine,
        Except::Values(_) => return,
    };
    if fine.contains(value) {
        return;
    }
    let words: Vec<String> = fine.iter().map(word).collect();
    let words = match words.split_last() {
        Some((last, words)) if !words.is_empty() => format!("{} or {last}", words.join(", ")),
        _ => words.concat(),
    };
    match value.as_str() {
        _ if words.is_empty() => {
            report.error_at_key(path, "is not supported in this version; remove it")
        }
        Some(text) => {
            let shown = report.shown(path, text);
            report.error(
                path,
                format!(
                    "{shown} is not supported in this version; write {words}, or remove the key"
                ),
            );
        }
        None => report.error(
            path,
            format!("is not supported in this version; write {words}, or remove the key"),
        ),
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => String::new(),
        Value::String(text) => format!("`{text}`"),
        Value::Array(items) if items.is_empty() => String::new(),
        other => format!("`{}`", other.to_string().replace('"', "").replace(',', ", ")),
    }
}

fn find(value: &Value, pattern: &[&str], path: &KeyPath, found: &mut dyn FnMut(&Value, &KeyPath)) {
    let Some((first, rest)) = pattern.split_first() else {
        found(value, path);
        return;
    };
    match (value, *first) {
        (Value::Array(items), "*") => {
            items
                .iter()
                .enumerate()
                .for_each(|(i, item)| find(item, rest, &path.step(Step::Item(i)), found));
        }
        (Value::Object(members), "*") => {
            members.iter().for_each(|(key, member)| find(member, rest, &path.key(key), found))
        }
        (Value::Object(members), key) => {
            if let Some(member) = members.get(key) {
                find(member, rest, &path.key(key), found);
            }
        }
        _ => {}
    }
}

fn entries() -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut add = |section: &str, keys: &[(&str, Except)]| {
        entries
            .extend(keys.iter().map(|(key, except)| (format!("{section}{key}"), except.clone())));
    };
    add(
        "",
        &[
            ("protected_resource", Except::Nothing),
            ("identity.assertion", Except::Nothing),
        ],
    );
    for section in ["defaults.", "routes.*."] {
        add(section, &[("rate_limit", Except::Nothing)]);
    }
    entries
}

fn but(values: Value) -> Except {
    Except::Values(values)
}
