//! `introgate init`: a configuration from the authorization server's metadata.

use crate::support::{AuthorizationServer, Behaviour, run_cli, run_cli_in};
use serde_json::json;
use std::fs;

const ENVIRONMENT: [(&str, &str); 2] =
    [("INTROSPECTION_CLIENT_ID", "x"), ("INTROSPECTION_CLIENT_SECRET", "y")];

#[track_caller]
fn accepted(file: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("gateway.yaml"), file).expect("write");
    let (code, out, err) = run_cli_in(folder.path(), &["check"], &ENVIRONMENT);
    assert_eq!(code, 0, "{file}\n{out}{err}");
}

#[test]
fn the_file_is_made_of_the_metadata() {
    let server = AuthorizationServer::start();
    let issuer = server.origin();
    server.publish(
        "/.well-known/oauth-authorization-server",
        Behaviour::Json(json!({
            "issuer": issuer,
            "introspection_endpoint": format!("{issuer}/introspect"),
            "introspection_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_basic"],
            "scopes_supported": ["read", "write"],
        })),
    );
    let (code, out, err) =
        run_cli(&["init", "--issuer", &issuer, "--upstream", "http://127.0.0.1:9000"], &[]);
    assert_eq!(code, 0, "{out}{err}");
    for part in ["method: client_secret_basic", "private_key_jwt", "read write", "/introspect"] {
        assert!(out.contains(part), "{part} in {out}");
    }
    accepted(&out);
}

#[test]
fn without_metadata_the_endpoint_is_named() {
    let arguments =
        ["init", "--introspect", "https://as.example.com/i", "--upstream", "http://127.0.0.1:9000"];
    let (code, out, err) = run_cli(&arguments, &[]);
    assert_eq!(code, 0, "{out}{err}");
    accepted(&out);
}

#[test]
fn missing_metadata_is_reported() {
    let server = AuthorizationServer::start();
    let origin = server.origin();
    for path in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"] {
        server.publish(path, Behaviour::Json(json!({ "issuer": "https://other.example" })));
    }
    let upstream = ["--upstream", "http://127.0.0.1:9000"];
    let cases: [(&[&str], i32, &str); 6] = [
        (&["--issuer", &origin], 1, "to the letter"),
        (&["--issuer", "http://127.0.0.1:1"], 1, "cannot be read"),
        (&["--issuer", "not a url"], 64, "--issuer"),
        (&["--introspect", "not a url"], 64, "introspection_endpoint"),
        (&[], 64, "required"),
        (&["--issuer", "https://a", "--introspect", "https://b"], 64, "cannot be used with"),
    ];
    for (arguments, expected, part) in cases {
        let (code, out, err) = run_cli(&[&["init"], arguments, &upstream].concat(), &[]);
        assert_eq!((code, out.as_str()), (expected, ""), "{arguments:?}: {err}");
        assert!(err.contains(part), "{part} in {err}");
    }
}
