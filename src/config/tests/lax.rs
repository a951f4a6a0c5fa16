//! The warning of routes that every active token passes.

use super::{Problem, read};

const SERVERS: &str = "\
authorization_servers:
  a: {introspection_endpoint: https://a/x}
  g: {type: google, audience: [x]}
  h: {type: github, client_id: c, client_secret: s}
  j: {type: jwt, issuer: https://j, audience: [x], keys: []}
  c: {type: custom, request: {url: 'https://c/{token}'}, answer: {active: /a}}
";

/// The indices of the routes with this warning, followed by any other problems.
fn warned(top: &str, routes: &[&str]) -> Vec<String> {
    let routes: String = routes
        .iter()
        .enumerate()
        .map(|(i, keys)| format!("  - {{path: /{i}, upstream: http://b, {keys}}}\n"))
        .collect();
    let problems = read(&format!("{SERVERS}{top}routes:\n{routes}")).problems;
    let lax = problems
        .iter()
        .filter(|problem| problem.message.starts_with("demands no scope, audience or claim"));
    let shown = |problem: &Problem| {
        let message = problem.message.split(": every").next().unwrap_or_default();
        format!("{}: {message}", problem.path)
    };
    lax.map(shown).collect()
}

#[test]
fn a_route_that_every_active_token_passes() {
    for (top, routes, expected) in [
        ("", &["authorization_server: a"][..], "routes[0]: demands no scope, audience or claim"),
        ("", &["authorization_server: c"], "routes[0]: demands no scope, audience or claim"),
        ("", &["authorization_server: a, auth: optional"], "routes[0]: demands no scope"),
        ("", &["authorization_server: a, max_age: 5s"], "routes[0]: demands no scope"),
        ("", &["authorization_server: a, scopes: [x]"], ""),
        ("", &["authorization_server: a, scopes_any: [x]"], ""),
        ("", &["authorization_server: a, audience: [x]"], ""),
        ("", &["authorization_server: a, claims: {token_type: Bearer}"], ""),
        ("", &["auth: none"], ""),
        ("", &["authorization_server: g"], ""),
        ("", &["authorization_server: h"], ""),
        ("", &["authorization_server: j"], ""),
        ("defaults: {scopes: [x]}\n", &["authorization_server: a"], ""),
        (
            "",
            &[
                "authorization_server: a, scopes: [x]",
                "authorization_server: a",
                "authorization_server: c",
            ],
            "routes[1]: demands no scope, audience or claim (and one other route)",
        ),
        (
            "",
            &["authorization_server: a", "authorization_server: a", "authorization_server: c"],
            "routes[0]: demands no scope, audience or claim (and 2 other routes)",
        ),
    ] {
        let warned = warned(top, routes);
        match expected {
            "" => assert!(warned.is_empty(), "{routes:?}: {warned:?}"),
            expected => {
                assert!(
                    warned.len() == 1 && warned[0].starts_with(expected),
                    "{routes:?}: {warned:?}"
                );
            }
        }
    }
}
