//! The cache holds the authorization server's answers: how long, under which key, within which
//! bounds, and one introspection for any number of simultaneous requests.

use crate::support::{
    Behaviour, Connection, Response, Setup, active, now, one_route, request_bytes, run_cli,
    wait_until, wait_within,
};
use serde_json::json;
use std::sync::{Arc, Barrier};
use std::thread::sleep;
use std::time::{Duration, Instant};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// One route, and these keys for the cache.
fn cache(keys: &str) -> Setup {
    Setup::start(&format!("cache: {{ {keys} }}\n{}", one_route("")))
}

/// Sends the same request from `count` clients at the same moment.
fn all_at_once(setup: &Setup, count: usize, token: &str) -> Vec<Response> {
    let (port, bearer) = (setup.gateway.port(), format!("Bearer {token}"));
    let start = Barrier::new(count);
    std::thread::scope(|scope| {
        let ask = || {
            let mut connection = Connection::open(port);
            start.wait();
            connection.request("GET", "/", &[("Authorization", &bearer)], b"").expect("an answer")
        };
        let clients: Vec<_> = (0..count).map(|_| scope.spawn(ask)).collect();
        clients.into_iter().map(|client| client.join().expect("a client")).collect()
    })
}

fn statuses(responses: &[Response]) -> Vec<u16> {
    responses.iter().map(|response| response.status).collect()
}

/// Pitfall 5: a hit and a miss differ in nothing but the log's `cache`.
#[test]
fn a_hit_makes_no_call_and_looks_like_the_miss() {
    let setup = Setup::route("scopes: [read]");
    let ask = |id: &str| {
        let headers = [("Authorization", "Bearer good"), ("X-Request-Id", id)];
        let response = setup.gateway.get("/", &headers);
        let mut seen = setup.upstream.last().headers;
        seen.retain(|(name, _)| {
            !["x-request-id", "traceparent"].contains(&name.to_lowercase().as_str())
        });
        let mut line = setup.gateway.access_log_of(id);
        let cache = line["cache"].take();
        for changing in
            ["ts", "request_id", "trace_id", "duration_ms", "upstream_ms", "introspection_ms"]
        {
            line[changing].take();
        }
        (response.status, seen, line, cache)
    };
    let (miss, hit) = (ask("first"), ask("second"));
    assert_eq!(setup.server.count(), 1);
    assert_eq!((&miss.3, &hit.3), (&json!("miss"), &json!("hit")));
    assert_eq!((miss.0, miss.1, miss.2), (hit.0, hit.1, hit.2));
}

/// Pitfall 1: the answer is cached, not the decision.
#[test]
fn a_token_warmed_on_a_lax_route_is_still_refused_on_a_strict_one() {
    let setup = Setup::start(
        r#"
routes:
  - { path: /lax, upstream: "@UPSTREAM@" }
  - { path: /strict, upstream: "@UPSTREAM@", scopes: [admin] }
  - { path: /audience, upstream: "@UPSTREAM@", audience: [api] }
  - { path: /claims, upstream: "@UPSTREAM@", claims: { role: admin } }
"#,
    );
    let statuses = ["/lax", "/strict", "/audience", "/claims", "/lax"]
        .map(|path| setup.gateway.get_with(path, "good").status);
    assert_eq!(statuses, [200, 403, 401, 403, 200]);
    assert_eq!(setup.server.count(), 1);
}

/// Pitfalls 2 and 25: the same token at two endpoints is two answers.
#[test]
fn each_authorization_server_has_its_own_answers() {
    let other = crate::support::AuthorizationServer::start();
    let setup = Setup::start(&format!(
        r#"
authorization_servers:
  one: {{ introspection_endpoint: "@AS@" }}
  two: {{ introspection_endpoint: "{}" }}
routes:
  - {{ path: /one, upstream: "@UPSTREAM@", authorization_server: one }}
  - {{ path: /two, upstream: "@UPSTREAM@", authorization_server: two }}
"#,
        other.url()
    ));
    assert_eq!(setup.gateway.get_with("/one", "good").status, 200);
    assert_eq!(setup.gateway.get_with("/two", "good").status, 401);
    assert_eq!((setup.server.count(), other.count()), (1, 1));
    assert_eq!(
        setup.gateway.get_with("/one", "good").status,
        200,
        "nor does inactive there end it here"
    );
}

