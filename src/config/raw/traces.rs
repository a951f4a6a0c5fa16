//! `traces`.

use super::SecretText;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// `traces`. A key that is not written is taken from the standard `OTEL_*` variables.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Traces {
    /// The collector's URL, such as `http://127.0.0.1:4318`. With `http/protobuf`, `/v1/traces` is
    /// added unless the path ends with it. Default: `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` or
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`, else port 4318 (`grpc`: 4317) of this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// How spans are sent (OTLP). Default: `OTEL_EXPORTER_OTLP_TRACES_PROTOCOL` or
    /// `OTEL_EXPORTER_OTLP_PROTOCOL`, else `http/protobuf`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<TraceProtocol>,
    /// Headers of every call of the collector, such as its API key. Default:
    /// `OTEL_EXPORTER_OTLP_TRACES_HEADERS` or `OTEL_EXPORTER_OTLP_HEADERS`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, SecretText>,
    /// Which requests are recorded. `parent`: those whose `traceparent` says that its caller is;
    /// `always`; `off`; a share such as `0.01`: as `parent`, and that share of the requests without a
    /// `traceparent`. Default: `OTEL_TRACES_SAMPLER`, else `parent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<Sample>,
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
pub enum TraceProtocol {
    #[serde(rename = "http/protobuf")]
    HttpProtobuf,
    #[serde(rename = "grpc")]
    Grpc,
}

/// `parent`, `always`, `off`, or a share.
#[derive(Clone, Copy)]
pub enum Sample {
    Parent,
    Always,
    Off,
    Share(f64),
}

impl<'de> Deserialize<'de> for Sample {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        match (value.as_str(), value.as_f64()) {
            (Some("parent"), _) => Ok(Self::Parent),
            (Some("always"), _) => Ok(Self::Always),
            (Some("off"), _) => Ok(Self::Off),
            (None, Some(share)) => Ok(Self::Share(share)),
            _ => Err(D::Error::custom("not a sampling")),
        }
    }
}

impl Serialize for Sample {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Parent => serializer.serialize_str("parent"),
            Self::Always => serializer.serialize_str("always"),
            Self::Off => serializer.serialize_str("off"),
            Self::Share(share) => serializer.serialize_f64(*share),
        }
    }
}

impl JsonSchema for Sample {
    fn schema_name() -> Cow<'static, str> {
        "Sample".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "number"],
            "pattern": "^(parent|always|off)$",
            "minimum": 0,
            "maximum": 1,
            "title": "`parent`, `always`, `off`, or a share from 0 to 1 such as `0.01`",
        })
    }
}
