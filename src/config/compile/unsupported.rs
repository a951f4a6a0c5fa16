//! Keys whose capability this version does not have: refused when they are written, never ignored.

use crate::config::path::{KeyPath, Step};
use crate::config::report::Report;
use serde_json::Value;

/// Their places, with `*` for any name or place in a list.
const KEYS: [&str; 1] = ["protected_resource"];

/// Looks at values that fit the schema.
pub fn refuse_unsupported(values: &Value, report: &Report) {
    for key in KEYS {
        let steps: Vec<&str> = key.split('.').collect();
        find(values, &steps, &KeyPath::root(), &mut |_, path| {
            report.error_at_key(path, "is not supported in this version; remove it")
        });
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
