//! Each kind of event and of subject ends exactly the answers that it selects.

use super::{CAEP, CONFIG, ISSUER, OTHER, RISC, World, but, iss_sub, sign};
use crate::support::{Behaviour, Connection, UpstreamBehaviour, active, request_bytes, wait_until};
use serde_json::{Value, json};
use std::time::Duration;

const NOBODY: [&str; 0] = [];

#[test]
fn each_kind_of_event_ends_its_subjects_tokens_and_no_others() {
    let world = World::start();
    for event in [
        format!("{CAEP}/session-revoked"),
        format!("{CAEP}/token-claims-change"),
        format!("{CAEP}/credential-change"),
        format!("{RISC}/account-disabled"),
        format!("{RISC}/account-purged"),
        format!("{RISC}/credential-compromise"),
        format!("{RISC}/account-credential-change-required"),
        format!("{RISC}/sessions-revoked"),
        "https://schemas.openid.net/secevent/oauth/event-type/tokens-revoked".to_owned(),
    ] {
        let response = world.push(&world.event(&world.claims(&event, iss_sub("alice"))));
        assert_eq!((response.status, response.text()), (202, String::new()), "{event}");
        assert_eq!(world.asked_again(), ["alice-1", "alice-2"], "{event}");
    }
    assert_eq!(world.metric("server=\"main\",result=\"accepted\""), 9.0);
    let log = world.setup.gateway.log_with_so_many("a security event came", 9);
    assert_eq!(log.matches("a security event came").count(), 9);
    assert!(log.contains("account-disabled") && log.contains("purged"), "{log}");
    assert!(!log.contains("alice"), "the log has no subject: {log}");
}

#[test]
fn each_way_to_name_a_subject() {
    let world = World::start();
    let opaque = |id: &str| json!({ "format": "opaque", "id": id });
    let cases: [(&str, Value, &[&str]); 14] = [
        ("opaque", opaque("bob"), &["bob-1"]),
        ("opaque, of a session", opaque("s2"), &["alice-2"]),
        ("jwt_id", json!({ "format": "jwt_id", "iss": ISSUER, "jti": "j4" }), &["carol-1"]),
        (
            "aliases",
            json!({ "format": "aliases", "identifiers": [{ "format": "email", "email": "b@example.com" }, opaque("bob")] }),
            &["bob-1"],
        ),
        ("user", json!({ "format": "complex", "user": iss_sub("bob") }), &["bob-1"]),
        ("session", json!({ "format": "complex", "session": opaque("s1") }), &["alice-1"]),
        (
            "user and session",
            json!({ "format": "complex", "user": iss_sub("alice"), "session": opaque("s2") }),
            &["alice-2"],
        ),
        (
            "a session in no answer",
            json!({ "format": "complex", "user": iss_sub("carol"), "session": opaque("s9") }),
            &["carol-1"],
        ),
        (
            "user and another's session",
            json!({ "format": "complex", "user": iss_sub("bob"), "session": opaque("s1") }),
            &NOBODY,
        ),
        (
            "application",
            json!({ "format": "complex", "application": opaque("app-2") }),
            &["alice-2", "bob-1"],
        ),
        (
            "user and application",
            json!({ "format": "complex", "user": iss_sub("alice"), "application": opaque("app-1") }),
            &["alice-1"],
        ),
        (
            "user and device",
            json!({ "format": "complex", "user": iss_sub("alice"), "device": opaque("d") }),
            &["alice-1", "alice-2"],
        ),
        (
            "tenant",
            json!({ "format": "complex", "tenant": opaque(ISSUER) }),
            &["alice-1", "alice-2", "bob-1", "carol-1"],
        ),
        ("an unknown subject", iss_sub("dora"), &NOBODY),
    ];
    for (name, sub_id, expected) in cases {
        let claims = world.claims(&format!("{CAEP}/session-revoked"), sub_id);
        assert_eq!(world.push(&world.event(&claims)).status, 202, "{name}");
        assert_eq!(world.asked_again(), expected, "{name}");
    }
}

