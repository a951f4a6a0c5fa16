//! RFC 8936: Poll-Based Security Event Token (SET) Delivery Using HTTP. Clauses without a test here
//! have theirs in `tests/security_events`.

use crate::security_events::World;
use crate::security_events::poll::{acknowledged, start};
use crate::support::{Behaviour, Request, wait_until};
use serde_json::{Value, json};

/// A gateway that polls the fake authorization server, which answers with this.
fn polling(keys: &str, response: Behaviour) -> World {
    let world = World::with(&format!(
        r#"
authorization_servers:
  main:
    introspection_endpoint: "@AS@"
    events: {{ issuer: "https://as.test", audience: ["https://gateway.test"], keys: [main.json], delivery: poll, poll_endpoint: "@AS_ORIGIN@/poll", poll_interval: 100ms, {keys} }}
  other:
    introspection_endpoint: "@AS@"
    headers: {{ X-Other: yes }}
routes:
  - {{ path: /*, upstream: "@UPSTREAM@", authorization_server: main }}
  - {{ path: /other, upstream: "@UPSTREAM@", authorization_server: other }}
"#
    ));
    world.setup.server.publish("/poll", response);
    world
}

fn no_events() -> Behaviour {
    Behaviour::Json(json!({ "sets": {} }))
}

impl World {
    /// The polls that came once there was a response.
    fn requests(&self) -> Vec<Request> {
        self.setup.server.requests_of_path("/poll")
    }

    /// The result of a poll that began after the response was changed to this one.
    #[track_caller]
    fn result_of(&self, response: Behaviour) -> &'static str {
        self.setup.server.publish("/poll", response);
        let count = || self.requests().len();
        let before = count();
        // the one in flight may still have the response before
        wait_until("two more polls", || count() >= before + 2);
        let results =
            ["empty", "events", "bad_response", "rejected_us", "throttled", "unavailable"];
        let counts = || results.map(|result| self.polls(result));
        let before = counts();
        wait_until("one more is counted", || counts() != before);
        let after = counts();
        let grown = results.iter().zip(before.iter().zip(after)).find(|(_, (b, a))| a > *b);
        grown.map_or("none", |(result, _)| result)
    }
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).expect("JSON")
}

/// §2.2: a POST of JSON; §2.4.1: the first request acknowledges nothing.
#[test]
fn section_2_2_the_request() {
    let world = polling("", no_events());
    wait_until("it polls", || world.requests().len() >= 3);
    for request in world.requests() {
        assert_eq!(request.method, "POST");
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("accept"), Some("application/json"));
        let body = body(&request);
        let members: Vec<&String> = body.as_object().expect("an object").keys().collect();
        assert_eq!(members, ["returnImmediately", "maxEvents"], "nothing to acknowledge: {body}");
        assert!(body["returnImmediately"].is_boolean() && body["maxEvents"].is_u64(), "{body}");
    }
}

/// §2.2: without `returnImmediately` a transmitter may hold a poll; it is asked for an answer at
/// once only at the start and after a failure.
#[test]
fn section_2_2_return_immediately() {
    let world = polling("", no_events());
    wait_until("it polls", || world.requests().len() >= 3);
    let at_once = |request: &Request| body(request)["returnImmediately"] == true;
    wait_until("it polls for long", || world.requests().last().is_some_and(|r| !at_once(r)));
    assert_eq!(world.result_of(Behaviour::status(500)), "unavailable");
    wait_until("it asks for an answer at once", || world.requests().last().is_some_and(at_once));
}

/// §2.3: `sets` is always there, an object of texts by `jti`; `moreAvailable` may be missing.
#[test]
fn section_2_3_the_response() {
    let world = polling("", no_events());
    wait_until("it polls", || world.polls("empty") >= 1.0);
    let json = Behaviour::Json;
    for (response, result) in [
        (json(json!({ "sets": {} })), "empty"),
        (json(json!({ "sets": {}, "moreAvailable": false })), "empty"),
        (json(json!({ "sets": {}, "moreAvailable": true })), "empty"),
        (json(json!({ "sets": {}, "urn:example:more": [1] })), "empty"),
        (json(json!({ "sets": { "j": "no token" } })), "events"),
        (Behaviour::status(202), "empty"),
        (Behaviour::status(204), "empty"),
        (Behaviour::status(200), "bad_response"),
        (json(json!({})), "bad_response"),
        (json(json!({ "active": false })), "bad_response"),
        (json(json!({ "moreAvailable": false })), "bad_response"),
        (json(json!({ "sets": null })), "bad_response"),
        (json(json!({ "sets": [] })), "bad_response"),
        (json(json!({ "sets": {}, "moreAvailable": "no" })), "bad_response"),
        (json(json!([])), "bad_response"),
        (Behaviour::body(r#"{"sets":{},"sets":{}}"#), "bad_response"),
        (Behaviour::body("<html>"), "bad_response"),
    ] {
        let shown = format!("{response:?}");
        assert_eq!(world.result_of(response), result, "{shown}");
    }
}

/// §2.4.3: an event is acknowledged in the next request, and in no other.
#[test]
fn section_2_4_3_acknowledgement() {
    let (transmitter, world) = start("poll_interval: 100ms");
    for (jti, sub) in [("a", "alice"), ("b", "bob")] {
        transmitter.send(jti, &world.revocation(jti, sub));
        acknowledged(&transmitter, jti);
    }
    wait_until("it polls on", || {
        transmitter.state().polls.last().is_some_and(|(poll, _)| poll.get("ack").is_none())
    });
    let state = transmitter.state();
    assert_eq!(state.acknowledged, ["a", "b"]);
    assert!(state.polls.iter().all(|(poll, _)| poll.get("setErrs").is_none()));
    drop(state);
    assert_eq!(world.asked_again(), ["alice-1", "alice-2", "bob-1"]);
}

/// §2.4.4: `setErrs` has `err` and `description`, in the language that the request names; each
/// event is reported in one place.
#[test]
fn section_2_4_4_acknowledgement_and_errors() {
    let world = polling("", no_events());
    let sets = json!({ "good": world.revocation("good", "alice"), "bad": "no token" });
    let turns = [Behaviour::Json(json!({ "sets": sets })), no_events()];
    let before = world.requests().len();
    world.setup.server.publish_in_turn("/poll", turns);
    let report = |request: &Request| body(request).get("setErrs").is_some();
    wait_until("it is reported", || world.requests()[before..].iter().any(report));
    wait_until("it polls on", || world.requests().last().is_some_and(|last| !report(last)));
    let requests = world.requests();
    let reports: Vec<&Request> = requests.iter().filter(|request| report(request)).collect();
    let [request] = &*reports else { panic!("one report: {reports:?}") };
    assert_eq!(request.header("content-language"), Some("en"));
    let body = body(request);
    assert_eq!(body["ack"], json!(["good"]));
    let error = &body["setErrs"]["bad"];
    assert_eq!(body["setErrs"].as_object().map(|errors| errors.len()), Some(1), "{body}");
    assert_eq!(error["err"], "invalid_request");
    assert!(error["description"].is_string(), "{error}");
    assert_eq!(error.as_object().map(|error| error.len()), Some(2));
    assert_eq!(world.asked_again(), ["alice-1", "alice-2"]);
}

/// §2.5.1: the request failed as a whole; nothing was acknowledged by it, and it is repeated.
#[test]
fn section_2_5_1_error_responses() {
    let world = polling("", no_events());
    wait_until("it polls", || world.polls("empty") >= 1.0);
    for (status, result) in [
        (400, "bad_response"),
        (401, "rejected_us"),
        (403, "rejected_us"),
        (404, "bad_response"),
        (429, "throttled"),
        (500, "unavailable"),
        (503, "unavailable"),
    ] {
        assert_eq!(world.result_of(Behaviour::status(status)), result, "{status}");
        let error = world.events_status()["last_error"].clone();
        assert!(error["detail"].as_str().is_some_and(|text| text.contains("poll")), "{error}");
    }
    let sets = json!({ "e1": world.revocation("e1", "carol") });
    let turns = [
        Behaviour::Json(json!({ "sets": sets })),
        Behaviour::status(500),
        Behaviour::status(503),
        no_events(),
    ];
    let before = world.requests().len();
    world.setup.server.publish_in_turn("/poll", turns);
    let acknowledges = |request: &&Request| body(request)["ack"] == json!(["e1"]);
    wait_until("it is acknowledged until that succeeds", || {
        world.requests()[before..].iter().filter(acknowledges).count() == 3
    });
    wait_until("it polls on", || world.requests().last().is_some_and(|r| !acknowledges(&r)));
    assert_eq!(world.requests()[before..].iter().filter(acknowledges).count(), 3);
    assert_eq!(world.asked_again(), ["carol-1"]);
}

/// §3: by the means of OAuth or HTTP that both sides agreed on.
#[test]
fn section_3_authentication() {
    for (auth, expected) in [
        ("{ method: none }", None),
        ("{ method: bearer, token: t0ken }", Some("Bearer t0ken")),
        ("{ method: client_secret_basic, client_id: a, client_secret: b }", Some("Basic YTpi")),
    ] {
        let world = polling(&format!("client_auth: {auth}"), no_events());
        wait_until("it polls", || !world.requests().is_empty());
        assert_eq!(world.requests()[0].header("authorization"), expected, "{auth}");
    }
}
