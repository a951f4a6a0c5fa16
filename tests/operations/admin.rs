//! Contract §7: the admin listener.

use crate::support::{Builder, Setup, one_route, wait_until};
use serde_json::json;

#[test]
fn alive_and_ready() {
    let setup = Setup::route("");
    assert_eq!(setup.gateway.admin_get("/livez").status, 200);
    assert_eq!(setup.gateway.admin_get("/readyz").status, 200);
    assert_eq!(setup.gateway.admin_get("/nothing").status, 404);
}

/// Pitfall 76: neither depends on the authorization server.
#[test]
fn readiness_does_not_depend_on_the_authorization_server() {
    let mut setup = Setup::server("circuit_breaker: { failures: 1, open_for: 60s }");
    setup.server.stop();
    for number in 0..3 {
        assert_eq!(setup.get(&format!("token-{number}")).status, 503);
        assert_eq!(setup.gateway.admin_get("/livez").status, 200);
        assert_eq!(setup.gateway.admin_get("/readyz").status, 200);
    }
}

/// Pitfall 77: the paths of the admin listener are not served to clients.
#[test]
fn the_admin_paths_are_not_on_the_main_listener() {
    let setup = Setup::start("routes: [{ path: /items/*, upstream: \"@UPSTREAM@\", auth: none }]");
    for path in ["/metrics", "/livez", "/readyz", "/api/status", "/api/config", "/"] {
        assert_eq!(setup.gateway.get(path, &[]).status, 404, "{path}");
    }
    let purge = setup.gateway.request("POST", "/api/cache/purge", &[], b"{\"all\":true}");
    assert_eq!(purge.status, 404);
}

