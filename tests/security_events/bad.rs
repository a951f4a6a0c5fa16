//! Refused events, with their error codes (RFC 8935 §2.4); none of them ends an answer.

use super::{AUDIENCE, CAEP, CONFIG, ISSUER, OTHER, RISC, World, but, iss_sub, sign};
use crate::jwt::{Signer, encode};
use crate::support::now;
use serde_json::{Value, json};

#[track_caller]
fn refused(world: &World, token: &str, err: &str) -> String {
    let response = world.push(token);
    assert_eq!(response.status, 400, "{}", response.text());
    let body = response.json();
    assert_eq!(body["err"], err, "{body}");
    assert_eq!(body.as_object().map(|body| body.len()), Some(2));
    assert_eq!(
        (response.header("content-type"), response.header("content-language")),
        (Some("application/json"), Some("en"))
    );
    body["description"].as_str().expect("a description").to_owned()
}

#[test]
fn claims_that_are_not_good() {
    let world = World::start();
    let several = json!({
        format!("{CAEP}/session-revoked"): { "subject": iss_sub("bob") }, format!("{RISC}/account-disabled"): { "subject": iss_sub("carol") },
    });
    for (changes, err, why) in [
        (json!({ "iss": "https://stranger.test" }), "invalid_issuer", "not taken here"),
        (json!({ "iss": format!("{ISSUER}/") }), "invalid_issuer", "not taken here"),
        (json!({ "iss": OTHER }), "invalid_key", "does not publish"),
        (json!({ "iss": null }), "invalid_request", "no `iss`"),
        (json!({ "aud": "https://stranger.test" }), "invalid_audience", "not this gateway"),
        (json!({ "aud": [] }), "invalid_audience", "not this gateway"),
        (json!({ "aud": null }), "invalid_audience", "not this gateway"),
        (json!({ "jti": null }), "invalid_request", "no `jti`"),
        (json!({ "jti": 7 }), "invalid_request", "no `jti`"),
        (json!({ "iat": null }), "invalid_request", "no `iat`"),
        (json!({ "iat": now().to_string() }), "invalid_request", "not a number"),
        (json!({ "iat": now() - 400 }), "invalid_request", "too long ago"),
        (json!({ "iat": now() + 3600 }), "invalid_request", "in the future"),
        (json!({ "exp": now() - 60 }), "invalid_request", "expired"),
        (json!({ "nbf": now() + 60 }), "invalid_request", "in the future"),
        (json!({ "events": null }), "invalid_request", "no `events`"),
        (json!({ "events": {} }), "invalid_request", "at least one member"),
        (
            json!({ "events": [format!("{CAEP}/session-revoked")] }),
            "invalid_request",
            "not an object",
        ),
        (
            json!({ "events": { format!("{CAEP}/session-revoked"): null } }),
            "invalid_request",
            "not an object",
        ),
        (json!({ "sub_id": null }), "invalid_request", "no subject"),
        (json!({ "sub_id": "alice" }), "invalid_request", "not an object"),
        (
            json!({ "sub_id": { "format": "email", "email": "a@example.com" } }),
            "invalid_request",
            "does not select cached answers",
        ),
        (
            json!({ "sub_id": { "format": "phone_number", "phone_number": "+1" } }),
            "invalid_request",
            "does not select cached answers",
        ),
        (
            json!({ "sub_id": { "format": "iss_sub", "iss": OTHER, "sub": "alice" } }),
            "invalid_request",
            "another issuer",
        ),
        (json!({ "sub_id": { "format": "opaque" } }), "invalid_request", "RFC 9493"),
        (json!({ "sub": "bob" }), "invalid_request", "several subjects"),
        (json!({ "sub_id": null, "events": several }), "invalid_request", "several subjects"),
    ] {
        let claims = but(world.session_revoked(), changes.clone());
        let told = refused(&world, &world.event(&claims), err);
        assert!(told.contains(why), "{changes}: {told}");
    }
    assert_eq!(world.asked_again(), [""; 0]);
    let log = world.setup.gateway.log_with("a security event was refused");
    assert!(
        log.contains("a security event was refused")
            && !log.contains("alice")
            && !log.contains("stranger"),
        "{log}"
    );
    assert_eq!(world.metric("server=\"-\",result=\"invalid_issuer\""), 2.0);
    assert_eq!(world.metric("server=\"main\",result=\"invalid_audience\""), 3.0);

    // the same without a flaw; with an audience among others, and without optional members
    let good = but(
        world.session_revoked(),
        json!({ "aud": ["https://stranger.test", AUDIENCE], "exp": now() + 60 }),
    );
    assert_eq!(world.push(&world.event(&good)).status, 202);
    assert_eq!(world.asked_again(), ["alice-1", "alice-2"]);
}

