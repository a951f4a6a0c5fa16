//! The tables of `docs/policy.md`, row by row against the gateway.

use crate::support::{Setup, active, now, run_cli_in};
use serde_json::{Value, json};

const PAGE: &str = include_str!("../docs/policy.md");

/// The rows of the table below a line, without its head; cells are the texts between the bars.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let after = PAGE.lines().skip_while(|line| !line.starts_with(heading)).skip(1);
    let table =
        after.skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    table
        .skip(2)
        .map(|line| {
            let line = line.trim().trim_matches('|').replace("\\|", "\u{1}");
            line.split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect()
        })
        .collect()
}

fn code(cell: &str) -> String {
    cell.split('`').nth(1).unwrap_or_default().to_owned()
}

fn config_of(routes: &str) -> String {
    format!(
        "authorization_servers:\n  main: {{ introspection_endpoint: \"http://127.0.0.1:9/\" }}\nroutes:\n{routes}"
    )
}

/// Each row of "Checks and answers": one gateway, and a host for each row.
#[test]
fn checks_and_answers() {
    let rows = rows("## Checks and answers");
    assert!(rows.len() > 40, "{}", rows.len());
    let route = |n: usize, keys: &str| {
        format!("  - {{ host: r{n}.test, path: /*, upstream: \"http://127.0.0.1:9\", {keys} }}\n")
    };
    let mut routes = String::from("routes:\n");
    for (n, row) in rows.iter().enumerate() {
        if row[3] == "a configuration error" {
            let folder = tempfile::tempdir().expect("a folder");
            let yaml = config_of(&route(n, &code(&row[0])));
            std::fs::write(folder.path().join("gateway.yaml"), yaml).expect("written");
            let (exit, output, _) = run_cli_in(folder.path(), &["check"], &[]);
            assert_eq!(exit, 64, "{row:?}: {output}");
        } else {
            routes.push_str(&route(n, &code(&row[0])).replace("http://127.0.0.1:9", "@UPSTREAM@"));
        }
    }
    let setup = Setup::start(&routes);
    for (n, row) in rows.iter().enumerate().filter(|(_, row)| row[3] != "a configuration error") {
        let members: Value = serde_json::from_str(&code(&row[1])).expect("JSON");
        let token = format!("row{n}");
        setup.server.answer(&token, active(members));
        let request = code(&row[2]);
        // the request line, perhaps with a header behind it
        let (method, rest) = request.split_once(' ').expect("a method and a path");
        let (path, header) = rest.split_once(' ').unwrap_or((rest, ""));
        let header = header.split_once(": ");
        let host = format!("r{n}.test");
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("Host", &*host), ("Authorization", &*bearer)];
        headers.extend(header);
        let response = setup.gateway.request(method, path, &headers, b"");
        let expected = row[3].trim_end_matches(", without identity");
        let (status, reason) = expected.split_once(' ').unwrap_or((expected, ""));
        assert_eq!(response.status.to_string(), status, "{row:?}");
        assert_eq!(response.reason(), reason.trim_matches('`'), "{row:?}");
        if row[3].ends_with("without identity") {
            assert_eq!(setup.upstream.last().header("x-introspected-scope"), None, "{row:?}");
        }
    }
}

/// A request and an answer that a condition lets pass, and some that it refuses.
struct Example {
    passes: (&'static str, &'static str, Value),
    refused: Vec<(&'static str, &'static str, Value)>,
}

fn example(
    passes: (&'static str, &'static str, Value),
    refused: Vec<(&'static str, &'static str, Value)>,
) -> Example {
    Example { passes, refused }
}

