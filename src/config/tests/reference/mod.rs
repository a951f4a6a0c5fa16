//! `docs/configuration.md`: a table of every key, made from the schema and from the values in
//! `gateway.yaml.example`. The page is checked in; `make schema` writes it anew.

mod example;

use crate::config::schema::generated;
use example::values;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");

const INTRODUCTION: &str = "\
<!-- Generated from the schema and gateway.yaml.example by `make schema`. Do not edit. -->

# Configuration: every key

`gateway.yaml` is YAML. [`gateway.yaml.example`](../gateway.yaml.example) shows the same keys in a
file that `introgate check` accepts.

- Unknown keys are errors.
- `${NAME}` and `${NAME:-default}` in any text are replaced from the environment; `$${` stands for a
  literal `${`. An unset name without a default is an error.
- A secret has a second form, `NAME_file`: the name of a file that contains it. Only one of both may
  be present. Relative file names start from the folder of `gateway.yaml`.
- Durations are `500ms`, `10s`, `5m`, `1h`. Sizes are `512B`, `64KiB`, `1MiB`.
- In the headings, `NAME` is a name of your choice and `[]` is each entry of a list.
- Bold keys are required.
";

/// The name begins like that of the schema's test, so that one filter updates both.
#[test]
fn the_schema_that_is_checked_in_is_explained_by_docs_configuration() {
    let page = page();
    if std::env::var_os("INTROGATE_UPDATE").is_some() {
        std::fs::write(FILE, page).unwrap_or_else(|error| panic!("{FILE}: {error}"));
        return;
    }
    let checked_in = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(checked_in == page, "docs/configuration.md is stale; run `make schema`");
}

#[test]
fn every_key_has_a_default_or_an_example() {
    let mut reference = Reference::new();
    reference.object("", &generated());
    assert!(reference.bare.is_empty(), "gateway.yaml.example needs a value: {:?}", reference.bare);
}

fn page() -> String {
    let mut reference = Reference::new();
    reference.object("", &generated());
    format!("{INTRODUCTION}{}", reference.text)
}

struct Reference {
    /// From a key's path to the value that the example file shows.
    values: BTreeMap<String, String>,
    text: String,
    /// Objects that have a table already, with their paths.
    seen: Vec<(Value, String)>,
    /// Keys without default, example or fixed set of values.
    bare: Vec<String>,
}

impl Reference {
    fn new() -> Self {
        Self { values: values(), text: String::new(), seen: Vec::new(), bare: Vec::new() }
    }

    /// The table of one object's keys, then those of the objects in it.
    fn object(&mut self, path: &str, schema: &Value) {
        let Some(properties) = schema["properties"].as_object() else { return };
        let heading = if path.is_empty() { "Top level".into() } else { format!("`{path}`") };
        let _ = write!(self.text, "\n## {heading}\n\n");
        let known = self
            .seen
            .iter()
            .find(|(seen, _)| properties.iter().all(|(key, property)| seen[key] == *property));
        if let Some((_, other)) = known {
            let keys: Vec<_> = properties.keys().map(|key| code(key)).collect();
            let link = format!("[`{other}`](#{})", anchor(other));
            let _ = writeln!(self.text, "As in {link}: {}.", keys.join(", "));
            return;
        }
        self.seen.push((schema["properties"].clone(), path.to_owned()));
        self.text += "| key | type | default | example | meaning |\n|---|---|---|---|---|\n";
        for (key, property) in properties {
            let required =
                schema["required"].as_array().is_some_and(|keys| keys.contains(&key[..].into()));
            self.row(&join(path, key), key, property, required);
        }
        // `defaults` has keys of `routes`, so it comes after them
        let (late, early): (Vec<_>, Vec<_>) =
            properties.iter().partition(|(key, _)| *key == "defaults");
        for (key, property) in early.into_iter().chain(late) {
            if let Some((path, inner)) = object_in(&join(path, key), property) {
                self.object(&path, inner);
            }
        }
    }

    fn row(&mut self, path: &str, key: &str, property: &Value, required: bool) {
        let inner = object_in(path, property);
        let mut kind = kind(property);
        if let Some((inner, _)) = &inner {
            kind = format!("{kind}: [`{inner}`](#{})", anchor(inner));
        }
        let default = match &property["default"] {
            _ if required => String::new(),
            Value::Null => String::new(),
            value if inner.is_some() && (value.is_object() || value.is_array()) => String::new(),
            value => code(&shown(value)),
        };
        let example = self.example(path).map_or(String::new(), |value| code(&value));
        if default.is_empty()
            && example.is_empty()
            && inner.is_none()
            && !has_fixed_values(property)
        {
            self.bare.push(path.to_owned());
        }
        let example = if example == default || inner.is_some() { String::new() } else { example };
        let key = if required { format!("**`{key}`**") } else { format!("`{key}`") };
        let meaning = property["description"].as_str().unwrap_or_default().replace('|', "\\|");
        let _ = writeln!(self.text, "| {key} | {kind} | {default} | {example} | {meaning} |");
    }
}

impl Reference {
    /// The value of this key in the example file; of a map, one of its entries.
    fn example(&self, path: &str) -> Option<String> {
        let entry = || {
            let inside = format!("{path}.");
            let (key, value) = self.values.range(inside.clone()..).next()?;
            Some(format!("{{ {}: {value} }}", key.strip_prefix(&inside)?))
        };
        self.values.get(path).cloned().or_else(entry)
    }
}

/// The object that a key leads to, and its path: directly, by a name, or in a list.
fn object_in<'a>(path: &str, property: &'a Value) -> Option<(String, &'a Value)> {
    let places = [
        (path.to_owned(), property),
        (format!("{path}.NAME"), &property["additionalProperties"]),
        (format!("{path}[]"), &property["items"]),
    ];
    places.into_iter().find(|(_, schema)| schema["properties"].is_object())
}

fn kind(property: &Value) -> String {
    if let Some(title) = property["title"].as_str() {
        let first = title.split(" such as ").next().unwrap_or(title);
        return first.trim_start_matches("a ").replace('|', "\\|");
    }
    if let Some(values) = property["enum"].as_array() {
        let values: Vec<_> = values.iter().map(|value| code(&shown(value))).collect();
        return values.join(", ");
    }
    match property["type"].as_str().unwrap_or_default() {
        "string" => "text".into(),
        "boolean" => "`true`, `false`".into(),
        "array" if property["items"]["enum"].is_array() => {
            format!("list of {}", kind(&property["items"]))
        }
        "array" => "list".into(),
        "object" if property["additionalProperties"].is_object() => "map".into(),
        number @ ("integer" | "number") => match (&property["minimum"], &property["maximum"]) {
            (Value::Null, _) | (_, Value::Null) => number.into(),
            (least, most) => format!("{number}, {least} to {most}"),
        },
        other => other.into(),
    }
}

fn has_fixed_values(property: &Value) -> bool {
    property["enum"].is_array() || property["type"] == "boolean"
}

/// A value as one would write it in the file.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() => text.clone(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(shown).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

fn code(value: &str) -> String {
    format!("`{}`", value.replace('|', "\\|"))
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// A heading's anchor, as code hosts and mdbook make it.
fn anchor(path: &str) -> String {
    path.chars().filter(|c| c.is_alphanumeric() || *c == '_').collect::<String>().to_lowercase()
}
