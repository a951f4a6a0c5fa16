//! The fake servers and the client are tested on one another, so that a test of the gateway can
//! trust them.

use crate::support::{
    AuthorizationServer, Behaviour, Connection, Upstream, UpstreamBehaviour, percent_decode,
};
use serde_json::json;
use std::time::{Duration, Instant};

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

fn introspect(connection: &mut Connection, body: &str) -> std::io::Result<(u16, String)> {
    let response = connection.request("POST", "/introspect", &[FORM], body.as_bytes())?;
    Ok((response.status, response.text()))
}

#[test]
fn the_authorization_server_answers_by_token_and_records_on_one_connection() {
    let server = AuthorizationServer::start();
    server.answer("a+b", json!({ "active": true }));
    server.behave_in_turn("turns", [Behaviour::status(503), Behaviour::inactive()]);
    let mut connection = Connection::open(server.port());

    let good = introspect(&mut connection, "token=a%2Bb").expect("an answer");
    assert_eq!(good, (200, r#"{"active":true}"#.to_owned()));
    let unknown = introspect(&mut connection, "token=other").expect("an answer");
    assert_eq!(unknown, (200, r#"{"active":false}"#.to_owned()));
    let turns: Vec<u16> =
        (0..3).map(|_| introspect(&mut connection, "token=turns").expect("an answer").0).collect();
    assert_eq!(turns, [503, 200, 200]);

    assert_eq!((server.count(), server.count_of("a+b"), server.connection_count()), (5, 1, 1));
    assert_eq!(server.last().token().as_deref(), Some("turns"));
    assert_eq!(server.concurrent_peak(), 1);
}

#[test]
fn the_authorization_server_misbehaves_as_scripted() {
    let server = AuthorizationServer::start();
    let ask = |behaviour: Behaviour| {
        server.behave_for_all(behaviour);
        introspect(&mut Connection::open(server.port()), "token=x")
    };
    assert!(ask(Behaviour::Close).is_err());
    assert!(ask(Behaviour::Raw(b"nonsense\r\n\r\n".to_vec())).is_err());
    let redirect = Behaviour::respond(302, &[("Location", "/elsewhere")], "gone");
    assert_eq!(ask(redirect).expect("an answer"), (302, "gone".to_owned()));

    let began = Instant::now();
    let slow = Behaviour::after(Duration::from_millis(80), Behaviour::body("[]"));
    assert_eq!(ask(slow).expect("an answer"), (200, "[]".to_owned()));
    assert!(began.elapsed() >= Duration::from_millis(80));
    let drip = Behaviour::Drip(json!(12345), Duration::from_millis(10));
    assert_eq!(ask(drip).expect("an answer"), (200, "12345".to_owned()));

    server.behave_for_all(Behaviour::Endless);
    let mut connection = Connection::open(server.port());
    connection.send(b"POST / HTTP/1.1\r\n\r\n").expect("send");
    assert!(connection.read_bytes(50_000).is_ok(), "more than any limit");
}

#[test]
fn the_authorization_server_drops_reused_connections_and_stops_and_starts() {
    let mut server = AuthorizationServer::start();
    server.one_answer_a_connection();
    let mut connection = Connection::open(server.port());
    assert!(introspect(&mut connection, "token=x").is_ok());
    assert!(introspect(&mut connection, "token=x").is_err());
    assert_eq!(server.count(), 2, "the unanswered one is recorded");

    server.stop();
    assert!(Connection::try_open(server.port()).is_err());
    server.start_again();
    assert!(introspect(&mut Connection::open(server.port()), "token=x").is_ok());
}

#[test]
fn the_upstream_echoes_its_request() {
    let upstream = Upstream::named("one");
    let mut connection = Connection::open(upstream.port());
    let headers = [("X-Two", "1"), ("x-two", "2")];
    let response = connection.request("PUT", "/a?b=c", &headers, b"four").expect("an echo");
    let echo = response.json();
    assert_eq!((&echo["upstream"], &echo["method"]), (&json!("one"), &json!("PUT")));
    assert_eq!((&echo["target"], &echo["body_length"]), (&json!("/a?b=c"), &json!(4)));
    assert_eq!(upstream.last().headers_all("X-TWO"), ["1", "2"]);

    let head = connection.request("HEAD", "/", &[], b"").expect("a head");
    assert_eq!((head.status, head.body.len()), (200, 0));
    upstream.behave(UpstreamBehaviour::Stream(vec!["a".into(), "bc".into()], Duration::ZERO));
    let streamed = connection.request("GET", "/", &[], b"").expect("a stream");
    assert_eq!(streamed.text(), "abc");
    assert_eq!((upstream.count(), upstream.connection_count()), (3, 1));
}

#[test]
fn the_upstream_upgrades_and_echoes_bytes() {
    let upstream = Upstream::start();
    let mut connection = Connection::open(upstream.port());
    let headers = [("Connection", "Upgrade"), ("Upgrade", "websocket")];
    let response = connection.request("GET", "/", &headers, b"").expect("101");
    assert_eq!((response.status, response.header("upgrade")), (101, Some("websocket")));
    connection.send(b"ping").expect("send");
    assert_eq!(connection.read_bytes(4).expect("the echo"), b"ping");
}

#[test]
fn escapes_are_decoded() {
    assert_eq!(percent_decode("a%20%C3%A4+b"), "a ä+b");
}
