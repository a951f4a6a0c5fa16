//! The dashboard and the alert rules follow the metrics; Prometheus's own tool reads both, where it
//! is installed (Debian: prometheus).

use crate::interop::Process;
use crate::support::{
    Authority, AuthorizationServer, Builder, Connection, Response, Setup, Upstream, free_port,
    known_tokens, one_route, wait_until, wait_within,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

/// `introgate_…` names in a text, without the suffixes of histograms.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("introgate_") && word.len() > 10)
        .map(|word| {
            let base = ["_bucket", "_count", "_sum"].iter().find_map(|end| word.strip_suffix(end));
            base.unwrap_or(word).to_owned()
        })
        .collect()
}

fn known(metrics: &str) -> BTreeSet<String> {
    let lines = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    lines.filter_map(|line| line.split(' ').next().map(str::to_owned)).collect()
}

#[test]
fn the_dashboard_and_the_alerts_name_metrics_that_there_are() {
    let setup = Setup::start(&one_route("auth: none"));
    let known = known(&setup.gateway.metrics());
    for file in ["grafana/dashboard.json", "prometheus/alerts.yaml", "prometheus/alerts_test.yaml"]
    {
        let text = fs::read_to_string(deploy(file)).expect(file);
        let unknown: Vec<_> =
            names(&text).into_iter().filter(|name| !known.contains(name)).collect();
        assert_eq!(unknown, Vec::<String>::new(), "{file}");
    }
}

/// The page names every metric that there is, without its prefix.
#[test]
fn the_docs_name_every_metric() {
    let setup = Setup::start(&one_route("auth: none"));
    let page = fs::read_to_string(deploy("../docs/operating.md")).expect("docs/operating.md");
    let (_, table) = page.split_once("## Metrics").expect("its section");
    let (table, _) = table.split_once("## Logs").expect("its end");
    let code: BTreeSet<&str> = table.split('`').skip(1).step_by(2).collect();
    let known = known(&setup.gateway.metrics());
    let missing: Vec<_> = known
        .iter()
        .filter(|name| !code.contains(name.strip_prefix("introgate_").unwrap_or(name)))
        .collect();
    assert_eq!(missing, Vec::<&String>::new(), "docs/operating.md");
}

