//! `introgate check`: every mistake at once, each with its place, its key and its remedy.

use super::{Problem, SMALLEST, check, problems};
use crate::support::run_cli;

/// The only problem of this file, whose key must end like this.
#[track_caller]
fn the_problem(yaml: &str, key: &str) -> Problem {
    let (code, output) = check(yaml);
    assert_eq!(code, 64, "{yaml}\n{output}");
    let mut found = problems(&output);
    assert_eq!(found.len(), 1, "{yaml}\n{output}");
    let problem = found.remove(0);
    assert!(problem.key.ends_with(key), "{} for {key}: {output}", problem.key);
    problem
}

fn with(top: &str) -> String {
    format!("{SMALLEST}{top}\n")
}

fn with_route(keys: &str) -> String {
    format!("{SMALLEST}  - {{ path: /other, upstream: \"http://127.0.0.1:9000\", {keys} }}\n")
}

#[test]
fn a_good_file_is_fine() {
    let (code, output) = check(SMALLEST);
    assert_eq!(code, 0, "{output}");
    assert_eq!(problems(&output).len(), 0, "{output}");
}

/// All at once, with line, column and key.
#[test]
fn every_mistake_is_reported_with_its_place() {
    let yaml = r#"
realm: 5
cache:
  ttl: soon
  max_entires: 10
authorization_servers:
  main:
    introspection_endpoint: not a url
    client_auth: { method: bearre, token: x }
routes:
  - path: items
    upstream: http://127.0.0.1:9000
  - path: /b
    upstream: nowhere
    scopes: []
"#;
    let (code, output) = check(yaml);
    assert_eq!(code, 64, "{output}");
    let found = problems(&output);
    let expected = [
        (4, "cache.ttl"),
        (5, "cache.max_entires"),
        (8, "authorization_servers.main.introspection_endpoint"),
        (9, "authorization_servers.main.client_auth.method"),
        (11, "path"),
        (14, "upstream"),
        (15, "scopes"),
    ];
    for (line, key) in expected {
        let there = found.iter().any(|problem| problem.line == line && problem.key.ends_with(key));
        assert!(there, "line {line}, {key}: {output}");
    }
    let column = found.iter().find(|problem| problem.line == 4).expect("the ttl").column;
    assert!((3..=10).contains(&column), "{output}");
    assert!(found.iter().all(|problem| !problem.text.is_empty()));
}

/// Pitfall 49: unknown keys are errors everywhere, with the nearest known key.
#[test]
fn an_unknown_key_names_the_nearest_one() {
    let cases = [
        (with("relm: x"), "relm", "realm"),
        (with("cache: { tll: 60s }"), "tll", "ttl"),
        (with("identity: { al_claims: true }"), "al_claims", "all_claims"),
        (with("log: { acess: all }"), "acess", "access"),
        (with("token: { max_lenght: 5 }"), "max_lenght", "max_length"),
        (with_route("scope: [read]"), "scope", "scopes"),
        (with_route("audiences: [x]"), "audiences", "audience"),
        (
            SMALLEST.replace("introspection_endpoint", "introspection_endpont"),
            "introspection_endpont",
            "introspection_endpoint",
        ),
        (
            SMALLEST.replace("method: bearer, token", "method: bearer, tokn: y, token"),
            "tokn",
            "token",
        ),
    ];
    for (yaml, key, nearest) in cases {
        let (code, output) = check(&yaml);
        assert_eq!(code, 64, "{output}");
        let found = problems(&output);
        let problem = found.iter().find(|problem| problem.key.ends_with(key));
        let problem = problem.unwrap_or_else(|| panic!("{key}: {output}"));
        assert!(problem.text.contains(nearest), "{nearest}: {output}");
    }
}

#[test]
fn an_unset_variable_is_an_error_unless_it_has_a_default() {
    let problem = the_problem(&with("realm: \"${INTROGATE_TEST_UNSET}\""), "realm");
    assert!(problem.text.contains("INTROGATE_TEST_UNSET"), "{}", problem.text);
    assert_eq!(check(&with("realm: \"${INTROGATE_TEST_UNSET:-fallback}\"")).0, 0);
    assert_eq!(check(&with("realm: \"${INTROGATE_TEST_UNSET:-}x\"")).0, 0);
}

/// A route that names undefined things.
#[test]
fn names_must_exist() {
    let yaml = with("upstreams: { apis: { servers: [\"http://127.0.0.1:1\"] } }")
        .replace("upstream: http://127.0.0.1:9000", "upstream: api");
    let problem = the_problem(&yaml, "upstream");
    assert!(problem.text.contains("api") && problem.text.contains("apis"), "{}", problem.text);
    assert_eq!(problem.line, 7);

    let problem = the_problem(&with_route("authorization_server: mian"), "authorization_server");
    assert!(problem.text.contains("main"), "{}", problem.text);
    let two = SMALLEST.replace(
        "routes:",
        "  second: { introspection_endpoint: \"http://127.0.0.1:9/\" }\nroutes:",
    );
    let (code, output) = check(&two);
    assert_eq!(code, 64, "which of two servers is not for the gateway to guess: {output}");
    assert!(output.contains("authorization_server"), "{output}");
}

