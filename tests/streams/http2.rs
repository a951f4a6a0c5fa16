//! Over HTTP/2 the stream is reset, and its connection goes on.

use super::{Kind, PATIENCE};
use crate::support::http2::{Event, Http2};
use crate::support::{Setup, UpstreamBehaviour, wait_until};
use serde_json::json;
use std::time::Duration;

const YAML: &str = r#"
cache: { ttl: 1h }
listeners: [{ address: "127.0.0.1:@PORT@", protocols: [h2c] }]
routes:
  - { name: all, path: /*, upstream: "@UPSTREAM@" }
"#;

#[test]
fn a_stream_is_reset() {
    let setup = Setup::start(YAML);
    setup.upstream.behave(UpstreamBehaviour::Kept(Kind::EventStream.response()));
    let mut client = Http2::open(setup.gateway.port(), &[]);
    let request = |token| {
        [
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", "gateway.test"),
            ("authorization", token),
        ]
    };
    for (stream, token) in [(1, "Bearer good"), (3, "Bearer bare")] {
        client.headers(stream, &request(token), true).expect("a request is sent");
        let head = client.next(PATIENCE);
        assert_eq!(head, Some(Event::Head { stream, status: Some(200), end: false }));
        let data = client.next(PATIENCE);
        assert!(matches!(data, Some(Event::Data { end: false, .. })), "{data:?}");
    }
    let purge = json!({ "token": "good" });
    assert_eq!(setup.gateway.admin_post("/api/cache/purge", &purge).status, 200);
    let end = client.next(PATIENCE);
    assert!(matches!(end, Some(Event::Reset { stream: 1, .. })), "{end:?}");
    assert_eq!(client.next(Duration::from_millis(100)), None, "the other stream goes on");
    let sample = "introgate_streams_ended_total{reason=\"purged\",route=\"all\"}";
    wait_until("the end is counted", || setup.gateway.metric(sample) == 1.0);
}
