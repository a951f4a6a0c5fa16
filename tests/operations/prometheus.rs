//! The dashboard and the alert rules follow the metrics; Prometheus's own tool reads both, where it
//! is installed (Debian: prometheus).

use crate::support::{Setup, one_route, wait_until};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

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
