//! SIGTERM: requests in flight end, within a limit; an idle gateway goes at once.

use crate::support::{
    Behaviour, Connection, Setup, UpstreamBehaviour, one_route, request_bytes, wait_until,
};
use serde_json::json;
use std::time::{Duration, Instant};

fn start_request(setup: &Setup, token: &str) -> Connection {
    let mut connection = setup.gateway.connect();
    let bearer = format!("Bearer {token}");
    connection.send(&request_bytes("GET", "/", &[("Authorization", &bearer)], b"")).expect("send");
    connection
}

#[test]
fn an_idle_gateway_ends_quickly_and_well() {
    let mut setup = Setup::route("");
    // an idle connection that is kept alive holds nothing up
    let mut idle = setup.gateway.connect();
    assert_eq!(idle.request("GET", "/", &[], b"").expect("an answer").status, 401);
    let began = Instant::now();
    let status = setup.gateway.terminate();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn requests_in_flight_are_finished() {
    let mut setup = Setup::route("");
    setup.upstream.behave(UpstreamBehaviour::EchoAfter(Duration::from_millis(800)));
    let good = Behaviour::Json(json!({ "active": true }));
    setup.server.behave("slow", Behaviour::after(Duration::from_millis(400), good));
    let mut first = start_request(&setup, "good");
    let mut second = start_request(&setup, "slow");
    wait_until("both are under way", || setup.upstream.count() == 1 && setup.server.count() == 2);
    setup.gateway.sigterm();
    for connection in [&mut first, &mut second] {
        assert_eq!(connection.read_response("GET").expect("an answer").status, 200);
    }
    let status = setup.gateway.wait_for_exit(Duration::from_secs(5));
    assert_eq!(status.code(), Some(0));
}

/// New clients are turned away while the last requests end.
#[test]
fn no_new_connections_are_taken_while_ending() {
    let mut setup = Setup::route("");
    setup.upstream.behave(UpstreamBehaviour::EchoAfter(Duration::from_millis(1500)));
    let mut last = start_request(&setup, "good");
    wait_until("it is under way", || setup.upstream.count() == 1);
    setup.gateway.sigterm();
    let port = setup.gateway.port();
    wait_until("the listener closes", || {
        let answer = Connection::try_open(port)
            .and_then(|mut connection| connection.request("GET", "/", &[], b""));
        answer.is_err()
    });
    assert_eq!(last.read_response("GET").expect("an answer").status, 200);
    setup.gateway.wait_for_exit(Duration::from_secs(5));
}

/// Contract §2, `shutdown_timeout`.
#[test]
fn a_request_that_never_ends_does_not_hold_the_gateway_for_ever() {
    let mut setup = Setup::start(&format!("shutdown_timeout: 500ms\n{}", one_route("")));
    setup.upstream.behave(UpstreamBehaviour::Hang);
    let _hanging = start_request(&setup, "good");
    wait_until("it is under way", || setup.upstream.count() == 1);
    let began = Instant::now();
    setup.gateway.terminate();
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(400) && took < Duration::from_secs(4), "{took:?}");
}
