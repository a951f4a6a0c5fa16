//! Authorization servers other than those of RFC 7662: recorded exchanges, requests are checked
//! byte for byte, as is every kind of invalid answer.

mod amazon;
mod custom;
mod github;
mod google;
mod several;
mod soap;

use crate::support::{Behaviour, Request, Setup, active, one_route};
use serde_json::json;
use std::time::Duration;

/// A gateway whose server `main` has these keys; failures do not open the circuit breaker and are
/// not repeated.
#[track_caller]
pub fn server(keys: &str) -> Setup {
    Setup::start(&configuration(keys))
}

pub fn configuration(keys: &str) -> String {
    let guards =
        "retries: 0, timeout: 400ms, connect_timeout: 300ms, circuit_breaker: { failures: 10000 }";
    format!("authorization_servers:\n  main: {{ {guards}, {keys} }}\n{}", one_route(""))
}

/// A request as text: its first line, its headers by name, an empty line, its body. `Host` is
/// checked and left out.
#[track_caller]
pub fn sent(setup: &Setup) -> String {
    let Request { method, target, headers, body } = setup.server.last();
    let mut headers: Vec<_> =
        headers.iter().map(|(name, value)| (name.to_lowercase(), value)).collect();
    headers.sort();
    let mut lines: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let host = format!("host: 127.0.0.1:{}", setup.server.port());
    assert!(lines.contains(&host), "{lines:?}");
    lines.retain(|line| *line != host);
    lines.insert(0, format!("{method} {target}"));
    lines.push(String::new());
    lines.push(String::from_utf8(body).expect("UTF-8"));
    lines.join("\n")
}

pub fn user_agent() -> String {
    concat!("user-agent: introgate/", env!("CARGO_PKG_VERSION")).to_owned()
}

/// 200 with a JSON body.
pub fn ok(body: &str) -> Behaviour {
    Behaviour::respond(200, &[("Content-Type", "application/json; charset=utf-8")], body)
}

pub fn status(status: u16, body: &str) -> Behaviour {
    Behaviour::respond(status, &[("Content-Type", "application/json")], body)
}

/// The result of every invalid answer, for every kind: 503 with its reason, never 401, and no
/// second call.
#[track_caller]
pub fn no_answers(setup: &Setup) {
    let redirect = |code| Behaviour::respond(code, &[("Location", "/elsewhere?token=t")], "");
    let oversized = format!("{{\"x\":\"{}\"}}", "x".repeat(70_000));
    for (name, behaviour, reason) in [
        ("nothing", ok(""), "as_bad_response"),
        ("garbage", ok("\u{0}\u{1}garbage"), "as_bad_response"),
        (
            "html",
            Behaviour::respond(
                200,
                &[("Content-Type", "text/html")],
                "<html><body>login</body></html>",
            ),
            "as_bad_response",
        ),
        ("a half", ok("{\"active\":"), "as_bad_response"),
        ("too much", ok(&oversized), "as_bad_response"),
        ("no end", Behaviour::Endless, "as_bad_response"),
        ("204", status(204, ""), "as_bad_response"),
        ("201", status(201, "{}"), "as_bad_response"),
        ("301", redirect(301), "as_bad_response"),
        ("302", redirect(302), "as_bad_response"),
        ("307", redirect(307), "as_bad_response"),
        ("401", status(401, "{\"message\":\"Bad credentials\"}"), "as_rejected_us"),
        ("403", status(403, "{}"), "as_rejected_us"),
        ("500", status(500, "{}"), "as_unavailable"),
        ("502", status(502, "<html>"), "as_unavailable"),
        ("503", status(503, ""), "as_unavailable"),
        ("closed", Behaviour::Close, "as_unavailable"),
        ("silence", Behaviour::Hang, "as_timeout"),
        (
            "a drip",
            Behaviour::Drip(json!({ "active": true }), Duration::from_millis(100)),
            "as_timeout",
        ),
        ("429", status(429, ""), "as_throttled"),
    ] {
        setup.server.behave_for_all(behaviour);
        let (before, tries) = (setup.server.count(), if name == "closed" { 2 } else { 1 });
        assert_eq!(
            setup.outcome(&format!("token-{}", name.replace(' ', "-"))),
            (503, reason.into()),
            "{name}"
        );
        assert_eq!(setup.server.count() - before, tries, "{name}: calls");
    }
    assert_eq!(setup.upstream.count(), 0);
    let log = setup.gateway.stderr() + &setup.gateway.stdout();
    assert!(!log.contains("token-") && !log.contains("token=t"), "a token in the log: {log}");
}

/// An active RFC 7662 answer, for a server of that type beside others.
pub fn alice() -> serde_json::Value {
    active(json!({ "sub": "alice" }))
}

/// The identity headers that reached the upstream with the last request, sorted, without the
/// prefix.
#[track_caller]
pub fn identity(setup: &Setup) -> Vec<(String, String)> {
    let headers = setup.upstream.last().headers;
    let ours = headers.into_iter().filter_map(|(name, value)| {
        Some((name.to_lowercase().strip_prefix("x-introspected-")?.to_owned(), value))
    });
    let mut ours: Vec<_> = ours.collect();
    ours.sort();
    ours
}

/// The value of one identity header.
#[track_caller]
pub fn identity_of(setup: &Setup, name: &str) -> Option<String> {
    identity(setup).into_iter().find(|(header, _)| header == name).map(|(_, value)| value)
}