/// Pitfall 3; contract §3: the key covers all settings that can change the answer.
#[test]
fn each_way_of_asking_has_its_own_answers() {
    let setup = Setup::start(
        r#"
authorization_servers:
  plain: { introspection_endpoint: "@AS@" }
  a: { introspection_endpoint: "@AS@", client_auth: { method: client_secret_basic, client_id: a, client_secret: s } }
  b: { introspection_endpoint: "@AS@", client_auth: { method: client_secret_basic, client_id: b, client_secret: s } }
  hint: { introspection_endpoint: "@AS@", token_type_hint: access_token }
  parameter: { introspection_endpoint: "@AS@", parameters: { tenant: x } }
  header: { introspection_endpoint: "@AS@", headers: { X-Tenant: x } }
routes:
  - { path: /plain, upstream: "@UPSTREAM@", authorization_server: plain }
  - { path: /a, upstream: "@UPSTREAM@", authorization_server: a }
  - { path: /b, upstream: "@UPSTREAM@", authorization_server: b }
  - { path: /hint, upstream: "@UPSTREAM@", authorization_server: hint }
  - { path: /parameter, upstream: "@UPSTREAM@", authorization_server: parameter }
  - { path: /header, upstream: "@UPSTREAM@", authorization_server: header }
"#,
    );
    for _ in 0..2 {
        for path in ["/plain", "/a", "/b", "/hint", "/parameter", "/header"] {
            assert_eq!(setup.gateway.get_with(path, "good").status, 200, "{path}");
        }
    }
    assert_eq!(setup.server.count(), 6);
}

/// Pitfall 4: no token can be spelled so that it finds another one's answer.
#[test]
fn tokens_with_separators_are_their_own_keys() {
    let setup = Setup::route("");
    let with_url = format!("good|{}", setup.server.url());
    let tokens = ["good|", "good:main", "main:good", "GOOD", "goo", "goodd", &with_url];
    assert_eq!(setup.get("good").status, 200);
    for token in tokens {
        assert_eq!(setup.outcome(token), (401, "inactive".into()), "{token}");
        assert_eq!(setup.server.count_of(token), 1, "{token}");
    }
}

#[test]
fn an_answer_ends_with_its_ttl() {
    let setup = cache("ttl: 300ms, refresh_ahead: 0");
    assert_eq!(setup.get("good").status, 200);
    sleep(MS(350));
    assert_eq!(setup.get("good").status, 200);
    assert_eq!(setup.server.count(), 2);
    setup.server.behave("good", Behaviour::inactive());
    wait_until("the revoked token is refused", || setup.get("good").status == 401);
}

/// Pitfall 14.
#[test]
fn a_hit_does_not_extend_an_entry() {
    let setup = cache("ttl: 400ms, refresh_ahead: 0");
    let end = Instant::now() + MS(1000);
    while Instant::now() < end {
        assert_eq!(setup.get("good").status, 200);
        sleep(MS(40));
    }
    let count = setup.server.count();
    assert!((2..=3).contains(&count), "{count} introspections in a second with a ttl of 400 ms");
}

/// Pitfall 13: no ttl, no cache.
#[test]
fn a_ttl_of_zero_asks_each_time() {
    let setup = cache("ttl: 0s");
    for _ in 0..3 {
        assert_eq!(setup.get("good").status, 200);
    }
    assert_eq!(setup.server.count(), 3);
}

/// Pitfalls 15 and 17: a route's own limit holds for answers that a laxer route has cached, and 0
/// asks each time.
#[test]
fn a_routes_max_age_is_stricter_than_the_cache() {
    let setup = Setup::start(
        r#"
routes:
  - { path: /lax, upstream: "@UPSTREAM@" }
  - { path: /strict, upstream: "@UPSTREAM@", max_age: 200ms }
  - { path: /always, upstream: "@UPSTREAM@", max_age: 0s }
"#,
    );
    let ask = |path: &str| {
        assert_eq!(setup.gateway.get_with(path, "good").status, 200, "{path}");
        setup.server.count()
    };
    assert_eq!(ask("/lax"), 1);
    sleep(MS(250));
    assert_eq!(ask("/lax"), 1);
    assert_eq!(ask("/strict"), 2);
    assert_eq!(ask("/lax"), 2);
    assert_eq!(ask("/always"), 3);
    assert_eq!(ask("/always"), 4);
}

/// Pitfalls 10 and 13: `exp` ends an entry before its ttl, and then the token is expired.
#[test]
fn exp_ends_an_entry_before_its_ttl() {
    let setup = cache("ttl: 60s");
    setup.server.answer("short", active(json!({ "exp": now() + 2 })));
    assert_eq!(setup.get("short").status, 200);
    wait_within(MS(4000), "the token expires", || setup.get("short").status == 401);
    assert_eq!(setup.outcome("short"), (401, "expired".into()));
}

