//! `type: soap`.

use crate::config::raw::SecretText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A SOAP web service.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct Soap {
    /// The URL of the service; needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// `SOAPAction` (1.1), or the action parameter of the content type (1.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Default: `1.1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<SoapVersion>,
    /// The content of the envelope's body; `{token}` is replaced, XML-escaped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<SecretText>,
    /// Prefixes of XML namespaces in `answer` and `fault_inactive`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<BTreeMap<String, String>>,
    /// XPath expressions for the members of the answer: `active` (needed), the members of RFC 7662,
    /// `expires_in`, or a name of your own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<BTreeMap<String, String>>,
    /// Fault codes that mean an inactive token; any other fault is a bad response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault_inactive: Option<Vec<String>>,
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
pub enum SoapVersion {
    #[serde(rename = "1.1")]
    V1,
    #[serde(rename = "1.2")]
    V2,
}
