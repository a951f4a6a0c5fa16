//! OpenID Shared Signals Framework 1.0, the receiver's part. Clauses without a test here have
//! theirs in `tests/security_events`.

use crate::jwt::Signer;
use crate::security_events::poll::acknowledged;
use crate::security_events::stream::{POLL, failure_with, start};
use crate::security_events::transmitter::Transmitter;
use crate::security_events::{CAEP, ISSUER, World, but};
use crate::support::wait_until;
use serde_json::{Value, json};

const SSF: &str = "https://schemas.openid.net/secevent/ssf/event-type";

/// A gateway with a stream that it polls.
fn polling() -> (Transmitter, World) {
    let (transmitter, world) = start(POLL, |_| {});
    wait_until("it polls", || !transmitter.state().polls.is_empty());
    (transmitter, world)
}

/// An event of the transmitter about this subject.
fn event(transmitter: &Transmitter, world: &World, jti: &str, uri: &str, sub_id: Value) -> String {
    let claims = world.claims(uri, sub_id);
    world.event(&but(claims, json!({ "iss": transmitter.issuer(), "jti": jti })))
}

/// §3: the subjects of SSF, of which complex ones narrow down.
#[test]
fn section_3_subjects() {
    let (transmitter, world) = polling();
    let user = |sub: &str| json!({ "format": "iss_sub", "iss": ISSUER, "sub": sub });
    let opaque = |id: &str| json!({ "format": "opaque", "id": id });
    let cases: [(Value, &[&str]); 7] = [
        (user("alice"), &["alice-1", "alice-2"]),
        (json!({ "format": "complex", "user": user("alice") }), &["alice-1", "alice-2"]),
        (
            json!({ "format": "complex", "user": user("alice"), "session": opaque("s1") }),
            &["alice-1"],
        ),
        (
            json!({ "format": "complex", "user": user("alice"), "session": opaque("ALL") }),
            &["alice-1", "alice-2"],
        ),
        (json!({ "format": "complex", "session": opaque("s3") }), &["bob-1"]),
        (json!({ "format": "complex", "application": opaque("app-2") }), &["alice-2", "bob-1"]),
        (
            json!({ "format": "complex", "tenant": { "format": "uri", "uri": ISSUER } }),
            &["alice-1", "alice-2", "bob-1", "carol-1"],
        ),
    ];
    for (nth, (sub_id, ended)) in cases.into_iter().enumerate() {
        let (jti, uri) = (format!("e{nth}"), format!("{CAEP}/session-revoked"));
        let shown = sub_id.to_string();
        transmitter.send(&jti, &event(&transmitter, &world, &jti, &uri, sub_id));
        acknowledged(&transmitter, &jti);
        assert_eq!(world.asked_again(), ended, "{shown}");
    }
}

/// §7.2.1: the issuer's path is behind the well-known path. §7.2.4: the issuer in the document is
/// the configured one, to the letter.
#[test]
fn section_7_2_the_configuration() {
    let (transmitter, world) = polling();
    let asked = transmitter.calls("GET", "/.well-known/ssf-configuration/tenant");
    assert!(!asked.is_empty(), "for the stream and for its keys");
    for issuer in [
        format!("{}/", transmitter.issuer()),
        transmitter.issuer().to_uppercase(),
        "https://else.test".to_owned(),
    ] {
        transmitter.state().configuration.insert("issuer".into(), json!(issuer));
        let (again, fresh) = started_anew(&transmitter);
        failure_with(&fresh, "`issuer` is not the configured one");
        assert!(again.calls("GET", "/streams").is_empty(), "{issuer}: nothing else is called");
    }
    drop(world);
}

/// Another transmitter with the same configuration, and a gateway that begins with it.
fn started_anew(like: &Transmitter) -> (Transmitter, World) {
    let (issuer, configuration) = (like.issuer(), like.state().configuration.clone());
    start(POLL, |transmitter| {
        let mut configuration = configuration;
        if let Some(text) = configuration.get_mut("issuer") {
            // of the transmitter that is new
            let said = text.as_str().unwrap_or_default().to_owned();
            let own = said.replace(&issuer, &transmitter.issuer());
            *text =
                json!(own.replace(&issuer.to_uppercase(), &transmitter.issuer().to_uppercase()));
        }
        transmitter.state().configuration = configuration;
    })
}

/// §8.1.1.1: the members that a receiver supplies, and none of the transmitter's.
#[test]
fn section_8_1_1_1_creating_a_stream() {
    let (transmitter, _world) = polling();
    let created = transmitter.calls("POST", "/streams");
    let [body] = &*created else { panic!("one stream: {created:?}") };
    assert_eq!(
        body["delivery"],
        json!({ "method": "urn:ietf:rfc:8936" }),
        "its URL is the transmitter's"
    );
    let requested = body["events_requested"].as_array().expect("events_requested");
    assert!(requested.iter().all(Value::is_string) && requested.len() >= 8, "{body}");
    assert!(body["description"].is_string());
    for supplied_by_the_transmitter in [
        "stream_id",
        "iss",
        "aud",
        "events_supported",
        "events_delivered",
        "min_verification_interval",
    ] {
        assert!(body.get(supplied_by_the_transmitter).is_none(), "{body}");
    }
    // §8.1.1.2: the streams that are there were read before
    let state = transmitter.state();
    let calls = state.calls.iter().filter(|(_, target, _)| target == "/streams");
    let methods: Vec<&str> = calls.map(|(method, ..)| &**method).collect();
    assert_eq!(methods, ["GET", "POST"]);
}

