//! Client libraries from npm, and the oidc-provider that issues their tokens: proofs of possession
//! by DPoP (RFC 9449) and by certificates (RFC 8705), through the gateway.

use super::node;
use super::parts::{run, source, unless_missing};
use super::server::{Launch, Server};
use super::situations::alone;
use crate::support::{Authority, Builder, Gateway, Identity, Upstream, free_port};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// The secret of the client `gateway`, for introspection.
pub const SECRET: &str = "the secret of the gateway, long enough";

pub const LIBRARIES: [&str; 2] = ["openid-client", "oauth4webapi"];

/// `node_modules` of the libraries.
pub fn modules() -> Result<PathBuf, String> {
    node::modules("clients", "the client libraries")
}

/// How the authorization server is called.
#[derive(Clone)]
pub enum Manner {
    /// Plain HTTP. `nonces`: its token endpoint demands a nonce of each DPoP proof.
    Http { nonces: bool },
    /// TLS at this port too, which is its issuer's, with the files of this folder; clients show
    /// certificates.
    Tls { port: u16, folder: PathBuf },
}

/// oidc-provider with dynamic registration, PKCE, resource indicators, and bound tokens.
pub fn authorization_server(modules: &Path, manner: Manner) -> Server {
    let modules = modules.to_owned();
    let launch = Launch {
        command: Box::new(move |ports, _| {
            let mut command = Command::new(node::program(&modules));
            command
                .arg(source("clients/authorization_server.mjs"))
                .arg(&modules)
                .arg(ports.public.to_string())
                .arg(SECRET);
            match &manner {
                Manner::Http { nonces } => {
                    command.arg(if *nonces { "nonces" } else { "no-nonces" });
                }
                Manner::Tls { port, folder } => {
                    command.args(["no-nonces", &port.to_string()]).arg(folder);
                }
            }
            command
        }),
        token: "/token",
        revocation: "/token/revocation",
        alive: "/jwks",
        patience: Duration::from_secs(60),
    };
    let directory = tempfile::tempdir().expect("a temporary folder");
    Server::start(directory, false, launch)
}

/// Runs a client to its end; what it printed.
#[track_caller]
pub fn run_client(modules: &Path, script: &str, arguments: &[&str]) -> Value {
    let mut command = Command::new(node::program(modules));
    command.arg(source(script)).arg(modules).args(arguments);
    let out = run(&mut command).unwrap_or_else(|error| panic!("{script}: {error}"));
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{script}: {error}: {out}"))
}

/// Status and reason of an outcome `[status, reason, challenge]`, and whether the challenge begins
/// with this scheme and has this error.
#[track_caller]
fn is_refused(outcome: &Value, reason: &str, scheme: &str, error: &str, whole: &Value) {
    assert_eq!((&outcome[0], &outcome[1]), (&json!(401), &json!(reason)), "{whole:#}");
    let challenge = outcome[2].as_str().unwrap_or_default();
    let named = error.is_empty() || challenge.contains(&format!("error=\"{error}\""));
    assert!(challenge.starts_with(&format!("{scheme} realm=")) && named, "{whole:#}");
}

/// Two requests passed with proofs, and none of the others. `calls`: the statuses of the former, and
/// of those that a nonce was missing in; `before`: how many requests the service had seen.
#[track_caller]
pub fn proofs_hold(library: &str, all: &Value, calls: &Value, upstream: &Upstream, before: usize) {
    assert_eq!(all["metadata"]["dpop_bound_access_tokens_required"], true, "{all:#}");
    assert_eq!(all["type"], "dpop", "{library} {all:#}");
    let passed = json!([200, null, null]);
    assert_eq!(all["good"], json!([passed, passed]), "{library} {all:#}");
    assert_eq!(all["calls"], *calls, "{library} {all:#}");
    is_refused(&all["asBearer"], "binding_dpop", "DPoP", "invalid_token", all);
    is_refused(&all["withoutProof"], "binding_dpop", "DPoP", "invalid_dpop_proof", all);
    is_refused(&all["replayed"], "binding_dpop", "DPoP", "invalid_dpop_proof", all);
    is_refused(&all["thief"], "binding_dpop", "DPoP", "invalid_token", all);
    let seen = upstream.requests().split_off(before);
    assert_eq!(seen.len(), 2, "{library} {all:#}");
    let seen = &seen[1];
    assert_eq!(seen.header("x-introspected-client-id"), Some("bound"));
    assert_eq!(seen.header("x-introspected-token-type"), Some("DPoP"));
    assert_eq!((seen.header("authorization"), seen.header("dpop")), (None, None));
}

/// Two requests passed with the token's certificate, and none of the others.
#[track_caller]
pub fn certificates_hold(library: &str, all: &Value, upstream: &Upstream, before: usize) {
    assert_eq!(all["metadata"]["tls_client_certificate_bound_access_tokens"], true, "{all:#}");
    assert_eq!(all["good"], json!([200, null, null]), "{library} {all:#}");
    assert_eq!(all["again"], json!([200, null, null]), "{library} {all:#}");
    is_refused(&all["without"], "binding_mtls", "Bearer", "invalid_token", all);
    is_refused(&all["other"], "binding_mtls", "Bearer", "invalid_token", all);
    let seen = upstream.requests().split_off(before);
    assert_eq!(seen.len(), 2, "{library} {all:#}");
    assert_eq!(seen[1].header("x-introspected-client-id"), Some("certified"));
    assert_eq!(seen[1].header("authorization"), None);
}