#[test]
fn signatures_that_are_not_good() {
    let world = World::start();
    let claims = world.session_revoked();
    let good = world.event(&claims);
    let (signed, _) = good.rsplit_once('.').expect("a signature");
    let header = |members: Value| encode(&members.to_string());
    let unsigned = |alg: &str| {
        format!(
            "{}.{}.",
            header(json!({ "alg": alg, "typ": "secevent+jwt" })),
            encode(&claims.to_string())
        )
    };
    let forger = Signer::p256("main");
    for (token, err) in [
        (unsigned("none"), "invalid_request"),
        (unsigned("HS256") + "AAAA", "invalid_request"),
        (format!("{signed}."), "authentication_failed"),
        (format!("{signed}.{}", encode("not a signature")), "authentication_failed"),
        (sign(&forger, &claims), "authentication_failed"),
        (sign(&forger.named(Some("unheard-of")), &claims), "invalid_key"),
        (sign(&Signer::rsa("main"), &claims), "invalid_key"),
        (
            world.signer.sign_with(json!({ "typ": "secevent+jwt", "crit": ["exp"] }), &claims),
            "invalid_request",
        ),
        ("a.b.c.d.e".to_owned(), "invalid_request"),
        (good.replace('.', " "), "invalid_request"),
        ("{}".to_owned(), "invalid_request"),
        (String::new(), "invalid_request"),
        ("\u{0}\u{1}".to_owned(), "invalid_request"),
    ] {
        refused(&world, &token, err);
    }
    assert_eq!(world.asked_again(), [""; 0]);
    assert_eq!(
        world.push(&format!("{good}\n")).status,
        202,
        "nothing of all that was the event's own fault"
    );
}

/// RFC 8417 §4: no token of one kind is taken for one of another.
#[test]
fn tokens_of_another_kind() {
    let world = World::start();
    for typ in [
        json!("at+jwt"),
        json!("JWT"),
        json!("logout+jwt"),
        json!("token-introspection+jwt"),
        Value::Null,
    ] {
        let token = world.signer.sign_with(json!({ "typ": typ }), &world.session_revoked());
        assert!(refused(&world, &token, "invalid_request").contains("`typ`"), "{typ}");
    }
    assert_eq!(
        world
            .push(
                &world.signer.sign_with(
                    json!({ "typ": "application/secevent+jwt" }),
                    &world.session_revoked()
                )
            )
            .status,
        202
    );
}

/// The same as access tokens: with everything that an access token needs, and the audience of both.
#[test]
fn events_are_no_access_tokens() {
    let yaml = CONFIG.replace(
        "routes:\n",
        "  local: { type: jwt, issuer: \"https://as.test\", audience: [\"https://gateway.test\"], keys: [main.json] }\nroutes:\n  - { path: /local, upstream: \"@UPSTREAM@\", authorization_server: local }\n",
    );
    let world = World::with(&yaml);
    let claims = but(world.session_revoked(), json!({ "sub": "alice", "exp": now() + 600 }));
    let outcome = |token: &str| {
        let response = world.setup.gateway.get_with("/local", token);
        (response.status, response.reason())
    };
    for typ in ["secevent+jwt", "logout+jwt", "JWT", "at+jwt"] {
        let event = world.signer.sign_with(json!({ "typ": typ }), &claims);
        assert_eq!(outcome(&event), (401, "invalid_jwt".into()), "{typ}");
    }
    assert_eq!(
        outcome(&world.signer.sign(&but(claims, json!({ "events": null })))).0,
        200,
        "but for `events` it is one"
    );
}

/// Each event counts once, also after a reload; another issuer may use the same `jti`.
#[test]
fn replays() {
    let world = World::start();
    let claims = world.session_revoked();
    let event = world.event(&claims);
    assert_eq!(world.push(&event).status, 202);
    assert_eq!(world.asked_again(), ["alice-1", "alice-2"]);
    assert!(refused(&world, &event, "invalid_request").contains("taken before"));
    let again = world.event(&but(claims.clone(), json!({ "iat": now() - 1 })));
    assert!(
        refused(&world, &again, "invalid_request").contains("taken before"),
        "by its `jti`, not by its text"
    );
    world.setup.reload(&format!("{CONFIG}realm: other\n"));
    assert!(refused(&world, &event, "invalid_request").contains("taken before"));
    assert_eq!(world.asked_again(), [""; 0]);
    assert_eq!(world.metric("server=\"main\",result=\"replayed\""), 3.0);

    let theirs =
        but(claims, json!({ "iss": OTHER, "sub_id": { "format": "opaque", "id": "bob" } }));
    assert_eq!(world.push(&sign(&world.other, &theirs)).status, 202);
    assert_eq!(world.asked_again(), ["bob-1/other"]);
}

/// A refused event may be sent again after a correction.
#[test]
fn a_refusal_does_not_use_up_the_jti() {
    let world = World::start();
    let claims = world.session_revoked();
    refused(
        &world,
        &world.event(&but(claims.clone(), json!({ "aud": "https://stranger.test" }))),
        "invalid_audience",
    );
    refused(&world, &sign(&Signer::p256("main"), &claims), "authentication_failed");
    assert_eq!(world.push(&world.event(&claims)).status, 202);
}
