//! All gateways share the answers of each one, for as long as if they had asked themselves.

use super::{Fleet, MS, cache, wait_for_answers};
use crate::support::{Behaviour, Redis, active, now, one_route, wait_until};
use serde_json::json;
use std::sync::Barrier;
use std::thread::sleep;
use std::time::Instant;

#[test]
fn all_gateways_share_an_answer() {
    let Some(redis) = Redis::start() else { return };
    let fleet = Fleet::start(&redis, 2);
    assert_eq!([fleet.get(0, "good"), fleet.get(0, "unknown")], [200, 401]);
    wait_for_answers(&redis, 2);
    assert_eq!([fleet.get(1, "good"), fleet.get(1, "unknown")], [200, 401]);
    assert_eq!(fleet.server.count(), 2);
    assert_eq!(
        (fleet.looks(0, "miss"), fleet.looks(1, "hit"), fleet.looks(1, "error")),
        (2.0, 2.0, 0.0)
    );
}

/// Pitfall 5, across gateways: the service sees the same.
#[test]
fn an_answer_of_another_looks_like_ones_own() {
    let Some(redis) = Redis::start() else { return };
    let fleet = Fleet::start(&redis, 2);
    let answer = active(json!({
        "sub": "bob", "username": "b", "client_id": "c", "scope": "read  write", "aud": ["x", "y"], "iss": "https://as", "jti": "j",
        "exp": now() + 600, "nbf": now() - 5, "iat": now() - 5, "token_type": "Bearer",
    }));
    fleet.server.answer("full", answer);
    let seen = |gateway: usize| {
        assert_eq!(fleet.get(gateway, "full"), 200);
        let mut headers = fleet.upstream.last().headers;
        headers.retain(|(name, _)| name.starts_with("x-introspected-"));
        headers
    };
    let first = seen(0);
    wait_for_answers(&redis, 1);
    assert_eq!(first, seen(1));
    assert!(first.len() >= 11, "{first:?}");
    assert_eq!(fleet.server.count(), 1);
}

