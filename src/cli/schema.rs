//! `introgate schema`: the JSON Schema of `gateway.yaml`, for editors; as checked in, in
//! `deploy/gateway.schema.json`.

use super::output;
use crate::config::SCHEMA;
use std::process::ExitCode;

pub fn schema() -> ExitCode {
    output::print(SCHEMA.as_bytes())
}
