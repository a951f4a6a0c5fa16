//! `introgate purge` needs the admin listener's address and token, and nothing else of the
//! gateway's configuration.

use crate::support::{Builder, Setup, one_route, run_cli};
use serde_json::Value;

const SERVER: &str = "authorization_servers:\n  main: { introspection_endpoint: \"@AS@\", client_auth: { method: bearer, token: \"${TOKEN_OF_THE_GATEWAY}\" } }\n";
const ADMIN: &str = "admin: { address: \"127.0.0.1:@ADMIN_PORT@\", token: \"${ADMIN_TOKEN}\" }\n";

fn setup() -> Setup {
    let builder = Builder::new().env("TOKEN_OF_THE_GATEWAY", "x").env("ADMIN_TOKEN", "s3cret");
    let setup = Setup::build(builder, &format!("{ADMIN}{SERVER}{}", one_route("")));
    assert_eq!(setup.get("good").status, 200);
    setup
}

fn purged(out: &str) -> Option<u64> {
    serde_json::from_str::<Value>(out).ok()?["purged"].as_u64()
}

#[test]
fn only_the_environment_of_the_section_admin_is_needed() {
    let setup = setup();
    let file = setup.gateway.config_file().display().to_string();
    let arguments = ["purge", "-c", &file, "--sub", "alice"];
    let (code, out, err) = run_cli(&arguments, &[("ADMIN_TOKEN", "s3cret")]);
    assert_eq!((code, purged(&out)), (0, Some(1)), "{out}{err}");

    let (code, out, err) = run_cli(&arguments, &[("TOKEN_OF_THE_GATEWAY", "x")]);
    assert_eq!((code, out.as_str()), (64, ""), "{err}");
    assert!(err.contains("admin.token") && err.contains("ADMIN_TOKEN"), "{err}");
    assert!(!err.contains("TOKEN_OF_THE_GATEWAY"), "{err}");
}

#[test]
fn the_listener_can_be_named_without_a_file() {
    let setup = setup();
    let listener = format!("127.0.0.1:{}", setup.gateway.admin_port());
    let arguments = ["purge", "--admin", &listener, "--all"];
    let (code, _, err) = run_cli(&arguments, &[]);
    assert_eq!((code, err.contains("401")), (1, true), "{err}");
    let (code, out, err) = run_cli(&arguments, &[("INTROGATE_ADMIN_TOKEN", "s3cret")]);
    assert_eq!((code, purged(&out)), (0, Some(1)), "{out}{err}");

    let token = setup.gateway.directory().join("token");
    std::fs::write(&token, "s3cret\n").expect("write");
    let token = token.display().to_string();
    assert_eq!(setup.get("good").status, 200);
    let (code, out, err) = run_cli(&arguments, &[("INTROGATE_ADMIN_TOKEN_FILE", &token)]);
    assert_eq!((code, purged(&out)), (0, Some(1)), "{out}{err}");
}

#[test]
fn failed_purges_are_reported() {
    for (arguments, env, part) in [
        (&["--admin", "nowhere"][..], &[][..], "HOST:PORT"),
        (&["--admin", "http://127.0.0.1:9901"], &[], "HOST:PORT"),
        (&["--admin", "me@127.0.0.1:9901"], &[], "HOST:PORT"),
        (&["--admin", "127.0.0.1:1", "-c", "x"], &[], "cannot be used with"),
        (
            &["--admin", "127.0.0.1:1"],
            &[("INTROGATE_ADMIN_TOKEN", "a"), ("INTROGATE_ADMIN_TOKEN_FILE", "b")],
            "both set",
        ),
        (
            &["--admin", "127.0.0.1:1"],
            &[("INTROGATE_ADMIN_TOKEN_FILE", "/nowhere/token")],
            "/nowhere/token",
        ),
    ] {
        let arguments = [&["purge", "--all"], arguments].concat();
        let (code, out, err) = run_cli(&arguments, env);
        assert_eq!(
            (code, out.as_str(), err.contains(part)),
            (64, "", true),
            "{arguments:?}: {err}"
        );
    }
}
