//! Somebody else writes into Redis, or reads it.

use super::{Fleet, MS, cache, wait_for_answers};
use crate::support::{Behaviour, REDIS_KEY, Redis, active, now, one_route, wait_until};
use serde_json::json;
use std::thread::sleep;

/// Two tokens in Redis, and a gateway that has not seen them: the names of their answers are
/// `(good, narrow)`.
fn two_answers(redis: &Redis) -> (Fleet, String, String) {
    let mut fleet = Fleet::start(redis, 1);
    assert_eq!(fleet.get(0, "good"), 200);
    wait_for_answers(redis, 1);
    let good = redis.answers().remove(0);
    assert_eq!(fleet.get(0, "narrow"), 200);
    wait_for_answers(redis, 2);
    let narrow = redis.answers().into_iter().find(|name| *name != good).expect("another name");
    fleet.add(&format!("{}{}", cache(&redis.url(), "", ""), one_route("scopes: [read]")));
    fleet.wait_until_up();
    (fleet, good, narrow)
}

/// Moved, forged, cut off, of another form, of another kind: not believed, counted, and the
/// authorization server is asked.
#[test]
fn a_value_sealed_for_another_place_is_rejected() {
    let Some(redis) = Redis::start() else { return };
    let (fleet, good, narrow) = two_answers(&redis);
    let (of_good, of_narrow) = (redis.get(&good), redis.get(&narrow));
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut value = of_narrow.clone();
        change(&mut value);
        value
    };
    let lies: [(&str, Vec<u8>); 7] = [
        ("moved", of_good.clone()),
        ("a byte changed", with(&|value| value[40] ^= 1)),
        ("another version", with(&|value| value[0] = 2)),
        ("cut off", with(&|value| value.truncate(value.len() - 1))),
        ("cut short", with(&|value| value.truncate(10))),
        (
            "plain",
            br#"{"known_at":9999999999999,"kept_for":60000,"seen":[9,9],"facts":null}"#.to_vec(),
        ),
        ("a megabyte", vec![1; 1 << 20]),
    ];
    for (n, (lie, value)) in lies.iter().enumerate() {
        redis.set(&narrow, value);
        assert_eq!(fleet.get(1, "narrow"), 403, "{lie}");
        assert_eq!(fleet.looks(1, "error"), (n + 1) as f64, "{lie}");
        assert_eq!(fleet.server.count_of("narrow"), n + 2, "{lie}");
        // the new answer takes its place, and is forgotten here
        wait_until("the answer is written", || redis.get(&narrow) != *value);
        assert_eq!(
            fleet.gateways[1].admin_post("/api/cache/purge", &json!({"token": "narrow"})).status,
            200
        );
        wait_until("the purge is read back", || fleet.looks(1, "hit") == 0.0);
    }
    let _: () = redis.command(&format!("DEL {narrow}"));
    let _: i64 = redis.command(&format!("LPUSH {narrow} x"));
    assert_eq!(fleet.get(1, "narrow"), 403, "a list");
    assert_eq!(fleet.get(1, "good"), 200, "and the true one is believed");
    assert_eq!(fleet.server.count_of("good"), 1);
}

/// Another key's value, put under our name.
#[test]
fn a_value_of_another_key_is_not_believed() {
    let Some(redis) = Redis::start() else { return };
    let (mut fleet, _, narrow) = two_answers(&redis);
    let before = redis.answers();
    fleet.add(&format!(
        "{}{}",
        cache(&redis.url(), "", &format!("key: \"{}\"", "B".repeat(42) + "A=")),
        one_route("")
    ));
    fleet.wait_until_up();
    fleet.get(2, "good");
    wait_for_answers(&redis, 3);
    let theirs = redis.answers().into_iter().find(|name| !before.contains(name)).expect("a name");
    redis.set(&narrow, &redis.get(&theirs));
    assert_eq!((fleet.get(1, "narrow"), fleet.looks(1, "error")), (403, 1.0));
}

/// An old answer that is put back is as old as it is; and after a purge it is dead.
#[test]
fn an_answer_that_is_put_back_grows_no_younger() {
    let Some(redis) = Redis::start() else { return };
    let fleet = Fleet::with(2, &cache(&redis.url(), "ttl: 1s, refresh_ahead: 0", ""));
    assert_eq!(fleet.get(0, "good"), 200);
    wait_for_answers(&redis, 1);
    let (name, value) = (redis.answers().remove(0), redis.get(&redis.answers()[0]));
    fleet.server.behave("good", Behaviour::inactive());
    sleep(MS(1100));
    // for as long as it was kept at first, so that only our own clock knows
    redis.set_for(1000, &name, &value);
    assert_eq!((fleet.get(1, "good"), fleet.looks(1, "expired")), (401, 1.0), "too old");

    fleet.server.answer("narrow", active(json!({ "sub": "bob" })));
    assert_eq!(fleet.get(0, "narrow"), 200);
    let mut names = Vec::new();
    wait_until("it is written", || {
        names = redis
            .answers()
            .into_iter()
            .filter(|other| *other != name && !other.ends_with(":asked"))
            .collect();
        !names.is_empty()
    });
    let value = redis.get(&names[0]);
    fleet.server.behave("narrow", Behaviour::inactive());
    fleet.gateways[0].admin_post("/api/cache/purge", &json!({"sub": "bob"}));
    sleep(MS(300));
    redis.set_for(1000, &names[0], &value);
    assert_eq!((fleet.get(0, "narrow"), fleet.get(1, "narrow")), (401, 401), "purged");
}

