//! `traces` and the standard variables, in the running program.

use super::collector::{BOTH, Behaviour, Collector, Protocol, text};
use super::{ROUTES, SAMPLED, quick, section, traced};
use crate::support::{Gateway, Setup, run_cli_in};
use std::fs;

#[test]
fn the_variables_alone_turn_traces_on() {
    for protocol in BOTH {
        let collector = Collector::start(protocol);
        let word = if protocol == Protocol::Grpc { "grpc" } else { "http/protobuf" };
        let builder = quick()
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url())
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", word)
            .env("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20secret")
            .env("OTEL_SERVICE_NAME", "edge")
            .env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
            .env("OTEL_TRACES_SAMPLER", "parentbased_always_on");
        let setup = Setup::build(builder, ROUTES);
        assert_eq!(setup.gateway.get("/people/7", &[]).status, 200);
        collector.wait_for(2);
        let call = collector.calls().remove(0);
        let key = call.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-key"));
        assert_eq!(key.map(|(_, value)| value.as_str()), Some("a secret"), "{protocol:?}");
        assert_eq!(call.path, if protocol == Protocol::Http { "/v1/traces" } else { "" });
        let of_resource = &call.message.resource_spans[0];
        let resource = of_resource.resource.clone().expect("a resource").attributes;
        assert_eq!(text(&resource, "service.name"), "edge");
        assert_eq!(text(&resource, "deployment.environment.name"), "test");
        assert_eq!(text(&resource, "service.version"), env!("CARGO_PKG_VERSION"));
        let scope = of_resource.scope_spans[0].scope.clone().expect("a scope");
        assert_eq!(scope.name, "introgate");
    }
}

/// A key of one collector is not sent to another one.
#[test]
fn headers_of_the_file_are_sent_in_place_of_those_of_the_variables() {
    for protocol in BOTH {
        let collector = Collector::start(protocol);
        let builder = quick().env("OTEL_EXPORTER_OTLP_HEADERS", "x-key=hunter2");
        let keys = format!("{}, headers: {{ x-own: mine }}", collector.keys());
        let yaml = format!("traces: {{ {keys}, sample: always }}\n{ROUTES}");
        let setup = Setup::build(builder, &yaml);
        setup.gateway.get("/people/7", &[]);
        collector.wait_for(2);
        let headers = format!("{:?}", collector.calls()[0].headers).to_lowercase();
        assert!(headers.contains("x-own") && !headers.contains("hunter2"), "{headers}");
        let shown = setup.gateway.admin_get("/api/config").text();
        assert!(shown.contains("\"x-own\": \"[redacted]\""), "{shown}");
    }
}

#[test]
fn a_reload_changes_the_collector_and_loses_no_span() {
    let (first, second) = (Collector::start(Protocol::Http), Collector::start(Protocol::Grpc));
    let setup = Setup::build(Gateway::env("OTEL_BSP_SCHEDULE_DELAY", "500"), ROUTES);
    setup.gateway.get("/people/0", &[SAMPLED]);
    setup.reload(&section(&first, "always", ROUTES));
    setup.gateway.get("/people/1", &[]);
    setup.reload(&section(&second, "always", ROUTES));
    setup.gateway.get("/people/2", &[]);
    setup.reload(ROUTES);
    setup.gateway.get("/people/3", &[SAMPLED]);
    for (collector, path) in [(&first, "/people/1"), (&second, "/people/2")] {
        let spans = collector.wait_for(2);
        let paths: Vec<String> =
            spans.iter().map(|span| text(&span.attributes, "url.path")).collect();
        assert!(spans.len() == 2 && paths.iter().any(|it| it == path), "{paths:?}");
    }
    let last = setup.upstream.last();
    assert_eq!(last.header("traceparent"), Some(SAMPLED.1), "off: forwarded as it came");
}

/// The answer of the collector to an empty message, in words.
#[test]
fn doctor_speaks_of_the_collector() {
    for protocol in BOTH {
        let mut collector = Collector::start(protocol);
        let setup = traced(&collector, "always");
        let yaml = setup.fill_in(&section(&collector, "always", ROUTES));
        let examine = || {
            let directory = tempfile::tempdir().expect("a folder");
            fs::write(directory.path().join("gateway.yaml"), &yaml).expect("write");
            let arguments = ["doctor", "-c", "gateway.yaml"];
            let (code, out, err) = run_cli_in(directory.path(), &arguments, &[]);
            (code, out + &err)
        };
        let (code, report) = examine();
        assert_eq!(code, 0, "{report}");
        assert!(report.contains(&format!("traces\n  ok       {}: takes", collector.url())));
        collector.behave(Behaviour::Status(401));
        let (code, report) = examine();
        let expected = match protocol {
            Protocol::Http => "status 401; look at `traces.headers`; spans would be lost",
            Protocol::Grpc => "gRPC status Unavailable; spans would be lost",
        };
        assert!(code == 1 && report.contains(expected), "{report}");
        assert!(!report.contains("hunter2"), "{report}");
        collector.stop();
        let (code, report) = examine();
        assert!(code == 1 && report.contains("Connection refused"), "{report}");
    }
}