/// An in-process hit causes no traffic to Redis.
#[test]
fn a_hit_never_comes_to_redis() {
    let Some(redis) = Redis::start() else { return };
    let fleet = Fleet::start(&redis, 1);
    fleet.get(0, "good");
    wait_for_answers(&redis, 1);
    let calls = || {
        let stats: String = redis.command("INFO commandstats");
        let of = |name: &str| {
            stats
                .lines()
                .filter(|line| line.starts_with(name))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        (of("cmdstat_getrange:calls"), of("cmdstat_set:calls"))
    };
    let before = calls();
    assert!((0..50).all(|_| fleet.get(0, "good") == 200));
    assert_eq!(calls(), before);
}

/// The ttl counts from the introspection, wherever that was.
#[test]
fn a_copy_lives_no_longer_than_the_answer() {
    let Some(redis) = Redis::start() else { return };
    let fleet = Fleet::with(2, &cache(&redis.url(), "ttl: 2s, refresh_ahead: 0", ""));
    assert_eq!(fleet.get(0, "good"), 200);
    let heard = Instant::now();
    fleet.server.behave("good", Behaviour::inactive());
    sleep(MS(1000));
    assert_eq!(fleet.get(1, "good"), 200, "a copy");
    assert_eq!((fleet.looks(1, "hit"), fleet.server.count()), (1.0, 1));
    sleep(MS(2000).saturating_sub(heard.elapsed()));
    assert_eq!(fleet.get(1, "good"), 401);
    assert_eq!(fleet.server.count(), 2);
}

#[test]
fn exp_ends_a_copy_too() {
    let Some(redis) = Redis::start() else { return };
    let fleet = Fleet::start(&redis, 2);
    let exp = now() + 3;
    fleet.server.answer("short", active(json!({ "exp": exp })));
    assert_eq!(fleet.get(0, "short"), 200);
    wait_for_answers(&redis, 1);
    assert_eq!((fleet.get(1, "short"), fleet.server.count()), (200, 1));
    wait_until("exp is there", || now() >= exp);
    assert_eq!([fleet.get(0, "short"), fleet.get(1, "short")], [401, 401]);
}

#[test]
fn inactive_answers_have_their_own_ttl() {
    let Some(redis) = Redis::start() else { return };
    let fleet = Fleet::with(2, &cache(&redis.url(), "inactive_ttl: 1s", ""));
    assert_eq!(fleet.get(0, "later"), 401);
    let heard = Instant::now();
    fleet.server.answer("later", active(json!({})));
    wait_for_answers(&redis, 1);
    assert_eq!((fleet.get(1, "later"), fleet.server.count()), (401, 1));
    sleep(MS(1050).saturating_sub(heard.elapsed()));
    assert_eq!(fleet.get(1, "later"), 200);
}

/// An inactive answer ends the answer in Redis, also if it is not kept itself.
#[test]
fn an_inactive_answer_ends_the_active_one_in_redis() {
    let Some(redis) = Redis::start() else { return };
    let mut fleet = Fleet::with(1, &cache(&redis.url(), "ttl: 60s, inactive_ttl: 0s", ""));
    let strict =
        format!("{}{}", cache(&redis.url(), "inactive_ttl: 0s", ""), one_route("max_age: 100ms"));
    fleet.add(&strict);
    fleet.wait_until_up();
    assert_eq!(fleet.get(0, "good"), 200);
    wait_for_answers(&redis, 1);
    fleet.server.behave("good", Behaviour::inactive());
    sleep(MS(150));
    assert_eq!(fleet.get(1, "good"), 401);
    wait_for_answers(&redis, 0);
    fleet.add(&strict.replace("100ms", "60s"));
    fleet.wait_until_up();
    assert_eq!(fleet.get(2, "good"), 401);
}

/// Each reader has its own rules: ttl, and the route's `max_age`.
#[test]
fn the_readers_rules_count() {
    let Some(redis) = Redis::start() else { return };
    let mut fleet = Fleet::start(&redis, 1);
    fleet.add(&format!("{}{}", cache(&redis.url(), "ttl: 300ms", ""), one_route("")));
    fleet.add(&format!("{}{}", cache(&redis.url(), "", ""), one_route("max_age: 300ms")));
    fleet.add(&format!("{}{}", cache(&redis.url(), "", ""), one_route("")));
    fleet.wait_until_up();
    assert_eq!(fleet.get(0, "good"), 200);
    wait_for_answers(&redis, 1);
    sleep(MS(350));
    assert_eq!((fleet.get(3, "good"), fleet.server.count()), (200, 1));
    assert_eq!((fleet.get(2, "good"), fleet.server.count()), (200, 2));
    sleep(MS(350));
    assert_eq!((fleet.get(1, "good"), fleet.server.count()), (200, 3));
    assert_eq!((fleet.looks(1, "expired"), fleet.looks(2, "expired")), (1.0, 1.0));
}

/// Pitfalls 2 and 3, across gateways.
#[test]
fn answers_to_other_identities_are_other_answers() {
    let Some(redis) = Redis::start() else { return };
    let mut fleet = Fleet::start(&redis, 1);
    for keys in [
        "client_auth: { method: bearer, token: x }",
        "token_type_hint: access_token",
        "parameters: { a: b }",
    ] {
        let servers = format!(
            "authorization_servers: {{ main: {{ introspection_endpoint: \"@AS@\", {keys} }} }}\n"
        );
        fleet.add(&format!("{servers}{}{}", cache(&redis.url(), "", ""), one_route("")));
    }
    fleet.wait_until_up();
    for (gateway, count) in [(0, 1), (1, 2), (2, 3), (3, 4), (0, 4), (1, 4)] {
        assert_eq!((fleet.get(gateway, "good"), fleet.server.count()), (200, count), "{gateway}");
    }
}

/// Across gateways too, one new token is one introspection, as long as that takes less than a
/// second.
#[test]
fn a_new_token_at_three_gateways_is_one_introspection() {
    let Some(redis) = Redis::start() else { return };
    let fleet = Fleet::start(&redis, 3);
    let answer = Behaviour::after(MS(300), Behaviour::Json(active(json!({ "sub": "x" }))));
    fleet.server.behave("new", answer);
    let start = Barrier::new(60);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let ask = |client: usize| {
            start.wait();
            fleet.get(client % 3, "new")
        };
        let clients: Vec<_> = (0..60).map(|client| scope.spawn(move || ask(client))).collect();
        clients.into_iter().map(|client| client.join().expect("a client")).collect()
    });
    assert_eq!(statuses, [200; 60]);
    assert_eq!(fleet.server.count_of("new"), 1);
}

