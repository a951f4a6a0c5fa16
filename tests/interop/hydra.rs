//! Ory Hydra, built from the module proxy's zip: opaque tokens, and an introspection endpoint on a
//! second listener without authentication.

use super::go::GoModule;
use super::parts::{kept, run};
use super::server::{APP_SECRET, BRIEF, Launch, Server, call};
use super::situations::{Peer, Running, Situation::*, Way};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const MODULE: &str = "github.com/ory/hydra/v2";
const VERSION: &str = "v2.3.0";
/// As `go.sum` has it.
const SUM: &str = "h1:bPs5MOWmYLZ9C3oQFhhjnaBrExUgF/zf3u1AJVlR//4=";

const PROGRAM: GoModule = GoModule { name: "Hydra", path: MODULE, version: VERSION, sum: SUM };

pub const PEER: Peer = Peer {
    name: "Ory Hydra",
    pinned: (VERSION, "v"),
    start,
    ways: &[Way::new("`none`", "{ issuer: @ORIGIN@, require_issuer: true, introspection_endpoint: @ADMIN@/admin/oauth2/introspect }")
        .differs(&[(OurCredentialsWrong, "–")])],
};

fn start() -> Result<Running, String> {
    let program = program()?;
    let directory = tempfile::tempdir().expect("a temporary folder");
    let hydra = move |directory: &Path| {
        let mut command = Command::new(&program);
        command.env("DSN", format!("sqlite://{}?_fk=true", directory.join("db.sqlite").display()));
        command.envs([("SECRETS_SYSTEM", "for loopback and tests only"), ("SQA_OPT_OUT", "true")]);
        command
    };
    run(hydra(directory.path()).args(["migrate", "sql", "-e", "--yes"]))?;
    let launch = Launch {
        command: Box::new(move |ports, directory| {
            let mut command = hydra(directory);
            command.args(["serve", "all", "--dev"]);
            command.env("URLS_SELF_ISSUER", format!("http://127.0.0.1:{}", ports.public));
            for (name, port) in [("PUBLIC", Some(ports.public)), ("ADMIN", ports.admin)] {
                command
                    .env(format!("SERVE_{name}_HOST"), "127.0.0.1")
                    .env(format!("SERVE_{name}_PORT"), port.unwrap_or_default().to_string());
            }
            command
        }),
        token: "/oauth2/token",
        revocation: "/oauth2/revoke",
        alive: "/health/ready",
        patience: Duration::from_secs(60),
    };
    let server = Server::start(directory, true, launch);
    for (client, lifespan) in [("app", 600), ("brief", BRIEF.as_secs())] {
        register(
            &server,
            &json!({
                "client_id": client, "client_secret": APP_SECRET, "token_endpoint_auth_method": "client_secret_post",
                "grant_types": ["client_credentials"], "scope": "read write", "audience": ["gateway"],
                "client_credentials_grant_access_token_lifespan": format!("{lifespan}s"),
            }),
        );
    }
    Ok(Running { server, places: Vec::new(), credentials: Vec::new(), files: Vec::new() })
}

#[track_caller]
fn register(server: &Server, client: &Value) {
    let admin = server.ports.admin.expect("an admin port");
    let answer = call(
        admin,
        "POST",
        "/admin/clients",
        &[("Content-Type", "application/json")],
        &client.to_string(),
    );
    assert!(answer.as_ref().is_ok_and(|response| response.status == 201), "{answer:?}");
}

/// `go install` refuses a module with replace directives, and the zip lacks the folder that one of
/// them names: without it the published module of that name is taken. SQLite needs cgo.
fn program() -> Result<PathBuf, String> {
    let made = kept("hydra", (MODULE, VERSION, SUM), |making| {
        let source = PROGRAM.copied(making)?;
        let go = |arguments: &[&str]| PROGRAM.go(&source, arguments);
        go(&["mod", "edit", "-dropreplace", "github.com/ory/hydra-client-go/v2"])?;
        go(&["build", "-mod=mod", "-tags", "sqlite", "-ldflags", "-s -w", "-o", "../hydra", "."])?;
        std::fs::remove_dir_all(&source).map_err(|error| error.to_string())
    });
    Ok(made?.join("hydra"))
}