/// Contract §2: two routes that could tie are an error that names both.
#[test]
fn routes_that_tie_are_named() {
    let ties = [
        ("path: /a", "path: /a"),
        ("path: \"/{x}\"", "path: \"/{y}\""),
        ("path: /a/*", "path: /a/*"),
        ("path: [/b, /a]", "path: [/a, /c]"),
        ("path: /a, methods: [GET, POST]", "path: /a, methods: [POST, PUT]"),
        ("path: /a, host: h.test", "path: /a, host: [g.test, h.test]"),
        ("path: /a, host: \"*.h.test\"", "path: /a, host: \"*.H.test\""),
    ];
    let file = |first: &str, second: &str| {
        let upstream = "upstream: \"http://127.0.0.1:9000\"";
        format!(
            "authorization_servers: {{ main: {{ introspection_endpoint: \"http://127.0.0.1:9/\" }} }}\nroutes:\n  - {{ name: first-of-two, {first}, {upstream} }}\n  - {{ name: second-of-two, {second}, {upstream} }}\n"
        )
    };
    for (first, second) in ties {
        let (code, output) = check(&file(first, second));
        assert_eq!(code, 64, "{first} and {second}: {output}");
        assert!(output.contains("first-of-two") && output.contains("second-of-two"), "{output}");
    }
    let apart = [
        ("path: /a", "path: /b"),
        ("path: /a", "path: /a/*"),
        ("path: /a", "path: \"/{x}\""),
        ("path: /a, methods: [GET]", "path: /a, methods: [POST]"),
        ("path: /a, methods: [GET]", "path: /a"),
        ("path: /a, host: h.test", "path: /a"),
        ("path: /a, host: h.test", "path: /a, host: \"*.test\""),
    ];
    for (first, second) in apart {
        let (code, output) = check(&file(first, second));
        assert_eq!(code, 0, "{first} and {second}: {output}");
    }
}

#[test]
fn route_names_are_unique() {
    let yaml = with_route("name: twice").replace("- path: /*", "- name: twice\n    path: /*");
    let (code, output) = check(&yaml);
    assert_eq!(code, 64);
    assert!(output.contains("routes[1].name") && output.contains("`twice` already"), "{output}");
}

/// Pitfall 49: an empty demand is no demand, and surely not meant.
#[test]
fn an_explicitly_empty_demand_is_an_error() {
    for key in ["scopes", "scopes_any", "audience"] {
        the_problem(&with_route(&format!("{key}: []")), key);
        let (code, output) = check(&with(&format!("defaults: {{ {key}: [] }}")));
        assert_eq!(code, 64, "{output}");
        assert!(output.contains(key), "{output}");
    }
}

#[test]
fn values_must_make_sense() {
    let cases = [
        (with("cache: { ttl: 60 }"), "ttl"),
        (with("cache: { ttl: 5 parsecs }"), "ttl"),
        (with("cache: { ttl: -5s }"), "ttl"),
        (with("cache: { refresh_ahead: 1.5 }"), "refresh_ahead"),
        (with("cache: { max_entries: -1 }"), "max_entries"),
        (with("trusted_proxies: [10.0.0.0/33]"), "trusted_proxies"),
        (with("listeners: [{ address: nowhere }]"), "address"),
        (with("log: { level: loud }"), "level"),
        (with("identity: { prefix: \"X Bad \" }"), "prefix"),
        (with("token: { from: [body] }"), "from"),
        (with("token: { from: [] }"), "from"),
        (with("threads: 0"), "threads"),
        (with("version: 2"), "version"),
        (with_route("auth: maybe"), "auth"),
        (with_route("methods: [\"G ET\"]"), "methods"),
        (with_route("scopes: [\"a b\"]"), "scopes"),
        (with_route("host: \"exa mple\""), "host"),
        (with_route("max_age: x"), "max_age"),
        (SMALLEST.replace("path: /*", "path: /a*b"), "path"),
        (SMALLEST.replace("path: /*", "path: /a/../b"), "path"),
        (SMALLEST.replace("http://127.0.0.1:9000", "ftp://127.0.0.1"), "upstream"),
        (
            SMALLEST.replace("http://127.0.0.1:9/o/introspect/", "ftp://127.0.0.1/"),
            "introspection_endpoint",
        ),
        (
            SMALLEST
                .replace("method: bearer, token: \"${INTROSPECTION_TOKEN:-x}\"", "method: bearer"),
            "client_auth",
        ),
        (
            SMALLEST.replace(
                "method: bearer, token: \"${INTROSPECTION_TOKEN:-x}\"",
                "method: client_secret_basic, client_id: x",
            ),
            "client_auth",
        ),
    ];
    for (yaml, key) in cases {
        let (code, output) = check(&yaml);
        assert_eq!(code, 64, "{key}: {yaml}\n{output}");
        let found = problems(&output);
        assert!(found.iter().any(|problem| problem.key.contains(key)), "{key}: {output}");
    }
}

