//! `token`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `token`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Token {
    /// Where it may be, in order: `header` (`Authorization: Bearer`), `header:X-Access-Token`,
    /// `query` (`access_token`), `query:NAME`, `cookie:NAME`, `form` (the field
    /// `access_token` of a form-encoded `POST` body of at most 64 KiB).
    #[schemars(length(min = 1))]
    pub from: Vec<String>,
    /// Bytes that a token may have.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub max_length: u32,
    /// `true`: the upstream gets the token too. `false`: it is removed, wherever it was.
    pub forward: bool,
}

impl Default for Token {
    fn default() -> Self {
        Self { from: vec!["header".into()], max_length: 8192, forward: false }
    }
}
