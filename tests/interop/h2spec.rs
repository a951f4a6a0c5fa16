//! h2spec, which goes through RFC 9113 and RFC 7541 clause by clause, against a listener.

use super::parts::{fetch, kept, run, source, unless_missing};
use crate::support::{Authority, Builder, Setup, one_route};
use std::path::PathBuf;
use std::process::Command;

/// Built from the modules that `h2spec/go.sum` names.
fn program() -> Result<PathBuf, String> {
    let pinned =
        [source("h2spec/go.mod"), source("h2spec/go.sum")].map(|file| std::fs::read(file).ok());
    let made = kept("h2spec", pinned, |making| {
        run(Command::new("go").arg("version"))
            .map_err(|_| "no go; https://go.dev/dl".to_owned())?;
        let mut build = Command::new("go");
        build.args(["build", "-mod=readonly", "-o"]).arg(making.join("h2spec"));
        build.arg("github.com/summerwind/h2spec/cmd/h2spec").current_dir(source("h2spec"));
        fetch("h2spec from the Go module proxy", &mut build).map(drop)
    });
    Ok(made?.join("h2spec"))
}

/// The names of the cases that fail, and how many there are.
fn failures(program: &PathBuf, port: u16, more: &[&str]) -> (Vec<String>, bool) {
    let port = port.to_string();
    let mut command = Command::new(program);
    command.args(["--host", "127.0.0.1", "--port", &port, "--timeout", "5"]).args(more);
    // it fails where a case fails
    let output = command.output().expect("h2spec");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let whole = printed.contains("145 tests");
    let mut failed: Vec<String> = printed
        .lines()
        .filter_map(|line| line.trim().strip_prefix("× ").map(str::to_owned))
        .collect();
    failed.dedup();
    failed.sort();
    failed.dedup();
    (failed, whole)
}

#[test]
#[ignore = "needs Go; make interop"]
fn h2spec_finds_nothing_over_tls() {
    let Some(program) = unless_missing(program()) else { return };
    let setup = Setup::route("");
    let authority = Authority::new();
    let identity = authority.certify(&["localhost", "127.0.0.1"]);
    let gateway = Builder::new()
        .file("tls.crt", &identity.certificate)
        .file("tls.key", &identity.key)
        .start(&format!(
            "listeners: [{{ address: \"127.0.0.1:@PORT@\", protocols: [h1, h2], tls: {{ certificate: tls.crt, private_key: tls.key }} }}]\n\
             authorization_servers: {{ main: {{ introspection_endpoint: \"{}\" }} }}\n\
             routes: [{{ path: /*, upstream: \"{}\", auth: none }}]\n",
            setup.server.url(),
            setup.upstream.url()
        ));
    assert_eq!(failures(&program, gateway.port(), &["--tls", "--insecure"]), (vec![], true));
}

/// An invalid preface in plaintext may be a request of HTTP/1, and gets a response of HTTP/1: 505
/// where the listener speaks HTTP/2 alone.
#[test]
#[ignore = "needs Go; make interop"]
fn h2spec_finds_one_thing_in_plaintext() {
    let Some(program) = unless_missing(program()) else { return };
    for protocols in ["h1, h2c", "h2c"] {
        let setup = Setup::start(&format!(
            "listeners: [{{ address: \"127.0.0.1:@PORT@\", protocols: [{protocols}] }}]\n{}",
            one_route("auth: none")
        ));
        let expected = (vec!["2: Sends invalid connection preface".to_owned()], true);
        assert_eq!(failures(&program, setup.gateway.port(), &[]), expected, "{protocols}");
    }
}
