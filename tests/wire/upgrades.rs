//! Contract §3: an upgrade is a GET with `Upgrade` that `Connection` names. Everything else is a
//! plain request, and the service sees no `Upgrade` (RFC 9110 §7.8, pitfall 80).

use super::{GOOD, raw};
use crate::support::Setup;

const YAML: &str = r#"
routes:
  - { name: all, path: /*, upstream: "@UPSTREAM@" }
  - { name: preflight, path: /preflight/*, upstream: "@UPSTREAM@", preflight: pass }
"#;

const PREFLIGHT: &str = "Origin: https://a.test\r\nAccess-Control-Request-Method: GET\r\n";

#[test]
fn only_a_get_that_connection_names_is_an_upgrade() {
    let setup = Setup::start(YAML);
    let (upgrade, named) = ("Upgrade: websocket\r\n", "Connection: Upgrade\r\n");
    for (start, lines, expected) in [
        ("GET / HTTP/1.1", format!("{GOOD}{upgrade}{named}"), "101"),
        ("GET / HTTP/1.1", format!("{GOOD}{upgrade}Connection: keep-alive, upgrade\r\n"), "101"),
        ("GET / HTTP/1.1", format!("{GOOD}{upgrade}"), "200"),
        ("GET / HTTP/1.1", format!("{GOOD}{upgrade}Connection: keep-alive\r\n"), "200"),
        ("GET / HTTP/1.1", format!("{GOOD}{named}Upgrade: h2c\r\n"), "200"),
        ("GET / HTTP/1.1", format!("{GOOD}{named}Upgrade: websocket, h2c\r\n"), "200"),
        ("GET / HTTP/1.1", format!("{GOOD}{named}{upgrade}{upgrade}"), "200"),
        ("GET / HTTP/1.1", format!("{GOOD}{named}{upgrade}Content-Length: 0\r\n"), "200"),
        ("GET / HTTP/1.1", format!("{named}{upgrade}"), "401"),
        ("GET / HTTP/1.0", format!("{GOOD}{upgrade}{named}"), "200"),
        ("POST / HTTP/1.1", format!("{GOOD}{upgrade}{named}"), "200"),
        ("OPTIONS / HTTP/1.1", format!("{GOOD}{upgrade}{named}"), "200"),
        ("OPTIONS /preflight/1 HTTP/1.1", format!("{PREFLIGHT}{upgrade}{named}"), "200"),
        ("GET /preflight/1 HTTP/1.1", format!("{PREFLIGHT}{upgrade}{named}"), "401"),
    ] {
        let before = setup.upstream.count();
        let response = raw(&setup, start, &lines);
        assert_eq!(response.get(9..12), Some(expected), "{start} {lines}\n{response}");
        for seen in setup.upstream.requests().split_off(before) {
            let upgrade = seen.header("upgrade").is_some();
            assert_eq!(upgrade, expected == "101", "{start} {lines}\n{seen:?}");
            let connection = seen.header("connection").map(str::to_ascii_lowercase);
            assert_eq!(connection.as_deref() == Some("upgrade"), upgrade, "{start} {lines}");
        }
    }
}

/// Bytes behind a request that is no upgrade are a request of their own, with its own decision.
#[test]
fn bytes_behind_a_false_upgrade_pass_the_gate() {
    let setup = Setup::start(YAML);
    let behind = "GET /hidden HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n\r\n";
    for lines in [
        format!("{GOOD}Upgrade: websocket\r\n\r\n{behind}"),
        format!("{GOOD}Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n{behind}"),
    ] {
        let response = raw(&setup, "GET / HTTP/1.1", &lines);
        let statuses: Vec<_> = response.matches("HTTP/1.1 ").collect();
        assert!(response.starts_with("HTTP/1.1 200") && statuses.len() <= 2, "{response}");
        let seen = setup.upstream.requests();
        assert!(seen.iter().all(|request| request.target != "/hidden"), "{lines}");
    }
}
