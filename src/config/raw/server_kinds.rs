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
    /// `GET`, or `POST` where there is a body, unless written.
    pub method: String,
    /// `{token}` may stand in its path and its query.
    pub url: String,
    /// Request headers; `{token}` is replaced here too.
    pub headers: BTreeMap<String, SecretText>,
    /// JSON, XML, a form or plain text, by the `Content-Type` among the headers, else by how it
    /// begins.
    pub body: SecretText,
}
