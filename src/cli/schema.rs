//! `introgate schema`: the JSON Schema of `gateway.yaml`, for editors; as checked in, in
//! `deploy/gateway.schema.json`.

use crate::config::SCHEMA;
use std::io::{self, Write};
use std::process::ExitCode;

pub fn schema() -> ExitCode {
    match io::stdout().lock().write_all(SCHEMA.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
