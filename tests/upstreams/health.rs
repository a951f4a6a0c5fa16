//! Contract §2, `health_check`, and servers that are left out after failed connections.

use super::{answers, balanced};
use crate::support::{Gateway, Upstream, UpstreamBehaviour, free_port, wait_until};
use std::collections::BTreeMap;

const CHECK: &str =
    "health_check: { path: /healthz, interval: 100ms, timeout: 500ms, healthy: 2, unhealthy: 2 }";

fn healthy(gateway: &Gateway, server: &Upstream) -> f64 {
    let url = server.url();
    gateway.metric(&format!("introgate_upstream_healthy{{upstream=\"api\",server=\"{url}\"}}"))
}

#[test]
fn a_server_whose_checks_fail_gets_no_requests_until_they_pass() {
    let (good, bad) = (Upstream::named("good"), Upstream::named("bad"));
    let gateway =
        balanced(&format!("{{ servers: [\"{}\", \"{}\"], {CHECK} }}", good.url(), bad.url()));
    assert_eq!(answers(&gateway, 10).len(), 2, "healthy until a check fails");
    wait_until("the first checks passed", || healthy(&gateway, &bad) == 1.0);
    let check = bad.requests().into_iter().find(|request| request.target == "/healthz");
    let check = check.expect("a check");
    assert_eq!((check.method.as_str(), check.header("authorization")), ("GET", None));

    bad.behave(UpstreamBehaviour::Status(503));
    wait_until("the server is found unhealthy", || healthy(&gateway, &bad) == 0.0);
    assert_eq!(answers(&gateway, 10), BTreeMap::from([("good".into(), 10)]));
    gateway.log_with("a server is unhealthy");

    bad.behave(UpstreamBehaviour::Echo);
    wait_until("the server is found healthy", || healthy(&gateway, &bad) == 1.0);
    assert_eq!(answers(&gateway, 10).len(), 2);
    gateway.log_with("a server is healthy again");
}

/// Requests are not refused for the checks' sake alone: a failing check may be wrong itself.
#[test]
fn when_every_server_is_unhealthy_requests_are_tried_all_the_same() {
    let only = Upstream::named("only");
    let gateway = balanced(&format!("{{ servers: [\"{}\"], {CHECK} }}", only.url()));
    only.behave(UpstreamBehaviour::Status(500));
    wait_until("the server is found unhealthy", || {
        gateway.stderr().contains("a server is unhealthy")
    });
    assert_eq!(gateway.get("/", &[]).status, 500);
}

#[test]
fn without_a_path_a_connection_is_enough() {
    let mut server = Upstream::named("tcp");
    let gateway = balanced(&format!(
        "{{ servers: [\"{}\"], health_check: {{ path: \"\", interval: 100ms, unhealthy: 1 }} }}",
        server.url()
    ));
    wait_until("the check passes", || healthy(&gateway, &server) == 1.0);
    assert_eq!(server.count(), 0, "nothing is sent");
    server.stop();
    wait_until("the check fails", || healthy(&gateway, &server) == 0.0);
    server.start_again();
    wait_until("the check passes again", || healthy(&gateway, &server) == 1.0);
}

/// After three failed connections in a row a server is left out, and shown as down.
#[test]
fn a_server_that_refuses_connections_is_left_out() {
    let up = Upstream::named("up");
    let down = format!("http://127.0.0.1:{}", free_port());
    let gateway = balanced(&format!("{{ servers: [\"{down}\", \"{}\"], retries: 0 }}", up.url()));
    let statuses: Vec<u16> = (0..20).map(|_| gateway.get("/", &[]).status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 502).count(), 3, "{statuses:?}");
    let healthy = format!("introgate_upstream_healthy{{server=\"{down}\",upstream=\"api\"}} 0");
    assert!(gateway.metrics().contains(&healthy), "{}", gateway.metrics());
    gateway.log_with("connections to a server fail; others are preferred");
}

/// A reload that leaves an upstream as it was leaves its health as it was.
#[test]
fn health_survives_a_reload() {
    let (good, bad) = (Upstream::named("good"), Upstream::named("bad"));
    bad.behave(UpstreamBehaviour::Status(503));
    let upstream = format!(
        "{{ servers: [\"{}\", \"{}\"], health_check: {{ path: /, interval: 100ms, healthy: 50 }} }}",
        good.url(),
        bad.url()
    );
    let gateway = balanced(&upstream);
    wait_until("the server is found unhealthy", || {
        gateway.stderr().contains("a server is unhealthy")
    });
    bad.behave(UpstreamBehaviour::Echo);
    gateway.reload(&super::config(&upstream));
    assert_eq!(answers(&gateway, 10), BTreeMap::from([("good".into(), 10)]));
}