#[test]
fn the_status_has_version_routes_servers_and_cache() {
    let mut setup = Setup::start(
        r#"
routes:
  - { name: items-read, path: /items/*, upstream: "@UPSTREAM@" }
  - { path: /other, upstream: "@UPSTREAM@" }
"#,
    );
    setup.gateway.get_with("/items/1", "good");
    setup.server.stop();
    setup.gateway.get_with("/items/1", "new");
    let status = setup.gateway.admin_get("/api/status");
    assert_eq!(status.status, 200);
    assert!(status.header("content-type").is_some_and(|kind| kind.starts_with("application/json")));
    let json = status.json();
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    let text = status.text();
    for part in ["items-read", "main", "uptime", "circuit", "cache", "reload"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("good") && !text.contains("alice"), "{text}");
}

#[test]
fn there_is_a_status_page() {
    let setup = Setup::route("");
    let page = setup.gateway.admin_get("/");
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
    assert!(page.text().contains("introgate"));
}

/// Contract §7: the effective configuration, secrets redacted.
#[test]
fn the_configuration_is_shown_without_its_secrets() {
    let builder = Builder::new()
        .env("BEARER", "secret-from-environment")
        .file("client-secret", "secret-from-file");
    let yaml = format!(
        r#"
authorization_servers:
  a: {{ introspection_endpoint: "@AS@", client_auth: {{ method: bearer, token: "${{BEARER}}" }} }}
  b: {{ introspection_endpoint: "@AS@", client_auth: {{ method: client_secret_basic, client_id: my-id, client_secret: "secret-basic" }} }}
  c: {{ introspection_endpoint: "@AS@", client_auth: {{ method: client_secret_post, client_id: my-id, client_secret_file: "@DIR@/client-secret" }} }}
  d: {{ introspection_endpoint: "@AS@", headers: {{ X-Api-Key: "secret-header" }}, parameters: {{ key: "secret-parameter" }} }}
{}"#,
        one_route("authorization_server: a").replace("name: all", "name: shown-route")
    );
    let setup = Setup::build(builder, &yaml);
    let config = setup.gateway.admin_get("/api/config");
    assert_eq!(config.status, 200);
    let text = config.text();
    assert!(!text.contains("secret-"), "{text}");
    for part in ["shown-route", "client_secret_basic", "my-id", "introspection_endpoint"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

/// State is changed by POST only.
#[test]
fn purging_by_get_does_nothing() {
    let setup = Setup::route("");
    setup.get("good");
    let response = setup.gateway.admin_get("/api/cache/purge?all=true");
    assert!([404, 405].contains(&response.status), "{}", response.status);
    setup.get("good");
    assert_eq!(setup.server.count(), 1);
}

#[test]
fn the_admin_listener_can_be_off() {
    let setup = Setup::start(&format!("admin: {{ address: off }}\n{}", one_route("")));
    wait_until("it serves", || setup.get("good").status == 200);
    assert!(crate::support::Connection::try_open(setup.gateway.admin_port()).is_err());
}

/// Contract §2, `admin.token`.
#[test]
fn the_admin_token_is_accepted() {
    let yaml = "admin: { address: \"127.0.0.1:@ADMIN_PORT@\", token: \"admin-secret\" }\n";
    let setup = Setup::start(&format!("{yaml}{}", one_route("")));
    setup.get("good");
    let body = json!({ "all": true }).to_string();
    let mut connection = setup.gateway.connect_admin();
    let headers = [("Content-Type", "application/json"), ("Authorization", "Bearer admin-secret")];
    let response = connection.request("POST", "/api/cache/purge", &headers, body.as_bytes());
    assert_eq!(response.expect("an answer").json(), json!({ "purged": 1 }));
    assert_eq!(setup.gateway.metric("introgate_build_info"), 1.0, "reading needs none");
}

/// Contract §7: a page of another site cannot call the listener under that site's name (DNS
/// rebinding, pitfall 94).
#[test]
fn the_admin_listener_answers_to_known_names_only() {
    let setup = Setup::start(&format!(
        "admin: {{ address: \"127.0.0.1:@ADMIN_PORT@\", hosts: [Gateway.Example.com] }}\n{}",
        one_route("")
    ));
    let status = |method: &str, path: &str, host: &str| {
        let mut connection = setup.gateway.connect_admin();
        let headers = [("Host", host), ("Content-Type", "application/json")];
        let answer = connection.request(method, path, &headers, b"");
        answer.expect("an answer").status
    };
    let guarded = [
        ("GET", "/", 200),
        ("GET", "/api/status", 200),
        ("GET", "/api/config", 200),
        ("POST", "/api/cache/purge", 400),
        ("POST", "/api/events", 404),
        ("GET", "/nothing", 404),
    ];
    for (method, path, expected) in guarded {
        for host in
            ["127.0.0.1:9901", "[::1]", "localhost", "LOCALHOST:1", "gateway.example.com:80"]
        {
            assert_eq!(status(method, path, host), expected, "{method} {path} as {host}");
        }
        for host in
            ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:9901", "example.com"]
        {
            assert_eq!(status(method, path, host), 421, "{method} {path} as {host}");
        }
    }
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(status("GET", path, "evil.example"), 200, "{path}");
    }
    let raw = |request: &str| {
        let mut connection = setup.gateway.connect_admin();
        connection.send(request.as_bytes()).expect("send");
        connection.read_response("GET").expect("an answer").status
    };
    for (request, expected) in [
        ("GET /api/status HTTP/1.1\r\n\r\n", 400),
        ("GET /api/status HTTP/1.0\r\n\r\n", 421),
        ("GET /api/status HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400),
        ("GET http://evil.example/api/status HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        ("GET http://localhost/api/status HTTP/1.1\r\nHost: evil.example\r\n\r\n", 400),
        ("GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
        ("GET http://localhost/api/status HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
    ] {
        assert_eq!(raw(request), expected, "{request}");
    }
}

/// A reader of the status makes no series: a gauge of 0 would mean that a connection failed, and
/// set off an alert.
#[test]
fn looking_at_the_status_changes_no_metric() {
    let setup = Setup::route("");
    let upstream = |status: &serde_json::Value| status["upstreams"][0]["servers"][0]["up"].clone();
    assert_eq!(upstream(&setup.gateway.admin_get("/api/status").json()), json!(null));
    assert!(!setup.gateway.metrics().contains("introgate_upstream_up{"));
    setup.get("good");
    assert_eq!(upstream(&setup.gateway.admin_get("/api/status").json()), json!(true));
    assert_eq!(setup.gateway.metric("introgate_upstream_up"), 1.0);
}