/// Pitfall 9: an expired answer is refused and not kept.
#[test]
fn an_answer_that_is_past_its_exp_is_not_kept() {
    let setup = Setup::route("");
    assert_eq!(setup.outcome("expired"), (401, "expired".into()));
    setup.server.answer("expired", active(json!({ "exp": now() + 60 })));
    assert_eq!(setup.get("expired").status, 200);
}

/// Pitfall 20; contract §2, `inactive_ttl`.
#[test]
fn an_inactive_answer_is_kept_for_its_own_ttl() {
    let setup = cache("inactive_ttl: 400ms");
    assert_eq!(setup.outcome("later"), (401, "inactive".into()));
    setup.server.answer("later", active(json!({})));
    assert_eq!(setup.outcome("later"), (401, "inactive".into()));
    assert_eq!(setup.server.count(), 1);
    wait_within(MS(3000), "the token is usable", || setup.get("later").status == 200);
    assert_eq!(setup.server.count(), 2);
}

#[test]
fn an_inactive_ttl_of_zero_asks_each_time() {
    let setup = cache("inactive_ttl: 0s");
    for _ in 0..3 {
        assert_eq!(setup.get("bad").status, 401);
    }
    assert_eq!(setup.server.count(), 3);
}

/// Contract §3: an inactive answer ends an active entry at once, also with `inactive_ttl: 0s`.
#[test]
fn an_inactive_answer_ends_the_active_one() {
    for keys in ["inactive_ttl: 10s", "inactive_ttl: 0s"] {
        let setup = Setup::start(&format!(
            "cache: {{ {keys} }}\nroutes:\n  - {{ path: /lax, upstream: \"@UPSTREAM@\" }}\n  - {{ path: /always, upstream: \"@UPSTREAM@\", max_age: 0s }}\n"
        ));
        assert_eq!(setup.gateway.get_with("/lax", "good").status, 200);
        setup.server.behave("good", Behaviour::inactive());
        assert_eq!(setup.gateway.get_with("/lax", "good").status, 200, "still cached");
        assert_eq!(setup.gateway.get_with("/always", "good").status, 401, "{keys}");
        assert_eq!(setup.gateway.get_with("/lax", "good").status, 401, "{keys}");
    }
}

/// Contract §2, `refresh_ahead`: in the background, before the ttl ends; the client does not wait
/// for it.
#[test]
fn a_late_hit_asks_again_in_the_background() {
    let setup = cache("ttl: 60s, refresh_ahead: 0.001");
    assert_eq!(setup.get("good").status, 200);
    sleep(MS(100));
    let good = active(json!({ "sub": "alice" }));
    setup.server.behave("good", Behaviour::after(MS(600), Behaviour::Json(good)));
    let began = Instant::now();
    assert_eq!(setup.get("good").status, 200);
    assert!(began.elapsed() < MS(500), "the hit waited for the refresh: {:?}", began.elapsed());
    wait_until("it is asked again", || setup.server.count() == 2);
}

/// Contract §3: inactive ends the entry also when it comes from a background refresh.
#[test]
fn an_inactive_background_refresh_ends_the_entry() {
    for keys in ["inactive_ttl: 10s", "inactive_ttl: 0s"] {
        let setup = cache(&format!("ttl: 60s, refresh_ahead: 0.001, {keys}"));
        assert_eq!(setup.get("good").status, 200);
        setup.server.behave("good", Behaviour::inactive());
        wait_within(MS(5000), "the refresh ends the entry", || setup.get("good").status == 401);
    }
}

/// A refresh that fails takes nothing away before the ttl.
#[test]
fn a_background_refresh_that_fails_leaves_the_entry() {
    let setup = cache("ttl: 60s, refresh_ahead: 0.001");
    assert_eq!(setup.get("good").status, 200);
    sleep(MS(100));
    setup.server.behave_for_all(Behaviour::status(500));
    assert_eq!(setup.get("good").status, 200);
    wait_until("it is asked again", || setup.server.count() >= 2);
    assert_eq!(setup.get("good").status, 200);
}

