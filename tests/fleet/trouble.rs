//! Redis slow, down, full, or another service: it is bypassed, and no request fails.

use super::{Fleet, MS, cache, is_up, looks, wait_for_answers};
use crate::support::{Behaviour, Builder, Redis, active, free_port, one_route, wait_until};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// New tokens, all of them good; how long each took.
fn new_tokens(fleet: &Fleet, name: &str, count: usize) -> Vec<Duration> {
    let ask = |n: usize| {
        let token = format!("{name}{n}");
        fleet.server.answer(&token, active(json!({})));
        let started = Instant::now();
        assert_eq!(fleet.get(0, &token), 200, "{token}");
        started.elapsed()
    };
    (0..count).map(ask).collect()
}

#[test]
fn a_redis_that_is_down_is_passed_by_and_found_again() {
    let Some(mut redis) = Redis::start() else { return };
    let fleet = Fleet::start(&redis, 1);
    redis.stop();
    new_tokens(&fleet, "down", 10);
    wait_until("it is noticed", || !is_up(&fleet.gateways[0]));
    assert!(fleet.looks(0, "error") > 0.0);
    let status = fleet.gateways[0].admin_get("/api/status").json();
    assert_eq!(status["redis"]["state"], "bypassed");
    assert_eq!(status["redis"]["last_error"]["trouble"], "unreachable", "{status}");
    redis.start_again();
    fleet.wait_until_up();
    new_tokens(&fleet, "up", 1);
    wait_for_answers(&redis, 1);
    fleet.gateways[0].log_with("Redis is in use again");
}

#[test]
fn a_gateway_starts_without_redis_and_finds_it_later() {
    let Some(mut redis) = Redis::start() else { return };
    redis.stop();
    let mut fleet = Fleet::with(0, "");
    fleet.add(&format!("{}{}", cache(&redis.url(), "", ""), one_route("")));
    assert_eq!((fleet.get(0, "good"), fleet.get(0, "unknown")), (200, 401));
    redis.start_again();
    fleet.wait_until_up();
    new_tokens(&fleet, "up", 1);
    wait_for_answers(&redis, 1);
}

/// One request waits for `timeout`, those after it do not.
#[test]
fn a_redis_that_hangs_costs_one_timeout() {
    let Some(redis) = Redis::start() else { return };
    let fleet = Fleet::with(1, &cache(&redis.url(), "", "timeout: 400ms"));
    fleet.get(0, "good");
    redis.pause();
    let times = new_tokens(&fleet, "hangs", 20);
    let waited = times.iter().filter(|time| **time >= MS(400)).count();
    assert!(waited <= 1, "{times:?}");
    assert!(!is_up(&fleet.gateways[0]) && fleet.looks(0, "error") > 0.0);
    assert_eq!(fleet.get(0, "good"), 200, "and cached answers stay");
    redis.resume();
    fleet.wait_until_up();
    new_tokens(&fleet, "again", 1);
    wait_for_answers(&redis, 2);
}

/// It is noticed without any request too: purges would not arrive.
#[test]
fn a_redis_that_hangs_is_noticed_without_requests() {
    let Some(redis) = Redis::start() else { return };
    let fleet = Fleet::start(&redis, 1);
    redis.pause();
    wait_until("it is noticed", || !is_up(&fleet.gateways[0]));
    redis.resume();
    fleet.wait_until_up();
}

/// `noeviction`: reads go on, writes fail, inactive answers still end active ones.
#[test]
fn a_full_redis_is_passed_by() {
    let Some(redis) = Redis::start() else { return };
    let mut fleet = Fleet::start(&redis, 2);
    fleet.add(&format!("{}{}", cache(&redis.url(), "", ""), one_route("max_age: 0s")));
    fleet.wait_until_up();
    for token in ["good", "bare"] {
        assert_eq!(fleet.get(0, token), 200);
    }
    wait_for_answers(&redis, 2);
    let _: () = redis.command("CONFIG SET maxmemory 1");
    new_tokens(&fleet, "full", 5);
    assert!(fleet.looks(0, "error") > 0.0);
    fleet.gateways[0].log_with("OOM");
    assert_eq!((fleet.get(1, "good"), fleet.server.count_of("good")), (200, 1), "reading goes on");
    fleet.server.behave("bare", Behaviour::inactive());
    assert_eq!(fleet.get(2, "bare"), 401);
    wait_for_answers(&redis, 1);
    assert_eq!(fleet.get(1, "bare"), 401);
}

