//! OpenID Connect Back-Channel Logout 1.0.

use super::{AUDIENCE, CONFIG, ISSUER, LOGOUT, OTHER, World, but};
use crate::support::{active, now};
use serde_json::{Value, json};

fn claims(changes: Value) -> Value {
    let claims = json!({
        "iss": ISSUER, "aud": [AUDIENCE], "iat": now(), "exp": now() + 120, "jti": format!("{:016x}", rand::random::<u64>()),
        "events": { LOGOUT: {} },
    });
    but(claims, changes)
}

fn token(world: &World, changes: Value) -> String {
    world.signer.sign_with(json!({ "typ": "logout+jwt" }), &claims(changes))
}

#[test]
fn by_subject_by_session_or_both() {
    let world = World::start();
    for (changes, expected) in [
        (json!({ "sub": "alice" }), &["alice-1", "alice-2"][..]),
        (json!({ "sid": "s2" }), &["alice-2"]),
        (json!({ "sub": "alice", "sid": "s1" }), &["alice-1"]),
        (json!({ "sub": "carol", "sid": "s9" }), &["carol-1"]),
        (json!({ "sub": "bob", "sid": "s1" }), &[]),
    ] {
        let response = world.logout(&token(&world, changes.clone()));
        assert_eq!(
            (response.status, response.header("cache-control")),
            (200, Some("no-store")),
            "{changes}"
        );
        assert_eq!(world.asked_again(), expected, "{changes}");
    }
    // older providers give no type, or the general one
    for typ in [Value::Null, json!("JWT")] {
        let token = world.signer.sign_with(json!({ "typ": typ }), &claims(json!({ "sub": "bob" })));
        assert_eq!(world.logout(&token).status, 200, "{typ}");
        assert_eq!(world.asked_again(), ["bob-1"], "{typ}");
    }
    assert_eq!(world.metric("server=\"main\",result=\"accepted\""), 7.0);
}

#[test]
fn what_is_refused() {
    let world = World::start();
    let refused = |token: &str, why: &str| {
        let response = world.logout(token);
        let body = response.json();
        assert_eq!((response.status, &body["error"]), (400, &json!("invalid_request")), "{body}");
        assert!(
            body["error_description"].as_str().is_some_and(|told| told.contains(why)),
            "{body} for {why}"
        );
    };
    for (changes, why) in [
        (json!({ "sub": "alice", "nonce": "n" }), "`nonce`"),
        (json!({}), "neither `sub` nor `sid`"),
        (json!({ "sub": 1 }), "RFC 9493"),
        (json!({ "sub": "alice", "events": null }), "no `events`"),
        (json!({ "sub": "alice", "events": { "urn:other": {} } }), "back-channel logout"),
        (json!({ "sub": "alice", "events": { LOGOUT: true } }), "not an object"),
        (json!({ "sub": "alice", "iss": OTHER }), "does not publish"),
        (json!({ "sub": "alice", "iss": "https://stranger.test" }), "not taken here"),
        (json!({ "sub": "alice", "aud": "https://stranger.test" }), "not this gateway"),
        (json!({ "sub": "alice", "exp": now() - 60 }), "expired"),
        (json!({ "sub": "alice", "iat": now() - 400 }), "too long ago"),
    ] {
        refused(&token(&world, changes), why);
    }
    for typ in ["at+jwt", "secevent+jwt"] {
        refused(
            &world.signer.sign_with(json!({ "typ": typ }), &claims(json!({ "sub": "alice" }))),
            "`typ`",
        );
    }
    let (one, two) =
        (token(&world, json!({ "sub": "alice" })), token(&world, json!({ "sub": "bob" })));
    refused(&format!("{one}&logout_token={two}"), "more than one");
    refused("", "three parts");
    let response =
        world.post("application/x-www-form-urlencoded", format!("token={one}").as_bytes());
    assert_eq!(response.status, 400);
    assert_eq!(world.asked_again(), [""; 0]);
    assert_eq!(world.logout(&one).status, 200);
    refused(&one, "taken before");
}

/// If answers have no `sid`, a logout that names only a session could end no answer: it is refused.
#[test]
fn a_session_that_answers_do_not_tell() {
    let world = World::with(&CONFIG.replace("path: /other", "path: /plain, methods: [GET]"));
    for (token, ..) in super::TOKENS {
        world.setup.server.answer(token, active(json!({ "sub": "alice" })));
    }
    world.setup.gateway.admin_post("/api/cache/purge", &json!({ "all": true }));
    world.asked_again();
    let response = world.logout(&token(&world, json!({ "sid": "s1" })));
    assert_eq!(response.status, 400);
    assert!(
        response.json()["error_description"].as_str().is_some_and(|told| told.contains("`sid`")),
        "{}",
        response.text()
    );
    assert_eq!(world.asked_again(), [""; 0]);
    assert_eq!(world.logout(&token(&world, json!({ "sid": "s1", "sub": "alice" }))).status, 200);
    assert_eq!(world.asked_again().len(), 4);
}
