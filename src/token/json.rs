//! JSON from untrusted sources: an object with a duplicate name, at any depth, is refused, since
//! two readers may take different ones (RFC 8259 §4).

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Reads one JSON object without duplicate names; anything behind it but white space is an error.
pub fn object(text: &[u8]) -> Result<Map<String, Value>, serde_json::Error> {
    match value(text)? {
        Value::Object(members) => Ok(members),
        _ => Err(Error::custom("not an object")),
    }
}

/// The same, of any value.
pub fn value(text: &[u8]) -> Result<Value, serde_json::Error> {
    // once for all texts in it
    let text = std::str::from_utf8(text).map_err(Error::custom)?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = reader.deserialize_any(JsonReader { members: USUAL })?;
    reader.end()?;
    Ok(value)
}

/// Members of a usual answer: room for so many is made at once. Not for objects in it, of which
/// there may be many.
const USUAL: usize = 16;

/// The member of this name. A comparison with each of a few names is cheaper than a hash of it.
pub fn member<'m>(members: &'m Map<String, Value>, name: &str) -> Option<&'m Value> {
    if members.len() > 2 * USUAL {
        return members.get(name);
    }
    members.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
}

struct Unambiguous(Value);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonReader { members: 0 }).map(Self)
    }
}

struct JsonReader {
    /// How many members an object is taken to have.
    members: usize,
}

impl<'de> Visitor<'de> for JsonReader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Unambiguous(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::with_capacity(self.members);
        while let Some((name, Unambiguous(value))) = map.next_entry::<String, _>()? {
            if members.insert(name, value).is_some() {
                return Err(Error::custom("a member is a duplicate"));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_object_is_read() {
        let text = br#" {"active":true,"n":[1,-2,1.5,null,"x"],"o":{"a":{}}} "#;
        let plain: Value = serde_json::from_slice(text).unwrap_or_default();
        assert_eq!(object(text).map(Value::Object).unwrap_or_default(), plain);
    }

    #[test]
    fn a_member_is_found_among_few_and_among_many() {
        for count in [0, 1, USUAL, 2 * USUAL, 2 * USUAL + 1, 100] {
            let members: Map<String, Value> =
                (0..count).map(|n| (n.to_string(), n.into())).collect();
            for n in 0..count + 1 {
                let name = n.to_string();
                assert_eq!(member(&members, &name), members.get(&name), "{n} of {count}");
            }
            assert_eq!(member(&members, ""), None);
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let deep = "[".repeat(100_000);
        for text in [
            r#"{"active":false,"active":true}"#,
            r#"{"a":{"b":1,"b":1}}"#,
            r#"{"a":[{"b":1,"b":2}]}"#,
            r#"{"a":1,"\u0061":2}"#,
            "[]",
            "null",
            "\"x\"",
            "1",
            "",
            "{",
            "{}x",
            "{\"a\":1e999}",
            "{\"a\":NaN}",
            &deep,
        ] {
            assert!(
                object(text.as_bytes()).is_err(),
                "{}",
                text.chars().take(40).collect::<String>()
            );
        }
    }
}
