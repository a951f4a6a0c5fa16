//! Whole files, good and bad, with the exact lines of their problems.

mod client_auth;
mod compiled;
mod environment;
mod files;
mod generated;
mod hidden;
mod jwt;
mod kinds;
mod lax;
mod proof;
mod reference;
mod resource;
mod robust;
mod route;
mod server;
mod shape;
mod syntax;
mod top;
mod traces;
mod upstream;

use super::{Loaded, Problem, parse};
use crate::introspect::{ClientAuth, Rfc7662Settings, ServerSettings};
use std::any::Any;
use std::path::Path;

/// The smallest file that is whole.
const WHOLE: &str = "\
authorization_servers:
  main:
    introspection_endpoint: https://as.example.com/introspect
routes:
  - path: /*
    upstream: http://127.0.0.1:9000
";

/// How the gateway authenticates to a server of type `rfc7662`.
fn client_auth(server: &ServerSettings) -> Option<&ClientAuth> {
    let kind: &dyn Any = &*server.kind;
    kind.downcast_ref::<Rfc7662Settings>().map(|rfc7662| &rfc7662.client_auth)
}

const EXAMPLE: &str = include_str!("../../gateway.yaml.example");

fn env(name: &str) -> Option<String> {
    match name {
        "FOUR" => Some("4".into()),
        "YES" => Some("true".into()),
        "SHORT" => Some("5s".into()),
        "SECRET" => Some("hunter2-from-outside".into()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fn read(text: &str) -> Loaded {
    parse(text, Path::new("gateway.yaml"), &env)
}

/// The problems of a text as `check` prints them, without the name of the file.
fn told(text: &str) -> Vec<String> {
    let loaded = read(text);
    assert_eq!(
        loaded.settings.is_some(),
        loaded.errors() == 0,
        "settings exactly when there is no error: {:?}",
        loaded.problems
    );
    problems(&loaded)
        .into_iter()
        .map(|problem| problem.display(Path::new("")).to_string()[1..].to_owned())
        .collect()
}

/// The problems, without the warning of routes that demand nothing: the files of these tests are
/// short. `lax` tests that one.
fn problems(loaded: &Loaded) -> Vec<&Problem> {
    let lax =
        |problem: &Problem| problem.message.starts_with("demands no scope, audience or claim");
    loaded.problems.iter().filter(|problem| !lax(problem)).collect()
}

/// `WHOLE` with further lines behind: keys of its route, further routes, or keys of the top.
fn with(more: &str) -> Vec<String> {
    told(&format!("{WHOLE}{more}"))
}

/// `WHOLE` with further keys of its authorization server (written with four spaces before).
fn with_server(more: &str) -> Vec<String> {
    told(&WHOLE.replace("routes:\n", &format!("{more}routes:\n")))
}

#[test]
fn documented_defaults_are_no_harm() {
    let expected: &[&str] = &[];
    assert_eq!(
        with_server(
            "\
         \x20   response: json\n\
         \x20   type: rfc7662\n\
         \x20   tokens: {prefix: '', jwt_issuer: ''}\n\
         \x20   tls: {ca: '', server_name: ''}\n\
         \x20   client_auth: {method: none, token: '', token_endpoint: '', client_id: '', form_encode: true}\n\
         public_url: ''\n\
         listeners: [{protocols: [h1]}]\n\
         defaults: {require: '', step_up: {acr_values: [], max_age: 0s}, binding: {dpop: off, mtls: off}}\n\
         dpop: {algorithms: [ES256, ES384, EdDSA, PS256, RS256], window: 60s, nonce: false}\n"
        ),
        expected
    );
}
