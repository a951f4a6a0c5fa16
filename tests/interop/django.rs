//! django-oauth-toolkit: migrated, seeded, and asked by Bearer, Basic and form.

use super::parts::{run, source};
use super::python;
use super::server::{Launch, Server};
use super::situations::{Peer, Running, Way};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

pub const PEER: Peer = Peer {
    name: "django-oauth-toolkit",
    pinned: (include_str!("django_oauth_toolkit/requirements.txt"), "django-oauth-toolkit=="),
    start,
    ways: &[
        Way::new(
            "`bearer`",
            "{ introspection_endpoint: @ORIGIN@/o/introspect/, client_auth: { method: bearer, token: \"@BEARER@\" } }",
        ),
        Way::new(
            "`client_secret_basic`",
            "{ introspection_endpoint: @ORIGIN@/o/introspect/, client_auth: { method: client_secret_basic, client_id: gateway, client_secret: \"@SECRET@\" } }",
        ),
        Way::new(
            "`client_secret_post`",
            "{ introspection_endpoint: @ORIGIN@/o/introspect/, client_auth: { method: client_secret_post, client_id: gateway, client_secret: \"@SECRET@\" } }",
        ),
        Way::new(
            "`client_credentials`",
            "{ introspection_endpoint: @ORIGIN@/o/introspect/, client_auth: { method: client_credentials, token_endpoint: @ORIGIN@/o/token/, scope: introspection, client_id: gateway, client_secret: \"@SECRET@\" } }",
        ),
    ],
};

fn start() -> Result<Running, String> {
    let django = Django::start(python::with_django()?);
    let credentials = vec![
        ("@BEARER@", django.seeded("introspection_token").to_owned()),
        ("@SECRET@", django.seeded("gateway_client_secret").to_owned()),
    ];
    Ok(Running { server: django.server, places: Vec::new(), credentials, files: Vec::new() })
}

const DATABASE: &str = "db.sqlite3";

pub struct Django {
    pub server: Server,
    seed: &'static Seed,
}

impl Django {
    /// Starts the server with a freshly seeded database of its own and waits until it answers.
    #[track_caller]
    pub fn start(python: &Path) -> Django {
        // made once: each test gets a copy
        static SEED: OnceLock<Seed> = OnceLock::new();
        let seed = SEED.get_or_init(|| Seed::make(python));
        let directory = tempfile::tempdir().expect("a temporary folder");
        fs::write(directory.path().join(DATABASE), &seed.database).expect("write the database");
        let python: PathBuf = python.to_owned();
        let launch = Launch {
            command: Box::new(move |ports, directory| {
                let mut command = script(&python, "manage.py", directory);
                command.args(["runserver", "--noreload", &format!("127.0.0.1:{}", ports.public)]);
                command
            }),
            token: "/o/token/",
            revocation: "/o/revoke_token/",
            alive: "/",
            patience: Duration::from_secs(60),
        };
        Django { server: Server::start(directory, false, launch), seed }
    }

    pub fn introspection_endpoint(&self) -> String {
        format!("{}/o/introspect/", self.server.origin())
    }

    /// The value that `seed.py` stored under this name: a token, a client's id or secret.
    #[track_caller]
    pub fn seeded(&self, name: &str) -> &str {
        let value = self.seed.names[name].as_str();
        value.unwrap_or_else(|| panic!("seed.py makes no {name}"))
    }
}

/// A migrated database with clients and tokens in it.
struct Seed {
    database: Vec<u8>,
    names: Value,
}

impl Seed {
    #[track_caller]
    fn make(python: &Path) -> Seed {
        let directory = tempfile::tempdir().expect("a temporary folder");
        let mut migrate = script(python, "manage.py", directory.path());
        run(migrate.args(["migrate", "--verbosity", "0"])).expect("migrate");
        let names = run(&mut script(python, "seed.py", directory.path())).expect("seed");
        Seed {
            database: fs::read(directory.path().join(DATABASE)).expect("read the database"),
            names: serde_json::from_str(&names).expect("JSON from the seed"),
        }
    }
}

/// One of the project's scripts, with its database in this directory.
fn script(python: &Path, name: &str, directory: &Path) -> Command {
    let mut command = Command::new(python);
    command
        .arg(source("django_oauth_toolkit").join(name))
        .env("DOT_DATABASE", directory.join(DATABASE))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env_remove("DJANGO_SETTINGS_MODULE");
    command
}
