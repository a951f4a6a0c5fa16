//! `rate_limit`: how many requests of one client, user, address or token pass.

use crate::support::{Setup, active, one_route, wait_until};
use serde_json::{Value, json};

/// In an hour a bucket of three gains one request in 20 minutes: none while a test runs.
fn three_per(per: &str) -> String {
    format!("rate_limit: {{ per: {per}, requests: 3, window: 1h }}")
}

/// One route with these keys; the results for clients behind a trusted proxy.
struct Limited {
    setup: Setup,
}

impl Limited {
    fn route(keys: &str) -> Limited {
        Limited::start(&one_route(keys))
    }

    fn start(yaml: &str) -> Limited {
        let setup = Setup::start(&format!("trusted_proxies: [127.0.0.1/32]\n{yaml}"));
        for (token, members) in [
            ("alice", json!({ "sub": "alice", "client_id": "app", "scope": "read" })),
            ("bob", json!({ "sub": "bob", "client_id": "app", "scope": "read" })),
            ("carol", json!({ "sub": "carol", "client_id": "third", "scope": "read" })),
            ("weak", json!({ "sub": "alice", "client_id": "app" })),
        ] {
            setup.server.answer(token, active(members));
        }
        Limited { setup }
    }

    /// The status for this token, empty for none, from this address.
    fn get(&self, path: &str, token: &str, client: &str) -> u16 {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("X-Forwarded-For", client)];
        if !token.is_empty() {
            headers.push(("Authorization", &*bearer));
        }
        self.setup.gateway.get(path, &headers).status
    }

    fn spend(&self, token: &str, client: &str) {
        for count in 1..=3 {
            assert_eq!(self.get("/", token, client), 200, "request {count} of {token}");
        }
        assert_eq!(self.get("/", token, client), 429, "{token}");
    }
}

const HERE: &str = "192.0.2.1";
const THERE: &str = "192.0.2.2";

#[test]
fn one_request_too_many_is_429_with_retry_after() {
    let limited = Limited::route(&three_per("client_id"));
    let setup = &limited.setup;
    limited.spend("alice", HERE);
    let headers = [("Authorization", "Bearer alice"), ("X-Request-Id", "one-too-many")];
    let refused = setup.gateway.get("/", &headers);
    assert_eq!((refused.status, refused.reason()), (429, "rate_limited".into()));
    assert_eq!(refused.header("www-authenticate"), None);
    let seconds: u64 = refused.header("retry-after").expect("a time").parse().expect("seconds");
    assert!((1..=1200).contains(&seconds), "{seconds}");
    assert_eq!(setup.upstream.count(), 3);
    let line = setup.gateway.access_log_of("one-too-many");
    assert_eq!((&line["decision"], &line["sub"]), (&json!("deny"), &json!("alice")));
    let sample =
        "introgate_decisions_total{decision=\"deny\",reason=\"rate_limited\",route=\"all\"}";
    wait_until("both are counted", || setup.gateway.metric(sample) == 2.0);
}

#[test]
fn a_bucket_is_that_of_a_client_a_user_an_address_or_a_token() {
    // after three requests of alice by the client `app` from here
    for (per, alice_elsewhere, bob_same_client, same_address) in [
        ("client_id", 429, 429, 200),
        ("sub", 429, 200, 200),
        ("client_ip", 200, 200, 429),
        ("token", 429, 200, 200),
    ] {
        let limited = Limited::route(&three_per(per));
        limited.spend("alice", HERE);
        assert_eq!(limited.get("/", "alice", THERE), alice_elsewhere, "{per}");
        assert_eq!(limited.get("/", "bob", THERE), bob_same_client, "{per}");
        assert_eq!(limited.get("/", "carol", HERE), same_address, "{per}");
    }
}

#[test]
fn ipv6_clients_are_counted_by_64() {
    let limited = Limited::route(&three_per("client_ip"));
    limited.spend("alice", "2001:db8:0:1::1");
    assert_eq!(limited.get("/", "alice", "2001:db8:0:1:ffff::2"), 429);
    assert_eq!(limited.get("/", "alice", "2001:db8:0:2::1"), 200);
}

/// A token without the value, and requests without a token: by the client's address.
#[test]
fn without_the_value_the_address_counts() {
    for per in ["client_id", "sub", "token"] {
        let limited = Limited::route(&format!("auth: optional, {}", three_per(per)));
        limited.spend("", HERE);
        assert_eq!(limited.get("/", "", THERE), 200, "{per}");
        assert_eq!(limited.get("/", "alice", HERE), 200, "{per}: a bucket of its own");
        if per != "token" {
            assert_eq!(limited.get("/", "bare", HERE), 429, "{per}: as an anonymous request");
        }
    }
}

#[test]
fn routes_without_authentication_and_preflights_count_by_address() {
    let public = Limited::route(&format!("auth: none, {}", three_per("client_ip")));
    public.spend("", HERE);
    assert_eq!((public.get("/", "alice", HERE), public.get("/", "", THERE)), (429, 200));

    let preflight = Limited::route(&format!("preflight: pass, {}", three_per("client_id")));
    let ask = || {
        let headers = [
            ("Origin", "https://app.example.com"),
            ("Access-Control-Request-Method", "PUT"),
            ("X-Forwarded-For", HERE),
        ];
        preflight.setup.gateway.request("OPTIONS", "/", &headers, b"").status
    };
    assert_eq!([ask(), ask(), ask(), ask()], [200, 200, 200, 429]);
    assert_eq!(preflight.get("/", "alice", HERE), 200, "its token has a bucket of its own");
}

