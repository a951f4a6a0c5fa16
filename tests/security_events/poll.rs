//! `delivery: poll` (RFC 8936): events end answers, and none is lost.

use super::transmitter::Transmitter;
use super::{CAEP, World, but, iss_sub};
use crate::jwt::Signer;
use crate::support::{wait_until, wait_within};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A gateway that polls this transmitter for the events of `main`.
pub fn config(transmitter: &Transmitter, keys: &str) -> String {
    let endpoint = transmitter.poll_endpoint();
    format!(
        r#"
authorization_servers:
  main:
    introspection_endpoint: "@AS@"
    events: {{ issuer: "https://as.test", audience: ["https://gateway.test"], keys: [main.json], delivery: poll, poll_endpoint: "{endpoint}", {keys} }}
  other:
    introspection_endpoint: "@AS@"
    headers: {{ X-Other: yes }}
routes:
  - {{ path: /*, upstream: "@UPSTREAM@", authorization_server: main }}
  - {{ path: /other, upstream: "@UPSTREAM@", authorization_server: other }}
"#
    )
}

pub fn start(keys: &str) -> (Transmitter, World) {
    let transmitter = Transmitter::start(Signer::p256("transmitter"));
    let world = World::with(&config(&transmitter, keys));
    (transmitter, world)
}

impl World {
    /// A session-revoked event for this subject, under this `jti`.
    pub fn revocation(&self, jti: &str, sub: &str) -> String {
        let claims = self.claims(&format!("{CAEP}/session-revoked"), iss_sub(sub));
        self.event(&but(claims, json!({ "jti": jti })))
    }

    /// Of `main` in the status.
    pub fn events_status(&self) -> Value {
        let status = self.setup.gateway.admin_get("/api/status").json();
        let servers = status["authorization_servers"].as_array().expect("servers").clone();
        let main = servers.iter().find(|server| server["name"] == "main");
        main.expect("main")["events"].clone()
    }

    pub fn polls(&self, result: &str) -> f64 {
        let sample = format!("introgate_event_polls_total{{server=\"main\",result=\"{result}\"}}");
        self.setup.gateway.metric(&sample)
    }
}

#[track_caller]
pub fn acknowledged(transmitter: &Transmitter, jti: &str) {
    wait_until(&format!("{jti} is acknowledged"), || {
        transmitter.acknowledged().iter().any(|acknowledged| acknowledged == jti)
    });
}

#[test]
fn an_event_ends_the_answers_that_it_names_at_once() {
    let (transmitter, world) = start("poll_interval: 30s");
    wait_until("a poll is held", || {
        transmitter.state().polls.iter().any(|(poll, _)| poll["returnImmediately"] == false)
    });
    let began = Instant::now();
    transmitter.send("e1", &world.revocation("e1", "alice"));
    acknowledged(&transmitter, "e1");
    assert!(began.elapsed() < Duration::from_secs(10), "far sooner than poll_interval");
    assert_eq!(world.asked_again(), ["alice-1", "alice-2"]);
    assert_eq!(world.metric("server=\"main\",result=\"accepted\""), 1.0);
    let status = world.events_status();
    assert_eq!(status["delivery"], "poll");
    assert_eq!(status["role"], "this gateway calls the transmitter");
    assert!(status["last_poll"].is_i64() && status["last_event"].is_i64(), "{status}");
    assert_eq!(status["last_error"], Value::Null);
    let page = world.setup.gateway.admin_get("/").text();
    assert!(page.contains("this gateway calls the transmitter"), "the status page");
    let log = world.setup.gateway.log_with("security events were fetched");
    assert!(!log.contains("alice"), "no subject is in the log");
    assert!(world.setup.gateway.metric("introgate_event_last_poll_timestamp_seconds") > 0.0);
    // a device that does not comply any more; and one that does again
    let device = |jti: &str, status: &str| {
        let uri = format!("{CAEP}/device-compliance-change");
        let claims = world.claims(&uri, iss_sub("bob"));
        let events = json!({ uri: { "previous_status": "compliant", "current_status": status } });
        world.event(&but(claims, json!({ "jti": jti, "events": events })))
    };
    transmitter.send("d1", &device("d1", "compliant"));
    acknowledged(&transmitter, "d1");
    assert_eq!(world.asked_again(), [""; 0]);
    transmitter.send("d2", &device("d2", "not-compliant"));
    acknowledged(&transmitter, "d2");
    assert_eq!(world.asked_again(), ["bob-1"]);
}

/// A transmitter that never holds a poll is asked each `poll_interval`, not in a busy loop.
#[test]
fn short_polls_have_an_interval() {
    let (transmitter, world) = start("poll_interval: 300ms");
    transmitter.state().short = true;
    wait_until("it was polled", || transmitter.state().polls.len() > 3);
    let before = transmitter.state().polls.len();
    std::thread::sleep(Duration::from_secs(2));
    let polls = transmitter.state().polls.len() - before;
    assert!(polls <= 8, "{polls} polls in two seconds");
    transmitter.send("e1", &world.revocation("e1", "bob"));
    acknowledged(&transmitter, "e1");
    assert_eq!(world.asked_again(), ["bob-1"]);
}

/// `maxEvents` and `moreAvailable`: a long queue is fetched without a pause.
#[test]
fn a_long_queue_is_fetched_in_parts_without_a_pause() {
    let (transmitter, world) = start("poll_interval: 60s");
    for n in 0..250 {
        let (jti, sub) = (format!("e{n}"), if n == 249 { "carol" } else { "dora" });
        transmitter.send(&jti, &world.revocation(&jti, sub));
    }
    acknowledged(&transmitter, "e249");
    let state = transmitter.state();
    assert_eq!(state.acknowledged.len(), 250);
    assert!(state.polls.iter().all(|(poll, _)| poll["maxEvents"] == 100));
    drop(state);
    assert_eq!(world.asked_again(), ["carol-1"]);
}

/// Events that the gateway did not acknowledge are sent again after its restart, with those of the
/// meantime; an event that is older than `max_age` still counts.
#[test]
fn nothing_is_lost_over_a_restart_or_a_reload() {
    let (transmitter, mut world) = start("poll_interval: 1s, max_age: 1m");
    world.setup.gateway.kill();
    let claims = world.claims(&format!("{CAEP}/session-revoked"), iss_sub("alice"));
    let old = but(claims, json!({ "jti": "old", "iat": crate::support::now() - 7200 }));
    transmitter.send("old", &world.event(&old));
    transmitter.send("bad", "no token");
    let again = World::signed_by(world.signer.clone(), &config(&transmitter, "poll_interval: 1s"));
    acknowledged(&transmitter, "old");
    wait_until("the other is refused", || !transmitter.state().refused.is_empty());
    assert_eq!(again.metric("server=\"main\",result=\"accepted\""), 1.0, "it counted");
    // the event came before or after the first answers about alice: have them all from now on
    again.asked_again();
    // a reload in the middle of a held poll
    for n in 0..5 {
        let jti = format!("r{n}");
        again.setup.reload(&format!("{}realm: r{n}\n", config(&transmitter, "poll_interval: 1s")));
        transmitter.send(&jti, &again.revocation(&jti, "bob"));
        acknowledged(&transmitter, &jti);
        assert_eq!(again.asked_again(), ["bob-1"], "{jti}");
    }
}

/// Where acknowledgements are lost, or a transmitter repeats and reorders: an event counts once.
#[test]
fn events_that_come_again_are_acknowledged_again() {
    let (transmitter, world) = start("poll_interval: 200ms");
    transmitter.state().forgets_acknowledgements = true;
    for (jti, sub) in [("a", "alice"), ("b", "bob")] {
        transmitter.send(jti, &world.revocation(jti, sub));
    }
    acknowledged(&transmitter, "b");
    world.asked_again();
    transmitter.state().events.reverse();
    wait_until("they came several times", || {
        transmitter.acknowledged().iter().filter(|jti| **jti == "a").count() > 3
    });
    assert_eq!(world.asked_again(), [""; 0]);
    let polls = |transmitter: &Transmitter| transmitter.state().polls.len();
    let before = polls(&transmitter);
    std::thread::sleep(Duration::from_secs(1));
    assert!(polls(&transmitter) - before <= 12, "no busy loop");
    assert!(world.metric("server=\"main\",result=\"replayed\"") > 2.0);
    transmitter.state().forgets_acknowledgements = false;
    wait_until("all are acknowledged", || transmitter.state().events.is_empty());
    transmitter.send("c", &world.revocation("c", "carol"));
    acknowledged(&transmitter, "c");
    assert_eq!(world.asked_again(), ["carol-1"]);
}

/// The gateway's own token: fetched, and renewed once after a 401.
#[test]
fn the_own_token_is_renewed_after_a_401() {
    let transmitter = Transmitter::start(Signer::p256("transmitter"));
    let auth = format!(
        "poll_interval: 200ms, client_auth: {{ method: client_credentials, client_id: gateway, client_secret: hidden-secret, token_endpoint: \"{}\" }}",
        transmitter.token_endpoint()
    );
    let world = World::with(&config(&transmitter, &auth));
    wait_until("it polls", || !transmitter.state().polls.is_empty());
    transmitter.state().failures.push_back((401, ""));
    transmitter.send("e1", &world.revocation("e1", "bob"));
    acknowledged(&transmitter, "e1");
    assert_eq!(world.asked_again(), ["bob-1"]);
    let state = transmitter.state();
    assert_eq!(state.tokens, 2);
    assert!(state.credentials.contains(&Some("Bearer own-2".into())), "{:?}", state.credentials);
    drop(state);
    assert_eq!(world.polls("rejected_us"), 0.0);
    // and where every token is refused, the operator reads it
    transmitter.state().failures.extend([(401, ""); 6]);
    wait_until("the refusal is counted", || world.polls("rejected_us") > 0.0);
    let log = world.setup.gateway.log_with("security events cannot be fetched");
    assert!(log.contains("status 401") && !log.contains("hidden-secret") && !log.contains("own-"));
    wait_until("it polls again", || world.events_status()["last_error"].is_null());
    world.setup.gateway.log_with("security events are fetched again");
}

#[test]
fn a_transmitter_that_fails_is_asked_again_with_pauses() {
    let (transmitter, world) = start("poll_interval: 400ms");
    wait_until("it polls", || !transmitter.state().polls.is_empty());
    transmitter.state().failures.extend([
        (500, ""),
        (503, "Retry-After: 2\r\n"),
        (302, "Location: /x\r\n"),
    ]);
    let began = Instant::now();
    transmitter.send("e1", &world.revocation("e1", "alice"));
    acknowledged(&transmitter, "e1");
    assert!(began.elapsed() >= Duration::from_secs(2), "Retry-After holds");
    assert_eq!(world.asked_again(), ["alice-1", "alice-2"]);
    wait_until("all are counted", || world.polls("bad_response") >= 1.0);
    assert_eq!((world.polls("unavailable"), world.polls("bad_response")), (2.0, 1.0));
}

/// It can be stopped at any time, and is found again within `poll_interval`.
#[test]
fn a_transmitter_that_comes_back_is_found_again() {
    let (mut transmitter, world) = start("poll_interval: 500ms");
    wait_until("it polls", || !transmitter.state().polls.is_empty());
    transmitter.stop();
    wait_until("the failure is counted", || world.polls("unavailable") >= 4.0);
    let error = world.events_status()["last_error"].clone();
    assert!(error["detail"].as_str().is_some_and(|detail| detail.contains("/poll")), "{error}");
    transmitter.send("e1", &world.revocation("e1", "alice"));
    transmitter.start_again(Signer::p256("transmitter"));
    wait_within(Duration::from_secs(5), "the event takes effect", || {
        transmitter.acknowledged().len() == 1
    });
    assert_eq!(world.asked_again(), ["alice-1", "alice-2"]);
}