/// A folder with `ca.pem`, and the certificates and keys of `server`, `client` and `other`.
pub fn identities(authority: &Authority) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, identity: Identity| {
        for (extension, pem) in [("crt", &identity.certificate), ("key", &identity.key)] {
            fs::write(folder.path().join(format!("{name}.{extension}")), pem).expect("a file");
        }
    };
    put("server", authority.certify(&["127.0.0.1"]));
    put("client", authority.certify_as("client", &[]));
    put("other", authority.certify_as("other", &[]));
    fs::write(folder.path().join("ca.pem"), authority.pem()).expect("a file");
    folder
}

/// A gateway that ends TLS with the files of [`identities`], and takes this issuer's tokens for this
/// audience together with the certificate that they are bound to.
pub fn tls_gateway(
    authority: &Authority,
    files: &Path,
    issuer: &str,
    audience: &str,
    upstream: &Upstream,
) -> Gateway {
    let read = |name: &str| fs::read_to_string(files.join(name)).expect("a file");
    Builder::new()
        .file("ca.pem", authority.pem())
        .file("server.crt", &read("server.crt"))
        .file("server.key", &read("server.key"))
        .start(&format!(
            "
listeners:
  - address: \"127.0.0.1:@PORT@\"
    protocols: [h1, h2]
    tls: {{ certificate: \"@DIR@/server.crt\", private_key: \"@DIR@/server.key\", client_ca: \"@DIR@/ca.pem\", client_certificates: optional }}
authorization_servers:
  real: {{ issuer: \"{issuer}\", tls: {{ ca: \"@DIR@/ca.pem\" }}, client_auth: {{ method: client_secret_basic, client_id: gateway, client_secret: \"{SECRET}\" }} }}
protected_resource: {{ resource: \"https://127.0.0.1:@PORT@\" }}
routes:
  - {{ path: /*, upstream: \"{}\", scopes: [read], audience: [\"{audience}\"], binding: {{ dpop: off, mtls: required }} }}
",
            upstream.url()
        ))
}

/// Each library gets a bound token and uses it, with nonces demanded by both servers, and without.
#[test]
fn dpop_clients_use_their_tokens_through_the_gateway() {
    let _alone = alone();
    let Some(modules) = unless_missing(modules()) else { return };
    for nonces in [true, false] {
        let server = authorization_server(&modules, Manner::Http { nonces });
        let upstream = Upstream::start();
        let gateway = Builder::new().start(&format!(
            "
authorization_servers:
  real: {{ issuer: \"{}\", client_auth: {{ method: client_secret_basic, client_id: gateway, client_secret: \"{SECRET}\" }} }}
protected_resource: {{ resource: \"http://127.0.0.1:@PORT@\" }}
dpop: {{ nonce: {nonces} }}
routes:
  - {{ path: /*, upstream: \"{}\", scopes: [read], audience: [\"http://127.0.0.1:@PORT@\"], binding: {{ dpop: required }} }}
",
            server.origin(),
            upstream.url()
        ));
        let resource = format!("http://127.0.0.1:{}", gateway.port());
        for library in LIBRARIES {
            let before = upstream.count();
            let all = run_client(&modules, "clients/dpop.mjs", &[library, &resource]);
            let named = &all["metadata"]["authorization_servers"];
            assert_eq!(*named, json!([server.origin()]), "{all:#}");
            // one challenge teaches the library the nonce, which it keeps
            let calls = if nonces { json!([401, 200, 200]) } else { json!([200, 200]) };
            proofs_hold(library, &all, &calls, &upstream, before);
        }
    }
}

/// Each library authenticates by its certificate (`self_signed_tls_client_auth`), gets a token that
/// is bound to it, and uses both at the gateway's own TLS listener.
#[test]
fn certificate_bound_tokens_pass_with_their_certificate() {
    let _alone = alone();
    let Some(modules) = unless_missing(modules()) else { return };
    let authority = Authority::new();
    let folder = identities(&authority);
    let port = free_port();
    let manner = Manner::Tls { port, folder: folder.path().to_owned() };
    let server = authorization_server(&modules, manner);
    let upstream = Upstream::start();
    let gateway = tls_gateway(
        &authority,
        folder.path(),
        &format!("https://127.0.0.1:{port}"),
        "https://127.0.0.1:@PORT@",
        &upstream,
    );
    let resource = format!("https://127.0.0.1:{}", gateway.port());
    let files = folder.path().to_str().expect("UTF-8");
    for library in LIBRARIES {
        let arguments = [library, &resource, files];
        let before = upstream.count();
        let all = run_client(&modules, "clients/certificates.mjs", &arguments);
        certificates_hold(library, &all, &upstream, before);
    }
    drop(server);
}
