//! Contract §7: `/api/decisions`, the last decisions as in the access log, or as they happen.

use crate::support::{Connection, Setup, one_route, wait_until};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

fn list(setup: &Setup, query: &str) -> Vec<Value> {
    let answer = setup.gateway.admin_get(&format!("/api/decisions{query}"));
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    answer.json().as_array().expect("an array").clone()
}

fn ids(decisions: &[Value]) -> Vec<&str> {
    decisions.iter().filter_map(|one| one["request_id"].as_str()).collect()
}

fn ask(setup: &Setup, id: &str, path: &str, token: Option<&str>) -> u16 {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![("X-Request-Id", id)];
    headers.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
    setup.gateway.get(path, &headers).status
}

const ROUTES: &str = r#"
routes:
  - { name: items, path: /items/*, upstream: "@UPSTREAM@", scopes: [read] }
  - { name: open, path: /open, upstream: "@UPSTREAM@", auth: none }
"#;

#[test]
fn the_last_decisions_are_those_of_the_access_log() {
    let setup = Setup::start(ROUTES);
    let requests = [
        ("a", "/items/1?secret=query", Some("good"), 200),
        ("b", "/items/2", Some("narrow"), 403),
        ("c", "/items/3", None, 401),
        ("d", "/open", None, 200),
        ("e", "/nowhere", None, 404),
    ];
    for (number, (id, path, token, expected)) in requests.into_iter().enumerate() {
        assert_eq!(ask(&setup, id, path, token), expected);
        // a request is over a moment after its response was read
        wait_until("it is there", || list(&setup, "").len() == number + 1);
    }
    let decisions = list(&setup, "");
    assert_eq!(ids(&decisions), ["e", "d", "c", "b", "a"]);
    for decision in &decisions {
        let id = decision["request_id"].as_str().unwrap_or_default();
        assert_eq!(*decision, setup.gateway.access_log_of(id), "{id}");
    }
    let fingerprint = decisions[4]["token_fp"].as_str().expect("a fingerprint");
    for (query, expected) in [
        ("?decision=deny", &["e", "c", "b"][..]),
        ("?decision=deny&decision=allow", &["e", "d", "c", "b", "a"]),
        ("?route=items", &["c", "b", "a"]),
        ("?reason=insufficient_scope", &["b"]),
        ("?client_id=app", &["a"]),
        (&format!("?token_fp={fingerprint}"), &["a"]),
        ("?request_id=c", &["c"]),
        ("?route=items&decision=allow&reason=", &["a"]),
        ("?request_id=nothing", &[]),
    ] {
        assert_eq!(ids(&list(&setup, query)), expected, "{query}");
    }
    for query in ["?decision=maybe", "?sub=alice", "?x"] {
        let answer = setup.gateway.admin_get(&format!("/api/decisions{query}"));
        assert_eq!(answer.status, 400, "{query}");
    }
    let everything = setup.gateway.admin_get("/api/decisions").text();
    assert!(!everything.contains("secret=query") && !everything.contains("good"), "{everything}");
}

/// With any setting of the access log.
#[test]
fn decisions_are_kept_without_an_access_log() {
    let setup = Setup::start(&format!("log: {{ access: off }}\n{}", one_route("auth: none")));
    for n in 0..1010 {
        assert_eq!(ask(&setup, &format!("r{n}"), "/", None), 200);
    }
    // a request is over a moment after its response was read: neighbours may change places
    let expected: BTreeSet<String> = (10..1010).map(|n| format!("r{n}")).collect();
    wait_until("the last thousand are kept", || {
        let decisions = list(&setup, "");
        let kept = ids(&decisions).into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
        decisions.len() == 1000 && kept == expected
    });
    assert_eq!(setup.gateway.stdout(), "");
}

struct Follower {
    connection: Connection,
}

impl Follower {
    fn start(setup: &Setup, query: &str) -> Follower {
        let mut connection = setup.gateway.connect_admin();
        let target = format!("/api/decisions{query}");
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
        );
        connection.send(request.as_bytes()).expect("send");
        let mut follower = Follower { connection };
        follower.until(": connected");
        follower
    }

    /// The data until this text, in chunks as they are on the wire.
    fn until(&mut self, text: &str) -> String {
        let (mut got, deadline) = (Vec::new(), Instant::now() + Duration::from_secs(10));
        while !String::from_utf8_lossy(&got).contains(text) {
            assert!(Instant::now() < deadline, "{text} in {}", String::from_utf8_lossy(&got));
            got.extend(self.connection.read_bytes(1).expect("an event"));
        }
        String::from_utf8_lossy(&got).into_owned()
    }
}

#[test]
fn decisions_can_be_followed() {
    let setup = Setup::start(ROUTES);
    ask(&setup, "before", "/open", None);
    wait_until("it is there", || list(&setup, "").len() == 1);
    let mut all = Follower::start(&setup, "");
    let mut denied = Follower::start(&setup, "?decision=deny");
    ask(&setup, "good", "/items/1", Some("good"));
    // a request is over a moment after its response was read
    let mut events = all.until("\"request_id\":\"good\"");
    ask(&setup, "bad", "/items/1", None);
    events += &all.until("\"request_id\":\"bad\"");
    assert!(events.contains("\"request_id\":\"good\"") && events.contains("id: 1\n"), "{events}");
    assert!(!events.contains("before"), "{events}");
    let events = denied.until("\"request_id\":\"bad\"");
    assert!(!events.contains("\"request_id\":\"good\""), "{events}");
}

/// Issue 15: at a high rate the live view samples, with a notice.
#[test]
fn a_flood_is_sampled() {
    let setup = Setup::start(&one_route("auth: none"));
    let mut follower = Follower::start(&setup, "");
    let flood = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(50);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..3 {
                    setup.gateway.raw(
                        format!("{flood}GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                            .as_bytes(),
                    );
                }
            });
        }
        let events = follower.until("\"not_looked_at\":");
        assert!(events.contains("event: sampled"), "{events}");
        assert!(events.matches("\nid: ").count() <= 60, "{events}");
    });
}

#[test]
fn followers_are_limited_and_those_who_leave_make_room() {
    let setup = Setup::start(ROUTES);
    let followers: Vec<_> = (0..16).map(|_| Follower::start(&setup, "")).collect();
    let stream = |setup: &Setup| {
        let mut connection = setup.gateway.connect_admin();
        let headers = [("Accept", "text/event-stream")];
        connection.patience(Duration::from_millis(500));
        // an accepted one has no end
        connection.request("GET", "/api/decisions", &headers, b"").map(|answer| answer.status)
    };
    assert_eq!(stream(&setup).ok(), Some(503));
    assert_eq!(setup.gateway.admin_get("/livez").status, 200, "others are served");
    drop(followers);
    wait_until("there is room again", || {
        ask(&setup, "x", "/open", None);
        stream(&setup).is_err()
    });
}

/// A stop does not wait for followers.
#[test]
fn followers_hold_up_no_stop() {
    let mut setup = Setup::start(ROUTES);
    let _follower = Follower::start(&setup, "");
    let began = Instant::now();
    assert_eq!(setup.gateway.terminate().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

/// Contract §7: circuit state, the last error in words and its remedy, cache figures, the last
/// reload.
#[test]
fn the_status_has_the_remedy() {
    let mut setup = Setup::start(&format!(
        "authorization_servers:\n  main: {{ introspection_endpoint: \"@AS@\", retries: 0, circuit_breaker: {{ failures: 1, open_for: 60s }} }}\n{}",
        one_route("")
    ));
    let status = |setup: &Setup| setup.gateway.admin_get("/api/status").json();
    assert_eq!(status(&setup)["configuration"]["last_reload"], json!(null));
    setup.get("good");
    setup.server.stop();
    setup.get("one");
    setup.get("two");
    let server = &status(&setup)["authorization_servers"][0];
    assert_eq!(server["circuit"], "open");
    assert_eq!(server["last_error"]["reason"], "as_unavailable", "not the open circuit: {server}");
    assert!(server["last_error"]["remedy"].as_str().is_some_and(|text| text.contains("doctor")));
    setup.reload("nonsense: 1");
    let reload = &status(&setup)["configuration"]["last_reload"];
    assert_eq!(reload["succeeded"], false);
    assert!(reload["problems"].to_string().contains("nonsense"), "{reload}");
}
