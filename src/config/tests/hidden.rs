//! No secret appears in a message.

use super::{EXAMPLE, WHOLE, problems, read};
use crate::config::parse;
use std::path::Path;

const CANARY: &str = "hunter2-from-outside";

#[test]
fn the_effective_configuration_has_defaults_and_no_secrets() {
    let loaded = read(&format!(
        "{WHOLE}    name: a\n    timeout: 5s\ndefaults: {{scopes: [\"${{SECRET}}\"], preflight: pass}}\nadmin: {{token: \"{CANARY}\"}}\nrealm: ${{SECRET}}\n"
    ));
    assert_eq!(loaded.errors(), 0, "{:?}", loaded.problems);
    assert!(!loaded.redacted.to_string().contains(CANARY));
    let at = |pointer| loaded.redacted.pointer(pointer).cloned().unwrap_or_default();
    assert_eq!(at("/admin/token"), "[redacted]");
    assert_eq!(at("/realm"), "[redacted]");
    assert_eq!(at("/routes/0/scopes/0"), "[redacted]");
    assert_eq!(at("/routes/0/preflight"), "pass");
    assert_eq!(at("/routes/0/timeout"), "5s");
    assert_eq!(at("/routes/0/authorization_server"), "main");
    assert_eq!(at("/cache/ttl"), "60s");
}

#[test]
fn no_message_contains_values_from_outside() {
    // each value of the example in turn comes from the environment, and then each is also wrong
    let lines: Vec<&str> = EXAMPLE
        .lines()
        .map(|line| line.split(" #").next().unwrap_or_default())
        .filter(|line| !line.starts_with('#'))
        .collect();
    for (i, line) in lines.iter().enumerate() {
        let Some((key, value)) =
            line.split_once(": ").filter(|(_, value)| !value.trim().is_empty())
        else {
            continue;
        };
        for stand_in in [
            "\"${SECRET}\"",
            "[\"${SECRET}\"]",
            "{ a: \"${SECRET}\" }",
            "\"http://${SECRET}/x y\"",
            "\"/${SECRET}\"",
            "\"http://${SECRET}\"",
        ] {
            let mut changed = lines.clone();
            let replaced = format!("{key}: {stand_in}");
            changed[i] = &replaced;
            let loaded = read(&changed.join("\n"));
            let told: String = loaded
                .problems
                .iter()
                .map(|problem| problem.display(Path::new("f")).to_string())
                .collect();
            assert!(!told.contains(CANARY), "{replaced} ({value}): {told}");
            assert!(!loaded.redacted.to_string().contains(CANARY), "{replaced}");
        }
    }
}

#[test]
fn no_message_holds_a_secret_of_the_file() {
    for (key, value) in [
        ("token", "hunter2 five"),
        ("token_file", "hunter2"),
        ("client_secret", "[hunter2]"),
        ("client_secret", "{hunter2: hunter2x}"),
        ("client_secrett", "hunter2"),
        ("method", "bearer, token: hunter2, token_file: hunter2"),
    ] {
        let text = WHOLE
            .replace("routes:\n", &format!("    client_auth: {{{key}: {value}}}\n    headers: {{Host: hunter2, X: [hunter2]}}\nroutes:\n"));
        let loaded = parse(&text, Path::new("gateway.yaml"), &|_| None);
        assert!(loaded.errors() > 0);
        let told: String = loaded.problems.iter().map(|problem| problem.message.clone()).collect();
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn values_sent_to_a_server_are_not_shown() {
    let loaded = read(
        "\
         authorization_servers:\n\
         \x20 a: {type: custom, request: {url: 'https://a/x', headers: {X: hunter2-from-outside}, body: 'key=hunter2-from-outside&t={token}'}, answer: {active: /a}}\n\
         \x20 b: {type: soap, endpoint: https://b, body: '<P p=\"hunter2-from-outside\">{token}</P>', answer: {active: //a}}\n\
         \x20 c: {type: github, client_id: c, client_secret: hunter2-from-outside}\n\
         routes: [{path: /*, upstream: http://u, authorization_server: a}]\n",
    );
    assert_eq!(loaded.errors(), 0, "{:?}", loaded.problems);
    assert!(!loaded.redacted.to_string().contains(CANARY), "{}", loaded.redacted);
    assert!(!format!("{:?}", loaded.settings).contains(CANARY));
}

/// Contract §7: also in URLs.
#[test]
fn urls_are_shown_without_their_secrets() {
    let loaded = read(
        "\
         authorization_servers:\n\
         \x20 a: {introspection_endpoint: ['https://a/x?key=hunter2-from-outside', 'https://b/y']}\n\
         \x20 b: {type: custom, request: {url: 'https://a/{token}?key=hunter2-from-outside&x={token}'}, answer: {active: /a}}\n\
         \x20 c: {type: jwt, issuer: https://c, jwks_uri: 'https://c/keys?sig=hunter2-from-outside', audience: [x]}\n\
         \x20 d: {type: soap, endpoint: 'https://b/?k=hunter2-from-outside', body: '<P>{token}</P>', answer: {active: //a}}\n\
         routes: [{path: /*, upstream: http://u, authorization_server: a}]\n",
    );
    assert_eq!(loaded.errors(), 0, "{:?}", loaded.problems);
    assert!(!loaded.redacted.to_string().contains(CANARY), "{}", loaded.redacted);
    let endpoints = loaded.redacted.pointer("/authorization_servers/a/introspection_endpoint");
    assert_eq!(
        endpoints.cloned().unwrap_or_default(),
        serde_json::json!(["https://a/x?key=[redacted]", "https://b/y"])
    );
}

#[test]
fn matches_of_routes_may_come_from_outside() {
    let loaded = read(&format!(
        "{WHOLE}  - {{path: \"/${{SECRET}}\", upstream: http://a, rewrite: {{strip_prefix: /x}}}}\n  - {{path: \"/${{SECRET}}\", upstream: http://a}}\n"
    ));
    let told = problems(&loaded);
    let told: Vec<_> = told.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        told,
        [
            "a path of the route does not start with `/x`; write a prefix that all its paths have",
            "routes[2] and routes[1] (line 7) match the same requests; make one of them more specific, or remove it",
        ]
    );
    let loaded = read(&format!("{WHOLE}  - {{path: \"/${{SECRET}}\", upstream: http://a}}\n"));
    assert_eq!(loaded.redacted.pointer("/routes/1/name"), Some(&"[redacted]".into()));
    assert!(
        loaded
            .settings
            .is_some_and(|settings| &*settings.routes[1].name == "/hunter2-from-outside")
    );
}
