//! RFC 9728: OAuth 2.0 Protected Resource Metadata.

use crate::support::http2::{Event, Http2};
use crate::support::{Builder, PATIENCE, Response, Setup, active, run_cli_in};
use serde_json::{Value, json};

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
const ROOT: &str = "https://api.test/.well-known/oauth-protected-resource";
const MCP: &str = "https://api.test/.well-known/oauth-protected-resource/mcp";

const FILE: &str = r#"
authorization_servers:
  main: { introspection_endpoint: "@AS@", issuer: "https://as.test/a\"b" }
  second: { introspection_endpoint: "@AS@", issuer: "https://second.test", tokens: { prefix: "second-" } }
protected_resource: { resource: "https://api.test" }
token: { from: [header, "header:X-Token", query, form, "cookie:session"] }
routes:
  - { name: items, path: /items/*, upstream: "@UPSTREAM@", authorization_server: main, scopes: [read], scopes_any: [gold, silver] }
  - { name: mcp, path: /mcp, upstream: "@UPSTREAM@", authorization_server: [main, second], scopes: ["mcp:tools"], audience: ["https://api.test/mcp"] }
  - { name: pay, path: /pay/*, upstream: "@UPSTREAM@", authorization_server: main, binding: { dpop: required, mtls: off }, audience: ["https://other.test"] }
  - { name: vip, path: "/vip/{id}", upstream: "@UPSTREAM@", authorization_server: main, step_up: { acr_values: [gold] }, claims: { tier: gold } }
  - { name: public, path: /public/*, upstream: "@UPSTREAM@", auth: none }
  - { name: elsewhere, host: elsewhere.test, path: /there/*, upstream: "@UPSTREAM@", authorization_server: main, scopes: [there] }
  - { name: all, path: /*, upstream: "@UPSTREAM@", authorization_server: main }
"#;

fn document(setup: &Setup, suffix: &str) -> Value {
    let response = setup.gateway.get(&format!("{WELL_KNOWN}{suffix}"), &[]);
    assert_eq!(response.status, 200, "{suffix}: {}", response.text());
    response.json()
}

fn challenge(response: &Response) -> String {
    response.header("www-authenticate").unwrap_or_default().to_owned()
}

/// §2: what the metadata says of the routes that the identifier covers.
#[test]
fn section_2_the_metadata_of_a_resource() {
    let setup = Setup::start(FILE);
    let methods = json!(["header", "query", "body"]);
    let algorithms = json!(["ES256", "ES384", "EdDSA", "PS256", "RS256"]);
    assert_eq!(
        document(&setup, ""),
        json!({
            "resource": "https://api.test",
            "authorization_servers": ["https://as.test/a\"b", "https://second.test"],
            "scopes_supported": ["gold", "mcp:tools", "read", "silver"],
            "bearer_methods_supported": methods,
            "dpop_signing_alg_values_supported": algorithms,
        })
    );
    assert_eq!(
        document(&setup, "/items"),
        json!({
            "resource": "https://api.test/items",
            "authorization_servers": ["https://as.test/a\"b"],
            "scopes_supported": ["gold", "read", "silver"],
            "bearer_methods_supported": methods,
            "dpop_signing_alg_values_supported": algorithms,
        })
    );
    let mcp = document(&setup, "/mcp");
    assert_eq!(
        mcp["authorization_servers"],
        json!(["https://as.test/a\"b", "https://second.test"])
    );
    assert_eq!(mcp["scopes_supported"], json!(["mcp:tools"]));
}

/// §2: members about bound tokens, where every covered route demands them.
#[test]
fn section_2_bound_access_tokens() {
    for (keys, required, algorithms, certificates) in [
        ("", Value::Null, json!(["ES384"]), Value::Null),
        ("binding: { dpop: required }", json!(true), json!(["ES384"]), Value::Null),
        ("binding: { dpop: off, mtls: required }", Value::Null, Value::Null, json!(true)),
    ] {
        let setup = Setup::start(&format!(
            "protected_resource: {{ resource: \"https://api.test\" }}\ndpop: {{ algorithms: [ES384] }}\ntoken: {{ from: [\"cookie:session\"] }}\nroutes:\n  - {{ path: /*, upstream: \"@UPSTREAM@\", {keys} }}\n"
        ));
        let document = document(&setup, "");
        assert_eq!(document["dpop_bound_access_tokens_required"], required, "{keys}");
        assert_eq!(document["dpop_signing_alg_values_supported"], algorithms, "{keys}");
        assert_eq!(document["tls_client_certificate_bound_access_tokens"], certificates, "{keys}");
        // an empty list: none of the methods of RFC 6750
        assert_eq!(document["bearer_methods_supported"], json!([]), "{keys}");
        assert_eq!(document.get("authorization_servers"), None, "no server has an issuer");
        assert_eq!(document.get("scopes_supported"), None, "no route demands a scope");
    }
}

/// §3.1, §3.3: the identifiers are the configured one and those of routes that accept a token for
/// them; `resource` is the identifier that the URL was formed from.
#[test]
fn section_3_1_one_document_for_each_identifier() {
    let setup = Setup::start(FILE);
    for (suffix, resource) in [
        ("", Some("https://api.test")),
        ("/", Some("https://api.test")),
        ("?x=y", Some("https://api.test")),
        ("/items", Some("https://api.test/items")),
        ("/it%65ms", Some("https://api.test/items")),
        ("/mcp", Some("https://api.test/mcp")),
        ("/items/", None),
        ("/items/1", None),
        ("/pay", None),
        ("/vip", None),
        ("/public", None),
        ("/there", None),
        ("/unknown", None),
    ] {
        let response = setup.gateway.get(&format!("{WELL_KNOWN}{suffix}"), &[]);
        match resource {
            Some(resource) => assert_eq!(response.json()["resource"], resource, "{suffix}"),
            None => {
                let outcome = (response.status, response.reason());
                assert_eq!(outcome, (404, "no_route".to_owned()), "{suffix}");
            }
        }
    }
    assert_eq!(setup.upstream.count(), 0, "no route is asked, `/*` included");
    // a longer name is another path
    assert_eq!(setup.gateway.get(&format!("{WELL_KNOWN}x"), &[]).status, 401);
}

/// §3.1 and §5.1: the examples of the RFC, each with its URL in the challenge.
#[test]
fn section_3_1_the_examples() {
    for (resource, path) in [
        ("https://resource.example.com", "/.well-known/oauth-protected-resource"),
        (
            "https://resource.example.com/resource1",
            "/.well-known/oauth-protected-resource/resource1",
        ),
    ] {
        let setup = Setup::start(&format!(
            "protected_resource: {{ resource: \"{resource}\" }}\nroutes:\n  - {{ path: /*, upstream: \"@UPSTREAM@\" }}\n  - {{ path: /resource1/*, upstream: \"@UPSTREAM@\" }}\n"
        ));
        let host = [("Host", "resource.example.com")];
        let found = setup.gateway.get(path, &host);
        assert_eq!((found.status, &found.json()["resource"]), (200, &json!(resource)));
        let refused = setup.gateway.get("/resource1", &host);
        let url = format!("https://resource.example.com{path}");
        let expected = format!("Bearer realm=\"introgate\", resource_metadata=\"{url}\"");
        assert_eq!(challenge(&refused), expected);
    }
}

/// §3.1: a resource with a path has its metadata below the well-known path.
#[test]
fn section_3_1_a_resource_with_a_path() {
    for written in ["https://api.test/v1/mcp", "https://api.test/v1/mcp/"] {
        let setup = Setup::start(&format!(
            "protected_resource: {{ resource: \"{written}\" }}\nroutes:\n  - {{ path: /v1/*, upstream: \"@UPSTREAM@\", scopes: [wide] }}\n  - {{ path: /v1/mcp/tools, upstream: \"@UPSTREAM@\", scopes: [tools] }}\n  - {{ path: /v2/mcp, upstream: \"@UPSTREAM@\", scopes: [other] }}\n"
        ));
        let suffix = written.strip_prefix("https://api.test").expect("the host");
        let found = document(&setup, suffix);
        assert_eq!(found["resource"], written);
        assert_eq!(found["scopes_supported"], json!(["tools", "wide"]));
        assert_eq!(setup.gateway.get(WELL_KNOWN, &[]).status, 404);
        let url = format!("resource_metadata=\"https://api.test{WELL_KNOWN}{suffix}\"");
        let covered = challenge(&setup.gateway.get("/v1/mcp", &[]));
        assert!(covered.ends_with(&url), "{covered}");
        let other = challenge(&setup.gateway.get("/v2/mcp", &[]));
        assert!(!other.contains("resource_metadata"), "{other}");
    }
}

/// §3.2: JSON, for anybody, by GET, HEAD and OPTIONS; browsers' clients may read it.
#[test]
fn section_3_2_the_response() {
    let setup = Setup::start(FILE);
    let get = setup.gateway.get(WELL_KNOWN, &[("Origin", "https://inspector.test")]);
    assert_eq!(get.header("content-type"), Some("application/json"));
    assert_eq!(get.header("cache-control"), Some("public, max-age=300"));
    assert_eq!(get.header("access-control-allow-origin"), Some("*"));
    assert!(get.header("x-request-id").is_some_and(|id| !id.is_empty()));
    // a token changes nothing, whatever it is worth
    for authorization in ["Bearer good", "Bearer unknown", "Bearer", "Basic eDp5"] {
        let with_token = setup.gateway.get(WELL_KNOWN, &[("Authorization", authorization)]);
        assert_eq!((with_token.status, &with_token.body), (200, &get.body), "{authorization}");
    }
    let head = setup.gateway.request("HEAD", WELL_KNOWN, &[], b"");
    let length = get.body.len().to_string();
    assert_eq!((head.status, head.header("content-length")), (200, Some(&*length)));
    assert!(head.body.is_empty());
    let preflight = [
        ("Origin", "https://inspector.test"),
        ("Access-Control-Request-Method", "GET"),
        ("Access-Control-Request-Headers", "mcp-protocol-version"),
    ];
    let options = setup.gateway.request("OPTIONS", WELL_KNOWN, &preflight, b"");
    assert_eq!((options.status, options.header("access-control-allow-headers")), (200, Some("*")));
    assert_eq!(options.header("access-control-allow-methods"), Some("GET, HEAD, OPTIONS"));
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let refused = setup.gateway.request(method, WELL_KNOWN, &[], b"body");
        assert_eq!((refused.status, &*refused.reason()), (404, "no_route"), "{method}");
    }
    // the connection is kept, also behind a body that has no use
    let mut connection = setup.gateway.connect();
    for body in [&b""[..], b"unused"] {
        let answer = connection.request("GET", WELL_KNOWN, &[], body).expect("an answer");
        assert_eq!(answer.status, 200);
    }
    assert_eq!(setup.server.count(), 0);
    assert_eq!(setup.upstream.count(), 0);
}

#[test]
fn the_log_and_the_metrics_have_a_label_of_their_own() {
    let setup = Setup::start(FILE);
    setup.gateway.get(WELL_KNOWN, &[("X-Request-Id", "metadata-1")]);
    setup.gateway.get(&format!("{WELL_KNOWN}/none"), &[("X-Request-Id", "metadata-2")]);
    let line = setup.gateway.access_log_of("metadata-1");
    let told = (&line["route"], &line["decision"], &line["status"], &line["reason"]);
    let route = json!("protected-resource-metadata");
    assert_eq!(told, (&route, &json!("allow"), &json!(200), &Value::Null));
    let line = setup.gateway.access_log_of("metadata-2");
    let told = (&line["route"], &line["decision"], &line["status"], &line["reason"]);
    assert_eq!(told, (&route, &json!("deny"), &json!(404), &json!("no_route")));
    let count = |labels: &str| {
        let sample =
            format!("introgate_requests_total{{route=\"protected-resource-metadata\",{labels}}}");
        setup.gateway.metric(&sample)
    };
    assert_eq!((count("code=\"200\""), count("code=\"404\"")), (1.0, 1.0));
}

#[test]
fn the_metadata_over_http_2() {
    let setup = Setup::start(&format!(
        "listeners: [{{ address: \"127.0.0.1:@PORT@\", protocols: [h2c] }}]{FILE}"
    ));
    let path = format!("{WELL_KNOWN}/mcp");
    let mut client = Http2::open(setup.gateway.port(), &[]);
    let fields =
        [(":method", "GET"), (":scheme", "http"), (":path", &*path), (":authority", "api.test")];
    client.headers(1, &fields, true).expect("send");
    let answer = client.next(PATIENCE);
    assert!(matches!(answer, Some(Event::Head { status: Some(200), .. })), "{answer:?}");
}

/// §5.1: every 401 and 403 names the metadata, whatever the reason and the scheme are.
#[test]
fn section_5_1_resource_metadata_in_every_challenge() {
    let setup = Setup::start(FILE);
    setup.server.answer("mcp", active(json!({ "aud": "https://api.test/mcp" })));
    setup.server.answer("bound", active(json!({ "cnf": { "jkt": "x".repeat(43) } })));
    setup.server.answer("silver", active(json!({ "tier": "silver" })));
    setup.server.answer("gold", active(json!({ "tier": "gold" })));
    setup.server.answer("issuer", active(json!({ "iss": "https://evil.test" })));
    for (path, authorization, status, reason, scheme, url) in [
        ("/items/1", "", 401, "missing_token", "Bearer", ROOT),
        ("/items/1", "Bearer a\"b", 400, "malformed_token", "Bearer", ROOT),
        ("/items/1", "Bearer unknown", 401, "inactive", "Bearer", ROOT),
        ("/items/1", "Bearer expired", 401, "expired", "Bearer", ROOT),
        ("/items/1", "Bearer issuer", 401, "issuer", "Bearer", ROOT),
        ("/items/1", "Bearer narrow", 403, "insufficient_scope", "Bearer", ROOT),
        ("/items/1", "Bearer bound", 401, "binding_dpop", "DPoP", ROOT),
        ("/items/1", "DPoP unknown", 401, "inactive", "DPoP", ROOT),
        // the most specific identifier that the route's `audience` lists
        ("/mcp", "", 401, "missing_token", "Bearer", MCP),
        ("/mcp", "Bearer good", 401, "audience", "Bearer", MCP),
        ("/mcp", "Bearer mcp", 403, "insufficient_scope", "Bearer", MCP),
        ("/pay/1", "", 401, "missing_token", "DPoP", ROOT),
        ("/pay/1", "Bearer good", 401, "audience", "DPoP", ROOT),
        ("/vip/1", "Bearer silver", 403, "claim", "Bearer", ROOT),
        ("/vip/1", "Bearer gold", 401, "step_up", "Bearer", ROOT),
    ] {
        let headers = [("Authorization", authorization)];
        let headers = if authorization.is_empty() { &[][..] } else { &headers[..] };
        let refused = setup.gateway.get(path, headers);
        assert_eq!(
            (refused.status, &*refused.reason()),
            (status, reason),
            "{path} {authorization}"
        );
        let value = challenge(&refused);
        assert!(value.starts_with(&format!("{scheme} realm=")), "{authorization}: {value}");
        assert!(value.ends_with(&format!(", resource_metadata=\"{url}\"")), "{path}: {value}");
    }
    // routes of another host are no part of the resource
    let other = setup.gateway.get("/there/1", &[("Host", "elsewhere.test")]);
    assert_eq!(challenge(&other), "Bearer realm=\"introgate\", scope=\"there\"");
    // refusals that are not about a token have no challenge
    assert_eq!(setup.gateway.get("/a\\b", &[]).header("www-authenticate"), None);
}

/// `public_url` is where clients reach the gateway.
#[test]
fn section_5_1_the_url_begins_with_public_url() {
    let setup = Setup::start(&format!("public_url: https://edge.test{FILE}"));
    let value = challenge(&setup.gateway.get("/mcp", &[]));
    let url = "resource_metadata=\"https://edge.test/.well-known/oauth-protected-resource/mcp\"";
    assert!(value.ends_with(url), "{value}");
    assert_eq!(document(&setup, "/mcp")["resource"], "https://api.test/mcp");
}

#[test]
fn without_the_key_the_path_is_like_any_other() {
    let setup = Setup::route("");
    assert_eq!(setup.gateway.get(WELL_KNOWN, &[]).status, 401);
    assert!(!challenge(&setup.gateway.get("/", &[])).contains("resource_metadata"));
    assert_eq!(setup.gateway.get_with(WELL_KNOWN, "good").status, 200);
    // and a reload turns it on
    setup.reload(FILE);
    assert_eq!(document(&setup, "")["resource"], "https://api.test");
    assert!(challenge(&setup.gateway.get("/", &[])).contains("resource_metadata"));
}

/// §7.4, and routes at the well-known path.
#[test]
fn check_says_what_is_wrong() {
    let told = |resource: &str, routes: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        let yaml = format!(
            "authorization_servers:\n  main: {{ issuer: \"https://as.test\", introspection_endpoint: \"https://as.test/i\" }}\nprotected_resource: {{ resource: \"{resource}\" }}\nroutes:\n{routes}\n"
        );
        std::fs::write(folder.path().join("gateway.yaml"), yaml).expect("written");
        let (code, out, err) = run_cli_in(folder.path(), &["check"], &[]);
        (code, format!("{out}{err}"))
    };
    let sound =
        "  - { path: /*, upstream: \"http://127.0.0.1:9\", audience: [\"https://api.test\"] }";
    let (code, all) = told("https://api.test", sound);
    assert!(code == 0 && !all.contains("warning"), "{all}");
    let lax = "  - { path: /*, upstream: \"http://127.0.0.1:9\", scopes: [read] }";
    let (code, all) = told("https://api.test", lax);
    assert!(code == 0 && all.contains("warning: routes[0]: demands no `audience`"), "{all}");
    let own = format!(
        "{sound}\n  - {{ path: {WELL_KNOWN}/mcp, upstream: \"http://127.0.0.1:9\", auth: none }}"
    );
    let (code, all) = told("https://api.test", &own);
    assert!(code == 64 && all.contains("error: routes[1].path: is at"), "{all}");
    for resource in ["http://api.test", "https://api.test#a", "api.test", ""] {
        let (code, all) = told(resource, sound);
        let named = all.contains("error: protected_resource.resource: ");
        assert!(code == 64 && named, "{resource}: {all}");
    }
    assert_eq!(told("http://127.0.0.1:8080", sound).0, 0);
}

#[test]
fn explain_shows_the_challenge_and_the_metadata() {
    let folder = tempfile::tempdir().expect("a folder");
    let yaml =
        FILE.replace("@AS@", "http://127.0.0.1:9/").replace("@UPSTREAM@", "http://127.0.0.1:9");
    std::fs::write(folder.path().join("gateway.yaml"), yaml).expect("written");
    let explained = |url: &str| {
        let (code, out, err) = run_cli_in(folder.path(), &["explain", "--json", "GET", url], &[]);
        let all: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
        (code, all)
    };
    let (code, all) = explained("https://api.test/mcp");
    let value = all["refusal"]["headers"]["WWW-Authenticate"].as_str().unwrap_or_default();
    assert!(code == 1 && value.ends_with(&format!("resource_metadata=\"{MCP}\"")), "{all:#}");
    let (code, all) = explained(MCP);
    assert_eq!((code, &all["decision"]), (0, &json!("allow")), "{all:#}");
    assert_eq!(all["route"], "protected-resource-metadata");
    assert_eq!(explained(&format!("{ROOT}/none")).0, 1);
}

/// A listener that answers other proxies: the same challenges. With a `path_prefix` it serves the
/// metadata too, since no question begins with the well-known path.
#[test]
fn beside_another_proxy() {
    let start = |prefix: &str| {
        let file = FILE.trim_start();
        let listener = format!(
            "listeners: [{{ address: \"127.0.0.1:@PORT@\", serves: forward_auth{prefix} }}]\n"
        );
        Setup::build(Builder::new(), &format!("{listener}{file}"))
    };
    let question = [("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "/mcp")];
    let about_metadata = [("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", WELL_KNOWN)];
    for prefix in ["", ", path_prefix: /check"] {
        let setup = start(prefix);
        let refused = setup.gateway.get("/", &question);
        assert!(challenge(&refused).ends_with(&format!("resource_metadata=\"{MCP}\"")));
        // a question about the path is one about a route
        assert_eq!(setup.gateway.get("/", &about_metadata).status, 401, "{prefix}");
        let direct = setup.gateway.get(WELL_KNOWN, &[]);
        match prefix {
            "" => assert_eq!(direct.status, 401, "it would be taken for a permit"),
            _ => {
                assert_eq!(direct.json()["resource"], "https://api.test");
                assert_eq!(setup.gateway.get(&format!("{WELL_KNOWN}/none"), &[]).status, 404);
                let asked = setup.gateway.get(&format!("/check{WELL_KNOWN}"), &[]);
                assert_eq!(asked.status, 401);
            }
        }
    }
}
