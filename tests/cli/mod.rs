//! The command line: `check`, `doctor`, `schema`, exit codes, where the configuration is found, the
//! demo.

mod check;
mod closed_output;
mod demo;
mod deploy;
mod doctor;
mod init;
mod purge;
mod usage;
mod without_file;

use crate::support::run_cli_in;
use std::fs;
use std::sync::Mutex;

/// Two demos that start at the same moment may pick the same ports.
static DEMO: Mutex<()> = Mutex::new(());

/// The smallest useful file of the README, on loopback.
const SMALLEST: &str = r#"authorization_servers:
  main:
    introspection_endpoint: http://127.0.0.1:9/o/introspect/
    client_auth: { method: bearer, token: "${INTROSPECTION_TOKEN:-x}" }
routes:
  - path: /*
    upstream: http://127.0.0.1:9000
    scopes: [read]
"#;

/// Runs `introgate check -c FILE` with this text: exit code and everything it printed.
fn check(yaml: &str) -> (i32, String) {
    let directory = tempfile::tempdir().expect("a folder");
    fs::write(directory.path().join("gateway.yaml"), yaml).expect("write");
    let (code, out, err) = run_cli_in(directory.path(), &["check", "-c", "gateway.yaml"], &[]);
    (code, out + &err)
}

/// One line `FILE:LINE:COL: error: path.to.key: …`.
#[derive(Debug)]
struct Problem {
    line: usize,
    column: usize,
    key: String,
    text: String,
}

/// The errors in the output of `check`.
fn problems(output: &str) -> Vec<Problem> {
    let parse = |line: &str| {
        let (place, rest) = line.split_once(": error: ")?;
        let mut place = place.rsplitn(3, ':');
        let (column, line) = (place.next()?.parse().ok()?, place.next()?.parse().ok()?);
        assert_eq!(place.next(), Some("gateway.yaml"), "{output}");
        let (key, text) = rest.split_once(": ")?;
        Some(Problem { line, column, key: key.to_owned(), text: text.to_owned() })
    };
    output.lines().filter_map(parse).collect()
}