#[test]
fn a_request_that_another_check_refuses_does_not_count() {
    let limited = Limited::route(&format!("scopes: [read], {}", three_per("sub")));
    for _ in 0..5 {
        assert_eq!(limited.get("/", "weak", HERE), 403);
        assert_eq!(limited.get("/", "unknown", HERE), 401);
        assert_eq!(limited.get("/", "", HERE), 401);
    }
    limited.spend("alice", HERE);
    assert_eq!(limited.get("/", "weak", HERE), 403, "the limit is the last check");
}

#[test]
fn each_route_has_buckets_of_its_own() {
    let limited = Limited::start(&format!(
        "defaults: {{ {} }}\n\
         routes:\n\
         \x20 - {{ name: a, path: /a, upstream: \"@UPSTREAM@\" }}\n\
         \x20 - {{ name: b, path: /b, upstream: \"@UPSTREAM@\" }}\n\
         \x20 - {{ name: public, path: /public, upstream: \"@UPSTREAM@\", auth: none }}\n\
         \x20 - {{ name: own, path: /own, upstream: \"@UPSTREAM@\", rate_limit: {{ per: sub, requests: 1, window: 1h }} }}\n",
        three_per("sub"),
    ));
    let statuses = |path| [0; 4].map(|_| limited.get(path, "alice", HERE));
    assert_eq!(statuses("/a"), [200, 200, 200, 429]);
    assert_eq!(statuses("/b"), [200, 200, 200, 429]);
    assert_eq!(statuses("/public"), [200; 4], "a limit by `sub` is set aside by `auth: none`");
    assert_eq!(statuses("/own"), [200, 429, 429, 429]);
}

#[test]
fn a_bucket_fills_again() {
    let limited = Limited::route("rate_limit: { per: sub, requests: 1, window: 700ms }");
    wait_until("a refusal", || limited.get("/", "alice", HERE) == 429);
    wait_until("one more passes", || limited.get("/", "alice", HERE) == 200);
}

/// A reload is no way to a new budget; another limit is another bucket.
#[test]
fn a_reload_keeps_the_buckets_of_the_same_limit() {
    let yaml = one_route(&three_per("sub"));
    let setup = Setup::start(&yaml);
    let statuses = || [0; 4].map(|_| setup.get("good").status);
    assert_eq!(statuses(), [200, 200, 200, 429]);
    setup.reload(&format!("realm: other\n{yaml}"));
    let realm = || setup.gateway.get("/", &[]).header("www-authenticate").map(str::to_owned);
    wait_until("the new configuration", || realm().is_some_and(|it| it.contains("other")));
    assert_eq!(statuses(), [429; 4]);
    setup.reload(&yaml.replace("requests: 3", "requests: 2"));
    wait_until("the new limit", || setup.get("good").status == 200);
    wait_until("the end of its budget", || setup.get("good").status == 429);
    assert_eq!(setup.upstream.count(), 5);
}

#[test]
fn shadow_mode_counts_the_would_be_refusals() {
    let limited = Limited::route(&format!("enforce: false, {}", three_per("sub")));
    for _ in 0..3 {
        assert_eq!(limited.get("/", "alice", HERE), 200);
        assert_eq!(limited.setup.upstream.last().header("x-introspected-sub"), Some("alice"));
    }
    assert_eq!(limited.get("/", "alice", HERE), 200);
    assert_eq!(limited.setup.upstream.last().header("x-introspected-sub"), None);
    let sample = "introgate_shadow_denials_total{reason=\"rate_limited\",route=\"all\"}";
    assert_eq!(limited.setup.gateway.metric(sample), 1.0);
}

/// 429 is UNAVAILABLE, as in gRPC's own table of HTTP status codes.
#[test]
fn grpc_requests_get_a_grpc_status() {
    let limited = Limited::route(&three_per("sub"));
    limited.spend("alice", HERE);
    let headers = [("Authorization", "Bearer alice"), ("Content-Type", "application/grpc")];
    let refused = limited.setup.gateway.get("/", &headers);
    assert_eq!((refused.status, refused.header("grpc-status")), (200, Some("14")));
    assert!(refused.header("retry-after").is_some());
}

fn explained(limited: &Limited, body: &Value) -> Value {
    limited.setup.gateway.admin_post("/api/explain", body).json()
}

#[test]
fn explaining_shows_the_limit_and_takes_nothing() {
    let limited = Limited::route(&three_per("sub"));
    let question = json!({
        "method": "GET", "url": "/", "headers": { "Authorization": "Bearer alice" },
    });
    let check = |all: &Value| {
        let checks = all["checks"].as_array().expect("checks").clone();
        checks.into_iter().find(|check| check["check"] == "rate_limit").expect("the limit")
    };
    for _ in 0..5 {
        let all = explained(&limited, &question);
        assert_eq!(all["decision"], "allow");
        assert_eq!(
            check(&all),
            json!({
                "check": "rate_limit", "outcome": "pass",
                "demanded": "3 requests in 3600s per sub", "found": "sub alice",
            })
        );
    }
    limited.spend("alice", HERE);
    let all = explained(&limited, &question);
    assert_eq!((&all["decision"], &all["reason"]), (&json!("deny"), &json!("rate_limited")));
    assert_eq!(all["refusal"]["status"], 429);
    assert_eq!(check(&all)["outcome"], "fail");
}
