//! Fixed defects, named after their symptom.

use crate::support::{Builder, Setup, run_cli};

/// A service behind a route without checks may have a login of its own.
#[test]
fn basic_credentials_for_the_service_itself_reach_it() {
    for auth in ["none", "optional"] {
        let setup = Setup::route(&format!("auth: {auth}"));
        assert_eq!(setup.gateway.get("/", &[("Authorization", "Basic dTpw")]).status, 200);
        assert_eq!(setup.upstream.last().header("authorization"), Some("Basic dTpw"), "{auth}");
    }
    let setup = Setup::route("auth: none");
    assert_eq!(setup.gateway.get("/", &[("Authorization", "bearer good")]).status, 200);
    assert_eq!(
        setup.upstream.last().header("authorization"),
        None,
        "a token is not for the service"
    );
}

/// Where tokens are read from another header, `Authorization` is none of the gateway's business.
#[test]
fn authorization_is_left_alone_where_tokens_come_from_elsewhere() {
    let setup = Setup::start(
        "token: { from: [\"header:X-Access-Token\"] }\nroutes: [{ path: /*, upstream: \"@UPSTREAM@\" }]",
    );
    let headers = [("X-Access-Token", "good"), ("Authorization", "Bearer for-the-service")];
    assert_eq!(setup.gateway.get("/", &headers).status, 200);
    let seen = setup.upstream.last();
    assert_eq!(
        (seen.header("authorization"), seen.header("x-access-token")),
        (Some("Bearer for-the-service"), None)
    );
}

/// The proxy's TLS client panicked.
#[test]
fn a_missing_file_of_trust_roots_is_reported() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("gateway.yaml");
    let yaml = "listeners: [{address: '127.0.0.1:0'}]\nadmin: {address: off}\nauthorization_servers: {a: {introspection_endpoint: 'http://127.0.0.1:9/'}}\nroutes: [{path: /*, upstream: 'http://127.0.0.1:9'}]\n";
    std::fs::write(&file, yaml).expect("written");
    let (code, _, err) =
        run_cli(&["run", "-c", &file.to_string_lossy()], &[("SSL_CERT_FILE", "/nonexistent.pem")]);
    assert_eq!(code, 1, "{err}");
    assert!(
        err.contains("$SSL_CERT_FILE names /nonexistent.pem") && !err.contains("panicked"),
        "{err}"
    );
}

/// Changing the level of a running log panicked, and every request with it.
#[test]
fn a_reload_that_changes_the_log_level_takes_effect() {
    let routes = "routes: [{ path: /*, upstream: \"@UPSTREAM@\" }]";
    let setup = Setup::build(Builder::new(), &format!("log: {{ level: error }}\n{routes}"));
    setup.reload(&format!("log: {{ level: info }}\n{routes}"));
    setup.reload(&format!("log: {{ level: info }}\nrealm: other\n{routes}"));
    setup.gateway.log_with("configuration in force");
    assert_eq!(setup.get("good").status, 200, "the log still works");
}
