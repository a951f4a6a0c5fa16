//! Authlib from PyPI, with Flask: members that are null, a numeric `sub`, and a secret that only
//! `%20` transmits by Basic.

use super::parts::{run, source, unless_missing};
use super::python;
use super::server::{Launch, Server};
use super::situations::{Peer, Running, Way, alone};
use crate::support::{Builder, Upstream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

pub const PEER: Peer = Peer {
    name: "Authlib",
    pinned: (include_str!("authlib/requirements.txt"), "Authlib=="),
    start,
    ways: &[
        Way::new(
            "`client_secret_basic`",
            "{ introspection_endpoint: @ORIGIN@/introspect, issuer: @ORIGIN@, require_issuer: true, client_auth: { method: client_secret_basic, client_id: gateway, client_secret: \"@SECRET@\" } }",
        ),
        Way::new(
            "`client_secret_post`, `token_type_hint: access_token`",
            "{ introspection_endpoint: @ORIGIN@/introspect, token_type_hint: access_token, client_auth: { method: client_secret_post, client_id: gateway, client_secret: \"@SECRET@\" } }",
        ),
    ],
};

const SECRET: &str = "gate:way+100% secret, of 32 bytes and more";

fn start() -> Result<Running, String> {
    let python: PathBuf = python::with_authlib()?.to_owned();
    // else the first start compiles for longer than a start may take
    run(Command::new(&python).args(["-c", "import authlib.integrations.flask_oauth2, flask"]))?;
    let directory = tempfile::tempdir().expect("a temporary folder");
    let launch = Launch {
        command: Box::new(move |ports, _| {
            let mut command = Command::new(&python);
            command
                .arg(source("authlib/server.py"))
                .args([&ports.public.to_string(), SECRET])
                .env("AUTHLIB_INSECURE_TRANSPORT", "1");
            command
        }),
        token: "/token",
        revocation: "/revoke",
        alive: "/",
        patience: Duration::from_secs(60),
    };
    let server = Server::start(directory, false, launch);
    let credentials = vec![("@SECRET@", SECRET.to_owned())];
    Ok(Running { server, places: Vec::new(), credentials, files: Vec::new() })
}

/// Members that are null are absent, and a number is passed on as its digits.
#[test]
fn null_members_and_a_numeric_sub() {
    let _alone = alone();
    let Some(peer) = unless_missing(start()) else { return };
    let upstream = Upstream::start();
    let (origin, service) = (peer.server.origin(), upstream.url());
    let gateway = Builder::new().start(&format!(
        r#"
authorization_servers:
  real:
    introspection_endpoint: {origin}/introspect
    client_auth: {{ method: client_secret_basic, client_id: gateway, client_secret: "{SECRET}" }}
routes:
  - {{ path: /*, upstream: "{service}" }}
"#
    ));
    let token = peer.server.issue("app", "read", None);
    let bearer = format!("Bearer {token}");
    let forged = [
        ("Authorization", &*bearer),
        ("X-Introspected-Username", "admin"),
        ("X-Introspected-Aud", "admin"),
    ];
    assert_eq!(gateway.get("/", &forged).status, 200);
    let seen = upstream.last();
    assert_eq!(seen.header("x-introspected-sub"), Some("7"));
    assert_eq!(seen.header("x-introspected-client-id"), Some("app"));
    for absent in ["x-introspected-username", "x-introspected-aud"] {
        assert_eq!(seen.header(absent), None, "{absent}");
    }
}