/// Pitfall 19: failures are never cached, least of all as inactive.
#[test]
fn failures_are_not_cached() {
    let setup = Setup::server("retries: 0, circuit_breaker: { failures: 1000 }");
    let failures = [
        Behaviour::status(500),
        Behaviour::status(429),
        Behaviour::status(401),
        Behaviour::status(403),
        Behaviour::status(404),
        Behaviour::body("garbage"),
        Behaviour::body("{}"),
        Behaviour::Close,
    ];
    for (number, failure) in failures.into_iter().enumerate() {
        let token = format!("token-{number}");
        setup.server.behave(&token, failure.clone());
        assert_eq!(setup.get(&token).status, 503, "{failure:?}");
        setup.server.answer(&token, active(json!({})));
        assert_eq!(setup.get(&token).status, 200, "{failure:?}");
    }
}

/// Contract §2, `stale_if_error`: an active answer past its ttl serves while the server is down.
#[test]
fn a_stale_answer_serves_while_the_server_is_down_if_allowed() {
    let mut setup = cache("ttl: 200ms, refresh_ahead: 0, stale_if_error: 30s");
    assert_eq!(setup.get("good").status, 200);
    setup.server.stop();
    sleep(MS(250));
    let headers = [("Authorization", "Bearer good"), ("X-Request-Id", "stale")];
    assert_eq!(setup.gateway.get("/", &headers).status, 200);
    assert_eq!(setup.gateway.access_log_of("stale")["cache"], "stale");
    assert!(setup.gateway.metric("introgate_stale_served_total") >= 1.0);
    assert_eq!(setup.gateway.admin_get("/api/status").json()["cache"]["stale_served"], 1);
    assert_eq!(setup.get("unknown").status, 503, "only active answers");

    let mut setup = cache("ttl: 200ms, refresh_ahead: 0");
    assert_eq!(setup.get("good").status, 200);
    setup.server.stop();
    sleep(MS(250));
    assert_eq!(setup.get("good").status, 503, "off by default");
}

#[test]
fn a_stale_answer_never_outlives_its_exp() {
    let mut setup = cache("ttl: 100ms, refresh_ahead: 0, stale_if_error: 1h");
    setup.server.answer("short", active(json!({ "exp": now() + 2 })));
    assert_eq!(setup.get("short").status, 200);
    setup.server.stop();
    wait_within(MS(4000), "the token is refused", || setup.get("short").status != 200);
}

/// Pitfall 18: inactive answers have a budget of their own.
#[test]
fn bad_tokens_do_not_push_out_good_ones() {
    let setup = cache("max_entries: 100, inactive_max_entries: 100");
    assert_eq!(setup.get("good").status, 200);
    let mut connection = setup.gateway.connect();
    for number in 0..500 {
        let bearer = format!("Bearer bad-{number}");
        let response = connection.request("GET", "/", &[("Authorization", &bearer)], b"");
        assert_eq!(response.expect("an answer").status, 401);
    }
    assert_eq!(setup.get("good").status, 200);
    assert_eq!(setup.server.count_of("good"), 1);
    let entries = setup.gateway.metric("introgate_cache_entries{cache=\"inactive\"}");
    assert!((1.0..=120.0).contains(&entries), "{entries} inactive entries");
    assert!(setup.gateway.metric("introgate_cache_evictions_total{cache=\"inactive\"}") >= 380.0);
}

#[test]
fn active_answers_are_bounded_too() {
    let setup = cache("max_entries: 50");
    let mut connection = setup.gateway.connect();
    for number in 0..200 {
        let token = format!("active-{number}");
        setup.server.answer(&token, active(json!({})));
        let bearer = format!("Bearer {token}");
        let response = connection.request("GET", "/", &[("Authorization", &bearer)], b"");
        assert_eq!(response.expect("an answer").status, 200);
    }
    let entries = setup.gateway.metric("introgate_cache_entries{cache=\"active\"}");
    assert!((1.0..=60.0).contains(&entries), "{entries} active entries");
}

/// Pitfall 23: one introspection for any number of simultaneous requests.
#[test]
fn a_hundred_simultaneous_requests_are_one_introspection() {
    let setup = Setup::route("");
    let good = Behaviour::Json(active(json!({ "sub": "alice" })));
    setup.server.behave("new", Behaviour::after(MS(200), good));
    let responses = all_at_once(&setup, 100, "new");
    assert_eq!(statuses(&responses), [200; 100]);
    assert_eq!(setup.server.count(), 1);
    assert!(
        setup.gateway.metric("introgate_introspections_coalesced_total{server=\"main\"}") >= 1.0
    );
}