/// A failure is not shared: the next one tries at once.
#[test]
fn a_gateway_that_fails_lets_the_others_ask() {
    let Some(redis) = Redis::start() else { return };
    let fleet = Fleet::start(&redis, 2);
    let slow_failure = Behaviour::after(MS(300), Behaviour::status(500));
    fleet.server.behave_in_turn("new", [slow_failure, Behaviour::Json(active(json!({})))]);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| fleet.get(0, "new"));
        wait_until("the first asks", || fleet.server.count_of("new") == 1);
        let (started, second) = (Instant::now(), fleet.get(1, "new"));
        assert_eq!(second, 200);
        assert!(started.elapsed() < MS(900), "{:?}", started.elapsed());
        assert_eq!(first.join().expect("a client"), 503);
    });
}

/// A gateway that died while asking delays the others by a second at most.
#[test]
fn a_gateway_that_died_while_asking_delays_the_others_a_second_at_most() {
    let Some(redis) = Redis::start() else { return };
    let mut fleet = Fleet::start(&redis, 2);
    let slow = Behaviour::after(MS(1500), Behaviour::Json(active(json!({}))));
    fleet.server.behave_in_turn("new", [slow, Behaviour::Json(active(json!({})))]);
    let mut dying = fleet.gateways.remove(0);
    std::thread::scope(|scope| {
        let port = dying.port();
        scope.spawn(move || {
            // it breaks off
            let _ = crate::support::Connection::open(port).request(
                "GET",
                "/",
                &[("Authorization", "Bearer new")],
                b"",
            );
        });
        wait_until("the first asks", || fleet.server.count_of("new") == 1);
        dying.kill();
    });
    let (started, status) = (Instant::now(), fleet.get(0, "new"));
    assert_eq!(status, 200);
    assert!(started.elapsed() < MS(1400), "{:?}", started.elapsed());
}

/// A gateway that has never seen a token can still bridge an outage with the answer of another one.
#[test]
fn a_stale_answer_may_come_from_redis() {
    let Some(redis) = Redis::start() else { return };
    let mut fleet = Fleet::with(
        2,
        &cache(&redis.url(), "ttl: 500ms, refresh_ahead: 0, stale_if_error: 20s", ""),
    );
    assert_eq!(fleet.get(0, "good"), 200);
    wait_for_answers(&redis, 1);
    fleet.server.stop();
    sleep(MS(550));
    assert_eq!((fleet.get(1, "good"), fleet.get(1, "narrow")), (200, 503));
}

/// One introspection a ttl for the fleet, not one a gateway.
#[test]
fn a_refresh_takes_an_answer_refreshed_by_another_gateway() {
    let Some(redis) = Redis::start() else { return };
    let fleet = Fleet::with(2, &cache(&redis.url(), "ttl: 4s, refresh_ahead: 0.5", ""));
    assert_eq!(fleet.get(0, "good"), 200);
    wait_for_answers(&redis, 1);
    assert_eq!(fleet.get(1, "good"), 200);
    sleep(MS(2300));
    assert_eq!(fleet.get(0, "good"), 200);
    wait_until("the refresh", || fleet.server.count() == 2);
    sleep(MS(100));
    assert_eq!(fleet.get(1, "good"), 200);
    wait_until("the other's look", || fleet.looks(1, "hit") == 2.0);
    assert_eq!(fleet.server.count(), 2);
}