/// Before RFC 9493, and as Google and older transmitters still do it.
#[test]
fn subjects_in_the_event_or_in_sub() {
    let world = World::start();
    let disabled = format!("{RISC}/account-disabled");
    for (changes, expected) in [
        (json!({ "sub_id": null, "sub": "bob" }), "bob-1"),
        (
            json!({ "sub_id": null, "events": { &disabled: { "subject": iss_sub("bob") } } }),
            "bob-1",
        ),
        (
            json!({ "sub_id": null, "events": { &disabled: { "subject": { "subject_type": "iss-sub", "iss": ISSUER, "sub": "carol" } } } }),
            "carol-1",
        ),
        (json!({ "sub_id": iss_sub("bob"), "sub": "bob" }), "bob-1"),
    ] {
        let claims = but(world.claims(&disabled, iss_sub("alice")), changes);
        assert_eq!(world.push(&world.event(&claims)).status, 202, "{claims}");
        assert_eq!(world.asked_again(), [expected], "{claims}");
    }
}

/// An issuer speaks for the tokens of its own authorization server alone.
#[test]
fn another_server_has_its_own_alice() {
    let world = World::start();
    let theirs = but(
        world.session_revoked(),
        json!({ "iss": OTHER, "sub_id": { "format": "opaque", "id": "alice" } }),
    );
    assert_eq!(world.push(&sign(&world.other, &theirs)).status, 202);
    assert_eq!(world.asked_again(), ["alice-1/other", "alice-2/other"]);
    assert_eq!(world.metric("server=\"other\",result=\"accepted\""), 1.0);

    let ours = but(world.session_revoked(), json!({ "iss": OTHER }));
    let response = world.push(&sign(&world.other, &ours));
    assert_eq!(
        (response.status, response.json()["err"].clone()),
        (400, json!("invalid_request")),
        "a subject of ours in their event"
    );
    assert_eq!(world.asked_again(), NOBODY);
}

/// Where one transmitter speaks for two servers, the subject's issuer selects the server.
#[test]
fn a_hub_may_speak_for_several() {
    let yaml = CONFIG
        .replace(
            "introspection_endpoint: \"@AS@\"\n    events",
            "introspection_endpoint: \"@AS@\"\n    issuer: https://as.test\n    events",
        )
        .replace("headers: {", "issuer: https://other.test\n    headers: {")
        .replace("issuer: \"https://as.test\"", "issuer: \"https://hub.test\"")
        .replace("issuer: \"https://other.test\"", "issuer: \"https://hub.test\"")
        .replace("other.json", "main.json");
    let world = World::with(&yaml);
    let hub = |sub_id: Value| {
        world.event(&but(
            world.claims(&format!("{CAEP}/session-revoked"), sub_id),
            json!({ "iss": "https://hub.test" }),
        ))
    };
    assert_eq!(world.push(&hub(iss_sub("bob"))).status, 202);
    assert_eq!(world.asked_again(), ["bob-1"]);
    let theirs = json!({ "format": "iss_sub", "iss": OTHER, "sub": "bob" });
    assert_eq!(world.push(&hub(theirs)).status, 202);
    assert_eq!(world.asked_again(), ["bob-1/other"]);
    assert_eq!(
        world
            .push(&hub(json!({ "format": "iss_sub", "iss": "https://hub.test", "sub": "bob" })))
            .status,
        400
    );
}

/// An answer that was asked for before the event came is not kept.
#[test]
fn an_event_beats_an_introspection_in_flight() {
    let world = World::start();
    let setup = &world.setup;
    setup.server.behave(
        "slow",
        Behaviour::after(
            Duration::from_millis(800),
            Behaviour::Json(active(json!({ "sub": "alice" }))),
        ),
    );
    std::thread::scope(|scope| {
        let first = scope.spawn(|| setup.get("slow").status);
        wait_until("it is asked about", || setup.server.count_of("slow") == 1);
        assert_eq!(world.push(&world.event(&world.session_revoked())).status, 202);
        setup.server.behave("slow", Behaviour::inactive());
        assert_eq!(
            setup.get("slow").status,
            401,
            "a request from then on does not share the old answer"
        );
        first.join().expect("the first request");
    });
    assert_eq!(setup.get("slow").status, 401);
    assert_eq!(setup.server.count_of("slow"), 2);
}

/// The same for an inactive answer: it would shadow the newer, active one.
#[test]
fn an_event_or_a_purge_beats_an_inactive_answer_in_flight() {
    let world = World::start();
    let setup = &world.setup;
    let event = || assert_eq!(world.push(&world.event(&world.session_revoked())).status, 202);
    let purge = |body: serde_json::Value| {
        assert_eq!(setup.gateway.admin_post("/api/cache/purge", &body).status, 200);
    };
    let ends: [(&str, &dyn Fn()); 3] = [
        ("event", &event),
        ("token", &|| purge(json!({ "token": "token" }))),
        ("all", &|| purge(json!({ "all": true }))),
    ];
    for (token, end) in ends {
        let slow = Behaviour::after(Duration::from_millis(800), Behaviour::inactive());
        setup.server.behave(token, slow);
        std::thread::scope(|scope| {
            let first = scope.spawn(|| setup.get(token).status);
            wait_until("it is asked about", || setup.server.count_of(token) == 1);
            end();
            setup.server.answer(token, active(json!({ "sub": "dora" })));
            assert_eq!(setup.get(token).status, 200, "{token}: a new question");
            assert_eq!(first.join().expect("the first request"), 401, "{token}");
        });
        assert_eq!(setup.get(token).status, 200, "{token}: the newer answer stays");
        assert_eq!(setup.server.count_of(token), 2, "{token}");
    }
}

