//! `transmitter`: the stream is found or created, verified, and its state shown (SSF 1.0 §8).

use super::poll::acknowledged;
use super::transmitter::Transmitter;
use super::{AUDIENCE, World, but, iss_sub};
use crate::jwt::Signer;
use crate::support::wait_until;
use serde_json::{Value, json};

pub fn config(transmitter: &Transmitter, keys: &str) -> String {
    let issuer = transmitter.issuer();
    format!(
        r#"
authorization_servers:
  main:
    introspection_endpoint: "@AS@"
    issuer: "https://as.test"
    events: {{ audience: ["{AUDIENCE}"], transmitter: "{issuer}", {keys} }}
  other: {{ introspection_endpoint: "@AS@", headers: {{ X-Other: yes }} }}
routes:
  - {{ path: /*, upstream: "@UPSTREAM@", authorization_server: main }}
  - {{ path: /other, upstream: "@UPSTREAM@", authorization_server: other }}
"#
    )
}

pub const POLL: &str = "delivery: poll, poll_interval: 300ms";

pub fn start(keys: &str, prepare: impl FnOnce(&Transmitter)) -> (Transmitter, World) {
    let signer = Signer::p256("transmitter");
    let transmitter = Transmitter::start(signer.clone());
    prepare(&transmitter);
    let world = World::signed_by(signer, &config(&transmitter, keys));
    (transmitter, world)
}

pub fn revocation(transmitter: &Transmitter, world: &World, jti: &str, sub: &str) -> String {
    let uri = format!("{}/session-revoked", super::CAEP);
    let claims = world.claims(&uri, iss_sub(sub));
    world.event(&but(claims, json!({ "iss": transmitter.issuer(), "jti": jti })))
}

#[track_caller]
pub fn failure_with(world: &World, text: &str) {
    wait_until(text, || {
        let error = world.events_status()["last_error"].clone();
        error["detail"].as_str().is_some_and(|detail| detail.contains(text))
    });
}

#[test]
fn a_stream_is_created_verified_and_taken_up_again() {
    let (transmitter, mut world) = start(POLL, |_| {});
    transmitter.send("e1", &revocation(&transmitter, &world, "e1", "alice"));
    acknowledged(&transmitter, "e1");
    assert_eq!(world.asked_again(), ["alice-1", "alice-2"]);
    let created = transmitter.calls("POST", "/streams");
    assert_eq!(created.len(), 1);
    assert_eq!(created[0]["delivery"], json!({ "method": "urn:ietf:rfc:8936" }));
    let requested = created[0]["events_requested"].as_array().expect("events");
    assert!(requested.contains(&json!(format!("{}/session-revoked", super::CAEP))));
    assert!(transmitter.calls("POST", "/subjects").is_empty());
    wait_until("it is verified", || world.events_status()["stream"]["verified_at"].is_i64());
    let stream = world.events_status()["stream"].clone();
    assert_eq!((&stream["id"], &stream["status"]), (&json!("stream-1"), &json!("enabled")));
    assert_eq!(stream["verification_overdue"], false);
    assert_eq!(world.setup.gateway.metric("introgate_event_stream_enabled"), 1.0);

    // another stream, of another receiver; ours has changed
    world.setup.gateway.kill();
    let mut state = transmitter.state();
    let mut strange = state.streams[0].clone();
    strange["aud"] = json!("https://stranger.test");
    strange["stream_id"] = json!("strange");
    state.streams[0]["events_requested"] = json!(["urn:example:other"]);
    state.streams.insert(0, strange);
    drop(state);
    let again = World::signed_by(world.signer.clone(), &config(&transmitter, POLL));
    transmitter.send("e2", &revocation(&transmitter, &again, "e2", "bob"));
    acknowledged(&transmitter, "e2");
    assert_eq!(again.asked_again(), ["bob-1"]);
    assert_eq!(transmitter.calls("POST", "/streams").len(), 1, "none is created");
    let updated = transmitter.calls("PATCH", "/streams");
    assert_eq!(updated.len(), 1);
    assert_eq!(updated[0]["stream_id"], "stream-1");
    assert_eq!(again.events_status()["stream"]["id"], "stream-1");
}

#[test]
fn a_stream_that_is_gone_is_created_again() {
    let (transmitter, world) = start(POLL, |_| {});
    wait_until("it polls", || !transmitter.state().polls.is_empty());
    let mut state = transmitter.state();
    state.streams.clear();
    state.failures.push_back((404, ""));
    drop(state);
    wait_until("there is a new one", || transmitter.calls("POST", "/streams").len() == 2);
    transmitter.send("e1", &revocation(&transmitter, &world, "e1", "carol"));
    acknowledged(&transmitter, "e1");
    assert_eq!(world.asked_again(), ["carol-1"]);
    assert_eq!(world.events_status()["stream"]["id"], "stream-2");
}

/// SSF 1.0 §7.1.1: where streams begin without subjects, the whole tenant is added.
#[test]
fn subjects_are_added_where_there_are_none() {
    let (transmitter, _world) = start(POLL, |transmitter| {
        let none = json!({ "default_subjects": "NONE" });
        transmitter.state().configuration = none.as_object().expect("an object").clone();
    });
    wait_until("it polls", || !transmitter.state().polls.is_empty());
    let tenant =
        json!({ "format": "complex", "tenant": { "format": "uri", "uri": "https://as.test" } });
    let expected = json!({ "stream_id": "stream-1", "verified": true, "subject": tenant });
    assert_eq!(transmitter.calls("POST", "/subjects"), [expected]);
}

#[test]
fn paused_and_disabled_streams_are_reported_in_words() {
    let (transmitter, world) = start(POLL, |transmitter| {
        transmitter.state().status = json!({ "status": "paused", "reason": "maintenance" });
    });
    let log = world.setup.gateway.log_with("the event stream changed its status");
    assert!(log.contains("paused") && log.contains("maintenance"), "{log}");
    let stream = world.events_status()["stream"].clone();
    assert_eq!((&stream["status"], &stream["reason"]), (&json!("paused"), &json!("maintenance")));
    assert!(stream["meaning"].as_str().is_some_and(|text| text.contains("holds events back")));
    assert_eq!(world.setup.gateway.metric("introgate_event_stream_enabled"), 0.0);
    let page = world.setup.gateway.admin_get("/").text();
    assert!(page.contains("holds events back") && page.contains("maintenance"));

    let uri = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated";
    let updated = |jti: &str, status: &str| {
        let claims = world.claims(uri, json!({ "format": "opaque", "id": "stream-1" }));
        let events = json!({ uri: { "status": status, "reason": "by the operator" } });
        let of = json!({ "iss": transmitter.issuer(), "jti": jti, "events": events });
        world.event(&but(claims, of))
    };
    transmitter.send("s1", &updated("s1", "disabled"));
    acknowledged(&transmitter, "s1");
    assert_eq!(world.events_status()["stream"]["status"], "disabled");
    transmitter.send("s2", &updated("s2", "enabled"));
    acknowledged(&transmitter, "s2");
    assert_eq!(world.events_status()["stream"]["status"], "enabled");
    assert_eq!(world.setup.gateway.metric("introgate_event_stream_enabled"), 1.0);
    assert_eq!(world.asked_again(), [""; 0]);
}

#[test]
fn a_verification_event_that_does_not_come_is_reported() {
    let keys = format!("{POLL}, verify_every: 1s");
    let (transmitter, world) = start(&keys, |transmitter| {
        transmitter.state().does_not_verify = true;
    });
    world.setup.gateway.log_with("did not deliver its verification event");
    assert_eq!(world.events_status()["stream"]["verification_overdue"], true);
    assert_eq!(world.setup.gateway.metric("introgate_event_verification_overdue"), 1.0);
    transmitter.state().does_not_verify = false;
    wait_until("it is verified", || {
        world.events_status()["stream"]["verification_overdue"] == false
    });
    assert_eq!(world.setup.gateway.metric("introgate_event_verification_overdue"), 0.0);
}

/// Transmitters limit how often one may be asked for, Keycloak to one in a minute: after a restart
/// the first question comes too early, which is no fault of the stream.
#[test]
fn a_verification_that_may_not_be_asked_for_yet_is_not_overdue() {
    let keys = format!("{POLL}, verify_every: 1s");
    let (transmitter, world) = start(&keys, |transmitter| {
        transmitter.state().refuses_to_verify = Some(429);
    });
    wait_until("it is asked for again", || transmitter.calls("POST", "/verify").len() >= 3);
    let status = world.events_status();
    assert_eq!(status["stream"]["verification_overdue"], false, "{status}");
    assert_eq!(status["last_error"], Value::Null);
    assert_eq!(world.setup.gateway.metric("introgate_event_verification_overdue"), 0.0);
    transmitter.state().refuses_to_verify = None;
    wait_until("it is verified", || world.events_status()["stream"]["verified_at"].is_i64());
}

/// Every fault of a stream is reported in words, and the call is retried.
#[test]
fn streams_that_cannot_be_used() {
    let (transmitter, world) = start(POLL, |transmitter| {
        transmitter.state().audience = "https://else.test".into();
    });
    failure_with(&world, "the stream's `aud` is `https://else.test`");
    let mut state = transmitter.state();
    state.streams.clear();
    state.audience = AUDIENCE.into();
    drop(state);
    wait_until("it polls", || !transmitter.state().polls.is_empty());
    assert_eq!(world.events_status()["last_error"], Value::Null);
    for (configuration, words) in [
        (json!({ "issuer": "https://else.test" }), "`issuer` is not the configured one"),
        (json!({ "configuration_endpoint": null }), "has no `configuration_endpoint`"),
        (json!({ "configuration_endpoint": "http://as.test/x" }), "is not an https URL"),
        (json!({ "delivery_methods_supported": ["urn:ietf:rfc:8935"] }), "does not offer delivery"),
        (
            json!({ "default_subjects": "NONE", "add_subject_endpoint": null }),
            "begin without subjects",
        ),
    ] {
        transmitter.state().configuration = configuration.as_object().expect("an object").clone();
        world.setup.reload(&format!("{}realm: again\n", config(&transmitter, POLL)));
        failure_with(&world, words);
    }
    transmitter.state().configuration.clear();
    wait_until("it works again", || world.events_status()["last_error"].is_null());
}

/// With `delivery: push` the stream's events come to `/api/events` of `public_url`.
#[test]
fn a_stream_may_be_pushed() {
    let signer = Signer::p256("transmitter");
    let transmitter = Transmitter::start(signer.clone());
    let yaml =
        format!("public_url: https://gateway.test\n{}", config(&transmitter, "verify_every: 1h"));
    let world = World::signed_by(signer, &yaml);
    wait_until("the stream is created", || !transmitter.calls("POST", "/streams").is_empty());
    let delivery = &transmitter.calls("POST", "/streams")[0]["delivery"];
    assert_eq!(
        *delivery,
        json!({ "method": "urn:ietf:rfc:8935", "endpoint_url": "https://gateway.test/api/events" })
    );
    let event = revocation(&transmitter, &world, "e1", "alice");
    assert_eq!(world.push(&event).status, 202);
    assert_eq!(world.asked_again(), ["alice-1", "alice-2"]);
    assert!(transmitter.state().polls.is_empty());
}
