//! The JSON Schema of the file: for editors, and for validation. It is made from the types in
//! [`super::raw`] when they change, not in the program: `make schema`, and a test fails while it is
//! stale.

use serde_json::Value;

/// The JSON Schema (2020-12) of `gateway.yaml`, without references.
pub const TEXT: &str = include_str!("../../deploy/gateway.schema.json");

pub fn schema() -> Value {
    serde_json::from_str(TEXT).unwrap_or_default()
}

/// The schema as the types have it.
#[cfg(test)]
pub fn generated() -> Value {
    use super::raw::Gateway;
    use schemars::generate::SchemaSettings;
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Gateway>().to_value();
    tidy(&mut schema);
    if let Some(members) = schema.as_object_mut() {
        members.insert("title".into(), "gateway.yaml".into());
    }
    schema
}

/// A key that is not needed is left out, never written without a value: `null` is not a value.
#[cfg(test)]
fn tidy(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(members) => {
            members.retain(|key, value| {
                !(key == "format" && value.is_string() || key == "default" && value.is_null())
            });
            for key in ["type", "enum"] {
                let Some(Value::Array(options)) = members.get_mut(key) else { continue };
                options.retain(|option| !option.is_null() && option != "null");
                if let ("type", [only]) = (key, options.as_slice()) {
                    let only = only.clone();
                    members.insert("type".into(), only);
                }
            }
            if let Some(Value::String(description)) = members.get_mut("description") {
                *description = description.split_whitespace().collect::<Vec<_>>().join(" ");
            }
            members.iter_mut().for_each(|(_, member)| tidy(member));
        }
        _ => {}
    }
}
