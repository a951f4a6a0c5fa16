//! The keys of one kind of authorization server beside those that every kind has: one file a kind.

mod amazon;
mod custom;
mod github;
mod google;
mod jwt;
mod rfc7662;
mod soap;

pub use amazon::Amazon;
pub use custom::{Custom, CustomRequest};
pub use github::{Github, GithubApi};
pub use google::Google;
pub use jwt::Jwt;
pub use rfc7662::{ResponseKind, Rfc7662};
pub use soap::{Soap, SoapVersion};

use super::fields::fields;
use super::server::properties_of;
use schemars::{JsonSchema, SchemaGenerator};
use serde::de::Error;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The list of the kinds: hands them to a macro, each as `word Type` where `word` is the value of
/// `type`, in the order in which messages name them.
macro_rules! for_each_kind {
    ($then:ident) => {
        $then! {
            rfc7662 Rfc7662,
            google Google,
            github Github,
            amazon Amazon,
            jwt Jwt,
            soap Soap,
            custom Custom,
        }
    };
}
pub(in crate::config) use for_each_kind;

macro_rules! define {
    ($($word:ident $Kind:ident,)*) => {
        /// The keys of the kind that `type` names.
        #[derive(Serialize)]
        #[serde(untagged)]
        pub enum Kind {
            $($Kind(Box<$Kind>),)*
        }

        impl Kind {
            /// The values of `type`.
            pub const WORDS: &[&str] = &[$(stringify!($word)),*];

            pub fn word(&self) -> &'static str {
                match self {
                    $(Self::$Kind(_) => stringify!($word),)*
                }
            }

            /// The keys of the kind `word` among the members of a server.
            pub fn read(word: &str, members: &Value) -> Result<Self, serde_json::Error> {
                match word {
                    $(stringify!($word) => $Kind::deserialize(members).map(Box::new).map(Self::$Kind),)*
                    _ => Err(serde_json::Error::custom("there is no such kind")),
                }
            }

            /// Every kind's word and its keys.
            pub fn keys() -> Vec<(&'static str, &'static [&'static str])> {
                vec![$((stringify!($word), fields::<$Kind>())),*]
            }

            fn schemas(generator: &mut SchemaGenerator) -> Vec<(&'static str, Map<String, Value>)> {
                vec![$((stringify!($word), properties_of(&$Kind::json_schema(generator)))),*]
            }
        }
    };
}
for_each_kind!(define);

impl Kind {
    pub const DEFAULT: &str = "rfc7662";

    /// The schemas of all kinds' keys. A key that several kinds have is of the same type in each,
    /// and its description has a sentence for each kind.
    pub fn properties(generator: &mut SchemaGenerator) -> Map<String, Value> {
        let mut properties = Map::new();
        let mut descriptions: BTreeMap<String, Vec<Description>> = BTreeMap::new();
        for (word, keys) in Self::schemas(generator) {
            for (key, schema) in keys {
                let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
                let known = descriptions.entry(key.clone()).or_default();
                match known.iter_mut().find(|known| known.text == text) {
                    Some(known) => known.kinds.push(word),
                    None => known.push(Description { kinds: vec![word], text: text.to_owned() }),
                }
                properties.entry(key).or_insert(schema);
            }
        }
        for (key, known) in descriptions {
            if let Some(Value::Object(schema)) = properties.get_mut(&key) {
                let texts: Vec<String> = known.iter().map(Description::shown).collect();
                schema.insert("description".into(), texts.join(" ").into());
            }
        }
        properties
    }
}

/// Meaning of a key for some kinds.
struct Description {
    kinds: Vec<&'static str>,
    text: String,
}

impl Description {
    /// `For KINDS: text`.
    fn shown(&self) -> String {
        let kinds: Vec<String> = self.kinds.iter().map(|word| format!("`{word}`")).collect();
        let mut chars = self.text.chars();
        let text = match (chars.next(), chars.clone().next()) {
            // not the first letter of an abbreviation
            (Some(first), Some(second)) if !second.is_uppercase() => {
                format!("{}{}", first.to_lowercase(), chars.as_str())
            }
            _ => self.text.clone(),
        };
        format!("For {}: {text}", listed(&kinds))
    }
}

/// `a, b and c`.
pub fn listed(words: &[String]) -> String {
    match words.split_last() {
        Some((last, words)) if !words.is_empty() => format!("{} and {last}", words.join(", ")),
        _ => words.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemars::generate::SchemaSettings;

    #[test]
    fn a_key_has_one_type_in_all_kinds() {
        let settings =
            SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        let mut types: Map<String, Value> = Map::new();
        for (word, keys) in Kind::schemas(&mut settings.into_generator()) {
            assert_eq!(
                keys.keys().map(String::as_str).collect::<std::collections::BTreeSet<_>>(),
                Kind::keys()
                    .into_iter()
                    .filter(|(kind, _)| *kind == word)
                    .flat_map(|(_, fields)| fields.iter().copied())
                    .collect(),
                "{word}"
            );
            for (key, mut schema) in keys {
                if let Value::Object(schema) = &mut schema {
                    schema.remove("description");
                    schema.remove("default");
                }
                assert_eq!(types.entry(key.clone()).or_insert(schema.clone()), &schema, "{key}");
            }
        }
    }
}
