//! oidc-provider from npm: one client for each way of authenticating.

use super::keys::GatewayKey;
use super::parts::{fetch, kept, run, source};
use super::server::{Launch, Server};
use super::situations::{Peer, Running, Way};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub const PEER: Peer = Peer {
    name: "oidc-provider",
    pinned: (include_str!("oidc_provider/package.json"), "\"oidc-provider\": \""),
    start,
    ways: &[
        Way::new(
            "`client_secret_basic`",
            "{ introspection_endpoint: @ORIGIN@/token/introspection, client_auth: { method: client_secret_basic, client_id: basic, client_secret: \"@SECRET@\" } }",
        ),
        Way::new(
            "`client_secret_post`, discovery",
            "{ issuer: @ORIGIN@, require_issuer: true, client_auth: { method: client_secret_post, client_id: post, client_secret: \"@SECRET@\" } }",
        ),
        Way::new(
            "`client_secret_jwt`, discovery",
            "{ issuer: @ORIGIN@, client_auth: { method: client_secret_jwt, client_id: secret-jwt, client_secret: \"@SECRET@\" } }",
        ),
        Way::new(
            "`private_key_jwt`",
            "{ introspection_endpoint: @ORIGIN@/token/introspection, client_auth: { method: private_key_jwt, client_id: key-jwt, private_key: \"@KEY@\" } }",
        ),
        Way::new(
            "`client_secret_basic`, `response: jwt`, discovery",
            "{ issuer: @ORIGIN@, response: jwt, client_auth: { method: client_secret_basic, client_id: signed, client_secret: \"@SECRET@\" } }",
        ),
        Way::new(
            "the same, encrypted: `decryption_keys`",
            "{ issuer: @ORIGIN@, response: jwt, decryption_keys: [\"@KEY@\"], client_auth: { method: client_secret_basic, client_id: encrypted, client_secret: \"@SECRET@\" } }",
        ),
    ],
};

/// Only HTTP Basic's form encoding (RFC 6749 §2.3.1) gets it right; long enough for HS256.
const SECRET: &str = "gate:way+100% secret, of 32 bytes and more";

fn start() -> Result<Running, String> {
    let modules = modules()?;
    let key = GatewayKey::new();
    let directory = tempfile::tempdir().expect("a temporary folder");
    let jwk = key.public_jwk().to_string();
    let launch = Launch {
        command: Box::new(move |ports, _| {
            let mut command = Command::new(node(&modules));
            command
                .arg(source("oidc_provider/server.mjs"))
                .arg(&modules)
                .arg(ports.public.to_string())
                .args([SECRET, &jwk]);
            command
        }),
        token: "/token",
        revocation: "/token/revocation",
        alive: "/jwks",
        patience: Duration::from_secs(60),
    };
    let server = Server::start(directory, false, launch);
    let credentials = vec![("@SECRET@", SECRET.to_owned())];
    Ok(Running { server, places: Vec::new(), credentials, files: key.files() })
}

/// The folder that `node_modules` is in, filled from the lock file.
fn modules() -> Result<PathBuf, String> {
    let version = run(Command::new("node").arg("--version"))
        .map_err(|_| "no node; apt-get install nodejs npm".to_owned())?;
    run(Command::new("npm").arg("--version"))
        .map_err(|_| "no npm; apt-get install npm".to_owned())?;
    let major = version
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    let too_old = major.unwrap_or_default() < 20;
    let files = ["package.json", "package-lock.json"]
        .map(|name| (name, fs::read(source("oidc_provider").join(name)).expect(name)));
    kept("node", (&files, too_old), |making| {
        for (name, contents) in &files {
            fs::write(making.join(name), contents).map_err(|error| format!("{name}: {error}"))?;
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(making);
        // the optional packages are a Node.js for a distribution whose own oidc-provider does not
        // run on
        npm.args((!too_old).then_some("--omit=optional"));
        fetch("oidc-provider from npm", &mut npm).map(drop)
    })
}

/// The one that npm brought, or else the machine's.
fn node(modules: &Path) -> PathBuf {
    let brought =
        ["x64", "arm64"].map(|cpu| modules.join(format!("node_modules/node-linux-{cpu}/bin/node")));
    brought.into_iter().find(|node| node.exists()).unwrap_or_else(|| "node".into())
}
