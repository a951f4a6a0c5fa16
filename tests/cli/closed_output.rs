//! `introgate … | head`: a reader that leaves ends a command quietly.

use super::SMALLEST;
use crate::support::closed_pipe;
use std::fs;
use std::process::{Command, Stdio};

/// Exit code and standard error of a command whose standard output is closed; `None` for the
/// latter where it is closed too.
fn run(args: &[&str], closed_stderr: bool) -> (i32, String) {
    let directory = tempfile::tempdir().expect("a folder");
    fs::write(directory.path().join("gateway.yaml"), SMALLEST).expect("write");
    let mut command = Command::new(env!("CARGO_BIN_EXE_introgate"));
    command.args(args).current_dir(&directory).env_remove("INTROGATE_CONFIG");
    command.stdin(Stdio::null()).stdout(closed_pipe()).stderr(Stdio::piped());
    if closed_stderr {
        command.stderr(closed_pipe());
    }
    let output = command.output().expect("run the program");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().expect("an exit code, not a signal"), error)
}

#[test]
fn every_command_ends_quietly_when_its_reader_has_left() {
    let _alone = super::DEMO.lock();
    let commands: [(&[&str], i32); 9] = [
        (&["completions", "bash"], 0),
        (&["completions", "zsh"], 0),
        (&["schema"], 0),
        (&["check"], 0),
        (&["doctor"], 1),
        (&["demo"], 0),
        (&["purge", "--all", "--admin", "127.0.0.1:1"], 1),
        (&["--help"], 0),
        (&["--version"], 0),
    ];
    for (args, expected) in commands {
        let (code, error) = run(args, false);
        assert_eq!(code, expected, "{args:?}: {error}");
        assert!(!error.contains("panicked"), "{args:?}: {error}");
        assert_eq!(run(args, true).0, expected, "{args:?} with standard error closed as well");
    }
}

#[test]
fn complaints_that_cannot_be_written_change_no_exit_code() {
    for (args, expected) in [
        (&["run", "-c", "nowhere.yaml"][..], 64),
        (&["check", "-c", "nowhere.yaml"], 64),
        (&["doctor", "-c", "nowhere.yaml"], 64),
        (&["purge", "--all", "-c", "nowhere.yaml"], 64),
        (&["nonsense"], 64),
    ] {
        assert_eq!(run(args, true).0, expected, "{args:?}");
    }
}
