//! The schema, and the checked-in files that are generated from it.

use super::EXAMPLE;
use crate::config::schema::{TEXT, generated, schema};
use serde_json::Value;
use std::collections::BTreeSet;

#[test]
fn the_schema_that_is_checked_in_is_the_present_one() {
    let present = serde_json::to_string_pretty(&generated()).unwrap_or_default() + "\n";
    if std::env::var_os("INTROGATE_UPDATE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/gateway.schema.json");
        std::fs::write(path, present).unwrap_or_else(|error| panic!("{error}"));
        return;
    }
    assert!(TEXT == present, "deploy/gateway.schema.json is stale; run `make schema`");
}

#[test]
fn the_schema_is_valid_and_has_no_empty_values() {
    let schema = schema();
    assert!(jsonschema::meta::is_valid(&schema));
    let text = schema.to_string();
    for word in ["null", "anyOf", "oneOf", "$ref"] {
        assert!(!text.contains(&format!("\"{word}\"")), "{word}");
    }
    // keywords that draft 7, by which configurations are checked, lacks or reads in another way
    for word in [
        "$anchor",
        "$defs",
        "$dynamicAnchor",
        "$dynamicRef",
        "$vocabulary",
        "dependentRequired",
        "dependentSchemas",
        "maxContains",
        "minContains",
        "prefixItems",
        "unevaluatedItems",
        "unevaluatedProperties",
    ] {
        assert!(!text.contains(&format!("\"{word}\"")), "{word}");
    }
    assert!(!text.contains("null"));
}

#[test]
fn every_key_has_a_description_and_is_in_the_example() {
    let mut keys = BTreeSet::new();
    collect(&schema(), &mut keys);
    assert!(keys.len() > 100);
    for key in keys {
        let written = EXAMPLE.lines().any(|line| {
            let words = line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
            words.into_iter().any(|word| word.strip_suffix(':') == Some(&key))
                || line.contains(&format!(" {key} "))
        });
        assert!(written, "`{key}` is not in gateway.yaml.example");
    }
}

fn collect(schema: &Value, keys: &mut BTreeSet<String>) {
    for (key, value) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        assert!(value.get("description").is_some(), "`{key}` has no description");
        keys.insert(key.clone());
        collect(value, keys);
    }
    for inner in ["items", "additionalProperties"] {
        schema.get(inner).into_iter().for_each(|inner| collect(inner, keys));
    }
}
