//! `type: github`.

use crate::config::raw::SecretText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// GitHub.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct Github {
    /// The app's client id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The app's client secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<SecretText>,
    /// File with the app's client secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret_file: Option<String>,
    /// The URL to call; default: the public one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The interface to call; default: `current`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<GithubApi>,
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GithubApi {
    Current,
    Legacy,
}
