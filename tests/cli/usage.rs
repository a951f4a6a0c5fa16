//! Exit codes, help, and where the configuration is looked for.

use super::SMALLEST;
use crate::support::{run_cli, run_cli_in};
use std::fs;

#[test]
fn wrong_usage_is_64() {
    for args in [
        &["nonsense"][..],
        &["run", "--nonsense"],
        &["check", "-c"],
        &["check", "one", "two"],
        &["--nonsense"],
    ] {
        let (code, _, err) = run_cli(args, &[]);
        assert_eq!(code, 64, "{args:?}: {err}");
        assert!(!err.is_empty(), "{args:?}");
    }
}

#[test]
fn help_and_version_are_fine() {
    let (code, out, _) = run_cli(&["--help"], &[]);
    assert_eq!(code, 0);
    for command in ["run", "check", "demo", "schema"] {
        assert!(out.contains(command), "{command} in {out}");
    }
    let (code, out, _) = run_cli(&["--version"], &[]);
    assert_eq!((code, out.contains(env!("CARGO_PKG_VERSION"))), (0, true), "{out}");
}

#[test]
fn a_file_that_is_not_there_is_64_and_named() {
    for command in ["run", "check"] {
        let (code, out, err) = run_cli(&[command, "-c", "/nowhere/gateway.yaml"], &[]);
        assert_eq!(code, 64, "{command}: {out}{err}");
        assert!((out + &err).contains("/nowhere/gateway.yaml"));
    }
}

/// Contract §1: `-c`, else `$INTROGATE_CONFIG`, else `./gateway.yaml`.
#[test]
fn the_configuration_is_found_in_order() {
    let directory = tempfile::tempdir().expect("a folder");
    let path = |name: &str| directory.path().join(name).display().to_string();
    let bad = |key: &str| format!("{SMALLEST}{key}: 1\n");
    fs::write(path("gateway.yaml"), bad("in_folder")).expect("write");
    fs::write(path("other.yaml"), bad("in_environment")).expect("write");
    fs::write(path("third.yaml"), bad("in_argument")).expect("write");
    let environment = [("INTROGATE_CONFIG", path("other.yaml"))];
    let environment: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let found = |args: &[&str], env: &[(&str, &str)]| {
        let (code, out, err) = run_cli_in(directory.path(), args, env);
        assert_eq!(code, 64);
        out + &err
    };
    assert!(found(&["check"], &[]).contains("in_folder"));
    assert!(found(&["check"], &environment).contains("in_environment"));
    assert!(found(&["check", "-c", "third.yaml"], &environment).contains("in_argument"));
}

/// An address in use is a failure at run time, with a message.
#[test]
fn an_address_that_is_taken_is_1() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = taken.local_addr().expect("an address").to_string();
    let directory = tempfile::tempdir().expect("a folder");
    let yaml =
        format!("listeners: [{{ address: \"{address}\" }}]\nadmin: {{ address: off }}\n{SMALLEST}");
    fs::write(directory.path().join("gateway.yaml"), yaml).expect("write");
    let (code, _, err) = run_cli_in(directory.path(), &["run"], &[]);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains(&address), "{err}");
}

#[test]
fn completions_are_printed() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, out, _) = run_cli(&["completions", shell], &[]);
        assert_eq!((code, out.contains("introgate")), (0, true), "{shell}");
    }
}
