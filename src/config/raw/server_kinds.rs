//! Keys that only kinds of authorization server other than `rfc7662` have.

use super::SecretText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GithubApi {
    Current,
    Legacy,
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
pub enum SoapVersion {
    #[serde(rename = "1.1")]
    V1,
    #[serde(rename = "1.2")]
    V2,
}

/// The request of a `custom` server.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["url"]))]
pub struct CustomRequest {
    /// `GET` or `POST`, say.
    pub method: String,
    /// `{token}` is replaced, encoded for where it stands.
    pub url: String,
    /// Request headers.
    pub headers: BTreeMap<String, SecretText>,
    /// `{token}` is replaced here too.
    pub body: String,
}
