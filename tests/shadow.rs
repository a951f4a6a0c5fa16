//! Shadow mode (`enforce: false`): a route decides, logs and counts, and forwards all the same.

use crate::support::{Behaviour, Setup, active, wait_until};
use serde_json::json;

const SHADOW: &str = r#"
routes:
  - { name: shadow, path: /*, upstream: "@UPSTREAM@", scopes: [read], enforce: false }
  - { name: real, path: /real, upstream: "@UPSTREAM@", scopes: [read] }
"#;

fn denials(setup: &Setup, reason: &str) -> f64 {
    let sample = format!("introgate_shadow_denials_total{{reason=\"{reason}\",route=\"shadow\"}}");
    setup.gateway.metric(&sample)
}

/// Every reason of a token's refusal is logged and counted, and the request goes on without an
/// identity and without its token.
#[test]
fn a_refusal_is_logged_counted_and_not_enforced() {
    let setup = Setup::start(SHADOW);
    setup.server.behave("failing", Behaviour::status(500));
    setup.server.answer("bound", active(json!({ "scope": "read", "cnf": { "jkt": "x" } })));
    setup.server.answer("huge", active(json!({ "scope": "read", "sub": "x".repeat(5000) })));
    let cases = [
        (None, "missing_token", "deny"),
        (Some("Bearer a,b"), "malformed_token", "deny"),
        (Some("Bearer unknown"), "inactive", "deny"),
        (Some("Bearer expired"), "expired", "deny"),
        (Some("Bearer narrow"), "insufficient_scope", "deny"),
        (Some("Bearer bound"), "binding_dpop", "deny"),
        (Some("Bearer failing"), "as_unavailable", "error"),
        (Some("Bearer huge"), "identity_too_large", "error"),
    ];
    for (authorization, reason, decision) in cases {
        let before = denials(&setup, reason);
        let mut headers = vec![("X-Request-Id", reason), ("X-Introspected-Sub", "mallory")];
        headers.extend(authorization.map(|value| ("Authorization", value)));
        let response = setup.gateway.get("/x", &headers);
        assert_eq!(response.status, 200, "{reason}");
        assert_eq!(response.header("www-authenticate"), None, "{reason}");
        let forwarded = setup.upstream.last();
        assert_eq!(forwarded.header("authorization"), None, "{reason}");
        let ours = |name: &str| name.to_lowercase().starts_with("x-introspected");
        assert!(!forwarded.headers.iter().any(|(name, _)| ours(name)), "{reason}");
        let line = setup.gateway.access_log_of(reason);
        assert_eq!(
            (&line["enforced"], &line["reason"], &line["decision"], &line["status"]),
            (&json!(false), &json!(reason), &json!(decision), &json!(200)),
        );
        assert_eq!(denials(&setup, reason), before + 1.0, "{reason}");
    }
    assert_eq!(setup.upstream.count(), cases.len());
}

/// A request that passes is forwarded with its identity, without a sign that it was not enforced.
#[test]
fn a_permit_is_a_permit() {
    let setup = Setup::start(SHADOW);
    let headers = [("Authorization", "Bearer good"), ("X-Request-Id", "fine")];
    assert_eq!(setup.gateway.get("/x", &headers).status, 200);
    assert_eq!(setup.upstream.last().header("x-introspected-sub"), Some("alice"));
    let line = setup.gateway.access_log_of("fine");
    assert_eq!((line.get("enforced"), &line["decision"]), (None, &json!("allow")));
    assert!(!setup.gateway.metrics().contains("introgate_shadow_denials_total{"));
}

/// Other routes, requests without a route and ambiguous requests are refused as ever.
#[test]
fn other_refusals_than_the_routes_own_are_enforced() {
    let setup = Setup::start(&SHADOW.replace("path: /*", "path: /x/*"));
    assert_eq!(setup.gateway.get_with("/real", "narrow").status, 403);
    assert_eq!(setup.gateway.get_with("/nowhere", "good").status, 404);
    assert_eq!(setup.gateway.get_with("/x/%2e%2e%2f", "good").status, 400);
    let named = [("Authorization", "Bearer good"), ("Connection", "Authorization")];
    assert_eq!(setup.gateway.get("/x", &named).status, 400);
    assert_eq!(setup.upstream.count(), 0);
}

/// The token is forwarded with `token.forward`, and removed from a query.
#[test]
fn the_token_is_removed_as_configured() {
    let setup = Setup::start(&format!("token: {{ from: [header, query] }}{SHADOW}"));
    assert_eq!(setup.gateway.get("/x?access_token=unknown&a=1", &[]).status, 200);
    assert_eq!(setup.upstream.last().target, "/x?a=1");
    let keeps = Setup::start(&format!("token: {{ forward: true }}{SHADOW}"));
    assert_eq!(keeps.gateway.get_with("/x", "unknown").status, 200);
    assert_eq!(keeps.upstream.last().header("authorization"), Some("Bearer unknown"));
}

/// Nothing is protected then: a warning appears at start, at a reload, and on the status page.
#[test]
fn shadow_mode_is_announced() {
    let setup = Setup::start(SHADOW);
    assert!(setup.gateway.stderr().contains("routes[0].enforce: is shadow mode"));
    assert!(setup.gateway.log_with("this route is in shadow mode").contains("shadow"));
    let status = setup.gateway.admin_get("/api/status").json();
    let enforced: Vec<_> = status["routes"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|route| (route["name"].as_str(), route["enforce"].as_bool()))
        .collect();
    assert_eq!(enforced, [(Some("shadow"), Some(false)), (Some("real"), Some(true))]);

    setup.reload(&SHADOW.replace(", enforce: false", ""));
    wait_until("the route is enforced", || setup.gateway.get_with("/x", "narrow").status == 403);
    let status = setup.gateway.admin_get("/api/status").json();
    assert_eq!(status["routes"][0]["enforce"], json!(true));
}
