//! The OpenTelemetry Collector, built from its own Go modules: it takes the spans by both protocols.

use super::go;
use super::parts::{fetch, kept};
use super::{Process, source, unless_missing};
use crate::support::{Connection, Gateway, Setup, free_port, one_route, wait_within};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// With `go.sum`, all modules are pinned.
const FILES: [&str; 3] = ["main.go", "go.mod", "go.sum"];

fn program() -> Result<PathBuf, String> {
    let texts = FILES.map(|file| {
        let path = source("collector").join(file);
        fs::read_to_string(path).expect("a file of the collector")
    });
    let made = kept("collector", &texts, |making| {
        go::available()?;
        let from = source("collector");
        let mut build = Command::new("go");
        build.args(["build", "-mod=readonly", "-ldflags", "-s -w", "-o"]);
        build.arg(making.join("collector")).arg(".").current_dir(from).env("CGO_ENABLED", "0");
        fetch("the collector's modules", &mut build).map(drop)
    });
    Ok(made?.join("collector"))
}

#[test]
#[ignore = "slow; make interop"]
fn the_opentelemetry_collector_takes_the_spans() {
    let Some(program) = unless_missing(program()) else { return };
    let (http, grpc) = (free_port(), free_port());
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("collector.yaml");
    let yaml = format!(
        "receivers: {{ otlp: {{ protocols: {{ http: {{ endpoint: \"127.0.0.1:{http}\" }}, grpc: {{ endpoint: \"127.0.0.1:{grpc}\" }} }} }} }}\n\
         exporters: {{ debug: {{ verbosity: detailed }} }}\n\
         service:\n  telemetry: {{ metrics: {{ level: none }} }}\n  pipelines: {{ traces: {{ receivers: [otlp], exporters: [debug] }} }}\n"
    );
    fs::write(&file, yaml).expect("write");
    let log = folder.path().join("log");
    let mut command = Command::new(program);
    let _collector = Process::start(command.arg("--config").arg(&file), &log);
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let patience = Duration::from_secs(60);
    for (port, protocol, trace) in [
        (http, "http/protobuf", "0af7651916cd43dd8448eb211c80319c"),
        (grpc, "grpc", "0af7651916cd43dd8448eb211c80319d"),
    ] {
        wait_within(patience, &format!("it listens: {}", said()), || {
            Connection::try_open(port).is_ok()
        });
        let traces =
            format!("traces: {{ endpoint: \"http://127.0.0.1:{port}\", protocol: {protocol} }}\n");
        let builder = Gateway::env("OTEL_BSP_SCHEDULE_DELAY", "20");
        let setup = Setup::build(builder, &(traces + &one_route("scopes: [read]")));
        let parent = format!("00-{trace}-b7ad6b7169203331-01");
        let headers = [("Authorization", "Bearer good"), ("traceparent", parent.as_str())];
        assert_eq!(setup.gateway.get("/a", &headers).status, 200);
        let exported = || setup.gateway.metric("introgate_trace_spans_exported_total") == 3.0;
        wait_within(patience, "the spans are taken", exported);
        let found = || said().matches(&format!("Trace ID       : {trace}")).count() == 3;
        wait_within(patience, &format!("the spans are there: {}", said()), found);
    }
    let said = said();
    for line in [
        "Name           : GET /*",
        "Name           : introspect main",
        "Kind           : Server",
        "Kind           : Client",
        "Parent ID      : b7ad6b7169203331",
        "http.response.status_code: Int(200)",
        "introgate.decision: Str(allow)",
        "service.name: Str(introgate)",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
}
