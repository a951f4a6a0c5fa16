//! A purge reaches every gateway, beats every introspection in flight, and the answers that it
//! selects are dead in Redis too.

use super::{Fleet, MS, cache, is_up, wait_for_answers};
use crate::jwt::Signer;
use crate::support::{
    AuthorizationServer, Behaviour, REDIS_KEY, Redis, Upstream, active, now, one_route, wait_until,
    wait_within,
};
use serde_json::{Value, json};
use std::thread::sleep;

/// A second, and a margin for a busy machine.
const SECOND: std::time::Duration = std::time::Duration::from_millis(1500);

fn purge(fleet: &Fleet, gateway: usize, selector: &Value) -> Value {
    let answer = fleet.gateways[gateway].admin_post("/api/cache/purge", selector);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn token(sub: &str) -> Value {
    active(
        json!({ "sub": sub, "client_id": format!("app-of-{sub}"), "jti": format!("id-of-{sub}"), "sid": format!("session-of-{sub}"), "exp": now() + 600 }),
    )
}

#[test]
fn every_selector_reaches_every_gateway_within_a_second() {
    let Some(redis) = Redis::start() else { return };
    let fleet = Fleet::start(&redis, 3);
    let selectors = [
        json!({"token": "t"}),
        json!({"sub": "alice"}),
        json!({"client_id": "app-of-alice"}),
        json!({"jti": "id-of-alice"}),
        json!({"sid": "session-of-alice"}),
        json!({"all": true}),
    ];
    for selector in selectors {
        fleet.server.answer("t", token("alice"));
        purge(&fleet, 0, &json!({"all": true}));
        wait_until("all gateways know it", || (0..3).all(|gateway| fleet.get(gateway, "t") == 200));
        fleet.server.behave("t", Behaviour::inactive());
        assert_eq!(purge(&fleet, 0, &selector)["fleet_told"], true);
        assert_eq!(fleet.get(0, "t"), 401, "{selector}: at once where it was asked for");
        for gateway in [1, 2] {
            wait_within(SECOND, &format!("{selector} at {gateway}"), || {
                fleet.get(gateway, "t") == 401
            });
        }
    }
}

/// All gateways carry out an event that one of them receives.
#[test]
fn an_event_reaches_every_gateway_and_the_answers_in_redis() {
    let Some(redis) = Redis::start() else { return };
    let servers = "authorization_servers:\n  main: { introspection_endpoint: \"@AS@\", events: { issuer: \"https://as.test\", audience: [gateways], jwks_uri: \"@AS@/jwks\" } }\n";
    let mut fleet = Fleet::with(2, &format!("{}{servers}", cache(&redis.url(), "", "")));
    let signer = Signer::p256("k");
    fleet.server.publish("/introspect/jwks", Behaviour::Json(json!({ "keys": [signer.jwk()] })));
    for name in ["alice", "bob"] {
        fleet.server.answer(name, token(name));
        assert_eq!((fleet.get(0, name), fleet.get(1, name)), (200, 200));
        fleet.server.behave(name, Behaviour::inactive());
    }
    wait_for_answers(&redis, 2);
    let event = json!({
        "iss": "https://as.test", "aud": "gateways", "iat": now(), "jti": "event-1",
        "sub_id": { "format": "complex", "session": { "format": "opaque", "id": "session-of-alice" } },
        "events": { "https://schemas.openid.net/secevent/caep/event-type/session-revoked": {} },
    });
    let event = signer.sign_with(json!({ "typ": "secevent+jwt" }), &event);
    let mut connection = fleet.gateways[0].connect_admin();
    let headers = [("Content-Type", "application/secevent+jwt")];
    assert_eq!(
        connection
            .request("POST", "/api/events", &headers, event.as_bytes())
            .expect("an answer")
            .status,
        202
    );
    assert_eq!(fleet.get(0, "alice"), 401);
    wait_within(SECOND, "the other gateway", || fleet.get(1, "alice") == 401);
    assert_eq!((fleet.get(0, "bob"), fleet.get(1, "bob")), (200, 200));
    fleet.add(&format!("{}{servers}{}", cache(&redis.url(), "", ""), one_route("")));
    fleet.wait_until_up();
    assert_eq!(
        (fleet.get(2, "alice"), fleet.get(2, "bob")),
        (401, 200),
        "a newcomer hears of it too"
    );
}

/// Answers in Redis are dead too, also for a gateway that was started later.
#[test]
fn a_purged_answer_in_redis_is_dead_for_newcomers() {
    let Some(redis) = Redis::start() else { return };
    let mut fleet = Fleet::start(&redis, 1);
    for name in ["alice", "bob"] {
        fleet.server.answer(name, token(name));
        assert_eq!(fleet.get(0, name), 200);
    }
    wait_for_answers(&redis, 2);
    purge(&fleet, 0, &json!({"sub": "alice"}));
    for name in ["alice", "bob"] {
        fleet.server.behave(name, Behaviour::inactive());
    }
    wait_for_answers(&redis, 2);
    fleet.add(&format!("{}{}", cache(&redis.url(), "", ""), one_route("")));
    fleet.wait_until_up();
    assert_eq!((fleet.get(1, "alice"), fleet.get(1, "bob")), (401, 200));
    assert_eq!((fleet.looks(1, "expired"), fleet.looks(1, "hit")), (1.0, 1.0));
}

/// Wherever the introspection is in flight, the purge beats it.
#[test]
fn a_purge_beats_an_introspection_in_flight_at_another_gateway() {
    let Some(redis) = Redis::start() else { return };
    let fleet = Fleet::start(&redis, 2);
    fleet.server.behave_in_turn(
        "t",
        [Behaviour::after(MS(800), Behaviour::Json(token("alice"))), Behaviour::inactive()],
    );
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| fleet.get(1, "t"));
        wait_until("it is in flight", || fleet.server.count_of("t") == 1);
        purge(&fleet, 0, &json!({"sub": "alice"}));
        assert_eq!(slow.join().expect("a client"), 200, "those aboard have their answer");
    });
    sleep(MS(100));
    assert_eq!((fleet.get(1, "t"), fleet.get(0, "t")), (401, 401));
}