/// RFC 8417 §2.2: an unknown event is no error, and ends no answer.
#[test]
fn events_about_other_things_are_taken_and_end_nothing() {
    let world = World::start();
    for event in [
        "https://schemas.openid.net/secevent/ssf/event-type/verification",
        "https://schemas.openid.net/secevent/caep/event-type/device-compliance-change",
        "https://schemas.openid.net/secevent/risc/event-type/account-enabled",
        "urn:example:something",
    ] {
        let claims = world.claims(event, json!({ "format": "email", "email": "a@example.com" }));
        assert_eq!(world.push(&world.event(&claims)).status, 202, "{event}");
    }
    assert_eq!(world.asked_again(), NOBODY);
    assert_eq!(world.metric("server=\"main\",result=\"ignored\""), 4.0);
}

#[test]
fn purging_by_session() {
    let world = World::start();
    let purge = |body: Value| world.setup.gateway.admin_post("/api/cache/purge", &body);
    assert_eq!(
        purge(json!({ "sid": "s3" })).json(),
        json!({ "purged": 2 }),
        "the admin means all servers"
    );
    assert_eq!(world.asked_again(), ["bob-1", "bob-1/other"]);
    assert_eq!(purge(json!({ "sid": "s3", "sub": "bob" })).status, 400);
}

/// As in docs/security-events.md: the gateway's own listener passes the one path on.
#[test]
fn through_a_route_of_the_gateway() {
    let route = "  - { path: /api/events, methods: [POST], auth: none, upstream: \"http://127.0.0.1:@ADMIN_PORT@\" }\n";
    let admin = "admin: { address: \"127.0.0.1:@ADMIN_PORT@\", hosts: [gateway.test] }\n";
    let world = World::with(&format!("{admin}{CONFIG}{route}"));
    let mut connection = Connection::open(world.setup.gateway.port());
    let event = world.event(&world.session_revoked());
    let headers = [("Content-Type", "application/secevent+jwt"), ("Accept", "application/json")];
    let response = connection.request("POST", "/api/events", &headers, event.as_bytes());
    assert_eq!(response.expect("an answer").status, 202);
    assert_eq!(world.asked_again(), ["alice-1", "alice-2"]);
    let purge = world.setup.gateway.request("POST", "/api/cache/purge", &[], b"{\"all\":true}");
    assert_eq!(purge.status, 401, "nothing else of the admin listener is there");
}

/// Contract §3: it also ends the responses that go on.
#[test]
fn an_event_ends_its_subjects_streams() {
    let world = World::start();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked";
    let stream = format!("{head}\r\n\r\n5\r\nhello\r\n").into_bytes();
    world.setup.upstream.behave(UpstreamBehaviour::Kept(stream));
    let mut streams = ["alice-1", "alice-2", "bob-1"].map(|token| {
        let mut connection = world.setup.gateway.connect();
        let authorization = format!("Bearer {token}");
        let headers = [("Authorization", &*authorization), ("X-Request-Id", token)];
        connection.send(&request_bytes("GET", "/", &headers, b"")).expect("a request is sent");
        let mut read = Vec::new();
        while !String::from_utf8_lossy(&read).contains("hello\r\n") {
            let some = connection.read_some().expect("the first bytes");
            assert!(!some.is_empty());
            read.extend(some);
        }
        connection
    });
    assert_eq!(world.push(&world.event(&world.session_revoked())).status, 202);
    for (stream, token) in streams.iter_mut().zip(["alice-1", "alice-2"]) {
        assert_eq!(stream.read_some().expect("the end, and no last chunk"), b"");
        let line = world.setup.gateway.access_log_of(token);
        assert_eq!(line["reason"], "event", "{line}");
    }
    let [_, _, bob] = &mut streams;
    bob.patience(Duration::from_millis(100));
    assert!(bob.read_some().is_err(), "it goes on");
}