/// An inactive answer that Redis does not take still counts for the gateway that received it: the
/// active one from before, which is still in Redis, does not come back when the inactive one
/// expires.
#[test]
fn an_active_answer_never_comes_back_after_an_inactive_one() {
    let Some(redis) = Redis::start() else { return };
    let _: () = redis.command("ACL SETUSER second on >secret ~* &* +@all");
    let mut fleet = Fleet::with(0, "");
    let routes = "routes:\n  - { name: lax, path: /, upstream: \"@UPSTREAM@\" }\n  - { name: strict, path: /strict, upstream: \"@UPSTREAM@\", max_age: 50ms }\n";
    let url = redis.url().replace("//", "//second:secret@");
    fleet.add(&format!("{}{routes}", cache(&url, "inactive_ttl: 300ms, refresh_ahead: 0", "")));
    fleet.wait_until_up();
    assert_eq!(fleet.get(0, "good"), 200);
    wait_for_answers(&redis, 1);
    let _: () = redis.command("ACL SETUSER second -set -del");
    fleet.server.behave("good", Behaviour::inactive());
    std::thread::sleep(MS(60));
    assert_eq!(fleet.gateways[0].get_with("/strict", "good").status, 401);
    std::thread::sleep(MS(400));
    assert_eq!(fleet.get(0, "good"), 401);
    assert_eq!(redis.answers().len(), 1, "the old answer is still there");
    assert!(is_up(&fleet.gateways[0]));
}

/// A purge that does not fit into a full Redis still reaches all gateways.
#[test]
fn a_full_redis_loses_no_purge() {
    let Some(redis) = Redis::start() else { return };
    let fleet = Fleet::start(&redis, 2);
    assert_eq!((fleet.get(0, "good"), fleet.get(1, "good")), (200, 200));
    wait_for_answers(&redis, 1);
    fleet.server.behave("good", Behaviour::inactive());
    let _: () = redis.command("CONFIG SET maxmemory 1");
    assert_eq!(
        fleet.gateways[0].admin_post("/api/cache/purge", &json!({"sub": "alice"})).status,
        200
    );
    wait_until("the other one has heard", || fleet.get(1, "good") == 401);
    assert_eq!(fleet.get(0, "good"), 401);
    let _: () = redis.command("CONFIG SET maxmemory 0");
    fleet.wait_until_up();
}

#[test]
fn a_wrong_password_is_bypassed_and_logged_without_the_password() {
    let Some(redis) = Redis::with(&["--requirepass", "right"]) else { return };
    let mut fleet = Fleet::with(0, "");
    let wrong = cache(&redis.url(), "", "password: hunter2hunter2");
    fleet.add(&format!("{wrong}{}", one_route("")));
    assert_eq!(fleet.get(0, "good"), 200);
    let gateway = &fleet.gateways[0];
    gateway.log_with("Redis is unavailable and is being bypassed");
    let told = format!(
        "{}{}{}",
        gateway.stderr(),
        gateway.admin_get("/api/status").text(),
        gateway.admin_get("/api/config").text()
    );
    assert!(told.contains("look at user and password") && !told.contains("hunter2"), "{told}");
    assert!(!is_up(gateway) && looks(gateway, "error") > 0.0);
    // password files are read again when they change
    let builder = Builder::new().file("password", "wrong\n").file("key", crate::support::REDIS_KEY);
    let url = redis.url().replace("//", "//default@");
    let yaml = format!(
        "cache: {{ redis: {{ url: \"{url}\", password_file: password, key_file: key, timeout: 500ms }} }}\n{}",
        one_route("")
    );
    let gateway = fleet.add_to(builder, &yaml);
    std::fs::write(gateway.directory().join("password"), "right\n").expect("write");
    wait_until("the right one is used", || is_up(gateway));
}

/// A service that is not Redis.
#[test]
fn garbage_is_passed_by() {
    let listener = TcpListener::bind(("127.0.0.1", free_port())).expect("a port");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut buffer = [0; 1024];
                while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                    let _ = stream
                        .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n\x00\xff$99999999999\r\n");
                }
            });
        }
    });
    let mut fleet = Fleet::with(0, "");
    fleet.add(&format!("{}{}", cache(&format!("redis://127.0.0.1:{port}"), "", ""), one_route("")));
    assert_eq!(
        (fleet.get(0, "good"), fleet.get(0, "good"), fleet.get(0, "unknown")),
        (200, 200, 401)
    );
    wait_until("the error is counted", || looks(&fleet.gateways[0], "error") > 0.0);
    assert!(!is_up(&fleet.gateways[0]));
}

