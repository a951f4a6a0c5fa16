//! `type: custom`.

use crate::config::raw::SecretText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A service with an interface of its own.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct Custom {
    /// How the server is asked. `{token}` is replaced in URL, headers and body, encoded for its
    /// place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<CustomRequest>,
    /// JSON pointers to the members of the answer: `active`, the members of RFC 7662, `expires_in`,
    /// or a name of your own. Only `true`, 1 and the text `true` are true; without `active` any 200
    /// is active.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<BTreeMap<String, String>>,
    /// Statuses that mean an inactive token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inactive_status: Option<Vec<u16>>,
}

/// The request of a `custom` server.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["url"]))]
pub struct CustomRequest {
    /// Default: `GET`, or `POST` if there is a body.
    pub method: String,
    /// `{token}` may be in its path and its query.
    pub url: String,
    /// Request headers; `{token}` is replaced here too.
    pub headers: BTreeMap<String, SecretText>,
    /// JSON, XML, a form or plain text, by the `Content-Type` among the headers, else by how it
    /// begins.
    pub body: SecretText,
}
