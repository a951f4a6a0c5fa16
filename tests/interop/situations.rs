//! The same situations for every real server and every way of asking it, and the table of results,
//! which docs/interop.md shows.

use super::parts::{cache, unless_missing};
use super::server::{BRIEF, Server};
use crate::support::{Builder, Gateway, Response, Upstream, run_cli, wait_within};
use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// An authorization server that can be had from a registry.
pub struct Peer {
    pub name: &'static str,
    /// The file that contains its version, and the text before it there.
    pub pinned: (&'static str, &'static str),
    /// Fetches and starts it; an error names the missing part.
    pub start: fn() -> Result<Running, String>,
    pub ways: &'static [Way],
}

/// A peer with the clients that its ways need.
pub struct Running {
    pub server: Server,
    /// Further addresses in [`Way::asked`].
    pub places: Vec<(&'static str, String)>,
    /// The values of the gateway's secrets in [`Way::asked`].
    pub credentials: Vec<(&'static str, String)>,
    /// Written beside the gateway's configuration; see [`Way::asked`].
    pub files: Vec<(&'static str, String)>,
}

/// One way of asking a server.
pub struct Way {
    name: &'static str,
    /// The server's section in `gateway.yaml`; further sections may follow. `@ORIGIN@` and
    /// `@ADMIN@` are replaced by the server's addresses, `@KEY@` by a file with our private key,
    /// `@CLIENT@` by the name of our certificate's files without `.crt` and `.key`.
    asked: &'static str,
    host: Option<&'static str>,
    differs: &'static [(Situation, &'static str)],
}

impl Way {
    pub const fn new(name: &'static str, asked: &'static str) -> Way {
        Way { name, asked, host: None, differs: &[] }
    }

    /// Clients call the server, and the gateway, by this name.
    pub const fn host(self, host: &'static str) -> Way {
        Way { host: Some(host), ..self }
    }

    /// Where the outcome is not the usual one; `–` where there is no such situation.
    pub const fn differs(self, differs: &'static [(Situation, &'static str)]) -> Way {
        Way { differs, ..self }
    }

    fn expected(&self, situation: Situation) -> &'static str {
        let different = self.differs.iter().find(|(which, _)| *which == situation);
        different.map_or(situation.usual(), |(_, outcome)| outcome)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Situation {
    Active,
    WrongScope,
    Expired,
    Revoked,
    /// Another secret, token or key than the one that the server knows.
    OurCredentialsWrong,
    /// A token that was never seen, while the server is down.
    Stopped,
    /// The same, asked of a gateway that started meanwhile.
    StoppedBeforeUs,
    /// The server runs again, and the two gateways were left alone.
    Back,
}
use Situation::*;

impl Situation {
    const ALL: [Situation; 8] =
        [Active, WrongScope, Expired, Revoked, OurCredentialsWrong, Stopped, StoppedBeforeUs, Back];

    fn title(self) -> &'static str {
        match self {
            Active => "active",
            WrongScope => "wrong scope",
            Expired => "expired",
            Revoked => "revoked",
            OurCredentialsWrong => "our credentials wrong",
            Stopped => "stopped",
            StoppedBeforeUs => "stopped before our start",
            Back => "back",
        }
    }

    fn usual(self) -> &'static str {
        match self {
            Active | Back => "200",
            WrongScope => "403 `insufficient_scope`",
            Expired | Revoked => "401 `inactive`",
            OurCredentialsWrong => "503 `as_rejected_us`",
            Stopped | StoppedBeforeUs => "503 `as_unavailable`",
        }
    }
}

/// How long the gateway may use an answer again.
const TTL: Duration = Duration::from_secs(1);

/// How long it may take the gateway to notice that a server is back.
const RECOVERY: Duration = Duration::from_secs(30);

/// One real server at a time: hashing passwords fills a core, starting Keycloak two, and time-outs
/// are part of the tests.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the server, goes through all situations by all ways, and compares the results with the
/// expected ones.
#[track_caller]
pub fn go_through(peer: &Peer) {
    let _alone = alone();
    let Some(mut peer_runs) = unless_missing((peer.start)()) else { return };
    let upstream = Upstream::start();
    let mut rows: Vec<Row> =
        peer.ways.iter().map(|way| Row::new(way, &peer_runs, &upstream)).collect();

    for row in &mut rows {
        row.online(&peer_runs, &upstream);
    }
    std::thread::sleep(BRIEF + 2 * TTL);
    rows.iter_mut().for_each(Row::later);

    // the tokens of the next situation are new
    let tokens: Vec<String> = rows.iter().map(|row| row.issue(&peer_runs, "app", "read")).collect();
    peer_runs.server.stop();
    for (row, token) in rows.iter_mut().zip(&tokens) {
        row.offline(&peer_runs, &upstream, token);
    }
    peer_runs.server.come_back();
    for row in &mut rows {
        row.back(&peer_runs);
    }

    let lines: Vec<String> =
        rows.iter().map(|row| line(peer, row.way, |situation| row.outcome(situation))).collect();
    let table = cache().join("table");
    fs::create_dir_all(&table).expect("a folder");
    fs::write(table.join(peer.name), lines.join("")).expect("write what happened");
    for row in &rows {
        for situation in Situation::ALL {
            let (is, should) = (row.outcome(situation), row.way.expected(situation));
            assert_eq!(
                is,
                should,
                "{} by {}: {situation:?}\n{}",
                peer.name,
                row.way.name,
                row.gateway.stderr()
            );
        }
    }
}

