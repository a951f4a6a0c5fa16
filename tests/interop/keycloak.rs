//! Keycloak from Maven Central, in its development mode: H2, a realm imported at start, and its own
//! name taken from the request's `Host` or `X-Forwarded-Host`.

use super::keys::GatewayKey;
use super::parts::{fetch, kept, run};
use super::server::{APP_SECRET, BRIEF, Launch, Server};
use super::situations::{Peer, Running, Situation::*, Way};
use crate::support::{Authority, free_port};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

pub const VERSION: &str = "26.7.3";
const SHA256: &str = "77657f30b7e90d70f727712ce1c967f430fd6a5e9f458d32d8c6df0635345f47";
const MAVEN_COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy";

/// Not a name that the gateway calls Keycloak by.
const FOREIGN: &str = "api.example.com";

pub const PEER: Peer = Peer {
    name: "Keycloak",
    pinned: (VERSION, ""),
    start,
    ways: &[
        Way::new(
            "`client_secret_basic`, discovery",
            "{ issuer: @ORIGIN@/realms/demo, require_issuer: true, client_auth: { method: client_secret_basic, client_id: gateway, client_secret: \"@SECRET@\" } }",
        ),
        Way::new(
            "`client_secret_post`, discovery",
            "{ issuer: @ORIGIN@/realms/demo, client_auth: { method: client_secret_post, client_id: gateway, client_secret: \"@SECRET@\" } }",
        ),
        Way::new(
            "`client_secret_jwt`, discovery",
            "{ issuer: @ORIGIN@/realms/demo, client_auth: { method: client_secret_jwt, client_id: gateway-secret-jwt, client_secret: \"@SECRET@\" } }",
        ),
        Way::new(
            "`private_key_jwt`, discovery",
            "{ issuer: @ORIGIN@/realms/demo, client_auth: { method: private_key_jwt, client_id: gateway-key-jwt, key_id: gateway, private_key: \"@KEY@\" } }",
        ),
        Way::new(
            "`client_secret_basic`; tokens from a foreign host name",
            "{ introspection_endpoint: @ORIGIN@/realms/demo/protocol/openid-connect/token/introspect, client_auth: { method: client_secret_basic, client_id: gateway, client_secret: \"@SECRET@\" } }",
        )
        .host(FOREIGN)
        .differs(&[(Active, "401 `inactive`"), (WrongScope, "401 `inactive`"), (Back, "401 `inactive`")]),
        Way::new(
            "the same with `forward_host: true`",
            "{ introspection_endpoint: @ORIGIN@/realms/demo/protocol/openid-connect/token/introspect, forward_host: true, client_auth: { method: client_secret_basic, client_id: gateway, client_secret: \"@SECRET@\" } }",
        )
        .host(FOREIGN),
        Way::new(
            "`tls_client_auth`, `forward_host: true`",
            "{ introspection_endpoint: @HTTPS@/realms/demo/protocol/openid-connect/token/introspect, forward_host: true, tls: { ca: ca.pem }, client_auth: { method: tls_client_auth, client_id: gateway-tls, certificate: \"@CLIENT@.crt\", private_key: \"@CLIENT@.key\" } }",
        )
        .host(FOREIGN),
        Way::new("`type: jwt`, discovery", "{ type: jwt, issuer: @ORIGIN@/realms/demo, audience: [gateway], algorithms: [RS256], leeway: 0s }")
            .differs(&[(Expired, "401 `expired`"), (Revoked, "200"), (OurCredentialsWrong, "–"), (Stopped, "200")]),
        Way::new(
            "`type: jwt` and `then`",
            "{ type: jwt, issuer: @ORIGIN@/realms/demo, audience: [gateway], algorithms: [RS256], leeway: 0s, then: also }
  also: { issuer: @ORIGIN@/realms/demo, client_auth: { method: client_secret_basic, client_id: gateway, client_secret: \"@SECRET@\" } }",
        )
        .differs(&[(Expired, "401 `expired`")]),
    ],
};

pub const SECRET: &str = "gate:way+100% secret, of 32 bytes and more";

fn start() -> Result<Running, String> {
    let (key, authority) = (GatewayKey::new(), Authority::new());
    let https = free_port();
    let own = authority.certify(&["127.0.0.1"]);
    let directory = prepared(&realm(&key.public_jwk()))?;
    let files =
        [("own.crt", &*own.certificate), ("own.key", &*own.key), ("ca.pem", authority.pem())];
    for (name, contents) in files {
        fs::write(directory.path().join(name), contents).expect("write a file");
    }
    let server = launched(directory, move |directory| {
        let file = |name: &str| directory.join(name).display().to_string();
        vec![
            "--proxy-headers=xforwarded".to_owned(),
            format!("--https-port={https}"),
            format!("--https-certificate-file={}", file("own.crt")),
            format!("--https-certificate-key-file={}", file("own.key")),
            format!("--truststore-paths={}", file("ca.pem")),
            "--https-client-auth=request".to_owned(),
        ]
    });
    let mut files = key.files();
    files.push(("ca.pem", authority.pem().to_owned()));
    for (subject, certificate, key) in
        [("gateway", "client.crt", "client.key"), ("stranger", "stranger.crt", "stranger.key")]
    {
        let identity = authority.certify_as(subject, &[]);
        files.extend([(certificate, identity.certificate), (key, identity.key)]);
    }
    let places = vec![("@HTTPS@", format!("https://127.0.0.1:{https}"))];
    Ok(Running { server, places, credentials: vec![("@SECRET@", SECRET.to_owned())], files })
}

/// A folder with the program and a realm to import: it writes into its own folder.
pub fn prepared(realm: &Value) -> Result<TempDir, String> {
    let distribution = distribution()?;
    let directory = tempfile::tempdir().expect("a temporary folder");
    run(Command::new("cp").arg("-a").arg(&distribution).arg(directory.path().join("keycloak")))?;
    let import = directory.path().join("keycloak/data/import");
    fs::create_dir_all(&import).expect("a folder to import from");
    fs::write(import.join("realm.json"), realm.to_string()).expect("write the realm");
    Ok(directory)
}

/// Waits until it answers. `options`: further ones, from the folder.
#[track_caller]
pub fn launched(directory: TempDir, options: impl Fn(&Path) -> Vec<String> + 'static) -> Server {
    let launch = Launch {
        command: Box::new(move |ports, directory| {
            let mut command = Command::new(directory.join("keycloak/bin/kc.sh"));
            command
                .args(["start-dev", "--import-realm", "--http-host=127.0.0.1"])
                .arg(format!("--http-port={}", ports.public))
                .args(options(directory))
                .env("JAVA_OPTS_KC_HEAP", "-Xms64m -Xmx512m")
                .envs([
                    ("KC_BOOTSTRAP_ADMIN_USERNAME", ADMIN),
                    ("KC_BOOTSTRAP_ADMIN_PASSWORD", ADMIN),
                ]);
            command
        }),
        token: "/realms/demo/protocol/openid-connect/token",
        revocation: "/realms/demo/protocol/openid-connect/revoke",
        alive: "/realms/demo",
        patience: Duration::from_secs(400),
    };
    Server::start(directory, false, launch)
}

/// Name and password of the administrator.
pub const ADMIN: &str = "admin";

/// Unpacked, as it was published.
fn distribution() -> Result<PathBuf, String> {
    run(Command::new("java").arg("-version"))
        .map_err(|_| "no java; apt-get install openjdk-17-jre-headless".to_owned())?;
    let made = kept("keycloak", (VERSION, SHA256), |making| {
        run(Command::new("mvn").arg("--version"))
            .map_err(|_| "no mvn; apt-get install maven".to_owned())?;
        let mut maven = Command::new("mvn");
        maven
            .args(["--quiet", "--batch-mode", MAVEN_COPY])
            .arg(format!("-DoutputDirectory={}", making.display()));
        maven.arg(format!("-Dartifact=org.keycloak:keycloak-quarkus-dist:{VERSION}:tar.gz"));
        fetch("Keycloak from Maven Central", &mut maven)?;
        unpack(making)
    });
    Ok(made?.join(format!("keycloak-{VERSION}")))
}

fn unpack(folder: &Path) -> Result<(), String> {
    let archive = folder.join(format!("keycloak-quarkus-dist-{VERSION}.tar.gz"));
    let sum = run(Command::new("sha256sum").arg(&archive))?;
    if !sum.starts_with(SHA256) {
        return Err(format!("{} is not what it should be: {sum}", archive.display()));
    }
    run(Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(folder))?;
    fs::remove_file(&archive).map_err(|error| error.to_string())
}

/// Since 26.6.2 Keycloak calls a token inactive unless the client that asks is in its `aud`: each
/// one gets an audience mapper.
fn realm(jwk: &Value) -> Value {
    let gateways = ["gateway", "gateway-secret-jwt", "gateway-key-jwt", "gateway-tls"];
    let mapper = |client: &&str| {
        json!({
            "name": client, "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper",
            "config": { "included.client.audience": client, "access.token.claim": "true", "introspection.token.claim": "true" },
        })
    };
    let scope = |name: &str, mappers: Vec<Value>, shown: bool| {
        let attributes = json!({ "include.in.token.scope": shown.to_string() });
        json!({ "name": name, "protocol": "openid-connect", "attributes": attributes, "protocolMappers": mappers })
    };
    let app = |id: &str, lifespan: u64| {
        json!({
            "clientId": id, "secret": APP_SECRET, "serviceAccountsEnabled": true, "standardFlowEnabled": false,
            "defaultClientScopes": ["gateways"], "optionalClientScopes": ["read", "write"],
            "attributes": { "access.token.lifespan": lifespan.to_string() },
        })
    };
    let gateway = |id: &str, authenticator: &str, attributes: Value| {
        json!({
            "clientId": id, "secret": SECRET, "standardFlowEnabled": false,
            "clientAuthenticatorType": authenticator, "attributes": attributes,
        })
    };
    // a key without `use` is ignored
    let mut jwk = jwk.clone();
    jwk["use"] = json!("sig");
    let keys = json!({ "keys": [jwk] }).to_string();
    json!({
        "realm": "demo", "enabled": true, "sslRequired": "none",
        "clientScopes": [
            scope("read", Vec::new(), true),
            scope("write", Vec::new(), true),
            scope("gateways", gateways.iter().map(mapper).collect(), false),
        ],
        "clients": [
            app("app", 600),
            app("brief", BRIEF.as_secs()),
            gateway(gateways[0], "client-secret", json!({})),
            gateway(gateways[1], "client-secret-jwt", json!({ "token.endpoint.auth.signing.alg": "HS256" })),
            gateway(gateways[2], "client-jwt", json!({
                "token.endpoint.auth.signing.alg": "ES256", "use.jwks.string": "true", "jwks.string": keys,
            })),
            gateway(gateways[3], "client-x509", json!({ "x509.subjectdn": "CN=gateway" })),
        ],
    })
}
