//! Tokens that the gateway checks itself: every algorithm and every source of keys, and everything
//! that a forger might try.

mod algorithms;
mod claims;
mod discovery;
mod encrypted;
mod entra;
mod forged;
mod rotation;
mod sealer;
mod signer;
mod sources;
mod then;

use crate::support::{Behaviour, Builder, Setup, now, one_route};
pub use sealer::Sealer;
use serde_json::{Value, json};
pub use signer::{Signer, decode, encode};

const ISSUER: &str = "https://as.test";
/// Where the keys are published.
const JWKS: &str = "/introspect/jwks";

/// A gateway whose server `local` has these further keys, and takes keys from [`JWKS`]. After a
/// call for keys the next one waits a second.
#[track_caller]
fn start(keys: &str) -> Setup {
    configured(&format!("issuer: \"{ISSUER}\", audience: [api], jwks_uri: \"@AS@/jwks\", {keys}"))
}

#[track_caller]
fn configured(keys: &str) -> Setup {
    Setup::start(&config(keys))
}

fn config(keys: &str) -> String {
    format!(
        "authorization_servers:\n  local: {{ type: jwt, retries: 0, circuit_breaker: {{ open_for: 1s }}, {keys} }}\n{}",
        one_route("")
    )
}

fn publish(setup: &Setup, signers: &[&Signer]) {
    let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
    setup.server.publish(JWKS, Behaviour::Json(json!({ "keys": keys })));
}

/// The same with these files as `decryption_keys`, and a signer that is believed.
#[track_caller]
pub fn decrypting(files: &[(&str, &str)]) -> (Setup, Signer) {
    let builder =
        files.iter().fold(Builder::new(), |builder, (name, content)| builder.file(name, content));
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    let keys = format!(
        "issuer: \"{ISSUER}\", audience: [api], jwks_uri: \"@AS@/jwks\", decryption_keys: [{}]",
        names.join(", ")
    );
    let (setup, signer) = (Setup::build(builder, &config(&keys)), Signer::p256("k"));
    publish(&setup, &[&signer]);
    (setup, signer)
}

/// Good claims.
pub fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": "api", "sub": "alice", "exp": now() + 3600, "iat": now(), "nbf": now() - 1,
        "jti": format!("{:016x}", rand::random::<u64>()), "client_id": "app", "scope": "read write",
    })
}

/// Good claims but for these; `null` takes one away.
fn claims_with(changes: Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().expect("an object") {
        match value {
            Value::Null => claims.as_object_mut().and_then(|claims| claims.shift_remove(name)),
            value => {
                claims.as_object_mut().and_then(|claims| claims.insert(name.clone(), value.clone()))
            }
        };
    }
    claims
}

pub fn invalid() -> (u16, String) {
    (401, "invalid_jwt".to_owned())
}

fn refused(reason: &str) -> (u16, String) {
    (401, reason.to_owned())
}

pub fn passed() -> (u16, String) {
    (200, String::new())
}
