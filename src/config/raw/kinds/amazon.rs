//! `type: amazon`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Login with Amazon.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct Amazon {
    /// The client ids whose tokens are accepted, at least one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<Vec<String>>,
    /// The URL to call; default: the public one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}
