//! The token-guessing guard: `cache.guard`.

use crate::support::{Response, Setup, active, one_route};
use serde_json::json;
use std::thread::sleep;
use std::time::Duration;

/// A guard with these keys; loopback peers are trusted to say who the client is.
fn guarded(keys: &str) -> String {
    format!("trusted_proxies: [127.0.0.0/8]\ncache: {{ guard: {{ {keys} }} }}\n{}", one_route(""))
}

fn from(setup: &Setup, client: &str, token: &str) -> Response {
    setup
        .gateway
        .get("/", &[("X-Forwarded-For", client), ("Authorization", &format!("Bearer {token}"))])
}

fn outcome(setup: &Setup, client: &str, token: &str) -> (u16, String) {
    let response = from(setup, client, token);
    (response.status, response.reason())
}

fn limited() -> (u16, String) {
    (429, "rate_limited".to_owned())
}

fn inactive() -> (u16, String) {
    (401, "inactive".to_owned())
}

#[test]
fn a_flood_limits_only_its_own_address() {
    let setup = Setup::start(&guarded("misses: 20, window: 1h"));
    assert_eq!(from(&setup, "192.0.2.1", "good").status, 200);
    let flood: Vec<_> =
        (0..200).map(|number| outcome(&setup, "192.0.2.1", &format!("guess-{number}"))).collect();
    assert_eq!(
        (flood[..19].to_vec(), flood[19..].to_vec()),
        (vec![inactive(); 19], vec![limited(); 181])
    );
    assert_eq!(setup.server.count(), 20, "the good one was a miss too");

    assert_eq!(from(&setup, "192.0.2.1", "good").status, 200, "cached tokens are not limited");
    assert_eq!(
        outcome(&setup, "192.0.2.1", "guess-3"),
        inactive(),
        "nor are tokens that are known to be bad"
    );
    setup.server.answer("new", active(json!({})));
    assert_eq!(outcome(&setup, "192.0.2.1", "new"), limited());
    assert_eq!(from(&setup, "192.0.2.2", "new").status, 200, "another address");
    assert_eq!(from(&setup, "192.0.2.1", "new").status, 200, "and now it is cached");
    assert_eq!(outcome(&setup, "2001:db8::1", "guess-400"), inactive());

    let refusal = from(&setup, "192.0.2.1", "guess-500");
    let wait: u64 =
        refusal.header("retry-after").and_then(|wait| wait.parse().ok()).expect("Retry-After");
    assert!((3500..=3600).contains(&wait), "{wait}");
    assert_eq!(
        (refusal.header("www-authenticate"), refusal.header("content-type")),
        (None, Some("application/problem+json"))
    );
    assert_eq!(
        setup.gateway.metric(
            "introgate_decisions_total{route=\"all\",decision=\"deny\",reason=\"rate_limited\"}"
        ),
        183.0
    );
    let log = setup.gateway.log_with("cache.guard");
    assert!(
        log.matches("cache.guard").count() == 1 && !log.contains("guess-"),
        "logged once a minute, without tokens: {log}"
    );
}

#[test]
fn the_limit_ends_with_its_window() {
    let setup = Setup::start(&guarded("misses: 1, window: 1s"));
    assert_eq!(
        (outcome(&setup, "192.0.2.1", "a"), outcome(&setup, "192.0.2.1", "b")),
        (inactive(), limited())
    );
    assert_eq!(from(&setup, "192.0.2.1", "b").header("retry-after"), Some("1"));
    sleep(Duration::from_millis(1100));
    assert_eq!(outcome(&setup, "192.0.2.1", "b"), inactive());
}

/// An untrusted peer cannot make itself a new address for each guess; an IPv6 client cannot use up
/// its network.
#[test]
fn another_name_does_not_escape_the_limit() {
    let yaml = guarded("misses: 2, window: 1h").replace("127.0.0.0/8", "203.0.113.0/24");
    let setup = Setup::start(&yaml);
    let statuses: Vec<u16> = (0..4)
        .map(|number| from(&setup, &format!("192.0.2.{number}"), &format!("guess-{number}")).status)
        .collect();
    assert_eq!(statuses, [401, 401, 429, 429]);

    let setup = Setup::start(&guarded("misses: 2, window: 1h"));
    let statuses: Vec<u16> = (0..4)
        .map(|number| {
            from(&setup, &format!("2001:db8::{number}"), &format!("guess-{number}")).status
        })
        .collect();
    assert_eq!(statuses, [401, 401, 429, 429]);
    assert_eq!(from(&setup, "2001:db8:0:1::1", "guess-9").status, 401);
}

#[test]
fn it_survives_a_reload_and_follows_it() {
    let yaml = guarded("misses: 1, window: 1h");
    let setup = Setup::start(&yaml);
    assert_eq!(
        (outcome(&setup, "192.0.2.1", "a"), outcome(&setup, "192.0.2.1", "b")),
        (inactive(), limited())
    );
    setup.reload(&(yaml.clone() + "realm: other\n"));
    assert_eq!(outcome(&setup, "192.0.2.1", "b"), limited());
    setup.reload(&yaml.replace("misses: 1", "misses: 2"));
    assert_eq!(
        (outcome(&setup, "192.0.2.1", "b"), outcome(&setup, "192.0.2.1", "c")),
        (inactive(), limited())
    );
    setup.reload(&one_route(""));
    assert_eq!(outcome(&setup, "192.0.2.1", "c"), inactive());
}

#[test]
fn it_is_off_unless_written_and_leaves_other_routes_alone() {
    let setup = Setup::route("");
    assert!((0..150).all(|number| setup.get(&format!("guess-{number}")).status == 401));
    let setup = Setup::start(
        r#"
cache: { guard: { misses: 1, window: 1h } }
routes:
  - { path: /checked, upstream: "@UPSTREAM@" }
  - { path: /public, upstream: "@UPSTREAM@", auth: none }
  - { path: /optional, upstream: "@UPSTREAM@", auth: optional }
"#,
    );
    assert_eq!(
        [1, 2].map(|number| setup.gateway.get_with("/checked", &format!("guess-{number}")).status),
        [401, 429]
    );
    assert_eq!(setup.gateway.get_with("/public", "guess-3").status, 200);
    assert_eq!(setup.gateway.get("/optional", &[]).status, 200);
    assert_eq!(setup.gateway.get("/checked", &[]).reason(), "missing_token");
    assert_eq!(
        setup.gateway.get_with("/optional", "guess-4").status,
        429,
        "a bad token is not anonymous"
    );
    let mut grpc = setup.gateway.connect();
    let headers = [
        ("Authorization", "Bearer guess-5"),
        ("Content-Type", "application/grpc"),
        ("TE", "trailers"),
    ];
    let grpc = grpc.request("POST", "/checked", &headers, b"").expect("an answer");
    assert_eq!((grpc.status, grpc.header("grpc-status")), (200, Some("14")));
}