/// The same holds for a token that turns out inactive, and with nothing kept afterwards.
#[test]
fn simultaneous_bad_and_uncached_tokens_are_one_introspection_too() {
    let setup = cache("ttl: 0s, inactive_ttl: 0s");
    let good = Behaviour::Json(active(json!({})));
    for (token, behaviour, status) in [("bad", Behaviour::inactive(), 401), ("new", good, 200)] {
        setup.server.behave(token, Behaviour::after(MS(1000), behaviour));
        let responses = all_at_once(&setup, 20, token);
        assert_eq!(statuses(&responses), [status; 20]);
        assert_eq!(setup.server.count_of(token), 1, "{token}");
    }
}

/// Pitfall 24: the client whose request was first goes away; the others get their answer from the
/// same introspection.
#[test]
fn the_first_client_may_go_away() {
    let setup = Setup::route("");
    let good = Behaviour::Json(active(json!({})));
    setup.server.behave("new", Behaviour::after(MS(600), good));
    let mut first = setup.gateway.connect();
    first.send(&request_bytes("GET", "/", &[("Authorization", "Bearer new")], b"")).expect("send");
    wait_until("the introspection is under way", || setup.server.count() == 1);
    let responses = std::thread::scope(|scope| {
        let others = scope.spawn(|| all_at_once(&setup, 10, "new"));
        sleep(MS(150));
        drop(first);
        others.join().expect("the others")
    });
    assert_eq!(statuses(&responses), [200; 10]);
    assert_eq!(setup.server.count(), 1);
}

/// Pitfall 24: one failed call fails at most the request that made it; no request hangs, and none
/// gets a refusal of its token.
#[test]
fn a_failed_first_call_does_not_fail_the_others() {
    let setup = Setup::server("retries: 0");
    let good = Behaviour::Json(active(json!({})));
    let first = Behaviour::after(MS(300), Behaviour::status(500));
    setup.server.behave_in_turn("new", [first, good]);
    let began = Instant::now();
    let responses = all_at_once(&setup, 20, "new");
    assert!(began.elapsed() < MS(4000), "{:?}", began.elapsed());
    let failed = responses.iter().filter(|response| response.status == 503).count();
    let passed = responses.iter().filter(|response| response.status == 200).count();
    assert!(failed <= 1 && failed + passed == 20, "{:?}", statuses(&responses));
    assert!(setup.server.count() <= 3, "{} calls", setup.server.count());
}

/// While the server is down, waiting requests end together with it; they do not queue up for one
/// time-out each.
#[test]
fn a_hanging_server_delays_requests_by_its_timeout_at_most() {
    let setup = Setup::server("retries: 0, timeout: 400ms");
    setup.server.behave_for_all(Behaviour::Hang);
    let began = Instant::now();
    let responses = all_at_once(&setup, 20, "new");
    assert_eq!(statuses(&responses), [503; 20]);
    assert!(began.elapsed() < MS(3000), "{:?}", began.elapsed());
}

/// Pitfall 25: different tokens do not wait for one another.
#[test]
fn different_tokens_are_asked_about_side_by_side() {
    let setup = Arc::new(Setup::route(""));
    setup.server.behave_for_all(Behaviour::after(MS(300), Behaviour::inactive()));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for number in 0..10 {
            let setup = setup.clone();
            scope.spawn(move || assert_eq!(setup.get(&format!("token-{number}")).status, 401));
        }
    });
    assert!(began.elapsed() < MS(2000), "{:?}", began.elapsed());
    assert_eq!(setup.server.count(), 10);
}

/// Contract §7.
#[test]
fn purging_forgets_by_token_member_or_all() {
    let setup = Setup::route("");
    for (token, sub, client, jti) in
        [("t1", "ann", "app-1", "j1"), ("t2", "ann", "app-2", "j2"), ("t3", "ben", "app-2", "j3")]
    {
        setup.server.answer(token, active(json!({ "sub": sub, "client_id": client, "jti": jti })));
    }
    let warm = || {
        let before = setup.server.count();
        for token in ["t1", "t2", "t3"] {
            assert_eq!(setup.get(token).status, 200);
        }
        setup.server.count() - before
    };
    assert_eq!(warm(), 3);
    let cases = [
        (json!({ "token": "t1" }), 1),
        (json!({ "token": "unknown" }), 0),
        (json!({ "sub": "ann" }), 2),
        (json!({ "client_id": "app-2" }), 2),
        (json!({ "jti": "j3" }), 1),
        (json!({ "sub": "nobody" }), 0),
        (json!({ "all": true }), 3),
    ];
    for (body, purged) in cases {
        let response = setup.gateway.admin_post("/api/cache/purge", &body);
        assert_eq!(
            (response.status, response.json()),
            (200, json!({ "purged": purged })),
            "{body}"
        );
        assert_eq!(warm(), purged, "{body}");
    }
}

