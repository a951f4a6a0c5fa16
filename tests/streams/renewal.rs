//! While a stream lives, its token's answer is renewed: one question for all streams of a token.

use super::{Kind, Stream, check_reason};
use crate::support::{Behaviour, Setup, active, now, wait_until};
use serde_json::json;
use std::time::{Duration, Instant};

fn config(cache: &str) -> String {
    format!(
        "cache: {{ {cache} }}\nroutes:\n  - {{ name: all, path: /*, upstream: \"@UPSTREAM@\" }}\n"
    )
}

#[test]
fn many_streams_of_a_token_ask_one_question_each_ttl() {
    let setup = Setup::start(&config("ttl: 1s"));
    let began = Instant::now();
    let mut streams: Vec<Stream> = (0..30)
        .map(|n| {
            let kind = if n % 2 == 0 { Kind::EventStream } else { Kind::WebSocket };
            Stream::open(&setup, kind, "/", "good")
        })
        .collect();
    wait_until("the answer is renewed", || setup.server.count_of("good") >= 4);
    let most = began.elapsed().as_secs() as usize + 2;
    let asked = setup.server.count_of("good");
    assert!(asked <= most, "{asked} questions in {:?}", began.elapsed());
    for stream in &mut streams {
        stream.goes_on_for(Duration::from_millis(1));
    }
    drop(streams);
    wait_until("no stream is left", || {
        setup.gateway.admin_get("/api/status").json()["streams"] == 0
    });
    let asked = setup.server.count_of("good");
    std::thread::sleep(Duration::from_millis(2500)); // for questions that must not come
    assert!(setup.server.count_of("good") <= asked + 1, "questions without a stream");
}

#[test]
fn a_failing_server_ends_nothing_before_exp() {
    for cache in ["ttl: 1s", "ttl: 1s, stale_if_error: 1s", "ttl: 0s"] {
        let setup = Setup::start(&config(cache));
        let exp = now() + 6;
        setup.server.answer("t", active(json!({ "sub": "alice", "exp": exp })));
        let streams =
            [Kind::EventStream, Kind::WebSocket].map(|kind| Stream::open(&setup, kind, "/", "t"));
        setup.server.behave("t", Behaviour::status(500));
        for stream in streams {
            let request_id = stream.request_id.clone();
            stream.ended();
            assert!(now() >= exp, "{cache}: a stream ended before `exp`");
            check_reason(&setup, &request_id, "expired");
        }
    }
}

#[test]
fn a_server_that_is_back_renews_the_answer() {
    let setup = Setup::start(&config("ttl: 1s, stale_if_error: 1h"));
    setup.server.answer("t", active(json!({ "sub": "alice" })));
    let mut stream = Stream::open(&setup, Kind::EventStream, "/", "t");
    setup.server.behave("t", Behaviour::status(500));
    let asked = setup.server.count_of("t");
    wait_until("the server fails", || setup.server.count_of("t") >= asked + 2);
    stream.goes_on_for(Duration::from_millis(1));
    setup.server.answer("t", json!({ "active": false }));
    let request_id = stream.request_id.clone();
    stream.ended();
    check_reason(&setup, &request_id, "inactive");
}

/// Without `exp` nothing else would end it.
#[test]
fn a_token_without_exp_outlives_a_failing_server_by_stale_if_error() {
    let setup = Setup::start(&config("ttl: 1s, stale_if_error: 2s"));
    setup.server.answer("t", active(json!({ "sub": "alice" })));
    let began = Instant::now();
    let stream = Stream::open(&setup, Kind::WebSocket, "/", "t");
    setup.server.behave("t", Behaviour::status(500));
    let request_id = stream.request_id.clone();
    let ended = stream.ended();
    assert!(ended - began >= Duration::from_secs(3), "{:?}", ended - began);
    check_reason(&setup, &request_id, "expired");
}
