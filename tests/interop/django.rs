//! django-oauth-toolkit as a running authorization server: migrated, seeded, and stoppable at any moment.

use super::python::{Process, run, source};
use crate::support::{Connection, Response, free_port, wait_within};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;
use tempfile::TempDir;

/// How long Django may take to answer after its start, with other tests running beside it.
const START: Duration = Duration::from_secs(60);

const DATABASE: &str = "db.sqlite3";

pub struct Django {
    python: PathBuf,
    port: u16,
    directory: TempDir,
    seed: &'static Seed,
    process: Option<Process>,
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
        let mut django = Django { python: python.to_owned(), port: free_port(), directory, seed, process: None };
        django.come_back();
        django
    }

    /// Ends the server, and with it every connection.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts the server, at the same port and with the same database as before.
    #[track_caller]
    pub fn come_back(&mut self) {
        let address = format!("127.0.0.1:{}", self.port);
        let mut command = script(&self.python, "manage.py", self.directory.path());
        command.args(["runserver", "--noreload", &address]);
        let log = self.directory.path().join("log");
        let mut process = Process::start(&mut command, &log);
        wait_within(START, "Django answers", || {
            if let Some(status) = process.ended() {
                let said = fs::read_to_string(&log).unwrap_or_default();
                panic!("Django ended with {status}: {said}");
            }
            self.call("GET", "/", "").is_ok()
        });
        self.process = Some(process);
    }

    pub fn introspection_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/o/introspect/", self.port)
    }

    /// What `seed.py` put there under this name: a token, a client's id or secret.
    #[track_caller]
    pub fn seeded(&self, name: &str) -> &str {
        let value = self.seed.names[name].as_str();
        value.unwrap_or_else(|| panic!("seed.py makes no {name}"))
    }

    /// Revokes a token as its client does (RFC 7009).
    #[track_caller]
    pub fn revoke(&self, token: &str) {
        let response = self.post_as_app("/o/revoke_token/", &format!("token={token}"));
        assert_eq!(response.status, 200, "{response:?}");
    }

    /// A token that the client gets for itself, without a user (RFC 6749 §4.4).
    #[track_caller]
    pub fn issue_client_token(&self, scope: &str) -> String {
        let form = format!("grant_type=client_credentials&scope={scope}");
        let response = self.post_as_app("/o/token/", &form);
        let token = response.json()["access_token"].as_str().map(str::to_owned);
        token.unwrap_or_else(|| panic!("no token: {response:?}"))
    }

    #[track_caller]
    fn post_as_app(&self, path: &str, form: &str) -> Response {
        let (id, secret) = (self.seeded("app_client_id"), self.seeded("app_client_secret"));
        let form = format!("{form}&client_id={id}&client_secret={secret}");
        let answer = self.call("POST", path, &form);
        answer.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn call(&self, method: &str, path: &str, form: &str) -> std::io::Result<Response> {
        // Django answers to its own names only (ALLOWED_HOSTS)
        let host = format!("127.0.0.1:{}", self.port);
        let form_type = "application/x-www-form-urlencoded";
        let headers = [("Host", host.as_str()), ("Content-Type", form_type)];
        Connection::try_open(self.port)?.request(method, path, &headers, form.as_bytes())
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
