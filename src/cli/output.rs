//! Writing to standard output and standard error. A reader that has left (`introgate … | head`) is
//! no error, and there is no place left to report it: the standard `println!` would panic.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// Writes the whole output of a command to standard output.
pub fn print(output: &[u8]) -> ExitCode {
    let mut out = io::stdout().lock();
    exit_code(out.write_all(output).and_then(|()| out.flush()))
}

/// The exit code of a command whose only work was to write.
pub fn exit_code(written: io::Result<()>) -> ExitCode {
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!("introgate: standard output cannot be written: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Writes a line to standard error.
pub fn complain(line: Arguments<'_>) {
    // there is no other place for it
    let _ = writeln!(io::stderr().lock(), "{line}");
}
