//! `client_credentials`: the gateway fetches its own bearer token and renews it.

use crate::support::{Behaviour, Builder, Setup, active, one_route, wait_until};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const TOKEN: &str = "/introspect/token";

fn configuration(keys: &str) -> String {
    let auth = "client_auth: { method: client_credentials, client_id: \"a b\", client_secret: \"s%+\", token_endpoint: \"@AS@/token\", scope: \"introspection more\" }";
    let guards = "retries: 0, circuit_breaker: { failures: 10000, open_for: 1s }";
    format!(
        "authorization_servers:\n  main: {{ introspection_endpoint: \"@AS@\", {guards}, {auth}, {keys} }}\n{}",
        one_route("")
    )
}

#[track_caller]
fn start(keys: &str) -> Setup {
    Setup::start(&configuration(keys))
}

fn token(text: &str, members: Value) -> Behaviour {
    let mut answer = json!({ "access_token": text, "token_type": "Bearer", "expires_in": 3600 });
    for (name, value) in members.as_object().expect("an object") {
        answer[name] = value.clone();
    }
    answer.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    Behaviour::Json(answer)
}

/// The `Authorization` header of each call to the introspection endpoint.
fn shown(setup: &Setup) -> Vec<String> {
    let requests = setup.server.requests_of_path("/introspect");
    requests
        .iter()
        .map(|request| request.header("authorization").unwrap_or_default().to_owned())
        .collect()
}

fn fetches(setup: &Setup) -> usize {
    setup.server.count_of_path(TOKEN)
}