/// The ten conditions, in the order of the page. Working hours depend on the clock and are shown by
/// a unit test; here they are only evaluated.
#[test]
fn the_ten_conditions() {
    let examples = [
        example(
            ("GET", "/tenants/acme/x", json!({ "tenant": "acme" })),
            vec![
                ("GET", "/tenants/other/x", json!({ "tenant": "acme" })),
                ("GET", "/tenants/acme2/x", json!({ "tenant": "acme" })),
                ("GET", "/tenants/acme/x", json!({})),
                ("GET", "/tenants/acme/x", json!({ "tenant": ["acme"] })),
                ("GET", "/tenants/acme/x", json!({ "tenant": null })),
            ],
        ),
        example(("GET", "/hours", json!({})), vec![]),
        example(
            ("GET", "/x", json!({ "client_id": "reports" })),
            vec![
                ("GET", "/x", json!({ "client_id": "report" })),
                ("GET", "/x", json!({ "client_id": "billing2" })),
                ("GET", "/x", json!({})),
            ],
        ),
        example(
            ("POST", "/x", json!({ "scope": "write" })),
            vec![
                ("POST", "/x", json!({ "scope": "read" })),
                ("DELETE", "/x", json!({ "scope": "writer" })),
                ("PUT", "/x", json!({})),
            ],
        ),
        example(
            ("GET", "/x", json!({ "groups": ["users", "admins"] })),
            vec![
                ("GET", "/x", json!({ "groups": ["users"] })),
                ("GET", "/x", json!({ "groups": "admins" })),
                ("GET", "/x", json!({ "groups": null })),
                ("GET", "/x", json!({ "groups": [["admins"]] })),
                ("GET", "/x", json!({})),
            ],
        ),
        example(
            ("GET", "/x", json!({ "sub": "alice" })),
            vec![
                ("GET", "/x", json!({ "act": { "sub": "x" } })),
                ("GET", "/x", json!({ "act": 1 })),
            ],
        ),
        example(
            ("GET", "/users/alice/x", json!({ "sub": "alice" })),
            vec![
                ("GET", "/users/bob/x", json!({ "sub": "alice" })),
                ("GET", "/users/bob/x", json!({ "sub": "alice", "scope": "administrator" })),
            ],
        ),
        example(
            ("GET", "/x", json!({ "amr": ["pwd", "mfa"] })),
            vec![
                ("GET", "/x", json!({ "amr": ["pwd"] })),
                ("GET", "/x", json!({ "amr": "mfa" })),
                ("GET", "/x", json!({})),
            ],
        ),
        example(
            ("GET", "/x", json!({ "regions": ["eu", "us"] })),
            vec![
                ("GET", "/x", json!({ "regions": ["us"] })),
                ("GET", "/x", json!({ "regions": [] })),
                ("GET", "/x", json!({})),
            ],
        ),
        example(
            ("GET", "/x", json!({ "iat": now() - 3500 })),
            vec![
                ("GET", "/x", json!({ "iat": now() - 3700 })),
                ("GET", "/x", json!({ "iat": 0 })),
                ("GET", "/x", json!({})),
            ],
        ),
    ];
    let rows = rows("Ten conditions that are often needed");
    assert_eq!(rows.len(), examples.len());
    let mut routes = String::from("routes:\n");
    for (n, row) in rows.iter().enumerate() {
        let condition = code(&row[1]);
        let path = match &*condition {
            tenant if tenant.contains("params.tenant") => "/tenants/{tenant}/*",
            user if user.contains("params.user") => "/users/{user}/*",
            _ => "/*",
        };
        routes.push_str(&format!(
            "  - {{ name: c{n}, host: c{n}.test, path: \"{path}\", upstream: \"@UPSTREAM@\", require: \"{condition}\" }}\n"
        ));
    }
    let setup = Setup::start(&routes);
    let mut tokens = 0;
    let mut ask = |n: usize, (method, path, members): &(&str, &str, Value)| {
        tokens += 1;
        let token = format!("token{tokens}");
        setup.server.answer(&token, active(members.clone()));
        let (host, bearer) = (format!("c{n}.test"), format!("Bearer {token}"));
        let headers = [("Host", &*host), ("Authorization", &*bearer), ("X-Region", "eu")];
        let response = setup.gateway.request(method, path, &headers, b"");
        (response.status, response.reason())
    };
    for (n, (row, example)) in rows.iter().zip(&examples).enumerate() {
        let passed = ask(n, &example.passes);
        if example.refused.is_empty() {
            assert!([(200, String::new()), (403, "require".into())].contains(&passed), "{row:?}");
        } else {
            assert_eq!(passed, (200, String::new()), "{row:?}");
        }
        for refused in &example.refused {
            assert_eq!(ask(n, refused), (403, "require".into()), "{row:?} {refused:?}");
        }
    }
}

/// The cause of a condition that cannot be evaluated is in the log, and not in the response; no
/// value of the token is in either.
#[test]
fn the_cause_is_logged() {
    let setup = Setup::route("require: \"claims.level > 2\"");
    setup.server.answer("text", active(json!({ "level": "s3cret-value" })));
    let response = setup.get("text");
    assert_eq!((response.status, &*response.reason()), (403, "require"));
    assert_eq!(response.header("www-authenticate"), Some("Bearer realm=\"introgate\""));
    let log = setup.gateway.log_with("a check could not be carried out");
    assert!(log.contains("found no matching overload"), "{log}");
    assert!(!log.contains("s3cret-value") && !response.text().contains("overload"), "{log}");
    setup.server.answer("low", active(json!({ "level": 1 })));
    assert_eq!(setup.outcome("low"), (403, "require".into()));
}

/// A condition is asked on every request, also when the answer comes from the cache.
#[test]
fn a_condition_is_no_part_of_the_cached_answer() {
    let setup = Setup::route("require: \"request.method == 'GET'\"");
    for _ in 0..2 {
        assert_eq!(setup.get("good").status, 200);
        let headers = [("Authorization", "Bearer good")];
        assert_eq!(setup.gateway.request("POST", "/", &headers, b"").status, 403);
    }
    assert_eq!(setup.server.count_of("good"), 1);
}
