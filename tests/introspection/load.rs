//! Protection of the authorization server: the circuit breaker and the bound on simultaneous calls.

use super::{MS, failed, plain};
use crate::support::{Behaviour, Connection, Setup};
use std::sync::Barrier;
use std::thread::sleep;

/// Contract §2, `circuit_breaker`: open after so many failures, half open after a while, closed by
/// a success.
#[test]
fn the_circuit_opens_and_closes() {
    let setup = Setup::server("retries: 0, circuit_breaker: { failures: 3, open_for: 600ms }");
    let state = || setup.gateway.metric("introgate_circuit_state{server=\"main\"}");
    setup.server.behave_for_all(Behaviour::status(500));
    for number in 0..3 {
        assert_eq!(setup.outcome(&format!("a-{number}")), failed("as_unavailable"));
    }
    assert_eq!(setup.outcome("b"), failed("as_circuit_open"));
    assert_eq!(setup.server.count(), 3, "no call while open");
    assert_eq!(state(), 2.0);

    sleep(MS(650));
    assert_eq!(setup.outcome("c"), failed("as_unavailable"), "one try when half open");
    assert_eq!(setup.outcome("d"), failed("as_circuit_open"), "which failed");
    assert_eq!(setup.server.count(), 4);

    setup.server.default_inactive();
    sleep(MS(650));
    assert_eq!(setup.get("good").status, 200);
    assert_eq!(setup.outcome("e"), (401, "inactive".into()));
    assert_eq!(state(), 0.0);
}

/// real-servers: only connection errors, time-outs, 5xx and 429 count for the breaker.
#[test]
fn a_client_cannot_open_the_circuit_with_garbage() {
    let setup = Setup::server("retries: 0, circuit_breaker: { failures: 2, open_for: 60s }");
    let json = [("Content-Type", "application/json")];
    let harmless = [
        Behaviour::respond(400, &json, r#"{"error":"unsupported_token_type"}"#),
        Behaviour::respond(400, &json, r#"{"error":"invalid_request"}"#),
        Behaviour::status(401),
        Behaviour::status(403),
        Behaviour::body("garbage"),
        Behaviour::inactive(),
    ];
    for behaviour in harmless {
        setup.server.behave_for_all(behaviour.clone());
        for number in 0..4 {
            let (_, reason) = setup.outcome(&format!("{number}-{}", setup.server.count()));
            assert_ne!(reason, "as_circuit_open", "{behaviour:?}");
        }
    }
    setup.server.default_inactive();
    assert_eq!(setup.get("good").status, 200);

    setup.server.behave_for_all(Behaviour::status(429));
    let reasons: Vec<_> = (0..3).map(|number| setup.outcome(&format!("429-{number}")).1).collect();
    assert_eq!(reasons, ["as_throttled", "as_throttled", "as_circuit_open"]);
}

fn ask_at_once(setup: &Setup, tokens: usize) -> Vec<(u16, String)> {
    let start = Barrier::new(tokens);
    let ask = |number: usize| {
        let bearer = format!("Bearer token-{number}");
        let mut connection = Connection::open(setup.gateway.port());
        start.wait();
        let response = connection.request("GET", "/", &[("Authorization", &bearer)], b"");
        let response = response.expect("an answer");
        (response.status, response.reason())
    };
    let ask = &ask;
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..tokens).map(|n| scope.spawn(move || ask(n))).collect();
        clients.into_iter().map(|client| client.join().expect("a client")).collect()
    })
}

/// Pitfall 26: further calls wait.
#[test]
fn simultaneous_calls_are_bounded() {
    let setup = plain("max_concurrent: 2");
    setup.server.behave_for_all(Behaviour::after(MS(100), Behaviour::inactive()));
    for outcome in ask_at_once(&setup, 10) {
        assert_eq!(outcome, (401, "inactive".into()));
    }
    assert_eq!((setup.server.count(), setup.server.concurrent_peak()), (10, 2));
}

/// Pitfall 26: but not for ever.
#[test]
fn a_call_that_waits_too_long_for_its_turn_is_503() {
    let setup = plain("max_concurrent: 1, timeout: 500ms");
    setup.server.behave_for_all(Behaviour::after(MS(300), Behaviour::inactive()));
    let outcomes = ask_at_once(&setup, 8);
    let overloaded = outcomes.iter().filter(|outcome| **outcome == failed("as_overloaded")).count();
    assert!(overloaded >= 4, "{outcomes:?}");
    assert!(outcomes.contains(&(401, "inactive".into())), "{outcomes:?}");
    // one that was given up may still keep the server busy for a moment
    assert!(setup.server.concurrent_peak() <= 2);
}
