//! oidc-provider from npm: one client for each way of authenticating.

use super::keys::GatewayKey;
use super::node;
use super::parts::source;
use super::server::{Launch, Server};
use super::situations::{Peer, Running, Way};
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
    let modules = node::modules("oidc_provider", "oidc-provider")?;
    let key = GatewayKey::new();
    let directory = tempfile::tempdir().expect("a temporary folder");
    let jwk = key.public_jwk().to_string();
    let launch = Launch {
        command: Box::new(move |ports, _| {
            let mut command = Command::new(node::program(&modules));
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
