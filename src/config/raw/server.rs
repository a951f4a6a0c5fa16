//! `authorization_servers`: the keys that every kind has, and those of the kind that `type` names.

use super::kinds::Kind;
use super::{Events, Period, SecretText, Size};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// `authorization_servers.NAME`. In the file the keys of both parts are beside each other. Keys of
/// other kinds are ignored here: `compile` reports them.
pub struct Server {
    pub common: ServerCommon,
    pub kind: Kind,
}

/// The keys that every kind has.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct ServerCommon {
    /// Where an answer carries `iss`, it must be this. Endpoints and keys that are not written are
    /// found by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// `true`: an answer without `iss` is refused.
    pub require_issuer: bool,
    /// How long the whole call may take, all attempts and bodies included.
    pub timeout: Period,
    /// How long a connection may take.
    pub connect_timeout: Period,
    /// Bytes that an answer may have.
    pub max_response_size: Size,
    /// Calls at the same time; further ones wait, at most `timeout`.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_concurrent: u32,
    /// Further attempts after connection failures, 502, 503 and 504, as long as `timeout` allows.
    #[schemars(range(min = 0, max = 10))]
    pub retries: u32,
    /// When to stop asking a server that fails.
    pub circuit_breaker: Breaker,
    /// How the server is verified. Nothing turns verification off.
    pub tls: ServerTls,
    /// The HTTP proxy through which it is called, such as `http://proxy.internal:3128`, perhaps with
    /// user and password; `environment`: as `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` say.
    pub proxy: SecretText,
    /// File with the proxy's URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_file: Option<String>,
    /// Which tokens it is asked about; a token that is meant for no server of its route is shown to
    /// none.
    pub tokens: TokenSelector,
    /// Scopes that include others, such as `{ admin: [read, write] }`: a token with `admin` meets a
    /// demand for `read`. The upstream still gets the scopes that the server stated.
    pub scope_implications: BTreeMap<String, Vec<String>>,
    /// Notifications of the server, on the admin listener: security events and back-channel
    /// logout end cached answers. Off unless present.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Events>,
}

impl Default for ServerCommon {
    fn default() -> Self {
        Self {
            issuer: None,
            require_issuer: false,
            timeout: Period(Duration::from_secs(5)),
            connect_timeout: Period(Duration::from_millis(500)),
            max_response_size: Size(64 << 10),
            max_concurrent: 256,
            retries: 1,
            circuit_breaker: Breaker::default(),
            tls: ServerTls::default(),
            proxy: SecretText::default(),
            proxy_file: None,
            tokens: TokenSelector::default(),
            scope_implications: BTreeMap::new(),
            events: None,
        }
    }
}

impl<'de> Deserialize<'de> for Server {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = Value::deserialize(deserializer)?;
        let word = members.get("type").and_then(Value::as_str).unwrap_or(Kind::DEFAULT);
        Ok(Self {
            common: ServerCommon::deserialize(&members).map_err(D::Error::custom)?,
            kind: Kind::read(word, &members).map_err(D::Error::custom)?,
        })
    }
}

impl Serialize for Server {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = Map::from_iter([("type".to_owned(), self.kind.word().into())]);
        for part in [serde_json::to_value(&self.common), serde_json::to_value(&self.kind)] {
            if let Value::Object(part) = part.map_err(serde::ser::Error::custom)? {
                members.extend(part);
            }
        }
        members.serialize(serializer)
    }
}

impl JsonSchema for Server {
    fn schema_name() -> Cow<'static, str> {
        "Server".into()
    }

    /// One flat schema, so that a mistake is reported where it is rather than as a failure of every
    /// kind. The descriptions say which kinds have a key.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut properties = Map::new();
        properties.insert(
            "type".into(),
            json_schema!({
                "type": "string",
                "enum": Kind::WORDS,
                "description": "Its kind.",
                "default": Kind::DEFAULT,
            })
            .to_value(),
        );
        properties.extend(properties_of(&ServerCommon::json_schema(generator)));
        properties.extend(Kind::properties(generator));
        json_schema!({
            "type": "object",
            "additionalProperties": false,
            "properties": properties,
            "description": "`authorization_servers.NAME`.",
        })
    }
}

/// The properties of an object's schema.
pub fn properties_of(schema: &Schema) -> Map<String, Value> {
    schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default()
}

/// `circuit_breaker`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Breaker {
    /// Failures in a row that open it.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub failures: u32,
    /// How long it stays open.
    pub open_for: Period,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: 5, open_for: Period(Duration::from_secs(5)) }
    }
}

/// `authorization_servers.NAME.tls`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerTls {
    /// File with further trust roots (PEM).
    pub ca: String,
    /// The name to ask for and to verify, in place of the URL's host.
    pub server_name: String,
}

/// `tokens`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenSelector {
    /// The prefix of its tokens. Of several prefixes that fit, the longest decides.
    pub prefix: String,
    /// The `iss` of its JWTs, unverified: it only chooses among servers. Decides before any prefix.
    pub jwt_issuer: String,
}
