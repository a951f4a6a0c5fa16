//! Every cause ends every kind of response.

use super::{KINDS, Kind, Stream, check_reason};
use crate::support::{Setup, active, now, wait_until};
use serde_json::{Value, json};
use std::time::Duration;

/// The answer is kept for long, so that nothing but the cause under test ends a stream.
const LONG: &str = r#"
cache: { ttl: 1h }
routes:
  - { name: all, path: /*, upstream: "@UPSTREAM@", scopes: [read], end_with_token: all }
  - { name: fresh, path: /fresh, upstream: "@UPSTREAM@", max_age: 1ms }
  - { name: off, path: /off, upstream: "@UPSTREAM@", end_with_token: off }
  - { name: public, path: /public, upstream: "@UPSTREAM@", auth: none, end_with_token: all }
  - { name: optional, path: /optional, upstream: "@UPSTREAM@", auth: optional, end_with_token: all }
  - { name: shadow, path: /shadow, upstream: "@UPSTREAM@", enforce: false, end_with_token: all }
"#;

/// Answers are renewed each second.
const SHORT: &str = r#"
cache: { ttl: 1s }
routes:
  - { name: all, path: /*, upstream: "@UPSTREAM@", scopes: [read], end_with_token: all }
"#;

fn good_with(member: &str, value: Value) -> Value {
    let mut answer = json!({ "sub": "alice", "client_id": "app", "jti": "j1", "scope": "read" });
    answer[member] = value;
    active(answer)
}

/// Opens a stream of each kind, carries out the cause and waits for all ends.
#[track_caller]
fn all_end(setup: &Setup, token: &str, reason: &str, cause: impl FnOnce()) {
    let streams = KINDS.map(|kind| Stream::open(setup, kind, "/", token));
    wait_until("all streams are counted", || {
        setup.gateway.admin_get("/api/status").json()["streams"] == KINDS.len()
    });
    cause();
    for stream in streams {
        let request_id = stream.request_id.clone();
        stream.ended();
        check_reason(setup, &request_id, reason);
    }
    let sample = format!("introgate_streams_ended_total{{reason=\"{reason}\",route=\"all\"}}");
    wait_until("all ends are counted", || setup.gateway.metric(&sample) == KINDS.len() as f64);
    assert_eq!(setup.gateway.admin_get("/api/status").json()["streams"], 0);
}

#[test]
fn exp_ends_streams() {
    let setup = Setup::start(LONG);
    let exp = now() + 5;
    setup.server.answer("t", good_with("exp", json!(exp)));
    all_end(&setup, "t", "expired", || {});
    assert!(now() >= exp, "a stream ended before `exp`");
    assert_eq!(setup.server.count_of("t"), 1);
}

#[test]
fn purges_end_streams() {
    for selector in [
        json!({ "token": "t" }),
        json!({ "sub": "alice" }),
        json!({ "client_id": "app" }),
        json!({ "jti": "j1" }),
        json!({ "all": true }),
    ] {
        let setup = Setup::start(LONG);
        setup.server.answer("t", good_with("sub", json!("alice")));
        setup.server.answer("other", active(json!({ "sub": "bob", "scope": "read" })));
        let mut other = Stream::open(&setup, Kind::EventStream, "/off", "other");
        let mut spared = Stream::open(&setup, Kind::EventStream, "/optional", "");
        all_end(&setup, "t", "purged", || {
            assert_eq!(setup.gateway.admin_post("/api/cache/purge", &selector).status, 200);
        });
        other.goes_on_for(Duration::from_millis(50));
        spared.goes_on_for(Duration::from_millis(50));
    }
}

#[test]
fn a_purge_of_another_token_ends_nothing() {
    let setup = Setup::start(LONG);
    let mut streams = KINDS.map(|kind| Stream::open(&setup, kind, "/", "good"));
    for selector in [json!({ "token": "bare" }), json!({ "sub": "bob" }), json!({ "jti": "x" })] {
        assert_eq!(setup.gateway.admin_post("/api/cache/purge", &selector).status, 200);
    }
    for stream in &mut streams {
        stream.goes_on_for(Duration::from_millis(300));
    }
}

#[test]
fn an_inactive_answer_ends_streams() {
    let setup = Setup::start(SHORT);
    setup.server.answer("t", good_with("sub", json!("alice")));
    all_end(&setup, "t", "inactive", || setup.server.answer("t", json!({ "active": false })));
}

#[test]
fn an_inactive_answer_to_another_request_ends_streams() {
    let setup = Setup::start(LONG);
    setup.server.answer("t", good_with("sub", json!("alice")));
    all_end(&setup, "t", "inactive", || {
        setup.server.answer("t", json!({ "active": false }));
        assert_eq!(setup.gateway.get_with("/fresh", "t").status, 401);
    });
}

#[test]
fn a_token_that_lost_its_scope_ends_its_streams() {
    let setup = Setup::start(SHORT);
    setup.server.answer("t", good_with("sub", json!("alice")));
    all_end(&setup, "t", "inactive", || {
        setup.server.answer("t", good_with("scope", json!("write")));
    });
}

#[test]
fn an_answer_with_another_binding_ends_streams() {
    let setup = Setup::start(SHORT);
    setup.server.answer("t", good_with("sub", json!("alice")));
    all_end(&setup, "t", "inactive", || {
        let jkt = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
        setup.server.answer("t", good_with("cnf", json!({ "jkt": jkt })));
    });
}

/// Streams that began under another configuration of the authorization server have another key in
/// the cache.
#[test]
fn a_purge_reaches_streams_from_before_a_reload() {
    let setup = Setup::start(LONG);
    setup.server.answer("t", good_with("sub", json!("alice")));
    all_end(&setup, "t", "purged", || {
        let servers = "authorization_servers: { main: { introspection_endpoint: \"@AS@\", headers: { X-New: yes } } }\n";
        setup.reload(&format!("{servers}{LONG}"));
        let purge = json!({ "token": "t" });
        assert_eq!(setup.gateway.admin_post("/api/cache/purge", &purge).status, 200);
    });
}

#[test]
fn nothing_ends_without_a_token_or_where_it_is_off() {
    let setup = Setup::start(LONG);
    let open = |path, token| KINDS.map(|kind| Stream::open(&setup, kind, path, token));
    let mut streams: Vec<Stream> =
        [("/off", "good"), ("/public", "good"), ("/optional", ""), ("/shadow", "good")]
            .into_iter()
            .flat_map(|(path, token)| open(path, token))
            .collect();
    // only event streams and upgrades are streams unless all responses are
    streams.extend(
        [Kind::Chunked, Kind::Length].map(|kind| Stream::open(&setup, kind, "/fresh", "good")),
    );
    assert_eq!(setup.gateway.admin_get("/api/status").json()["streams"], 0);
    let purge = json!({ "all": true });
    assert_eq!(setup.gateway.admin_post("/api/cache/purge", &purge).status, 200);
    for stream in &mut streams {
        stream.goes_on_for(Duration::from_millis(50));
    }
}

#[test]
fn event_streams_and_upgrades_end_unless_something_else_is_written() {
    let setup = Setup::start(LONG);
    let streams = [Kind::EventStream, Kind::Unframed, Kind::WebSocket]
        .map(|kind| Stream::open(&setup, kind, "/fresh", "good"));
    let purge = json!({ "all": true });
    assert_eq!(setup.gateway.admin_post("/api/cache/purge", &purge).status, 200);
    for stream in streams {
        stream.ended();
    }
}