/// One way, and its results so far.
struct Row {
    way: &'static Way,
    gateway: Gateway,
    started_without: Option<Gateway>,
    /// Tokens that were good once.
    brief: String,
    revoked: String,
    outcomes: Vec<(Situation, String)>,
}

impl Row {
    fn new(way: &'static Way, peer: &Running, upstream: &Upstream) -> Row {
        let gateway = gateway(way, peer, upstream, true);
        Row {
            way,
            gateway,
            started_without: None,
            brief: String::new(),
            revoked: String::new(),
            outcomes: Vec::new(),
        }
    }

    #[track_caller]
    fn online(&mut self, peer: &Running, upstream: &Upstream) {
        let token = self.issue(peer, "app", "read");
        let active = self.ask(&self.gateway, &token);
        doctor_says(&self.gateway, 0, "no problem found");
        if active == "200" {
            let seen = upstream.last();
            assert_eq!(seen.header("x-introspected-scope"), Some("read"));
            assert_eq!(seen.header("x-introspected-server"), Some("real"));
            assert_eq!(seen.header("authorization"), None);
        }
        self.note(WrongScope, self.ask(&self.gateway, &self.issue(peer, "app", "write")));
        if self.way.expected(OurCredentialsWrong) == "–" {
            self.note(OurCredentialsWrong, "–".to_owned());
        } else {
            let rejected = gateway(self.way, peer, upstream, false);
            self.note(OurCredentialsWrong, self.ask(&rejected, &token));
            doctor_says(&rejected, 1, "as_rejected_us");
            let said = rejected.stderr() + &rejected.stdout();
            assert!(!said.contains(WRONG) && !said.contains(&token), "{said}");
        }

        let issued = Instant::now();
        self.brief = self.issue(peer, "brief", "read");
        let fresh = self.ask(&self.gateway, &self.brief);
        assert!(
            fresh == active || issued.elapsed() > BRIEF,
            "{}: a fresh token: {fresh}",
            self.way.name
        );
        self.revoked = self.issue(peer, "app", "read");
        assert_eq!(
            self.ask(&self.gateway, &self.revoked),
            active,
            "{}: a token that is yet to be revoked",
            self.way.name
        );
        peer.server.revoke(&self.revoked, self.way.host);
        self.note(Active, active);
    }

    fn later(&mut self) {
        self.note(Expired, self.ask(&self.gateway, &self.brief));
        self.note(Revoked, self.ask(&self.gateway, &self.revoked));
    }

    fn offline(&mut self, peer: &Running, upstream: &Upstream, token: &str) {
        let started = gateway(self.way, peer, upstream, true);
        self.note(Stopped, self.ask(&self.gateway, token));
        self.note(StoppedBeforeUs, self.ask(&started, token));
        doctor_says(&started, 1, "as_unavailable");
        self.started_without = Some(started);
    }

    #[track_caller]
    fn back(&mut self, peer: &Running) {
        let token = self.issue(peer, "app", "read");
        let ask_until_answered = |gateway: &Gateway| {
            let mut outcome = String::new();
            wait_within(RECOVERY, "the gateway notices that the server is back", || {
                // a client that heeds Retry-After is slower than this
                std::thread::sleep(Duration::from_millis(200));
                outcome = self.ask(gateway, &token);
                !outcome.starts_with("503")
            });
            outcome
        };
        let outcomes = [Some(&self.gateway), self.started_without.as_ref()]
            .map(|gateway| gateway.map(ask_until_answered));
        assert_eq!(
            outcomes[0], outcomes[1],
            "{}: the gateway that started meanwhile is like the other",
            self.way.name
        );
        self.note(Back, outcomes.into_iter().flatten().next().unwrap_or_default());
    }

    #[track_caller]
    fn issue(&self, peer: &Running, client: &str, scope: &str) -> String {
        peer.server.issue(client, scope, self.way.host)
    }

