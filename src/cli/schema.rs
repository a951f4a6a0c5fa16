//! `introgate schema`: the JSON Schema of `gateway.yaml`, for editors; as checked in, in
//! `deploy/gateway.schema.json`.

use std::io::{self, Write};
use std::process::ExitCode;

pub fn schema() -> ExitCode {
    let text = serde_json::to_string_pretty(&crate::config::schema()).unwrap_or_default();
    match writeln!(io::stdout().lock(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
