//! `introgate explain` and `POST /api/explain`: the explained outcome of a request is the gateway's
//! actual outcome.

use crate::support::{Setup, active, run_cli_in};
use serde_json::{Value, json};

const FILE: &str = r#"
authorization_servers:
  main: { introspection_endpoint: "http://127.0.0.1:9/", issuer: "https://as.test" }
routes:
  - { name: read, host: api.test, path: /items/*, methods: [GET], upstream: "http://127.0.0.1:9", scopes: [read], audience: [api] }
  - { name: write, host: api.test, path: /items/*, methods: [POST], upstream: "http://127.0.0.1:9", scopes: [write] }
  - { name: elsewhere, host: other.test, path: /items/*, upstream: "http://127.0.0.1:9" }
  - { name: all, path: /*, upstream: "http://127.0.0.1:9", require: "claims.level > 2" }
  - { name: shadow, path: /shadow, upstream: "http://127.0.0.1:9", scopes: [read], enforce: false }
  - { name: public, path: /public, upstream: "http://127.0.0.1:9", auth: none }
  - { name: browser, path: /browser, upstream: "http://127.0.0.1:9", scopes: [read], origins: ["https://app.test:443", "http://localhost:*"] }
"#;

/// Exit code and output of `explain --json` with this answer.
fn explained(response: Option<Value>, arguments: &[&str]) -> (i32, Value, String) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("gateway.yaml"), FILE).expect("written");
    let mut all = vec!["explain", "--json"];
    if let Some(response) = &response {
        std::fs::write(folder.path().join("answer.json"), response.to_string()).expect("written");
        all.extend(["--response", "answer.json"]);
    }
    all.extend(arguments);
    let (code, out, err) = run_cli_in(folder.path(), &all, &[]);
    (code, serde_json::from_str(&out).unwrap_or_default(), err)
}

fn check<'a>(explained: &'a Value, name: &str) -> &'a Value {
    let checks = explained["checks"].as_array().expect("checks");
    checks.iter().find(|check| check["check"] == name).expect("the check")
}

#[test]
fn an_allowed_request_shows_its_headers() {
    let answer = json!({ "active": true, "sub": "alice", "scope": "read", "aud": "api", "iss": "https://as.test" });
    let (code, all, err) = explained(Some(answer), &["GET", "https://api.test/items/1"]);
    assert_eq!((code, err.as_str()), (0, ""), "{all:#}");
    assert_eq!((&all["route"], &all["decision"]), (&json!("read"), &json!("allow")));
    assert_eq!(all["headers"]["x-introspected-sub"], "alice");
    assert_eq!(all["headers"]["x-introspected-server"], "main");
    let scopes = check(&all, "scopes");
    assert_eq!(
        (&scopes["outcome"], &scopes["demanded"], &scopes["found"]),
        (&json!("pass"), &json!("all of read"), &json!("read"))
    );
    assert_eq!(check(&all, "claims")["outcome"], "nothing demanded");
    assert_eq!(
        all["other_routes"],
        json!([
            { "route": "write", "why_not": "the method is none of POST" },
            { "route": "elsewhere", "why_not": "the host is none of other.test" },
            { "route": "all", "why_not": "matches too, and is less specific" },
        ])
    );
}

/// All checks are shown, the first that fails names the refusal, and the refusal is the exact one.
#[test]
fn a_refused_request_shows_its_refusal() {
    let answer =
        json!({ "active": true, "scope": "other", "aud": "web", "iss": "https://as.test" });
    let (code, all, _) = explained(Some(answer), &["GET", "https://api.test/items/1"]);
    assert_eq!(code, 1);
    assert_eq!((&all["decision"], &all["reason"]), (&json!("deny"), &json!("audience")));
    for (name, reason) in [("audience", "audience"), ("scopes", "insufficient_scope")] {
        let check = check(&all, name);
        assert_eq!((&check["outcome"], &check["reason"]), (&json!("fail"), &json!(reason)));
    }
    let refusal = &all["refusal"];
    assert_eq!((&refusal["status"], &refusal["body"]["reason"]), (&json!(401), &json!("audience")));
    let challenge = refusal["headers"]["WWW-Authenticate"].as_str().unwrap_or_default();
    assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    assert!(all.get("headers").is_none());
}

#[test]
fn each_way_to_be_refused_or_not() {
    let active = |members: Value| Some(active(members));
    let cases = [
        (None, vec!["GET", "/x"], 1, "deny", "missing_token"),
        (None, vec!["-H", "Authorization: Bearer a,b", "GET", "/x"], 1, "deny", "malformed_token"),
        (Some(json!({ "active": false })), vec!["GET", "/x"], 1, "deny", "inactive"),
        (active(json!({ "exp": 1, "level": 3 })), vec!["GET", "/x"], 1, "deny", "expired"),
        (active(json!({ "level": 3 })), vec!["GET", "/x"], 0, "allow", ""),
        (active(json!({ "level": 2 })), vec!["GET", "/x"], 1, "deny", "require"),
        (active(json!({})), vec!["GET", "/x"], 1, "deny", "require"),
        (
            active(json!({ "level": 3, "sub": "x".repeat(5000) })),
            vec!["GET", "/x"],
            1,
            "deny",
            "identity_too_large",
        ),
        (
            active(json!({ "scope": "x" })),
            vec!["GET", "/shadow"],
            0,
            "anonymous",
            "insufficient_scope",
        ),
        (None, vec!["GET", "/public"], 0, "allow", ""),
        (None, vec!["GET", "/a%2fb"], 1, "deny", "bad_request"),
        (None, vec!["GET", "/../x"], 1, "deny", "bad_request"),
        (None, vec!["-H", "Authorization: Bearer good", "GET", "/x"], 1, "deny", "as_unavailable"),
    ];
    for (answer, arguments, code, decision, reason) in cases {
        let (found, all, err) = explained(answer, &arguments);
        assert_eq!(
            (found, all["decision"].as_str()),
            (code, Some(decision)),
            "{arguments:?} {err}"
        );
        assert_eq!(all["reason"].as_str().unwrap_or_default(), reason, "{arguments:?}");
    }
    let (_, all, _) = explained(active(json!({ "scope": "x" })), &["GET", "/shadow"]);
    assert_eq!((&all["enforced"], &all["headers"]), (&json!(false), &json!({})));
    let (_, all, _) = explained(active(json!({})), &["GET", "/x"]);
    assert_eq!(all["cause"], "there is no member `level`");
}

/// `origins` is the first of the checks. A request that it refuses is not looked at any further.
#[test]
fn the_origin_is_a_check() {
    let answer = || Some(json!({ "active": true, "scope": "read", "iss": "https://as.test" }));
    let demanded = "one of https://app.test, http://localhost:*, or none";
    for (header, found, outcome, code, reason) in [
        (None, "none", "pass", 0, ""),
        (Some("Origin: http://localhost:3000"), "http://localhost:3000", "pass", 0, ""),
        (Some("Origin: https://evil.test"), "https://evil.test", "fail", 1, "require"),
    ] {
        let arguments = header.map_or(vec![], |header| vec!["-H", header]);
        let (exit, all, err) =
            explained(answer(), &[&arguments[..], &["GET", "/browser"]].concat());
        assert_eq!(exit, code, "{header:?} {err}");
        let first = &all["checks"][0];
        assert_eq!(
            (&first["check"], &first["demanded"], &first["found"], &first["outcome"]),
            (&json!("origin"), &json!(demanded), &json!(found), &json!(outcome))
        );
        assert_eq!(all["reason"].as_str().unwrap_or_default(), reason, "{header:?}");
        let token = if code == 0 { "active" } else { "not looked at" };
        assert_eq!(all["token"], token, "{header:?}");
    }
    let twice = ["-H", "Origin: https://app.test", "-H", "Origin: https://app.test"];
    let (_, all, _) = explained(answer(), &[&twice[..], &["GET", "/browser"]].concat());
    assert_eq!((&all["reason"], &all["refusal"]["status"]), (&json!("bad_request"), &json!(400)));
}

#[test]
fn wrong_usage_is_64() {
    for arguments in [
        vec!["GET", "ftp://x/"],
        vec!["G E T", "/"],
        vec!["-H", "nonsense", "GET", "/"],
        vec!["--response", "missing.json", "GET", "/"],
        vec!["GET", "http://a b/"],
        vec!["GET"],
    ] {
        assert_eq!(explained(None, &arguments).0, 64, "{arguments:?}");
    }
    assert_eq!(explained(Some(json!([])), &["GET", "/x"]).0, 64);
}

/// For people; and a token is in no line of it.
#[test]
fn the_text_has_the_same_content() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("gateway.yaml"), FILE).expect("written");
    std::fs::write(folder.path().join("a.json"), r#"{"active":true,"level":3}"#).expect("written");
    let arguments = [
        "explain",
        "-c",
        "gateway.yaml",
        "--response",
        "a.json",
        "-H",
        "Authorization: Bearer s3cret-token",
        "GET",
        "/x",
    ];
    let (code, out, err) = run_cli_in(folder.path(), &arguments, &[]);
    assert_eq!(code, 0, "{out}{err}");
    for line in [
        "route: all",
        "token: active",
        "check require: pass; demanded claims.level > 2; found true",
        "decision: allow",
        "upstream gets x-introspected-server: main",
    ] {
        assert!(out.lines().any(|found| found == line), "{line}: {out}");
    }
    assert!(!out.contains("s3cret-token"));
}

/// The running gateway explains with live introspection the outcome that the request then has.
#[test]
fn the_admin_listener_explains_the_actual_outcome() {
    let setup = Setup::route("scopes: [read]");
    for (token, status, decision) in
        [("good", 200, "allow"), ("narrow", 403, "deny"), ("unknown", 401, "deny")]
    {
        let bearer = format!("Bearer {token}");
        let body = json!({ "method": "GET", "url": "/", "headers": { "Authorization": bearer } });
        let answer = setup.gateway.admin_post("/api/explain", &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let all = answer.json();
        assert_eq!(all["decision"], decision, "{token}");
        let response = setup.get(token);
        assert_eq!(response.status, status);
        if status != 200 {
            assert_eq!(all["refusal"]["status"], status);
            assert_eq!(all["reason"], *response.reason());
            assert_eq!(
                all["refusal"]["headers"]["WWW-Authenticate"].as_str(),
                response.header("www-authenticate")
            );
        }
        assert!(!answer.text().contains(&bearer));
    }
    let assumed =
        json!({ "method": "GET", "url": "/", "response": { "active": true, "scope": "read" } });
    assert_eq!(setup.gateway.admin_post("/api/explain", &assumed).json()["decision"], "allow");
    for bad in [
        json!({}),
        json!({ "method": "GET", "url": "x" }),
        json!({ "method": "GET", "url": "/", "response": [] }),
        json!({ "method": "GET", "url": "/", "more": 1 }),
    ] {
        assert_eq!(setup.gateway.admin_post("/api/explain", &bad).status, 400, "{bad}");
    }
    assert_eq!(setup.gateway.admin_get("/api/explain").status, 405);
    let before = setup.upstream.count();
    assert_eq!(before, 1, "explaining forwards nothing");
}
