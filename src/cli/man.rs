//! `introgate man`: the manual pages, from the same descriptions as `--help`.

use super::output::{complain, print};
use clap::{Args, Command};
use clap_mangen::Man;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Args)]
pub struct Pages {
    /// Write one page for the program and one for each command into this folder
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,
}

pub fn man(pages: Pages, program: Command) -> ExitCode {
    match pages.into {
        None => {
            let mut page = Vec::new();
            // writing to memory does not fail
            let _ = Man::new(program).render(&mut page);
            print(&page)
        }
        Some(folder) => match write_all(program, &folder) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                complain(format_args!(
                    "introgate: the manual pages cannot be written into {}: {error}",
                    folder.display()
                ));
                ExitCode::FAILURE
            }
        },
    }
}

/// `introgate.1`, `introgate-run.1` and so on.
fn write_all(program: Command, folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    // the command that completes `help` has no page of its own
    clap_mangen::generate_to(program.disable_help_subcommand(true), folder)
}
