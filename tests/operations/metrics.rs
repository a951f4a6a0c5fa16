//! Contract §8: the metrics.

use crate::support::{Behaviour, Setup, UpstreamBehaviour, one_route, wait_until};
use std::time::Duration;

/// The names, with the labels that they carry.
#[test]
fn the_metrics_have_their_names_and_labels() {
    let setup = Setup::route("scopes: [read]");
    setup.get("good");
    setup.get("good");
    setup.get("unknown");
    setup.get("unknown");
    setup.get("narrow");
    setup.gateway.get("/", &[]);
    setup.gateway.request("POST", "/", &[("Authorization", "Bearer good")], b"x");
    let cases = [
        ("requests_total{route=\"all\",method=\"GET\",code=\"200\"}", 2.0),
        ("requests_total{route=\"all\",method=\"POST\",code=\"200\"}", 1.0),
        ("requests_total{route=\"all\",method=\"GET\",code=\"401\"}", 3.0),
        ("requests_total{route=\"all\",method=\"GET\",code=\"403\"}", 1.0),
        ("request_duration_seconds_count{route=\"all\"}", 7.0),
        ("decisions_total{route=\"all\",decision=\"allow\"}", 3.0),
        ("decisions_total{route=\"all\",decision=\"deny\",reason=\"inactive\"}", 2.0),
        ("decisions_total{route=\"all\",decision=\"deny\",reason=\"insufficient_scope\"}", 1.0),
        ("decisions_total{route=\"all\",decision=\"deny\",reason=\"missing_token\"}", 1.0),
        ("introspections_total{server=\"main\",result=\"active\"}", 2.0),
        ("introspections_total{server=\"main\",result=\"inactive\"}", 1.0),
        ("introspection_duration_seconds_count{server=\"main\"}", 3.0),
        ("introspections_in_flight{server=\"main\"}", 0.0),
        ("circuit_state{server=\"main\"}", 0.0),
        ("cache_requests_total{cache=\"active\",result=\"hit\"}", 2.0),
        ("cache_requests_total{cache=\"inactive\",result=\"hit\"}", 1.0),
        ("cache_entries{cache=\"active\"}", 2.0),
        ("cache_entries{cache=\"inactive\"}", 1.0),
        ("upstream_requests_total{code=\"200\"}", 3.0),
        ("config_last_reload_success", 1.0),
        ("build_info", 1.0),
    ];
    for (sample, value) in cases {
        assert_eq!(setup.gateway.metric(&format!("introgate_{sample}")), value, "{sample}");
    }
    let metrics = setup.gateway.metrics();
    let families = [
        "requests_total",
        "request_duration_seconds",
        "decisions_total",
        "introspections_total",
        "introspection_duration_seconds",
        "introspections_in_flight",
        "introspections_coalesced_total",
        "introspection_retries_total",
        "circuit_state",
        "cache_requests_total",
        "cache_entries",
        "cache_evictions_total",
        "upstream_requests_total",
        "config_reloads_total",
        "config_last_reload_success",
        "config_last_reload_timestamp_seconds",
        "build_info",
    ];
    for family in families {
        assert!(metrics.contains(&format!("# TYPE introgate_{family} ")), "{family} in {metrics}");
    }
    let loaded = setup.gateway.metric("introgate_config_last_reload_timestamp_seconds");
    assert!((loaded - crate::support::now() as f64).abs() < 60.0, "{loaded}");
}

#[test]
fn each_kind_of_failure_has_its_result() {
    let setup = Setup::server(
        "retries: 0, timeout: 300ms, circuit_breaker: { failures: 4, open_for: 60s }",
    );
    let cases = [
        ("bad_response", Behaviour::body("x")),
        ("rejected_us", Behaviour::status(401)),
        ("throttled", Behaviour::status(429)),
        ("timeout", Behaviour::Hang),
        ("unavailable", Behaviour::status(500)),
        ("unavailable", Behaviour::Close),
        ("circuit_open", Behaviour::inactive()),
    ];
    for (number, (result, behaviour)) in cases.into_iter().enumerate() {
        let sample =
            format!("introgate_introspections_total{{server=\"main\",result=\"{result}\"}}");
        let before = setup.gateway.metric(&sample);
        let token = format!("token-{number}");
        setup.server.behave(&token, behaviour.clone());
        assert_eq!(setup.get(&token).status, 503, "{behaviour:?}");
        assert_eq!(setup.gateway.metric(&sample), before + 1.0, "{result}: {behaviour:?}");
    }
    assert!(setup.gateway.metric("introgate_decisions_total{decision=\"error\"}") >= 7.0);
}