/// A gateway that was cut off reads the missed purges afterwards, and forgets only the answers that
/// they select.
#[test]
fn missed_purges_are_read_afterwards() {
    let Some(redis) = Redis::start() else { return };
    let mut fleet = Fleet::start(&redis, 1);
    let _: () = redis.command("ACL SETUSER second on >secret ~* &* +@all");
    fleet.add(&format!(
        "{}{}",
        cache(&redis.url().replace("//", "//second:secret@"), "", ""),
        one_route("")
    ));
    fleet.wait_until_up();
    for name in ["alice", "bob"] {
        fleet.server.answer(name, token(name));
        assert_eq!((fleet.get(0, name), fleet.get(1, name)), (200, 200));
    }
    let _: () = redis.command("ACL SETUSER second off");
    let _: i64 = redis.command("CLIENT KILL USER second");
    wait_until("it is cut off", || !is_up(&fleet.gateways[1]));
    for name in ["alice", "bob"] {
        fleet.server.behave(name, Behaviour::inactive());
    }
    purge(&fleet, 0, &json!({"sub": "alice"}));
    assert_eq!(fleet.get(1, "alice"), 200, "it cannot know");
    let _: () = redis.command("ACL SETUSER second on");
    wait_until("it is back", || is_up(&fleet.gateways[1]));
    assert_eq!((fleet.get(1, "alice"), fleet.get(1, "bob")), (401, 200));
}

/// A purge that cannot be published now is published later.
#[test]
fn a_purge_without_redis_is_published_when_it_is_back() {
    let Some(redis) = Redis::start() else { return };
    let mut fleet = Fleet::start(&redis, 1);
    let _: () = redis.command("ACL SETUSER second on >secret ~* &* +@all");
    fleet.add(&format!(
        "{}{}",
        cache(&redis.url().replace("//", "//second:secret@"), "", ""),
        one_route("")
    ));
    fleet.wait_until_up();
    fleet.server.answer("alice", token("alice"));
    assert_eq!((fleet.get(0, "alice"), fleet.get(1, "alice")), (200, 200));
    fleet.server.behave("alice", Behaviour::inactive());
    let _: () = redis.command("ACL SETUSER second off");
    let _: i64 = redis.command("CLIENT KILL USER second");
    wait_until("it is cut off", || !is_up(&fleet.gateways[1]));
    assert_eq!(
        purge(&fleet, 1, &json!({"sub": "alice"})),
        json!({"purged": 1, "fleet_told": false})
    );
    assert_eq!((fleet.get(1, "alice"), fleet.get(0, "alice")), (401, 200));
    let _: () = redis.command("ACL SETUSER second on");
    wait_until("the other one hears of it", || fleet.get(0, "alice") == 401);
}

/// If the log of purges is lost, its content is unknown: all answers are forgotten.
#[test]
fn a_lost_log_empties_every_cache() {
    for how in ["FLUSHALL", "restart"] {
        let Some(mut redis) = Redis::start() else { return };
        let fleet = Fleet::start(&redis, 2);
        for gateway in [0, 1] {
            assert_eq!(fleet.get(gateway, "good"), 200);
        }
        fleet.server.behave("good", Behaviour::inactive());
        if how == "restart" {
            redis.stop();
            assert_eq!(
                (fleet.get(0, "good"), fleet.get(1, "good")),
                (200, 200),
                "nothing fails meanwhile"
            );
            redis.start_again();
        } else {
            let _: () = redis.command("FLUSHALL");
        }
        for gateway in [0, 1] {
            wait_until(how, || fleet.get(gateway, "good") == 401);
        }
        fleet.wait_until_up();
        let log: Vec<String> = redis.command("KEYS introgate:purges:*");
        assert_eq!(log.len(), 1, "a new one was begun");
    }
}

/// One gateway's refresh finds that a token is revoked; the others forget their answers too.
#[test]
fn an_answer_that_a_refresh_ends_is_forgotten_everywhere() {
    let Some(redis) = Redis::start() else { return };
    let (server, upstream) = (AuthorizationServer::start(), Upstream::start());
    server.answer("token", active(json!({ "sub": "alice" })));
    let mut fleet = Fleet { server, upstream, gateways: Vec::new() };
    // the same answers, and one that asks again soon
    for refresh_ahead in ["0", "0.01"] {
        let cache = format!(
            "cache: {{ ttl: 100s, refresh_ahead: {refresh_ahead}, redis: {{ url: \"{}\", key: \"{REDIS_KEY}\", timeout: 500ms }} }}\n{}",
            redis.url(),
            one_route("")
        );
        fleet.add(&cache);
    }
    fleet.wait_until_up();
    assert_eq!((fleet.get(0, "token"), fleet.get(1, "token")), (200, 200));
    fleet.server.answer("token", json!({ "active": false }));
    wait_until("the refresh ends the answer", || fleet.get(1, "token") == 401);
    wait_until("the other gateway forgets it too", || fleet.get(0, "token") == 401);
}