/// §8.1.1.3: `stream_id` and the members that change.
#[test]
fn section_8_1_1_3_updating_a_stream() {
    let (transmitter, mut world) = polling();
    world.setup.gateway.kill();
    let before = transmitter.state().polls.len();
    transmitter.state().streams[0]["events_requested"] = json!([format!("{CAEP}/session-revoked")]);
    let signer = world.signer.clone();
    let yaml = crate::security_events::stream::config(&transmitter, POLL);
    let _again = World::signed_by(signer, &yaml);
    wait_until("it polls", || transmitter.state().polls.len() > before);
    let updated = transmitter.calls("PATCH", "/streams");
    let [body] = &*updated else { panic!("one update: {updated:?}") };
    let members: Vec<&String> = body.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["stream_id", "events_requested"]);
    assert_eq!(transmitter.calls("POST", "/streams").len(), 1, "none is created");
}

/// §8.1.2.1: read with the stream's id; each of the three words, and no other.
#[test]
fn section_8_1_2_1_the_status() {
    for (status, enabled) in [("enabled", 1.0), ("paused", 0.0), ("disabled", 0.0)] {
        let (transmitter, world) = start(POLL, |transmitter| {
            transmitter.state().status = json!({ "stream_id": "stream-1", "status": status });
        });
        wait_until(status, || world.events_status()["stream"]["status"] == status);
        assert_eq!(world.setup.gateway.metric("introgate_event_stream_enabled"), enabled);
        let state = transmitter.state();
        let asked = state.calls.iter().find(|(_, target, _)| target.starts_with("/status"));
        let target = asked.map(|(method, target, _)| format!("{method} {target}"));
        assert_eq!(target.as_deref(), Some("GET /status?stream_id=stream-1"));
    }
    // a poll that succeeds clears the failure: the log keeps it
    let (_transmitter, world) = start(POLL, |transmitter| {
        transmitter.state().status = json!({ "status": "resting" });
    });
    world.setup.gateway.log_with("`status` of the stream is not enabled, paused or disabled");
}

/// §8.1.4.1: an event about the stream, with the `state` that was sent; it ends no answer, and is
/// acknowledged. §8.1.4.2: asked for by `stream_id` and a `state` that cannot be guessed.
#[test]
fn section_8_1_4_verification() {
    let (transmitter, world) = start(POLL, |transmitter| {
        transmitter.state().does_not_verify = true;
    });
    wait_until("it is asked for", || !transmitter.calls("POST", "/verify").is_empty());
    let body = transmitter.calls("POST", "/verify")[0].clone();
    assert_eq!(body["stream_id"], "stream-1");
    let state = body["state"].as_str().expect("a state").to_owned();
    assert_eq!(state.len(), 32, "128 bits: {state}");
    let verified = |jti: &str, state: Value| {
        let uri = format!("{SSF}/verification");
        let claims = world.claims(&uri, json!({ "format": "opaque", "id": "stream-1" }));
        let events = json!({ uri: { "state": state } });
        let own = json!({ "iss": transmitter.issuer(), "jti": jti, "events": events });
        world.event(&but(claims, own))
    };
    transmitter.send("v1", &verified("v1", json!("another")));
    acknowledged(&transmitter, "v1");
    assert_eq!(world.events_status()["stream"]["verified_at"], Value::Null);
    transmitter.send("v2", &verified("v2", json!(state)));
    acknowledged(&transmitter, "v2");
    assert!(world.events_status()["stream"]["verified_at"].is_i64());
    assert_eq!(world.metric("server=\"main\",result=\"ignored\""), 2.0);
    assert_eq!(world.asked_again(), [""; 0]);
}

/// §4: SETs that are signed by another key, or for another audience, end nothing.
#[test]
fn section_4_events_are_security_event_tokens() {
    let (transmitter, world) = polling();
    let uri = format!("{CAEP}/session-revoked");
    let claims = |jti: &str, changes: Value| {
        let subject = json!({ "format": "iss_sub", "iss": ISSUER, "sub": "alice" });
        let own = json!({ "iss": transmitter.issuer(), "jti": jti });
        but(but(world.claims(&uri, subject), own), changes)
    };
    let stranger = Signer::p256("stranger");
    let typed = |jti: &str, typ: &str| {
        world.signer.sign_with(json!({ "typ": typ }), &claims(jti, json!({})))
    };
    for (jti, token, err) in [
        (
            "signature",
            stranger.sign_with(json!({ "typ": "secevent+jwt" }), &claims("signature", json!({}))),
            "invalid_key",
        ),
        (
            "audience",
            world.event(&claims("audience", json!({ "aud": "else" }))),
            "invalid_audience",
        ),
        ("typ", typed("typ", "JWT"), "invalid_request"),
        ("access-token", typed("access-token", "at+jwt"), "invalid_request"),
        ("events", world.event(&claims("events", json!({ "events": null }))), "invalid_request"),
    ] {
        transmitter.send(jti, &token);
        wait_until(jti, || transmitter.state().refused.iter().any(|(refused, _)| refused == jti));
        let state = transmitter.state();
        let (_, error) = state.refused.iter().find(|(refused, _)| refused == jti).expect(jti);
        assert_eq!(error["err"], err, "{jti}: {error}");
    }
    assert_eq!(world.asked_again(), [""; 0]);
}
