//! Dex, built from the module proxy's zip: a provider without introspection, whose userinfo
//! endpoint says which tokens work (`type: custom`, the recipe of docs/authorization-servers.md).

use super::go::GoModule;
use super::parts::{kept, unless_missing};
use super::server::{Launch, Server, call};
use super::situations::{alone, assert_unavailable};
use crate::support::{Builder, Gateway, Upstream, run_cli, wait_within};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const MODULE: &str = "github.com/dexidp/dex";
/// v2.41.1, which the module proxy knows by its commit alone.
const VERSION: &str = "v0.0.0-20240807174518-43956db7fd75";
/// The same commit, of the module in its folder `api/v2`.
const API_VERSION: &str = "v2.1.1-0.20240807174518-43956db7fd75";
/// Of its zip and of its `go.mod`; the checksum database does not have them.
const API_SUMS: [&str; 2] = [
    "h1:+6yv8pY6NPzvEExj/rWp8xu9LZNNUQImWofqpcaW+Og=",
    "h1:wW7pJO4K9SxAgwjTWGv9jzBS6sbKcItdtbC25uJoZvg=",
];
/// As `go.sum` has it.
const SUM: &str = "h1:rhJGxE3OIwZQmReo7UO/u+Qd/DsH4pZUBaUr2wrSxp0=";

const PROGRAM: GoModule = GoModule { name: "Dex", path: MODULE, version: VERSION, sum: SUM };
const USER: &str = "alice@example.com";
/// bcrypt of `wonderland`.
const HASH: &str = "$2b$10$lWPDF4jVE1HJ1ciYsiGjzuCYFwg2sB2qMb169BgrlRW2v.I4v4tVS";

#[test]
#[ignore = "slow; make interop"]
fn dex_is_asked_by_its_userinfo_endpoint() {
    let _alone = alone();
    let Some(program) = unless_missing(program()) else { return };
    let mut dex = start(program);
    let upstream = Upstream::start();
    let token = issue(&dex);
    let gateway = gateway(&dex, &upstream);

    assert_eq!(gateway.get_with("/", &token).status, 200);
    let seen = upstream.last();
    assert!(seen.header("x-introspected-sub").is_some_and(|sub| !sub.is_empty()), "{seen:?}");
    assert_eq!(seen.header("x-introspected-username"), Some(USER));
    let verified = gateway.get_with("/verified", &token);
    assert_eq!(verified.status, 200, "a claim of the answer: {verified:?}");
    let strict = gateway.get_with("/scoped", &token);
    assert_eq!((strict.status, &*strict.reason()), (403, "insufficient_scope"), "it has no scope");
    doctor_ends(&gateway, 0);

    let forged = format!("{}x{}", &token[..token.len() - 9], &token[token.len() - 8..]);
    for refused in ["never-issued", &forged] {
        let response = gateway.get_with("/", refused);
        assert_eq!((response.status, &*response.reason()), (401, "inactive"));
    }

    // its keys live in memory: the tokens of the time before are refused after a new start
    let unseen = issue(&dex);
    dex.stop();
    let response = gateway.get_with("/", &unseen);
    assert_unavailable(&response);
    assert_eq!(response.reason(), "as_unavailable");
    doctor_ends(&gateway, 1);
    dex.come_back();
    let token = issue(&dex);
    wait_within(Duration::from_secs(30), "the gateway notices that it is back", || {
        std::thread::sleep(Duration::from_millis(200));
        gateway.get_with("/", &token).status == 200
    });
    assert_eq!(gateway.get_with("/", &unseen).reason(), "inactive");
}

/// With one client, and one user in its own password database.
#[track_caller]
fn start(program: PathBuf) -> Server {
    let launch = Launch {
        command: Box::new(move |ports, directory| {
            let origin = format!("127.0.0.1:{}", ports.public);
            let configuration = json!({
                "issuer": format!("http://{origin}/dex"),
                "storage": { "type": "memory" },
                "web": { "http": origin },
                "oauth2": { "passwordConnector": "local", "skipApprovalScreen": true },
                "enablePasswordDB": true,
                "staticClients": [{ "id": "app", "secret": "app-secret", "name": "app", "redirectURIs": ["http://127.0.0.1/"] }],
                "staticPasswords": [{ "email": USER, "hash": HASH, "username": "alice", "userID": "08a8684b" }],
            });
            let file = directory.join("dex.yaml");
            std::fs::write(&file, configuration.to_string()).expect("write the configuration");
            let mut command = Command::new(&program);
            command.arg("serve").arg(file);
            command
        }),
        token: "/dex/token",
        revocation: "",
        alive: "/dex/.well-known/openid-configuration",
        patience: Duration::from_secs(60),
    };
    Server::start(tempfile::tempdir().expect("a temporary folder"), false, launch)
}

/// A user's access token.
#[track_caller]
fn issue(dex: &Server) -> String {
    let form = format!(
        "grant_type=password&client_id=app&client_secret=app-secret&username={USER}&password=wonderland&scope=openid%20profile%20email"
    );
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let response = call(dex.ports.public, "POST", "/dex/token", &headers, &form);
    let response = response.expect("an answer");
    let answer: Value = response.json();
    answer["access_token"].as_str().unwrap_or_else(|| panic!("no token: {response:?}")).to_owned()
}

#[track_caller]
fn gateway(dex: &Server, upstream: &Upstream) -> Gateway {
    let (origin, service) = (dex.origin(), upstream.url());
    Builder::new().start(&format!(
        r#"
authorization_servers:
  dex:
    type: custom
    request:
      method: GET
      url: {origin}/dex/userinfo
      headers: {{ Authorization: "Bearer {{token}}" }}
    answer: {{ sub: /sub, username: /email }}
    inactive_status: [401, 403]
cache: {{ ttl: 1s, inactive_ttl: 1s }}
routes:
  - {{ path: /verified, upstream: "{service}", claims: {{ email_verified: true }} }}
  - {{ path: /scoped, upstream: "{service}", scopes: [read] }}
  - {{ path: /*, upstream: "{service}" }}
"#
    ))
}

#[track_caller]
fn doctor_ends(gateway: &Gateway, code: i32) {
    let file = gateway.config_file().display().to_string();
    let (ended, out, err) = run_cli(&["doctor", "-c", &file], &[]);
    assert_eq!(ended, code, "{out}\n{err}");
}

/// The zip lacks the folder that a replace directive names: the module of that name is taken at the
/// same commit. It needs cgo for its SQLite, which is not used here.
fn program() -> Result<PathBuf, String> {
    let made = kept("dex", (MODULE, VERSION, SUM), |making| {
        let source = PROGRAM.copied(making)?;
        let go = |arguments: &[&str]| PROGRAM.go(&source, arguments);
        let api = format!("{MODULE}/api/v2");
        go(&["mod", "edit", "-replace", &format!("{api}={api}@{API_VERSION}")])?;
        let sums = source.join("go.sum");
        let mut text = std::fs::read_to_string(&sums).map_err(|error| error.to_string())?;
        text.push_str(&format!(
            "{api} {API_VERSION} {}\n{api} {API_VERSION}/go.mod {}\n",
            API_SUMS[0], API_SUMS[1]
        ));
        std::fs::write(&sums, text).map_err(|error| error.to_string())?;
        go(&["build", "-mod=mod", "-ldflags", "-s -w", "-o", "../dex", "./cmd/dex"])?;
        std::fs::remove_dir_all(&source).map_err(|error| error.to_string())
    });
    Ok(made?.join("dex"))
}
