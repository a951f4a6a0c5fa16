//! stub
use std::process::ExitCode;
pub fn print() -> ExitCode {
    ExitCode::SUCCESS
}