/// `None`: the tool is not installed.
fn promtool(arguments: &[&str], input: &str) -> Option<Output> {
    let mut command = Command::new("promtool");
    command.args(arguments).current_dir(deploy("prometheus"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    child.stdin.take().expect("stdin").write_all(input.as_bytes()).expect("write");
    Some(child.wait_with_output().expect("its output"))
}

#[track_caller]
fn fine(output: &Output) {
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[test]
fn the_rules_and_the_exposition_are_sound() {
    let setup = Setup::start(&one_route("scopes: [read]"));
    for token in ["good", "narrow", "unknown", "good"] {
        setup.get(token);
    }
    wait_until("they are counted", || setup.gateway.metric("introgate_requests_total") == 4.0);
    let Some(exposition) = promtool(&["check", "metrics"], &setup.gateway.metrics()) else {
        eprintln!("!!! SKIPPED: promtool is not installed (Debian: prometheus)");
        return;
    };
    fine(&exposition);
    fine(&promtool(&["check", "rules", "alerts.yaml"], "").expect("promtool"));
    fine(&promtool(&["test", "rules", "alerts_test.yaml"], "").expect("promtool"));
}

/// Series that need a failing authorization server, a transmitter, an eviction or a reader that is
/// too slow. Their queries are run and may have no result.
const MAY_BE_EMPTY: [&str; 4] =
    ["Answers past their ttl", "Event streams", "Introspections saved and repeated", "State"];

/// Every query of the dashboard, by the title of its panel, as Grafana would send it.
fn queries() -> Vec<(String, String)> {
    let text = fs::read_to_string(deploy("grafana/dashboard.json")).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    panels
        .iter()
        .flat_map(|panel| {
            let title = panel["title"].as_str().expect("a title");
            panel["targets"].as_array().expect("targets").iter().map(move |target| {
                let query = target["expr"].as_str().expect("a query");
                let query = query.replace("$instance", ".+").replace("$__rate_interval", "1m");
                (title.to_owned(), query)
            })
        })
        .collect()
}

struct Prometheus {
    port: u16,
    _process: Process,
    _folder: TempDir,
}

impl Prometheus {
    /// Scrapes these targets twice a second, with the rules of `deploy/prometheus`.
    fn start(program: &Path, targets: &[u16]) -> Prometheus {
        let (port, folder) = (free_port(), tempfile::tempdir().expect("a folder"));
        let targets: Vec<String> =
            targets.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
        let configuration = format!(
            "global: {{ scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 1s }}\n\
             rule_files: [\"{}\"]\n\
             scrape_configs: [{{ job_name: introgate, static_configs: [{{ targets: [{}] }}] }}]\n",
            deploy("prometheus/alerts.yaml").display(),
            targets.join(", ")
        );
        let file = folder.path().join("prometheus.yml");
        fs::write(&file, configuration).expect("write");
        let mut command = Command::new(program);
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let process = Process::start(&mut command, &folder.path().join("log"));
        let prometheus = Prometheus { port, _process: process, _folder: folder };
        wait_within(Duration::from_secs(60), "Prometheus is ready", || {
            prometheus.get("/-/ready").is_some_and(|response| response.status == 200)
        });
        prometheus
    }

    fn get(&self, path: &str) -> Option<Response> {
        Connection::try_open(self.port).ok()?.request("GET", path, &[], b"").ok()
    }

    /// The result of a query.
    #[track_caller]
    fn ask(&self, query: &str) -> Vec<Value> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let response = self.get(&format!("/api/v1/query?query={encoded}")).expect("an answer");
        assert_eq!(response.status, 200, "{query}: {}", response.text());
        response.json()["data"]["result"].as_array().expect("a result").clone()
    }
}

/// The dashboard's queries have results, and the rules are evaluated without error.
#[test]
fn a_real_prometheus_answers_the_dashboards_queries() {
    let installed = Command::new("sh").args(["-c", "command -v prometheus"]).output();
    let program = installed.expect("a shell").stdout;
    let program = PathBuf::from(String::from_utf8_lossy(&program).trim());
    if program.as_os_str().is_empty() {
        eprintln!("!!! SKIPPED: prometheus is not installed (Debian: prometheus)");
        return;
    }
    let authority = Authority::new();
    let identity = authority.certify(&["api.test"]);
    let (server, upstream) = (AuthorizationServer::start(), Upstream::start());
    known_tokens(&server);
    let (tls_port, port) = (free_port(), free_port());
    let gateway = Builder::new()
        .file("tls.crt", &identity.certificate)
        .file("tls.key", &identity.key)
        .start(&format!(
            "listeners:\n  \
               - {{ address: \"127.0.0.1:@PORT@\" }}\n  \
               - {{ address: \"127.0.0.1:{tls_port}\", tls: {{ certificate: tls.crt, private_key: tls.key }} }}\n\
             authorization_servers:\n  \
               main: {{ introspection_endpoint: \"{0}\", events: {{ issuer: \"https://as.test\", audience: [\"https://gateway.test\"], jwks_uri: \"http://127.0.0.1:{port}/keys\" }} }}\n\
             upstreams:\n  items: {{ servers: [\"{1}\"], health_check: {{ interval: 1s }} }}\n\
             routes:\n  \
               - {{ name: limited, path: /limited, upstream: items, scopes: [read], rate_limit: {{ per: client_ip, requests: 1, window: 1h }} }}\n  \
               - {{ name: shadow, path: /shadow, upstream: items, scopes: [admin], enforce: false }}\n  \
               - {{ name: all, path: /*, upstream: items, scopes: [read] }}\n",
            server.url(),
            upstream.url()
        ));
    let prometheus = Prometheus::start(&program, &[gateway.admin_port()]);
    for path in ["/", "/limited", "/limited", "/shadow"] {
        gateway.get_with(path, "good");
    }
    gateway.get_with("/", "unknown");
    gateway.admin_post("/api/events", &json!({ "no": "event" }));
    // a plaintext request to a TLS port
    let mut plain = Connection::open(tls_port);
    assert_eq!(plain.request("GET", "/", &[], b"").expect("an answer").status, 400);
    // a stream that ends with its token
    let mut stream = gateway.connect();
    let upgrade = [
        ("Authorization", "Bearer good"),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ];
    assert_eq!(stream.request("GET", "/", &upgrade, b"").expect("an answer").status, 101);
    gateway.admin_post("/api/cache/purge", &json!({ "all": true }));
    stream.read_to_end();
    wait_until("the end is counted", || gateway.metric("introgate_streams_ended_total") >= 1.0);

    let mut by_panel: BTreeMap<String, usize> = BTreeMap::new();
    wait_within(Duration::from_secs(60), "every panel has data", || {
        by_panel.clear();
        for (title, query) in queries() {
            *by_panel.entry(title).or_default() += prometheus.ask(&query).len();
        }
        by_panel
            .iter()
            .all(|(title, results)| *results > 0 || MAY_BE_EMPTY.contains(&title.as_str()))
    });
    wait_within(Duration::from_secs(60), "the rules are evaluated", || {
        let rules = prometheus.get("/api/v1/rules").expect("an answer").json();
        let rules = rules["data"]["groups"][0]["rules"].as_array().expect("rules").clone();
        assert!(rules.iter().all(|rule| rule["health"] != "err"), "{rules:?}");
        rules.iter().all(|rule| rule["health"] == "ok")
    });
}
