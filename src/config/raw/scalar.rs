//! The small words of the file: durations, sizes, secrets, one-or-many. A schema's `title` names
//! the expected value, in the words of error messages.

use crate::secret::Secret;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::time::Duration;

/// A duration: `500ms`, `10s`, `5m`, `1h`.
#[derive(Clone, Copy)]
pub struct Period(pub Duration);

impl Period {
    fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = text[..digits].parse().ok().filter(|_| digits <= 8)?;
        let duration = match &text[digits..] {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" => Duration::from_secs(number * 60),
            "h" => Duration::from_secs(number * 3600),
            _ => return None,
        };
        Some(Self(duration))
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?)
            .ok_or_else(|| D::Error::custom("not a duration"))
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let millis = self.0.as_millis();
        serializer.collect_str(&if millis.is_multiple_of(1000) {
            format!("{}s", millis / 1000)
        } else {
            format!("{millis}ms")
        })
    }
}

impl JsonSchema for Period {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9]{1,8}(ms|s|m|h)$",
            "title": "a duration such as `500ms`, `10s`, `5m` or `1h`",
        })
    }
}

/// A number of bytes: `512B`, `64KiB`, `1MiB`.
#[derive(Clone, Copy)]
pub struct Size(pub usize);

const UNITS: [(&str, usize); 3] = [("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Size {
    fn parse(text: &str) -> Option<Self> {
        let (unit, factor) = UNITS.into_iter().find(|(unit, _)| text.ends_with(unit))?;
        let number: usize = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(factor).map(Self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?)
            .ok_or_else(|| D::Error::custom("not a size"))
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (unit, factor) = UNITS
            .into_iter()
            .find(|(_, factor)| self.0.is_multiple_of(*factor))
            .unwrap_or(("B", 1));
        serializer.collect_str(&format!("{}{unit}", self.0 / factor))
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9]{1,7}(B|KiB|MiB)$",
            "title": "a size such as `512B`, `64KiB` or `1MiB`",
        })
    }
}

/// A number of bytes that 0 takes the limit off: `0`, or a size.
#[derive(Clone, Copy, Default)]
pub struct SizeLimit(pub usize);

impl<'de> Deserialize<'de> for SizeLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Size::parse(&text)
                .map(|size| Self(size.0))
                .ok_or_else(|| D::Error::custom("not a size")),
            value if value == 0 => Ok(Self(0)),
            _ => Err(D::Error::custom("not a size")),
        }
    }
}

impl Serialize for SizeLimit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            0 => serializer.serialize_u64(0),
            bytes => Size(bytes).serialize(serializer),
        }
    }
}

impl JsonSchema for SizeLimit {
    fn schema_name() -> Cow<'static, str> {
        "SizeLimit".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "pattern": "^[0-9]{1,7}(B|KiB|MiB)$",
            "minimum": 0,
            "maximum": 0,
            "title": "a size such as `512B`, `64KiB` or `1MiB`, or `0` for no limit",
        })
    }
}

/// A text that is never shown; empty: not set.
#[derive(Clone)]
pub struct SecretText(pub Secret);

impl Default for SecretText {
    fn default() -> Self {
        Self(Secret::new(""))
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.0.expose().is_empty() {
            ""
        } else {
            crate::config::redact::REDACTED
        })
    }
}

impl JsonSchema for SecretText {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// `auto`, or a number.
#[derive(Clone, Copy)]
pub enum Threads {
    Auto,
    Count(u16),
}

impl<'de> Deserialize<'de> for Threads {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) if text == "auto" => Ok(Self::Auto),
            value => value
                .as_u64()
                .and_then(|n| n.try_into().ok())
                .map(Self::Count)
                .ok_or_else(|| D::Error::custom("not a number")),
        }
    }
}

impl Serialize for Threads {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Count(count) => serializer.serialize_u16(*count),
        }
    }
}

impl JsonSchema for Threads {
    fn schema_name() -> Cow<'static, str> {
        "Threads".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "pattern": "^auto$",
            "minimum": 1,
            "maximum": 1024,
            "title": "`auto` or a number from 1 to 1024",
        })
    }
}

/// One value, or a list of at least one.
#[derive(Clone, Deserialize, Serialize)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }

    pub fn is_list(&self) -> bool {
        matches!(self, Self::Many(_))
    }
}

impl JsonSchema for OneOrMany<String> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "OneOrMany".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "array"],
            "items": { "type": "string" },
            "minItems": 1,
            "title": "one text or a list of them",
        })
    }
}

/// Values that a claim may be compared with.
#[derive(Clone, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Scalar {
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
}

/// The allowed values of a claim.
#[derive(Clone, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Allowed(pub OneOrMany<Scalar>);

impl JsonSchema for Allowed {
    fn schema_name() -> Cow<'static, str> {
        "Allowed".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "number", "boolean", "array"],
            "items": { "type": ["string", "number", "boolean"] },
            "minItems": 1,
            "title": "a text, a number, `true` or `false`, or a list of such values",
        })
    }
}

/// One of `authorization_details` (RFC 9396 §2): `type`, and members of the type's own.
#[derive(Clone, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Detail(pub serde_json::Map<String, serde_json::Value>);

impl JsonSchema for Detail {
    fn schema_name() -> Cow<'static, str> {
        "Detail".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "required": ["type"],
            "properties": {
                "type": { "type": "string", "description": "The type of the authorization." },
            },
            "additionalProperties": true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_and_shown() {
        for (text, millis, shown) in [
            ("500ms", 500, "500ms"),
            ("10s", 10_000, "10s"),
            ("5m", 300_000, "300s"),
            ("1h", 3_600_000, "3600s"),
        ] {
            let period = Period::parse(text);
            assert_eq!(period.map(|period| period.0.as_millis()), Some(millis));
            assert_eq!(
                period.and_then(|period| serde_json::to_value(period).ok()),
                Some(shown.into())
            );
        }
        for text in ["", "10", "s", "1.5s", "-1s", "1 s", "1d", "9999999999s", "1S", "10é"] {
            assert!(Period::parse(text).is_none(), "{text}");
        }
        for (text, bytes) in [("1B", 1), ("64KiB", 65_536), ("1MiB", 1 << 20)] {
            assert_eq!(Size::parse(text).map(|size| size.0), Some(bytes));
            assert_eq!(
                Size::parse(text).and_then(|size| serde_json::to_value(size).ok()),
                Some(text.into())
            );
        }
        for text in ["", "B", "64", "64kb", "64K", "-1B", "99999999999999999999GiB"] {
            assert!(Size::parse(text).is_none(), "{text}");
        }
    }
}
