//! `introgate schema`: the JSON Schema of `gateway.yaml`, for editors.

use std::io::{self, Write};
use std::process::ExitCode;

pub fn schema() -> ExitCode {
    match writeln!(io::stdout().lock(), "{}", text()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// As it is checked in, in `deploy/gateway.schema.json`.
pub fn text() -> String {
    serde_json::to_string_pretty(&crate::config::schema()).unwrap_or_default()
}