#[test]
fn purging_ends_inactive_answers_as_well() {
    let setup = Setup::route("");
    assert_eq!(setup.get("later").status, 401);
    setup.server.answer("later", active(json!({})));
    setup.gateway.admin_post("/api/cache/purge", &json!({ "token": "later" }));
    assert_eq!(setup.get("later").status, 200);
}

/// Contract §1: `introgate purge` does the same from the command line.
#[test]
fn the_command_line_purges() {
    let setup = cache("ttl: 60s");
    assert_eq!(
        (setup.get("good").status, setup.get("good").status, setup.server.count()),
        (200, 200, 1)
    );
    let file = setup.gateway.config_file().to_string_lossy().into_owned();
    let (code, out, err) = run_cli(&["purge", "-c", &file, "--token", "good"], &[]);
    assert_eq!((code, serde_json::from_str(&out).ok()), (0, Some(json!({ "purged": 1 }))), "{err}");
    assert_eq!((setup.get("good").status, setup.server.count()), (200, 2));
    for wrong in [
        &["purge", "-c", &file][..],
        &["purge", "-c", &file, "--all", "--sub", "x"],
        &["purge", "good"],
    ] {
        assert_eq!(run_cli(wrong, &[]).0, 64, "{wrong:?}");
    }
    drop(setup);
    let (code, _, err) = run_cli(&["purge", "-c", &file, "--all"], &[]);
    assert!(code == 64 || code == 1, "{err}");
}

#[test]
fn an_ambiguous_purge_is_refused() {
    let setup = Setup::route("");
    assert_eq!(setup.get("good").status, 200);
    let two = [json!({ "token": "good", "sub": "alice" }), json!({ "all": true, "jti": "1" })];
    let unclear = [
        json!({}),
        json!([]),
        json!({ "all": false }),
        json!({ "tokn": "good" }),
        json!({ "token": 1 }),
        json!("all"),
    ];
    for body in unclear.iter().chain(&two) {
        let response = setup.gateway.admin_post("/api/cache/purge", body);
        assert_eq!(response.status, 400, "{body}");
    }
    let large = json!({ "token": "x".repeat(1 << 20) });
    assert_eq!(setup.gateway.admin_post("/api/cache/purge", &large).status, 413);
    assert_eq!(setup.get("good").status, 200);
    assert_eq!(setup.server.count(), 1, "nothing was forgotten");
}

/// Pitfalls 18 and 22: a flood of bad tokens leaves the good ones cached and the memory flat.
/// `FLOOD` is the number of bad tokens.
#[test]
fn a_flood_of_bad_tokens_changes_nothing_for_good_ones() {
    let flood: usize =
        std::env::var("FLOOD").ok().and_then(|count| count.parse().ok()).unwrap_or(50_000);
    const CLIENTS: usize = 8;
    let setup = Setup::start(&format!(
        "cache: {{ ttl: 10m, refresh_ahead: 0, inactive_max_entries: 2000 }}\nlog: {{ level: error, access: off }}\n{}",
        one_route("")
    ));
    assert_eq!(setup.get("good").status, 200);
    let send = |from: usize, count: usize| {
        let mut connection = setup.gateway.connect();
        for number in from..from + count {
            let bearer = format!("Bearer flood-{number}");
            let response = connection.request("GET", "/", &[("Authorization", &bearer)], b"");
            assert_eq!(response.expect("an answer").status, 401);
        }
    };
    let flood_from = |first: usize, count: usize| {
        std::thread::scope(|scope| {
            for client in 0..CLIENTS {
                let send = &send;
                scope.spawn(move || send(first + client * (count / CLIENTS), count / CLIENTS));
            }
        });
        setup.gateway.resident_memory()
    };
    let warm = flood / 5;
    let after_a_fifth = flood_from(0, warm);
    let after_all = flood_from(warm, flood - warm);
    assert_eq!(setup.get("good").status, 200);
    assert_eq!(setup.server.count_of("good"), 1);
    let grown = after_all.saturating_sub(after_a_fifth);
    assert!(grown < 16 << 20, "grew by {grown} bytes from {after_a_fifth}");
}