    /// The result for a client that presents this token.
    #[track_caller]
    fn ask(&self, gateway: &Gateway, token: &str) -> String {
        let bearer = format!("Bearer {token}");
        let host: Vec<_> = self.way.host.map(|host| ("Host", host)).into_iter().collect();
        heard(&gateway.get("/items", &[&host[..], &[("Authorization", &bearer)]].concat()))
    }

    fn note(&mut self, situation: Situation, outcome: String) {
        self.outcomes.push((situation, outcome));
    }

    fn outcome(&self, situation: Situation) -> &str {
        self.outcomes
            .iter()
            .find(|(which, _)| *which == situation)
            .map_or("?", |(_, outcome)| outcome)
    }
}

/// Takes the place of a secret or a token of ours; long enough for HS256.
const WRONG: &str = "not-the-secret-that-the-server-knows";

/// A gateway that asks this way, with the right credentials or with wrong ones.
#[track_caller]
fn gateway(way: &Way, peer: &Running, upstream: &Upstream, right: bool) -> Gateway {
    let mut servers = way.asked.replace("@ORIGIN@", &peer.server.origin());
    if let Some(admin) = peer.server.ports.admin {
        servers = servers.replace("@ADMIN@", &format!("http://127.0.0.1:{admin}"));
    }
    servers = servers.replace("@KEY@", if right { "@DIR@/key.pem" } else { "@DIR@/foreign.pem" });
    servers = servers.replace("@CLIENT@", if right { "@DIR@/client" } else { "@DIR@/stranger" });
    for (placeholder, place) in &peer.places {
        servers = servers.replace(placeholder, place);
    }
    for (placeholder, credential) in &peer.credentials {
        servers = servers.replace(placeholder, if right { credential } else { WRONG });
    }
    let builder = peer
        .files
        .iter()
        .fold(Builder::new(), |builder, (name, contents)| builder.file(name, contents));
    // only a host that a route names is forwarded to the server
    let host = way.host.map(|host| format!("host: {host}, ")).unwrap_or_default();
    builder.start(&format!(
        "
authorization_servers:
  real: {servers}
cache: {{ ttl: {TTL:?}, inactive_ttl: {TTL:?} }}
routes:
  - {{ {host}path: /*, upstream: \"{}\", authorization_server: real, scopes: [read] }}
",
        upstream.url()
    ))
}

/// `introgate doctor` with the same configuration agrees.
#[track_caller]
fn doctor_says(gateway: &Gateway, code: i32, said: &str) {
    let file = gateway.config_file().display().to_string();
    let (ended, out, err) = run_cli(&["doctor", "-c", &file], &[]);
    let configured = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        ended == code && out.contains(said),
        "exit code {ended}\n{out}\n{err}\nof {configured}"
    );
}

/// Status and reason. The common properties of each status are asserted on the way.
#[track_caller]
pub fn heard(response: &Response) -> String {
    let challenge = response.header("WWW-Authenticate").unwrap_or_default();
    match response.status {
        200 => return "200".to_owned(),
        401 => assert!(challenge.contains(r#"error="invalid_token""#), "{response:?}"),
        403 => assert!(
            challenge.contains(r#"error="insufficient_scope""#)
                && challenge.contains(r#"scope="read""#),
            "{response:?}"
        ),
        503 => assert_unavailable(response),
        _ => panic!("{response:?}"),
    }
    format!("{} `{}`", response.status, response.reason())
}

/// A refusal that is not the client's fault: 503 with Retry-After, no challenge, nothing from the
/// server's answer.
#[track_caller]
pub fn assert_unavailable(response: &Response) {
    assert_eq!(response.status, 503, "{response:?}");
    let retry_after = response.header("Retry-After").map(str::parse::<u32>);
    assert!(matches!(retry_after, Some(Ok(1..))), "{response:?}");
    assert_eq!(response.header("WWW-Authenticate"), None, "{response:?}");
    assert_eq!(response.json()["status"], 503, "{response:?}");
}

/// The whole table as it should be.
pub fn table(peers: &[Peer]) -> String {
    let titles = Situation::ALL.map(Situation::title).join(" | ");
    let rule = "|---".repeat(Situation::ALL.len() + 2);
    let lines = peers.iter().flat_map(|peer| {
        peer.ways.iter().map(|way| line(peer, way, |situation| way.expected(situation)))
    });
    format!("| server | asked by | {titles} |\n{rule}|\n{}", lines.collect::<String>())
}

fn line<'a>(peer: &Peer, way: &Way, outcome: impl Fn(Situation) -> &'a str) -> String {
    format!(
        "| {} {} | {} | {} |\n",
        peer.name,
        peer.version(),
        way.name,
        Situation::ALL.map(outcome).join(" | ")
    )
}

impl Peer {
    fn version(&self) -> &'static str {
        let (file, before) = self.pinned;
        let (_, version) = file.split_once(before).expect("a pinned version");
        let end =
            version.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(version.len());
        &version[..end]
    }
}