/// RFC 6749 §4.4.2, §2.3.1.
#[test]
fn it_is_fetched_once_and_used_for_every_call() {
    let setup = start("");
    setup.server.publish(TOKEN, token("own-1", json!({})));
    assert_eq!(setup.outcome("good"), (200, String::new()));
    assert_eq!(setup.outcome("bad"), (401, "inactive".into()));
    let fetched = &setup.server.requests_of_path(TOKEN);
    let [fetched] = &**fetched else { panic!("one call: {fetched:?}") };
    assert_eq!(
        (fetched.method.as_str(), &*fetched.body),
        ("POST", b"grant_type=client_credentials&scope=introspection+more".as_slice())
    );
    assert_eq!(
        fetched.headers_all("authorization"),
        ["Basic YSUyMGI6cyUyNSUyQg=="],
        "a%20b:s%25%2B"
    );
    assert_eq!(fetched.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(shown(&setup), ["Bearer own-1", "Bearer own-1"]);
    assert_eq!(setup.server.last().body, b"token=bad", "and no other way to authenticate");
}

#[test]
fn the_token_endpoint_is_found_by_the_issuer() {
    let auth = "client_auth: { method: client_credentials, client_id: a, client_secret: b, form_encode: false }";
    let setup = Setup::start(&format!(
        "authorization_servers:\n  main: {{ issuer: \"@AS_ORIGIN@\", retries: 0, {auth} }}\n{}",
        one_route("")
    ));
    let origin = setup.server.origin();
    let document = json!({ "issuer": origin, "introspection_endpoint": setup.server.url(), "token_endpoint": format!("{origin}{TOKEN}") });
    setup.server.publish("/.well-known/oauth-authorization-server", Behaviour::Json(document));
    setup.server.publish(TOKEN, token("own-1", json!({ "token_type": "bearer" })));
    assert_eq!(setup.outcome("good"), (200, String::new()));
    assert_eq!(setup.server.requests_of_path(TOKEN)[0].body, b"grant_type=client_credentials");
    assert_eq!(shown(&setup), ["Bearer own-1"]);
}

#[test]
fn it_is_renewed_before_it_ends() {
    let setup = start("");
    let turns = [token("own-1", json!({ "expires_in": 2 })), token("own-2", json!({}))];
    setup.server.publish_in_turn(TOKEN, turns);
    let begun = Instant::now();
    let mut number = 0;
    wait_until("a new token is used", || {
        number += 1;
        assert_eq!(
            setup.outcome(&format!("unknown-{number}")),
            (401, "inactive".into()),
            "no request notices"
        );
        shown(&setup).last().is_some_and(|last| last == "Bearer own-2")
    });
    assert!(begun.elapsed() >= Duration::from_millis(1700), "not before it is due");
    assert_eq!(fetches(&setup), 2);
    // after its end none of the old one
    assert!(
        !shown(&setup)
            .iter()
            .skip_while(|shown| *shown == "Bearer own-1")
            .any(|shown| shown == "Bearer own-1")
    );
}

/// Also when it expired between requests.
#[test]
fn an_ended_one_is_not_used() {
    let setup = start("");
    let turns = [
        token("own-1", json!({ "expires_in": "1" })),
        token("own-2", json!({ "expires_in": null })),
    ];
    setup.server.publish_in_turn(TOKEN, turns);
    assert_eq!(setup.outcome("good"), (200, String::new()));
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(setup.outcome("narrow"), (200, String::new()));
    assert_eq!(shown(&setup), ["Bearer own-1", "Bearer own-2"]);
}

/// 403 too: some servers have it for a token that they do not know any more.
#[test]
fn a_refused_one_is_renewed_once_and_the_question_asked_again() {
    for status in [401, 403] {
        let setup = start("");
        setup.server.publish_in_turn(TOKEN, [token("own-1", json!({})), token("own-2", json!({}))]);
        assert_eq!(setup.outcome("good"), (200, String::new()));
        setup.server.behave_in_turn(
            "narrow",
            [Behaviour::status(status), Behaviour::Json(active(json!({})))],
        );
        assert_eq!(setup.outcome("narrow"), (200, String::new()), "{status}");
        assert_eq!(shown(&setup), ["Bearer own-1", "Bearer own-1", "Bearer own-2"]);
        assert_eq!(fetches(&setup), 2);
    }
}

#[test]
fn a_server_that_refuses_every_token_is_not_flooded() {
    let setup = Setup::start(&configuration("").replace("open_for: 1s", "open_for: 60s"));
    setup.server.publish(TOKEN, token("own", json!({})));
    for number in 0..6 {
        setup.server.behave(&format!("t{number}"), Behaviour::status(401));
        assert_eq!(setup.outcome(&format!("t{number}")), (503, "as_rejected_us".into()));
    }
    assert_eq!(fetches(&setup), 2, "the first one, and one renewal");
    assert_eq!(shown(&setup).len(), 7, "one question was asked again");
    assert_eq!(setup.outcome("good"), (200, String::new()), "the token is still there");
}

/// All wait for the same call.
#[test]
fn a_hundred_simultaneous_requests_are_one_fetch() {
    let setup = start("");
    setup
        .server
        .publish(TOKEN, Behaviour::after(Duration::from_millis(300), token("own", json!({}))));
    std::thread::scope(|scope| {
        let setup = &setup;
        let asking: Vec<_> = (0..100)
            .map(|number| scope.spawn(move || setup.outcome(&format!("t{number}"))))
            .collect();
        for outcome in asking {
            assert_eq!(outcome.join().expect("no panic"), (401, "inactive".into()));
        }
    });
    assert_eq!((fetches(&setup), shown(&setup).len()), (1, 100));
}

#[test]
fn a_hundred_refused_requests_are_one_renewal() {
    let setup = start("");
    let slow = |text: &str| Behaviour::after(Duration::from_millis(200), token(text, json!({})));
    setup.server.publish_in_turn(TOKEN, [token("own-1", json!({})), slow("own-2"), slow("own-3")]);
    assert_eq!(setup.outcome("good"), (200, String::new()));
    for number in 0..100 {
        setup
            .server
            .behave_in_turn(&format!("t{number}"), [Behaviour::status(401), Behaviour::inactive()]);
    }
    std::thread::scope(|scope| {
        let setup = &setup;
        let asking: Vec<_> = (0..100)
            .map(|number| scope.spawn(move || setup.outcome(&format!("t{number}"))))
            .collect();
        for outcome in asking {
            let outcome = outcome.join().expect("no panic");
            // requests after the renewal met the script's 401 with the new token
            assert!(
                matches!((outcome.0, &*outcome.1), (401, "inactive") | (503, "as_rejected_us")),
                "{outcome:?}"
            );
        }
    });
    assert_eq!(fetches(&setup), 2);
}

#[test]
fn a_token_endpoint_that_gives_none() {
    let with = |members: Value| token("own", members);
    let status = Behaviour::status;
    let error = |code: &str| {
        Behaviour::respond(
            400,
            &[],
            &json!({ "error": code, "error_description": "leak" }).to_string(),
        )
    };
    let cases = [
        (status(500), "as_unavailable"),
        (status(503), "as_unavailable"),
        (Behaviour::Close, "as_unavailable"),
        (Behaviour::Hang, "as_timeout"),
        (
            Behaviour::Drip(json!({ "access_token": "own" }), Duration::from_millis(500)),
            "as_timeout",
        ),
        (status(401), "as_rejected_us"),
        (status(403), "as_rejected_us"),
        (error("invalid_client"), "as_rejected_us"),
        (error("invalid_scope"), "as_rejected_us"),
        (error("unauthorized_client"), "as_rejected_us"),
        (error("invalid_request"), "as_bad_response"),
        (status(400), "as_bad_response"),
        (Behaviour::respond(429, &[("Retry-After", "7")], ""), "as_throttled"),
        (Behaviour::respond(302, &[("Location", "/elsewhere")], ""), "as_bad_response"),
        (status(404), "as_bad_response"),
        (Behaviour::body("<html>"), "as_bad_response"),
        (Behaviour::body("[]"), "as_bad_response"),
        (Behaviour::Endless, "as_bad_response"),
        (with(json!({ "access_token": null })), "as_bad_response"),
        (with(json!({ "access_token": "" })), "as_bad_response"),
        (with(json!({ "access_token": 7 })), "as_bad_response"),
        (with(json!({ "access_token": "a\r\nX-Admin: 1" })), "as_bad_response"),
        (with(json!({ "token_type": "DPoP" })), "as_bad_response"),
        (with(json!({ "token_type": 1 })), "as_bad_response"),
        (with(json!({ "expires_in": "soon" })), "as_bad_response"),
        (with(json!({ "expires_in": -1 })), "as_bad_response"),
        (with(json!({ "expires_in": 0 })), "as_bad_response"),
        (with(json!({ "expires_in": [] })), "as_bad_response"),
        (Behaviour::body(r#"{"access_token":"a","access_token":"b"}"#), "as_bad_response"),
    ];
    let setup = Setup::start(
        &configuration("timeout: 2s, max_response_size: 4KiB")
            .replace("open_for: 1s", "open_for: 100ms"),
    );
    for (number, (behaviour, reason)) in cases.into_iter().enumerate() {
        let shown = format!("{behaviour:?}");
        setup.server.publish(TOKEN, behaviour);
        let mut outcome = None;
        // the pause after the failure before is not over at once
        wait_until("the pause is over", || {
            let before = fetches(&setup);
            outcome = Some(setup.outcome(&format!("t{number}")));
            fetches(&setup) > before
        });
        assert_eq!(outcome, Some((503, reason.into())), "{shown}");
    }
    assert_eq!(setup.server.count_of_path("/introspect"), 0, "no call is made without a token");
    setup.server.publish(TOKEN, token("own", json!({})));
    wait_until("it recovers by itself", || setup.outcome("good") == (200, String::new()));
    let status = setup.gateway.admin_get("/api/status").json();
    assert_eq!(status["authorization_servers"][0]["circuit"], "closed");
    assert!(!setup.gateway.stderr().contains("leak"), "nothing that the server wrote is logged");
}

#[test]
fn a_failure_is_not_repeated_before_the_pause_is_over() {
    let setup = Setup::start(&configuration("").replace("open_for: 1s", "open_for: 60s"));
    setup.server.publish(TOKEN, Behaviour::status(401));
    for number in 0..5 {
        let response = setup.get(&format!("t{number}"));
        assert_eq!((response.status, response.reason().as_str()), (503, "as_rejected_us"));
        assert!(response.header("retry-after").is_some());
    }
    assert_eq!(fetches(&setup), 1);
}

#[test]
fn down_at_the_start_is_503_and_recovers_by_itself() {
    let mut setup = start("");
    setup.server.publish(TOKEN, token("own", json!({})));
    setup.server.stop();
    let response = setup.get("good");
    assert_eq!((response.status, response.reason().as_str()), (503, "as_unavailable"));
    setup.server.start_again();
    wait_until("it recovers by itself", || setup.outcome("good") == (200, String::new()));
}

#[test]
fn transient_failures_are_tried_again_within_the_call() {
    let setup = Setup::start(&configuration("").replace("retries: 0", "retries: 1"));
    setup.server.publish_in_turn(TOKEN, [Behaviour::status(503), token("own", json!({}))]);
    assert_eq!(setup.outcome("good"), (200, String::new()));
    assert_eq!(fetches(&setup), 2);
}

#[test]
fn a_reload_keeps_it_unless_the_credentials_change() {
    let setup = start("");
    setup.server.publish_in_turn(TOKEN, [token("own-1", json!({})), token("own-2", json!({}))]);
    assert_eq!(setup.outcome("good"), (200, String::new()));
    setup.reload(&configuration("").replace("name: all", "name: other"));
    assert_eq!(setup.outcome("narrow"), (200, String::new()));
    assert_eq!((fetches(&setup), shown(&setup)), (1, vec!["Bearer own-1".to_owned(); 2]));
    setup.reload(&configuration("").replace("s%+", "new"));
    assert_eq!(setup.outcome("narrow"), (200, String::new()), "asked again as somebody else");
    assert_eq!(shown(&setup).last().map(String::as_str), Some("Bearer own-2"));
}

#[test]
fn neither_secret_nor_token_is_ever_shown() {
    let builder = Builder::new().file("secret", "s3cret-of-the-gateway\n");
    let auth = "client_auth: { method: client_credentials, client_id: a, client_secret_file: secret, token_endpoint: \"@AS@/token\" }";
    let server = format!("main: {{ introspection_endpoint: \"@AS@\", retries: 0, {auth} }}");
    let setup = Setup::build(
        builder,
        &format!("log: {{ level: trace }}\nauthorization_servers:\n  {server}\n{}", one_route("")),
    );
    setup.server.publish_in_turn(TOKEN, [token("own-token-1", json!({})), Behaviour::status(500)]);
    assert_eq!(setup.outcome("good"), (200, String::new()));
    setup.server.behave("narrow", Behaviour::status(401));
    assert_eq!(setup.outcome("narrow"), (503, "as_unavailable".into()), "the renewal fails");
    let admin = ["/api/status", "/api/config", "/metrics", "/"]
        .map(|path| setup.gateway.admin_get(path).text())
        .concat();
    let shown_texts = [setup.gateway.stderr(), setup.gateway.stdout(), admin].concat();
    for secret in ["own-token-1", "s3cret-of-the-gateway", "YTpzM2NyZXQ"] {
        assert!(!shown_texts.contains(secret), "{secret}");
    }
}

/// `token_endpoint_auth_method`: the secret in the form, or a signed assertion, new for each call.
#[test]
fn other_ways_to_authenticate_to_the_token_endpoint() {
    let with = |builder: Builder, keys: &str| {
        let keys = format!(
            "introspection_endpoint: \"@AS@\", client_auth: {{ method: client_credentials, client_id: gateway, token_endpoint: \"@AS_ORIGIN@{TOKEN}\", {keys} }}"
        );
        let setup = super::start(builder, &keys);
        setup.server.publish(TOKEN, token("own-1", json!({})));
        assert_eq!(setup.outcome("good"), (200, String::new()), "{keys}");
        assert_eq!(shown(&setup), ["Bearer own-1"]);
        let asked = setup.server.requests_of_path(TOKEN);
        assert!(asked[0].headers_all("authorization").is_empty(), "one method alone");
        asked[0].form()
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let post = with(
        Builder::new(),
        "client_secret: \"s&1\", token_endpoint_auth_method: client_secret_post",
    );
    let expected = [
        pair("grant_type", "client_credentials"),
        pair("client_id", "gateway"),
        pair("client_secret", "s&1"),
    ];
    assert_eq!(post, expected);

    let key = rcgen::KeyPair::generate().expect("a key").serialize_pem();
    let signed = with(
        Builder::new().file("key.pem", &key),
        "private_key: key.pem, audience: \"https://as.test\"",
    );
    let member = |name: &str| {
        signed.iter().find(|(member, _)| member == name).map(|(_, value)| value.clone())
    };
    assert_eq!(member("client_id").as_deref(), Some("gateway"));
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    assert_eq!(member("client_assertion_type").as_deref(), Some(kind));
    let assertion = member("client_assertion").expect("an assertion");
    assert_eq!(assertion.split('.').count(), 3, "{assertion}");
}
