//! Contract §1: `run` and `check` without a file, from flags or environment alone.

use crate::support::{
    AuthorizationServer, Connection, Upstream, free_port, known_tokens, run_cli, run_cli_in,
    wait_until,
};
use std::fs;
use std::process::{Child, Command, Stdio};

type Flags = &'static [&'static str];
type Variables = &'static [(&'static str, &'static str)];

const SMALLEST: [&str; 4] =
    ["--upstream", "http://127.0.0.1:9000", "--introspect", "http://127.0.0.1:9/introspect"];

/// Killed when dropped, also by a failed test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> (Running, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_introgate"));
    command.arg("run").args(arguments).current_dir(&folder).env_remove("INTROGATE_CONFIG");
    command.envs(environment.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    (Running(command.spawn().expect("start")), folder)
}

fn status(port: u16, token: Option<&str>) -> Option<u16> {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<_> = bearer.iter().map(|bearer| ("Authorization", bearer.as_str())).collect();
    let mut connection = Connection::try_open(port).ok()?;
    connection.request("GET", "/", &headers, b"").ok().map(|answer| answer.status)
}

/// The admin listener has its usual address, which one gateway of this machine can have.
#[test]
fn a_gateway_runs_from_flags_or_variables_alone() {
    let _alone = super::DEMO.lock();
    let (server, upstream) = (AuthorizationServer::start(), Upstream::start());
    known_tokens(&server);
    let port = free_port();
    let (listen, endpoint) = (format!("127.0.0.1:{port}"), server.url());
    let upstream_url = upstream.url();
    let flags = [
        "--upstream",
        &upstream_url,
        "--introspect",
        &endpoint,
        "--listen",
        &listen,
        "--scopes",
        "read write",
    ];
    let variables = [
        ("INTROGATE_UPSTREAM", upstream_url.as_str()),
        ("INTROGATE_INTROSPECTION_ENDPOINT", &endpoint),
        ("INTROGATE_LISTEN", &listen),
        ("INTROGATE_SCOPES", "read,write"),
        ("INTROGATE_CLIENT_ID", "gate"),
        ("INTROGATE_CLIENT_SECRET", "way"),
    ];
    let token = [("INTROGATE_TOKEN", "own-token")];
    for (arguments, environment, authorization) in
        [(&flags[..], &token[..], "Bearer own-token"), (&[], &variables, "Basic Z2F0ZTp3YXk=")]
    {
        let (gateway, _folder) = run(arguments, environment);
        wait_until("it serves", || status(port, None) == Some(401));
        assert_eq!(status(port, Some("good")), Some(200), "{arguments:?}");
        assert_eq!(status(port, Some("narrow")), Some(403), "{arguments:?}");
        assert_eq!(server.last().header("authorization"), Some(authorization));
        drop(gateway);
        wait_until("it has ended", || Connection::try_open(port).is_err());
    }
}

#[test]
fn check_prints_the_file_that_they_amount_to() {
    let arguments = [&["check"], &SMALLEST[..]].concat();
    let environment = [("INTROGATE_CLIENT_ID", "gate"), ("INTROGATE_CLIENT_SECRET", "s3cret")];
    let (code, out, err) = run_cli(&arguments, &environment);
    assert_eq!(code, 0, "{out}{err}");
    assert!(!out.contains("s3cret") && out.contains("${INTROGATE_CLIENT_SECRET}"), "{out}");
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("gateway.yaml"), &out).expect("write");
    let (code, out, err) = run_cli_in(folder.path(), &["check"], &environment);
    assert_eq!(code, 0, "{out}{err}");
}

/// A problem names the flag or the variable.
#[test]
fn problems_name_their_flag() {
    let cases: [(Flags, Variables, &str); 7] = [
        (&["--upstream", "nowhere"], &[("INTROGATE_ISSUER", "https://as")], "--upstream: error: "),
        (
            &[],
            &[("INTROGATE_UPSTREAM", "ftp://a"), ("INTROGATE_ISSUER", "https://as")],
            "INTROGATE_UPSTREAM: error: ",
        ),
        (&["--upstream", "http://a", "--introspect", "x"], &[], "--introspect: error: "),
        (
            &["--upstream", "http://a", "--issuer", "http://as.example"],
            &[("INTROGATE_LISTEN", "x")],
            "INTROGATE_LISTEN: error: ",
        ),
        (&["--upstream", "http://a"], &[], "INTROGATE_ISSUER"),
        (&["--scopes", "read"], &[], "INTROGATE_UPSTREAM"),
        (
            &["--upstream", "http://a", "--issuer", "https://a", "--scopes", ""],
            &[],
            "--scopes: error: ",
        ),
    ];
    for (arguments, environment, part) in cases {
        for command in ["run", "check"] {
            let (code, out, err) = run_cli(&[&[command], arguments].concat(), environment);
            assert_eq!(
                (code, err.contains(part)),
                (64, true),
                "{command} {arguments:?}: {out}{err}"
            );
        }
    }
}

#[test]
fn a_file_and_flags_at_once_are_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("gateway.yaml"), super::SMALLEST).expect("write");
    let cases: [(Flags, Variables); 4] = [
        (&SMALLEST, &[]),
        (&["-c", "gateway.yaml", "--scopes", "read"], &[]),
        (&["-c", "other.yaml"], &[("INTROGATE_UPSTREAM", "http://a")]),
        (&[], &[("INTROGATE_CONFIG", "gateway.yaml"), ("INTROGATE_LISTEN", "127.0.0.1:1")]),
    ];
    for (arguments, environment) in cases {
        for command in ["run", "check"] {
            let arguments = [&[command], arguments].concat();
            let (code, out, err) = run_cli_in(folder.path(), &arguments, environment);
            assert_eq!((code, out.as_str()), (64, ""), "{arguments:?}: {err}");
            assert!(err.contains("yaml") && err.contains("either a file or flags"), "{err}");
        }
    }
    // credentials alone are no configuration: a file may refer to them
    let credentials = [("INTROGATE_TOKEN", "x"), ("INTROGATE_CLIENT_ID", "y")];
    let (code, out, err) = run_cli_in(folder.path(), &["check"], &credentials);
    assert_eq!(code, 0, "{out}{err}");
}

/// Contract §1: each also with `_FILE`.
#[test]
fn credentials_come_from_files_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("id"), "gate\n").expect("write");
    fs::write(path("secret"), "s3cret\n").expect("write");
    let (id, secret) = (path("id"), path("secret"));
    let environment =
        [("INTROGATE_CLIENT_ID_FILE", id.as_str()), ("INTROGATE_CLIENT_SECRET_FILE", &secret)];
    let (code, out, err) = run_cli(&[&["check"], &SMALLEST[..]].concat(), &environment);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("client_id: \"gate\"") && out.contains("client_secret_file"), "{out}");
    assert!(!out.contains("s3cret"), "{out}");
    let (code, _, err) =
        run_cli(&[&["check"], &SMALLEST[..]].concat(), &[("INTROGATE_TOKEN_FILE", "/nowhere/t")]);
    assert_eq!((code, err.contains("INTROGATE_TOKEN_FILE: error")), (64, true), "{err}");
}
