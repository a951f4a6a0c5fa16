//! The values of a YAML text. The only place that names `serde_yaml`.

use serde::de::{Deserialize, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Reads one YAML document as JSON values; of duplicate keys the first one counts. Whole numbers
/// are whole however they are written (`1e3`, `2.0`).
pub fn parse(text: &str) -> Result<Value, UnreadableValues> {
    match serde_yaml::from_str::<Json>(text) {
        Ok(Json(value)) => Ok(value),
        Err(error) => {
            let place = error.location().map(|place| (place.line(), place.column()));
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or_default().to_owned();
            Err(UnreadableValues { place, message })
        }
    }
}

#[derive(Debug)]
pub struct UnreadableValues {
    /// Line and column, from 1.
    pub place: Option<(usize, usize)>,
    pub message: String,
}

struct Json(Value);

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueReader).map(Self)
    }
}

struct ValueReader;

impl<'de> Visitor<'de> for ValueReader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
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
        number(value).ok_or_else(|| E::custom("`.inf` and `.nan` are not read here"))
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<Value, E> {
        Err(E::custom("a number is too large"))
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<Value, E> {
        Err(E::custom("a number is too large"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Json(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, Json(value))) = map.next_entry::<String, _>()? {
            members.entry(name).or_insert(value);
        }
        Ok(Value::Object(members))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Value, A::Error> {
        Err(A::Error::custom("a tag (`!…`) is not read here"))
    }
}

/// A number or boolean that was written as text, as environment variables are.
pub fn scalar(text: &str) -> Option<Value> {
    match text {
        "true" => Some(true.into()),
        "false" => Some(false.into()),
        text => {
            let whole = text
                .parse::<i64>()
                .map(Value::from)
                .or_else(|_| text.parse::<u64>().map(Value::from));
            whole.ok().or_else(|| number(text.parse().ok()?))
        }
    }
}

fn number(value: f64) -> Option<Value> {
    // below 2^53 a float names one whole number
    if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 {
        #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
        return Some((value as i64).into());
    }
    Number::from_f64(value).map(Value::Number)
}
