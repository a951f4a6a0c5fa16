//! stub
use std::process::ExitCode;
pub fn check(_: &std::path::Path) -> ExitCode {
    ExitCode::SUCCESS
}