/// A purge needs the key; repeating a recorded purge only costs an introspection.
#[test]
fn a_forged_purge_is_not_believed_and_a_repeated_one_only_costs() {
    let Some(redis) = Redis::start() else { return };
    let fleet = Fleet::start(&redis, 2);
    assert_eq!((fleet.get(0, "good"), fleet.get(1, "good"), fleet.server.count()), (200, 200, 1));
    let log: Vec<String> = redis.command("KEYS introgate:purges:*");
    let add = |value: &[u8]| {
        let _: String = redis::cmd("XADD")
            .arg(&log[0])
            .arg("*")
            .arg("p")
            .arg(value)
            .query(&mut redis.connection())
            .expect("XADD");
    };
    add(b"{\"from\":1,\"forget\":\"All\"}");
    add(&redis.get(&redis.answers()[0]));
    add(b"");
    for gateway in [0, 1] {
        wait_until("all three are counted", || fleet.looks(gateway, "error") == 3.0);
    }
    assert_eq!((fleet.get(0, "good"), fleet.get(1, "good"), fleet.server.count()), (200, 200, 1));

    fleet.gateways[0].admin_post("/api/cache/purge", &json!({"sub": "alice"}));
    sleep(MS(300));
    let entries: Vec<(String, Vec<Vec<u8>>)> =
        redis.command(&format!("XREVRANGE {} + - COUNT 1", log[0]));
    assert_eq!((fleet.get(0, "good"), fleet.get(1, "good"), fleet.server.count()), (200, 200, 2));
    add(&entries[0].1[1]);
    wait_until("it is asked again", || fleet.get(1, "good") == 200 && fleet.server.count() == 3);
    // and the fleet still carries out genuine purges
    fleet.server.behave("good", Behaviour::inactive());
    fleet.gateways[1].admin_post("/api/cache/purge", &json!({"sub": "alice"}));
    wait_until("the purge", || fleet.get(0, "good") == 401);
}

/// A place so far behind all others that no true purge would ever be read: healed as soon as it is
/// gone.
#[test]
fn a_log_that_was_tampered_with_is_begun_anew() {
    let Some(redis) = Redis::start() else { return };
    let fleet = Fleet::start(&redis, 2);
    let log: Vec<String> = redis.command("KEYS introgate:purges:*");
    let _: String = redis.command(&format!("XADD {} 9999999999999999-0 p x", log[0]));
    wait_until("it is read", || fleet.looks(0, "error") == 1.0 && fleet.looks(1, "error") == 1.0);
    let _: i64 = redis.command(&format!("DEL {}", log[0]));
    sleep(MS(1000));
    fleet.wait_until_up();
    assert_eq!((fleet.get(0, "good"), fleet.get(1, "good")), (200, 200));
    fleet.server.behave("good", Behaviour::inactive());
    fleet.gateways[1].admin_post("/api/cache/purge", &json!({"sub": "alice"}));
    wait_until("the purge", || fleet.get(0, "good") == 401);
}

/// Pitfall 7: neither token nor identity, nor the subject of a purge.
#[test]
fn a_dump_shows_no_token_and_no_identity() {
    let Some(redis) = Redis::start() else { return };
    let fleet = Fleet::start(&redis, 1);
    let token = "token-0123456789-abcdefghij";
    fleet.server.answer(
        token,
        active(json!({ "sub": "subject-of-token", "client_id": "client-of-token", "scope": "scope-of-token", "exp": now() + 60 })),
    );
    let asked = Behaviour::after(MS(200), Behaviour::inactive());
    fleet.server.behave("inactive-0123456789", asked);
    assert_eq!((fleet.get(0, token), fleet.get(0, "inactive-0123456789")), (200, 401));
    wait_for_answers(&redis, 2);
    for selector in [
        json!({"sub": "subject-of-token"}),
        json!({"token": token}),
        json!({"client_id": "client-of-token"}),
    ] {
        fleet.gateways[0].admin_post("/api/cache/purge", &selector);
    }
    let dump = redis.dump();
    assert!(dump.len() > 500, "{}", dump.len());
    let fingerprint =
        fleet.gateways[0].access_log(2)[0]["token_fp"].as_str().expect("a fingerprint").to_owned();
    // three letters without their quotes occur in enough random bytes by chance
    for secret in [
        token,
        "0123456789",
        "subject",
        "client",
        "scope",
        "active",
        "alice",
        "\"sub\"",
        REDIS_KEY,
        &fingerprint,
    ] {
        let found =
            dump.windows(secret.len()).any(|window| window.eq_ignore_ascii_case(secret.as_bytes()));
        assert!(!found, "{secret}");
    }
}