/// Redis comes, changes and goes with the configuration.
#[test]
fn a_reload_takes_up_another_redis() {
    let (Some(one), Some(two)) = (Redis::start(), Redis::start()) else { return };
    let mut fleet = Fleet::with(0, "");
    fleet.add(&one_route(""));
    let reload = |fleet: &Fleet, cache: &str| {
        fleet.gateways[0].reload(&fleet.fill_in(&format!("{cache}{}", one_route(""))))
    };
    let with = |redis: &Redis| cache(&redis.url(), "", "");
    assert_eq!(fleet.gateways[0].admin_get("/api/status").json()["redis"], json!(null));
    new_tokens(&fleet, "without", 1);
    for redis in [&one, &two] {
        reload(&fleet, &with(redis));
        fleet.wait_until_up();
        new_tokens(&fleet, "with", 1);
        wait_for_answers(redis, 1);
    }
    // the same settings: the same connection, and cached answers stay
    let asked = fleet.server.count();
    reload(&fleet, &with(&two));
    assert!(is_up(&fleet.gateways[0]));
    assert_eq!((fleet.get(0, "with0"), fleet.server.count()), (200, asked));
    reload(&fleet, "");
    wait_until("the connections are closed", || {
        let clients: String = two.command("CLIENT LIST");
        clients.lines().count() == 1
    });
    new_tokens(&fleet, "after", 1);
}

/// With another key there is simply nothing to be found.
#[test]
fn another_key_is_another_cache() {
    let Some(redis) = Redis::start() else { return };
    let mut fleet = Fleet::start(&redis, 1);
    fleet.get(0, "good");
    wait_for_answers(&redis, 1);
    fleet.add(&format!(
        "{}{}",
        cache(&redis.url(), "", &format!("key: \"{}\"", "B".repeat(42) + "A=")),
        one_route("")
    ));
    fleet.wait_until_up();
    assert_eq!((fleet.get(1, "good"), fleet.server.count()), (200, 2));
    wait_for_answers(&redis, 2);
    assert_eq!((fleet.looks(1, "miss"), fleet.looks(1, "error")), (1.0, 0.0));
}

/// `check` reports the section's faults, and shows nothing secret.
#[test]
fn mistakes_are_reported_by_check() {
    let directory = tempfile::tempdir().expect("a folder");
    let check = |redis: &str| {
        let yaml = format!(
            "authorization_servers: {{ a: {{ introspection_endpoint: \"https://as.example.com\" }} }}\n\
             routes: [{{ path: /*, upstream: \"http://127.0.0.1:1\", scopes: [read] }}]\ncache: {{ redis: {{ {redis} }} }}\n"
        );
        std::fs::write(directory.path().join("gateway.yaml"), yaml).expect("write");
        let (code, out, _) = crate::support::run_cli_in(directory.path(), &["check"], &[]);
        (code, out)
    };
    let key = format!("key: \"{}\"", crate::support::REDIS_KEY);
    for (redis, told) in [
        ("url: \"redis://cache\"".to_owned(), "needs `key` or `key_file`"),
        (key.clone(), "url"),
        ("url: \"redis://cache\", key: tooshort".to_owned(), "is not 32 bytes in base64"),
        (format!("url: \"http://user:hunter2@cache\", {key}"), "scheme that is not Redis's"),
        (
            format!("url: \"redis://:hunter2@cache\", password: hunter2, {key}"),
            "keep one of the two",
        ),
        (format!("url: \"redis://cache\", username: u, {key}"), "has a user name and no password"),
        (format!("url: \"redis://cache\", tls: {{ ca: x.pem }}, {key}"), "no effect without TLS"),
        (
            format!("url: \"rediss://cache\", tls: {{ certificate: x.pem }}, {key}"),
            "a certificate and no private key",
        ),
        (
            format!("url: \"redis://cache\", sentinel: {{ password: hunter2 }}, {key}"),
            "is for `redis-sentinel` alone",
        ),
        (format!("url: \"redis-sentinel://cache\", {key}"), "name that the Sentinels have"),
        (format!("url: \"redis://cache\", timeout: 0s, {key}"), "must be longer than zero"),
        (format!("url: \"redis://cache\", ttl: 1s, {key}"), "unknown key"),
        (format!("url: \"redis://cache\", key_file: none, {key}"), "written as well"),
    ] {
        let (code, out) = check(&redis);
        assert_eq!(code, 64, "{redis}\n{out}");
        assert!(out.contains(told) && !out.contains("hunter2"), "{redis}\n{out}");
    }
    let (code, out) = check(&format!("url: \"redis://:hunter2@cache\", {key}"));
    assert!(
        code == 0
            && out.contains("password crosses the network unprotected")
            && !out.contains("hunter2"),
        "{out}"
    );
    for fine in [
        "redis://:hunter2@127.0.0.1",
        "rediss://u:hunter2@cache:1/2",
        "redis-cluster://a,b:1",
        "redis://cache",
    ] {
        assert_eq!(
            check(&format!("url: \"{fine}\", {key}")),
            (0, "gateway.yaml: ok\n".into()),
            "{fine}"
        );
    }
}