#[test]
fn required_keys_must_be_present() {
    let (code, output) = check("routes: [{ path: /*, upstream: \"http://127.0.0.1:9\" }]\n");
    assert_eq!((code, output.contains("authorization_servers")), (64, true), "{output}");
    let servers =
        "authorization_servers: { main: { introspection_endpoint: \"http://127.0.0.1:9/\" } }\n";
    for yaml in [servers.to_owned(), format!("{servers}routes: []\n")] {
        let (code, output) = check(&yaml);
        assert_eq!((code, output.contains("routes")), (64, true), "{output}");
    }
    let (code, output) = check(&format!("{servers}routes: [{{ path: /* }}]\n"));
    assert_eq!((code, output.contains("upstream")), (64, true), "{output}");
    let (code, output) =
        check(&format!("{servers}routes: [{{ upstream: \"http://127.0.0.1:9\" }}]\n"));
    assert_eq!((code, output.contains("path")), (64, true), "{output}");
}

/// Text that is not YAML has a place too; a second YAML document is an error.
#[test]
fn broken_yaml_is_reported_with_its_place() {
    for yaml in [
        "routes: [",
        "a: b: c",
        "\troutes: x",
        "realm: 'x",
        "- a\n- b",
        "",
        "just text",
        "%&*",
        "a: !!python/object x",
    ] {
        let (code, output) = check(yaml);
        assert_eq!(code, 64, "{yaml:?}: {output}");
        assert!(output.contains("gateway.yaml:"), "{yaml:?}: {output}");
    }
    let (code, output) = check(&with("realm: a\nrealm: b"));
    assert_eq!((code, output.contains("realm")), (64, true), "{output}");
    // an anchor that grows without end
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: [*g,*g,*g,*g,*g,*g,*g,*g,*g]\n";
    assert_eq!(check(bomb).0, 64);
}

/// Warnings are listed apart and do not fail.
#[test]
fn a_warning_is_no_error() {
    let yaml =
        SMALLEST.replace("http://127.0.0.1:9/o/introspect/", "http://as.example.com/introspect");
    let (code, output) = check(&yaml);
    assert_eq!(code, 0, "{output}");
    assert!(
        output.contains(": warning: ") && output.contains("introspection_endpoint"),
        "{output}"
    );
    let (_, output) = check(&yaml.replace("http://as.", "https://as."));
    assert!(!output.contains("warning"), "{output}");
    let loopback = SMALLEST.replace(
        "client_auth: { method: bearer, token: \"${INTROSPECTION_TOKEN:-x}\" }",
        "client_auth: { method: none }",
    );
    let (code, output) = check(&loopback);
    assert_eq!((code, output.contains("warning")), (0, false), "{output}");
}

/// Pitfall 68: a fault of a secret is reported without the secret.
#[test]
fn secrets_are_not_printed() {
    let yamls = [
        SMALLEST.replace(
            "method: bearer, token: \"${INTROSPECTION_TOKEN:-x}\"",
            "method: bearer, token: [s3cret]",
        ),
        SMALLEST.replace(
            "method: bearer, token: \"${INTROSPECTION_TOKEN:-x}\"",
            "method: bearer, token: \"s3cret\\nx\"",
        ),
        SMALLEST.replace(
            "method: bearer, token: \"${INTROSPECTION_TOKEN:-x}\"",
            "method: bearer, token: s3cret, token_file: /nowhere",
        ),
    ];
    for yaml in yamls {
        let (code, output) = check(&yaml);
        assert_eq!((code, output.contains("s3cret")), (64, false), "{output}");
    }
}

/// `check` touches no network: an unreachable endpoint is no problem.
#[test]
fn nothing_is_contacted() {
    let server = crate::support::AuthorizationServer::start();
    let yaml = SMALLEST.replace("http://127.0.0.1:9/o/introspect/", &server.url());
    assert_eq!(check(&yaml).0, 0);
    assert_eq!(server.connection_count(), 0);
}

#[test]
fn the_schema_is_a_json_schema() {
    let (code, out, _) = run_cli(&["schema"], &[]);
    assert_eq!(code, 0);
    let schema: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert!(schema["$schema"].as_str().is_some_and(|uri| uri.contains("json-schema.org")));
    for key in [
        "routes",
        "authorization_servers",
        "cache",
        "listeners",
        "upstreams",
        "identity",
        "token",
        "log",
    ] {
        assert!(schema["properties"][key].is_object(), "{key}");
    }
    let validator = jsonschema::validator_for(&schema).expect("a valid schema");
    let valid = |yaml: &str| validator.is_valid(&serde_yaml::from_str(yaml).expect("YAML"));
    assert!(valid(SMALLEST));
    assert!(!valid(&with("unknown: 1")));
    assert!(!valid(&with("cache: { unknown: 1 }")));
    assert!(!valid(&with("realm: [1]")));
}
