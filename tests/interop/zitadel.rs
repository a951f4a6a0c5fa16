//! The example provider of zitadel's OpenID library, built from the module proxy: text/plain
//! refusals by its provider, 400 `unauthorized_client` by its other mode, which is behind HTTP/2
//! alone here. A token is active only for clients in its audience.

use super::go;
use super::parts::{fetch, kept, source};
use super::server::{Launch, Server};
use super::situations::{Peer, Running, Way};
use crate::support::{Authority, free_port};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

pub const PEER: Peer = Peer {
    name: "zitadel oidc",
    pinned: (include_str!("zitadel/go.mod"), "require github.com/zitadel/oidc/v3 v"),
    start,
    ways: &[
        Way::new(
            "`client_secret_basic`, discovery",
            "{ issuer: \"@ORIGIN@/\", client_auth: { method: client_secret_basic, client_id: gateway, client_secret: \"@SECRET@\" } }",
        ),
        Way::new(
            "`client_secret_basic`, HTTP/2 only",
            "{ introspection_endpoint: @HTTPS@/oauth/introspect, tls: { ca: ca.pem }, client_auth: { method: client_secret_basic, client_id: gateway, client_secret: \"@SECRET@\" } }",
        ),
    ],
};

const SECRET: &str = "gate:way+100% secret, of 32 bytes and more";

fn start() -> Result<Running, String> {
    let program = program()?;
    let (authority, https) = (Authority::new(), free_port().to_string());
    let own = authority.certify(&["127.0.0.1"]);
    let directory = tempfile::tempdir().expect("a temporary folder");
    for (name, contents) in [("own.crt", &own.certificate), ("own.key", &own.key)] {
        std::fs::write(directory.path().join(name), contents).expect("write a file");
    }
    let places = vec![("@HTTPS@", format!("https://127.0.0.1:{https}"))];
    let launch = Launch {
        command: Box::new(move |ports, directory| {
            let mut command = Command::new(&program);
            command
                .args([&ports.public.to_string(), &https, SECRET])
                .args(["own.crt", "own.key"])
                .current_dir(directory);
            command
        }),
        token: "/oauth/token",
        revocation: "/revoke",
        alive: "/.well-known/openid-configuration",
        patience: Duration::from_secs(60),
    };
    let server = Server::start(directory, false, launch);
    let files = vec![("ca.pem", authority.pem().to_owned())];
    let credentials = vec![("@SECRET@", SECRET.to_owned())];
    Ok(Running { server, places, credentials, files })
}

/// Built from the modules that `zitadel/go.sum` names.
fn program() -> Result<PathBuf, String> {
    let pinned = ["go.mod", "go.sum", "main.go"]
        .map(|name| std::fs::read(source("zitadel").join(name)).expect(name));
    let made = kept("zitadel", pinned, |making| {
        go::available()?;
        let mut build = Command::new("go");
        build.args(["build", "-mod=readonly", "-o"]).arg(making.join("zitadel")).arg(".");
        build.current_dir(source("zitadel"));
        fetch("zitadel's OpenID library from the Go module proxy", &mut build).map(drop)
    });
    Ok(made?.join("zitadel"))
}
