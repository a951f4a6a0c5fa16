//! Holds the document against the JSON Schema: it reports all mistakes at once, and removes the
//! mistaken values, so that the rest can be examined further.

use super::interpolate::Interpolated;
use super::nearest::{hint, nearest};
use super::path::{KeyPath, PathStep, ShownKey};
use super::report::Report;
use super::schema::schema;
use super::values::scalar;
use super::wording::wording;
use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::{Draft, Validator};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Made for each file: a gateway reads one in a long time, and would keep it in memory meanwhile.
struct SchemaChecker {
    schema: Value,
    validator: Option<Validator>,
}

/// The library first holds the schema against the draft's own schema. That of 2020-12 takes several
/// times as long as everything else of the check. All keywords of our schema mean the same in draft
/// 7, which a test of the schema keeps true.
const DRAFT: Draft = Draft::Draft7;

impl SchemaChecker {
    fn new() -> Self {
        let schema = schema();
        Self { validator: jsonschema::options().with_draft(DRAFT).build(&schema).ok(), schema }
    }

    fn mistakes(&self, values: &Value) -> Vec<SchemaMistake> {
        let Some(validator) = &self.validator else { return Vec::new() };
        let mut found = Vec::new();
        for error in validator.iter_errors(values) {
            let path = key_path(values, error.instance_path().as_str());
            let place = error.schema_path().as_str();
            let wanted = place
                .rfind('/')
                .and_then(|end| self.schema.pointer(&place[..end]))
                .unwrap_or(&Value::Null);
            let what = match error.into_parts().kind {
                Kind::AdditionalProperties { unexpected } => {
                    let known = wanted.get("properties").and_then(Value::as_object);
                    What::Unknown {
                        keys: unexpected,
                        known: known
                            .map(|known| known.keys().cloned().collect())
                            .unwrap_or_default(),
                    }
                }
                Kind::Required { property } => {
                    What::Missing { key: property.as_str().unwrap_or_default().to_owned() }
                }
                kind => What::Wrong { wanted: wanted.clone(), kind },
            };
            found.push(SchemaMistake { path, what });
        }
        found
    }
}

/// Reports all mistakes in `values` and removes them. The rest fits the schema, except for missing
/// required keys.
pub fn validate(values: &mut Value, interpolated: &Interpolated, report: &Report) {
    let checker = SchemaChecker::new();
    convert(values, interpolated, &checker);
    let found = checker.mistakes(values);
    let mut removed: BTreeSet<KeyPath> = interpolated.failed.iter().cloned().collect();
    let mut absent = Vec::new();
    let mut meant = BTreeSet::new();
    let mut reported = BTreeSet::new();
    for SchemaMistake { path, what } in found {
        match what {
            What::Unknown { keys, known } => {
                for key in keys {
                    let at = path.key(&key);
                    report.error_at_key(&at, unknown(&key, &known));
                    meant.extend(
                        nearest(&key, known.iter().map(String::as_str)).map(|key| path.key(key)),
                    );
                    removed.insert(at);
                }
            }
            What::Missing { key } => absent.push(path.key(&key)),
            What::Wrong { wanted, kind } => {
                if !interpolated.failed.contains(&path) && reported.insert(path.clone()) {
                    let value = at(values, &path).unwrap_or(&Value::Null);
                    report.error(
                        &path,
                        wording(&kind, &wanted, value, &|text| report.shown(&path, text)),
                    );
                }
                removed.insert(path);
            }
        }
    }
    for path in absent {
        // a misspelt key is one mistake, not two
        if !meant.contains(&path) {
            report.error_at_key(&path, "is missing; it must be written");
        }
        report.give_up(path);
    }
    for path in meant {
        report.give_up(path);
    }
    for path in removed {
        remove(values, &path, report);
    }
}

struct SchemaMistake {
    path: KeyPath,
    what: What,
}

enum What {
    Unknown { keys: Vec<String>, known: Vec<String> },
    Missing { key: String },
    Wrong { wanted: Value, kind: Kind },
}

/// Converts texts to a number or a boolean where the schema requires one.
fn convert(values: &mut Value, interpolated: &Interpolated, checker: &SchemaChecker) {
    if interpolated.whole.is_empty() {
        return;
    }
    let wrong: BTreeMap<KeyPath, ()> =
        checker.mistakes(values).into_iter().map(|mistake| (mistake.path, ())).collect();
    for path in wrong.into_keys().filter(|path| interpolated.whole.contains(path)) {
        if let Some(value) = at_mut(values, &path)
            && let Some(converted) = value.as_str().and_then(scalar)
        {
            *value = converted;
        }
    }
}

fn unknown(key: &str, known: &[String]) -> String {
    if key == "<<" {
        return "merge keys are not supported; write the keys out, or use `defaults` for keys that routes share".into();
    }
    format!("unknown key `{}`{}", ShownKey(key), hint(key, known.iter().map(String::as_str)))
}

/// A JSON pointer as a path; whether a number is a key or a place in a list is seen from the value.
fn key_path(values: &Value, pointer: &str) -> KeyPath {
    let mut path = KeyPath::root();
    let mut value = Some(values);
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        (path, value) = match (value, token.parse::<usize>()) {
            (Some(Value::Array(items)), Ok(index)) => (path.item(index), items.get(index)),
            (value, _) => (path.key(&token), value.and_then(|value| value.get(&token))),
        };
    }
    path
}

/// Takes a value out. Indices in lists of sections must not change, so an empty section replaces it
/// there; any other list is removed as a whole.
fn remove(values: &mut Value, path: &KeyPath, report: &Report) {
    report.give_up(path.clone());
    let Some((last, steps)) = path.steps().split_last() else {
        *values = json!({});
        return;
    };
    let parent = steps.iter().fold(KeyPath::root(), |path, step| path.step(step.clone()));
    match (last, at_mut(values, &parent)) {
        (PathStep::Key(key), Some(Value::Object(members))) => drop(members.remove(key)),
        (PathStep::Item(index), Some(Value::Array(items)))
            if matches!(parent.keys().last(), Some("routes" | "listeners")) =>
        {
            if let Some(item) = items.get_mut(*index) {
                *item = json!({});
            }
        }
        (PathStep::Item(_), Some(_)) => remove(values, &parent, report),
        _ => {}
    }
}

fn at<'v>(values: &'v Value, path: &KeyPath) -> Option<&'v Value> {
    path.steps().iter().try_fold(values, |value, step| match step {
        PathStep::Key(key) => value.get(key),
        PathStep::Item(index) => value.get(index),
    })
}

fn at_mut<'v>(values: &'v mut Value, path: &KeyPath) -> Option<&'v mut Value> {
    path.steps().iter().try_fold(values, |value, step| match step {
        PathStep::Key(key) => value.get_mut(key),
        PathStep::Item(index) => value.get_mut(index),
    })
}
