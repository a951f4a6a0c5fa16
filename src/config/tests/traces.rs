//! `traces`, and the standard variables of OpenTelemetry.

use super::{WHOLE, problems, read, with};
use crate::config::{Loaded, parse};
use crate::telemetry::{Sampling, Share, TraceProtocol, TraceSettings};
use std::path::Path;
use std::time::Duration;

/// `WHOLE` with this section, and these variables.
fn load(section: &str, variables: &[(&str, &str)]) -> Loaded {
    let env = |name: &str| {
        let found = variables.iter().find(|(other, _)| *other == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    parse(&format!("{WHOLE}{section}"), Path::new("gateway.yaml"), &env)
}

#[track_caller]
fn settings(section: &str, variables: &[(&str, &str)]) -> TraceSettings {
    let loaded = load(section, variables);
    assert!(problems(&loaded).is_empty(), "{section} {variables:?}: {:?}", loaded.problems);
    let traces = loaded.settings.and_then(|settings| settings.traces);
    traces.unwrap_or_else(|| panic!("traces are off: {section} {variables:?}"))
}

const GENERAL: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const OF_TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";

#[test]
fn traces_are_off_unless_they_are_asked_for() {
    for variables in [
        &[][..],
        &[("OTEL_SERVICE_NAME", "a"), ("OTEL_TRACES_SAMPLER", "always_on")],
        &[(GENERAL, "")],
        &[(GENERAL, "http://a:4318"), ("OTEL_SDK_DISABLED", "TRUE")],
        &[(GENERAL, "http://a:4318"), ("OTEL_TRACES_EXPORTER", "none")],
    ] {
        let loaded = load("", variables);
        assert!(loaded.settings.is_some_and(|settings| settings.traces.is_none()), "{variables:?}");
    }
    let disabled = load("traces: {sample: always}\n", &[("OTEL_SDK_DISABLED", "true")]);
    assert!(disabled.settings.is_some_and(|settings| settings.traces.is_none()));
}

#[test]
fn the_endpoint_is_the_files_or_a_variables() {
    for (section, variables, expected) in [
        ("traces: {}\n", &[][..], "http://localhost:4318/v1/traces"),
        ("traces: {protocol: grpc}\n", &[], "http://localhost:4317/"),
        ("traces: {}\n", &[(PROTOCOL, "grpc")], "http://localhost:4317/"),
        ("traces: {endpoint: 'http://c:4318'}\n", &[], "http://c:4318/v1/traces"),
        ("traces: {endpoint: 'https://c/otlp/'}\n", &[], "https://c/otlp/v1/traces"),
        ("traces: {endpoint: 'https://c/v1/traces'}\n", &[], "https://c/v1/traces"),
        ("traces: {endpoint: 'http://c:1'}\n", &[(GENERAL, "http://d:2")], "http://c:1/v1/traces"),
        ("", &[(GENERAL, "http://d:2/x")], "http://d:2/x/v1/traces"),
        ("", &[(OF_TRACES, "http://e:3/x"), (GENERAL, "http://d:2")], "http://e:3/x"),
        ("traces: {}\n", &[(OF_TRACES, "http://e:3")], "http://e:3/"),
    ] {
        let traces = settings(section, variables);
        assert_eq!(traces.endpoint.as_str(), expected, "{section} {variables:?}");
    }
}

#[test]
fn sampling_is_the_files_or_a_variables() {
    let share = |ratio| Share::from_ratio(ratio).unwrap_or(Share::NONE);
    for (written, sampler, argument, heeds_parent, expected) in [
        ("", "", "", true, Share::NONE),
        ("sample: parent", "always_on", "", true, Share::NONE),
        ("sample: always", "", "", false, Share::ALL),
        ("sample: off", "always_on", "", false, Share::NONE),
        ("sample: 0.25", "", "", true, share(0.25)),
        ("sample: 1", "", "", true, Share::ALL),
        ("", "always_on", "", false, Share::ALL),
        ("", "always_off", "", false, Share::NONE),
        ("", "traceidratio", "0.5", false, share(0.5)),
        ("", "parentbased_always_on", "", true, Share::ALL),
        ("", "parentbased_always_off", "", true, Share::NONE),
        ("", "parentbased_traceidratio", "0.1", true, share(0.1)),
        ("", "parentbased_traceidratio", "", true, Share::ALL),
    ] {
        let variables = [("OTEL_TRACES_SAMPLER", sampler), ("OTEL_TRACES_SAMPLER_ARG", argument)];
        let traces = settings(&format!("traces: {{{written}}}\n"), &variables);
        let expected = Sampling { heeds_parent, share: expected };
        assert_eq!(traces.sampling, expected, "{written} {sampler} {argument}");
    }
}

#[test]
fn headers_time_limits_and_resource() {
    let variables = [
        (GENERAL, "https://c:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "X-Key=a%20b, x-other=c=d"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "1500"),
        ("OTEL_BSP_SCHEDULE_DELAY", "20"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "300"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "4"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=a%2Cb,service.name=other"),
        ("OTEL_SERVICE_NAME", "edge"),
    ];
    let traces = settings("", &variables);
    let headers = |traces: &TraceSettings| -> Vec<String> {
        let line = |value: &http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
        traces.headers.iter().map(|(name, value)| format!("{name}: {}", line(value))).collect()
    };
    assert_eq!(headers(&traces), ["x-key: a b", "x-other: c=d"]);
    assert_eq!(traces.timeout, Duration::from_millis(1500));
    assert_eq!(traces.batch.schedule_delay, Duration::from_millis(20));
    assert_eq!(traces.batch.export_timeout, Duration::from_millis(300));
    assert_eq!((traces.batch.max_queue_size, traces.batch.max_export_batch_size), (4, 4));
    let attribute = |name: &str| {
        let found = traces.resource.iter().filter(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(attribute("service.name"), ["edge"]);
    assert_eq!(attribute("deployment.environment.name"), ["a,b"]);
    // headers of the environment are not sent to an endpoint with headers of its own
    let traces = settings("traces: {headers: {Authorization: Bearer x}}\n", &variables);
    assert_eq!(headers(&traces), ["authorization: Bearer x"]);
    assert!(!format!("{traces:?}").contains("Bearer x"));
    let grpc = settings("traces: {}\n", &[("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc")]);
    assert_eq!(grpc.protocol, TraceProtocol::Grpc);
}

#[test]
fn mistakes_in_the_file_are_errors() {
    for (keys, expected) in [
        ("endpoint: 'collector:4318'", "error: traces.endpoint: must start with `http://`"),
        ("endpoint: ''", "error: traces.endpoint: is empty; write a URL such as"),
        ("endpoint: 'http://'", "error: traces.endpoint: is not a URL"),
        ("endpoint: 'http://a:b@c'", "error: traces.endpoint: must have no user name and password"),
        ("endpoint: 'http://c/?key=hunter2'", "error: traces.endpoint: must have no query"),
        ("protocol: http/json", "error: traces.protocol: "),
        ("sample: 1.5", "error: traces.sample: "),
        ("sample: -0.1", "error: traces.sample: "),
        ("sample: sometimes", "error: traces.sample: "),
        ("headers: {'a b': c}", "error: traces.headers.\"a b\": is not the name of a header"),
        ("headers: {Host: c}", "error: traces.headers.Host: is a header that the gateway sets"),
        ("headers: {a: \"x\\ny\"}", "error: traces.headers.a: has a value with characters"),
        ("headers: {a: x, A: y}", "error: traces.headers.a: is there twice"),
        ("endpont: 'http://c'", "error: traces.endpont: "),
        (
            "endpoint: 'http://c', headers: {a: b}",
            "warning: traces.endpoint: is plain http: `headers` cross the network unprotected",
        ),
    ] {
        let problems = with(&format!("traces: {{{keys}}}\n"));
        let [problem] = problems.as_slice() else { panic!("{keys}: {problems:?}") };
        assert!(problem.contains(expected), "{keys}: {problem}");
        assert!(!problem.contains("hunter2"), "{problem}");
    }
}

/// OpenTelemetry's specification: a warning, and the variable counts as not set.
#[test]
fn variables_that_cannot_be_used_are_warnings() {
    let on = (GENERAL, "http://c:4318");
    for (variables, expected) in [
        (&[(GENERAL, "hunter2:4318")][..], "OTEL_EXPORTER_OTLP_ENDPOINT must start with `http://`"),
        (&[on, (PROTOCOL, "http/json")], "OTEL_EXPORTER_OTLP_PROTOCOL is neither"),
        (&[on, ("OTEL_EXPORTER_OTLP_HEADERS", "hunter2")], "HEADERS is not a list"),
        (&[on, ("OTEL_EXPORTER_OTLP_HEADERS", "host=hunter2")], "HEADERS has a header that is"),
        (&[on, ("OTEL_EXPORTER_OTLP_TIMEOUT", "5s")], "TIMEOUT is not a whole number"),
        (&[on, ("OTEL_BSP_MAX_QUEUE_SIZE", "0")], "MAX_QUEUE_SIZE is not a whole number"),
        (&[on, ("OTEL_TRACES_SAMPLER", "jaeger_remote")], "OTEL_TRACES_SAMPLER names a sampler"),
        (
            &[on, ("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")],
            "OTEL_TRACES_SAMPLER_ARG is not a number from 0 to 1",
        ),
        (&[on, ("OTEL_TRACES_EXPORTER", "zipkin")], "OTEL_TRACES_EXPORTER names an exporter"),
        (&[on, ("OTEL_RESOURCE_ATTRIBUTES", "a")], "OTEL_RESOURCE_ATTRIBUTES is not a list"),
    ] {
        let loaded = load("", variables);
        let found = problems(&loaded);
        let [problem] = found.as_slice() else { panic!("{variables:?}: {found:?}") };
        assert_eq!(loaded.errors(), 0, "{variables:?}");
        assert!(problem.message.contains(expected), "{variables:?}: {}", problem.message);
        assert!(!problem.message.contains("hunter2"), "{}", problem.message);
        let traces = loaded.settings.and_then(|settings| settings.traces);
        assert_eq!(traces.is_some(), variables[0] == on, "{variables:?}");
    }
}

#[test]
fn headers_are_not_shown() {
    let loaded = read(&format!(
        "{WHOLE}traces: {{endpoint: 'https://c', headers: {{x-key: hunter2, x-other: \"${{SECRET}}\"}}}}\n"
    ));
    let shown = loaded.redacted.to_string();
    assert!(loaded.settings.is_some() && !shown.contains("hunter2"), "{shown}");
    let at = |pointer| loaded.redacted.pointer(pointer).cloned().unwrap_or_default();
    assert_eq!(at("/traces/headers/x-key"), "[redacted]");
    assert_eq!(at("/traces/endpoint"), "https://c");
    assert_eq!(at("/traces/protocol"), "http/protobuf");
}