#[test]
fn anonymous_is_a_decision_of_its_own() {
    let setup = Setup::route("auth: optional");
    setup.gateway.get("/", &[]);
    setup.get("good");
    let decisions = |decision: &str| {
        setup
            .gateway
            .metric(&format!("introgate_decisions_total{{route=\"all\",decision=\"{decision}\"}}"))
    };
    assert_eq!((decisions("anonymous"), decisions("allow")), (1.0, 1.0));
}

/// Pitfall 78: clients cannot make labels.
#[test]
fn random_paths_methods_hosts_and_tokens_make_no_labels() {
    let setup =
        Setup::start("routes: [{ name: items, path: \"/items/{id}\", upstream: \"@UPSTREAM@\" }]");
    let wave = |start: usize| {
        for number in start..start + 40 {
            let host = format!("host-{number}.test");
            let bearer = format!("Bearer flood-{number}");
            let headers = [("Host", host.as_str()), ("Authorization", &bearer)];
            setup.gateway.get(&format!("/items/{number}?q=query-{number}"), &headers);
            setup.gateway.get(&format!("/random-{number}"), &headers);
            setup.gateway.request(&format!("METHOD{number}"), "/items/x", &headers, b"");
        }
        setup.gateway.metrics()
    };
    let first = wave(0).lines().count();
    let metrics = wave(1000);
    assert_eq!(
        metrics.lines().count(),
        first,
        "the number of samples grows with the requests of clients"
    );
    for part in ["random-", "METHOD", "host-", "query-", "flood-", "/items/1"] {
        assert!(!metrics.contains(part), "{part}");
    }
    assert_eq!(setup.gateway.metric("introgate_requests_total{method=\"other\"}"), 80.0);
    assert_eq!(setup.gateway.metric("introgate_requests_total{code=\"404\"}"), 80.0);
}

#[test]
fn the_services_codes_are_counted_by_upstream() {
    let setup = Setup::start(
        "upstreams: { api: { servers: [\"@UPSTREAM@\"] } }\nroutes: [{ path: /*, upstream: api, auth: none }]",
    );
    setup.gateway.get("/", &[]);
    setup.upstream.behave(UpstreamBehaviour::Status(418));
    setup.gateway.get("/", &[]);
    let count = |code: &str| {
        setup.gateway.metric(&format!(
            "introgate_upstream_requests_total{{upstream=\"api\",code=\"{code}\"}}"
        ))
    };
    wait_until("both are counted", || (count("200"), count("418")) == (1.0, 1.0));
}

/// A refused request is counted when it ends, however the client leaves.
#[test]
fn in_flight_goes_back_to_zero_when_the_client_leaves() {
    let setup = Setup::start(&one_route(""));
    setup.server.behave("slow", Behaviour::after(Duration::from_secs(1), Behaviour::inactive()));
    let mut connection = setup.gateway.connect();
    let request =
        crate::support::request_bytes("GET", "/", &[("Authorization", "Bearer slow")], b"");
    connection.send(&request).expect("send");
    let in_flight = |count: u8| {
        setup
            .gateway
            .metrics_now()
            .contains(&format!("introgate_introspections_in_flight{{server=\"main\"}} {count}"))
    };
    wait_until("the call is under way", || in_flight(1));
    drop(connection);
    wait_until("the call has ended", || in_flight(0));
}

/// Thousands of routes make no megabytes of zeros: there is no series before its first event,
/// except for states and for metrics that alerts need.
#[test]
fn there_are_no_series_before_the_first_event() {
    let routes: String = (0..300)
        .map(|n| format!("  - {{ name: route-{n}, path: /{n}/*, upstream: \"@UPSTREAM@\" }}\n"))
        .collect();
    let setup = Setup::start(&format!("routes:\n{routes}"));
    let metrics = setup.gateway.metrics();
    assert!(!metrics.contains("route-"), "{metrics}");
    let series: Vec<&str> = metrics
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(['{', ' ']).next().unwrap_or_default())
        .collect();
    for name in &series {
        let expected = [
            "introgate_introspections_total",
            "introgate_introspections_in_flight",
            "introgate_circuit_state",
            "introgate_cache_entries",
            "introgate_config_reloads_total",
            "introgate_config_last_reload_success",
            "introgate_config_last_reload_timestamp_seconds",
            "introgate_log_lines_dropped",
            "introgate_build_info",
            // of listeners, which are few
            "introgate_connections",
            "introgate_connections_total",
        ];
        assert!(expected.contains(name), "{name}");
    }
    assert!(metrics.contains("introspections_total{result=\"rejected_us\",server=\"main\"} 0"));
    setup.gateway.get_with("/7/x", "good");
    let routes = |metrics: &str| {
        let lines = metrics.lines().filter(|line| line.contains("route-"));
        lines.filter(|line| !line.contains("route=\"route-7\"")).count()
    };
    assert_eq!(setup.gateway.metric("introgate_requests_total{route=\"route-7\"}"), 1.0);
    assert_eq!(routes(&setup.gateway.metrics()), 0);
}
