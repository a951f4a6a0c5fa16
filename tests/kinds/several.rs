//! Several authorization servers on one gateway: which one is asked, and that no other one ever
//! sees the token.

use super::{alice, ok, status};
use crate::support::{AuthorizationServer, Setup, run_cli_in};
use base64::prelude::*;
use serde_json::json;

struct Three {
    setup: Setup,
    issuer: AuthorizationServer,
    google: AuthorizationServer,
}

/// `main` takes the tokens that no other one takes, `issuer` the JWTs of one issuer, `google` those
/// that begin with `ya29.`.
fn three(main_tokens: &str) -> Three {
    let (issuer, google) = (AuthorizationServer::start(), AuthorizationServer::start());
    let yaml = format!(
        "authorization_servers:
  main: {{ introspection_endpoint: \"@AS@\", tokens: {{ {main_tokens} }} }}
  issuer: {{ introspection_endpoint: \"{}\", tokens: {{ jwt_issuer: \"https://issuer.example\" }} }}
  google: {{ type: google, audience: [app], endpoint: \"{}\", tokens: {{ prefix: \"ya29.\" }} }}
routes:
  - {{ path: /*, upstream: \"@UPSTREAM@\", authorization_server: [google, main, issuer] }}
  - {{ path: /google, upstream: \"@UPSTREAM@\", authorization_server: google }}
",
        issuer.url(),
        google.url()
    );
    let setup = Setup::start(&yaml);
    setup.server.behave_for_all(crate::support::Behaviour::Json(alice()));
    issuer.behave_for_all(crate::support::Behaviour::Json(alice()));
    google.behave_for_all(ok(r#"{"aud":"app","sub":"g","expires_in":100}"#));
    Three { setup, issuer, google }
}

impl Three {
    /// Calls of `main`, `issuer` and `google`.
    fn calls(&self) -> [usize; 3] {
        [self.setup.server.count(), self.issuer.count(), self.google.count()]
    }
}

fn jwt(payload: &str) -> String {
    format!(
        "{}.{}.c2ln",
        BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#),
        BASE64_URL_SAFE_NO_PAD.encode(payload)
    )
}

#[test]
fn each_token_is_shown_to_one_server() {
    let three = three("");
    let ours = jwt(r#"{"iss":"https://issuer.example"}"#);
    for (token, server, calls) in [
        ("opaque", "main", [1, 0, 0]),
        ("ya29.x", "google", [1, 0, 1]),
        (ours.as_str(), "issuer", [1, 1, 1]),
        (&jwt(r#"{"iss":"https://issuer.example.evil"}"#), "main", [2, 1, 1]),
        (&jwt(r#"{"iss":"x","iss":"https://issuer.example"}"#), "main", [3, 1, 1]),
        ("ya29", "main", [4, 1, 1]),
        ("opaque", "main", [4, 1, 1]),
    ] {
        assert_eq!(three.setup.get(token).status, 200, "{token}");
        assert_eq!(super::identity_of(&three.setup, "server").as_deref(), Some(server), "{token}");
        assert_eq!(three.calls(), calls, "{token}");
    }
    let log = three.setup.gateway.access_log(7);
    let servers: Vec<_> =
        log.iter().map(|line| line["server"].as_str().unwrap_or_default()).collect();
    assert_eq!(servers, ["main", "google", "issuer", "main", "main", "main", "main"]);
}

#[test]
fn a_token_that_fits_no_server_is_sent_to_none() {
    let three = three("prefix: \"main-\"");
    for token in ["opaque", "ya28.x", "Main-x", &jwt(r#"{"iss":"https://other.example"}"#)] {
        assert_eq!(three.setup.outcome(token), (401, "inactive".into()), "{token}");
    }
    assert_eq!(three.calls(), [0, 0, 0]);
    assert_eq!(three.setup.upstream.count(), 0);
    assert_eq!(three.setup.outcome("main-x"), (200, String::new()));
}

/// Also where the route names only one.
#[test]
fn a_server_alone_keeps_to_its_tokens_too() {
    let three = three("");
    let response = three.setup.gateway.get_with("/google", "opaque");
    assert_eq!((response.status, response.reason().as_str()), (401, "inactive"));
    assert_eq!(three.calls(), [0, 0, 0]);
    assert_eq!(three.setup.gateway.get_with("/google", "ya29.x").status, 200);
}

/// When the one server fails, no other one is asked in its place.
#[test]
fn a_failing_server_has_no_substitute() {
    let three = three("");
    three.google.behave_for_all(status(500, ""));
    assert_eq!(three.setup.outcome("ya29.x"), (503, "as_unavailable".into()));
    three.google.behave_for_all(status(400, r#"{"error":"invalid_token"}"#));
    assert_eq!(three.setup.outcome("ya29.y"), (401, "inactive".into()));
    let [main, issuer, _] = three.calls();
    assert_eq!((main, issuer), (0, 0));
}

/// Two names for one endpoint are two servers: the answer of one is not used for the other.
#[test]
fn entries_of_two_servers_never_mix() {
    let setup = Setup::start(
        "authorization_servers:
  a: { introspection_endpoint: \"@AS@\" }
  b: { introspection_endpoint: \"@AS@\" }
  c: { introspection_endpoint: \"@AS@\", client_auth: { method: bearer, token: x } }
routes:
  - { path: /a, upstream: \"@UPSTREAM@\", authorization_server: a }
  - { path: /b, upstream: \"@UPSTREAM@\", authorization_server: b }
  - { path: /c, upstream: \"@UPSTREAM@\", authorization_server: c }
",
    );
    setup.server.answer("t", alice());
    for (calls, path) in ["/a", "/b", "/c"].into_iter().enumerate() {
        for _ in 0..2 {
            assert_eq!(setup.gateway.get_with(path, "t").status, 200);
            assert_eq!(super::identity_of(&setup, "server").as_deref(), path.strip_prefix('/'));
            assert_eq!(setup.server.count(), calls + 1, "{path}");
        }
    }
    assert_eq!(
        setup.gateway.admin_post("/api/cache/purge", &json!({ "token": "t" })).json()["purged"],
        3
    );
}

#[test]
fn an_undecided_choice_of_server_is_refused() {
    let check = |main: &str, second: &str| {
        let directory = tempfile::tempdir().expect("a folder");
        let yaml = format!(
            "authorization_servers:
  main: {{ introspection_endpoint: \"https://a.example\", {main} }}
  second: {{ introspection_endpoint: \"https://b.example\", {second} }}
routes:
  - {{ path: /*, upstream: \"http://127.0.0.1:1\", authorization_server: [main, second] }}
"
        );
        std::fs::write(directory.path().join("gateway.yaml"), yaml).expect("write");
        let (code, out, err) = run_cli_in(directory.path(), &["check"], &[]);
        (code, out + &err)
    };
    for (main, second, why) in [
        ("", "", "neither has `tokens`"),
        ("tokens: { prefix: a }", "tokens: { prefix: a }", "their `tokens` are the same"),
        (
            "tokens: { jwt_issuer: \"https://a\" }",
            "tokens: { jwt_issuer: \"https://a\" }",
            "their `tokens` are the same",
        ),
    ] {
        let (code, output) = check(main, second);
        assert_eq!(code, 64, "{output}");
        assert!(
            output.contains("the choice between `main` and `second` is undecided")
                && output.contains(why),
            "{output}"
        );
    }
    for (main, second) in [
        ("", "tokens: { prefix: a }"),
        ("tokens: { prefix: a }", "tokens: { prefix: ab }"),
        ("tokens: { jwt_issuer: x }", "tokens: { prefix: e }"),
    ] {
        assert_eq!(check(main, second).0, 0, "{main} {second}");
    }
}
