//! An introspection endpoint that is found by the issuer: RFC 8414, and OpenID Connect Discovery.

use crate::support::{Behaviour, Setup, active, one_route, wait_until};
use serde_json::{Value, json};

const RFC8414: &str = "/.well-known/oauth-authorization-server/introspect/realm";
const OIDC: &str = "/introspect/realm/.well-known/openid-configuration";

/// The issuer has a path and ends in a slash, which the places of the documents do not have.
fn start() -> Setup {
    Setup::start(&format!(
        "authorization_servers:\n  main: {{ issuer: \"@AS@/realm/\", retries: 0, circuit_breaker: {{ failures: 3, open_for: 1s }} }}\n{}",
        one_route("")
    ))
}

fn metadata(setup: &Setup, changes: Value) -> Behaviour {
    let mut document = json!({ "issuer": format!("{}/realm/", setup.server.url()), "introspection_endpoint": format!("{}/i", setup.server.origin()) });
    for (name, value) in changes.as_object().expect("an object") {
        document[name] = value.clone();
    }
    Behaviour::Json(document)
}

#[test]
fn either_document_will_do() {
    for place in [RFC8414, OIDC] {
        let setup = start();
        setup.server.publish(RFC8414, Behaviour::status(404));
        setup.server.publish(place, metadata(&setup, json!({})));
        assert_eq!(setup.outcome("good"), (200, String::new()), "{place}");
        assert_eq!(setup.outcome("bad"), (401, "inactive".into()), "{place}");
        assert_eq!(
            (setup.server.count_of_path(place), setup.server.count_of_path("/i")),
            (1, 2),
            "one look for all tokens"
        );
        let asked = setup.server.last();
        assert_eq!((asked.method.as_str(), asked.token().as_deref()), ("POST", Some("bad")));
        assert_eq!(
            setup
                .gateway
                .metric("introgate_cache_requests_total{cache=\"discovery\",result=\"miss\"}"),
            1.0
        );
        assert_eq!(
            setup
                .gateway
                .metric("introgate_cache_requests_total{cache=\"discovery\",result=\"hit\"}"),
            1.0
        );
    }
}

/// A document that lacks the endpoint is passed over, as real servers publish two that differ.
#[test]
fn the_second_document_may_complete_the_first() {
    let setup = start();
    setup.server.publish(RFC8414, metadata(&setup, json!({ "introspection_endpoint": null })));
    setup.server.publish(OIDC, metadata(&setup, json!({})));
    assert_eq!(setup.outcome("good"), (200, String::new()));
}

#[test]
fn an_issuer_that_is_not_the_configured_one_is_not_believed() {
    let good = |setup: &Setup| format!("{}/realm/", setup.server.url());
    let wrong: [&dyn Fn(&Setup) -> Value; 6] = [
        &|setup| json!({ "issuer": good(setup).trim_end_matches('/') }),
        &|setup| json!({ "issuer": good(setup).replace("127.0.0.1", "localhost") }),
        &|setup| json!({ "issuer": [good(setup)] }),
        &|_| json!({ "issuer": null }),
        &|_| json!({ "introspection_endpoint": "http://example.com/introspect" }),
        &|_| json!({ "introspection_endpoint": "https://user:secret@example.com/introspect" }),
    ];
    for (number, changes) in wrong.into_iter().enumerate() {
        let setup = start();
        for place in [RFC8414, OIDC] {
            setup.server.publish(place, metadata(&setup, changes(&setup)));
        }
        assert_eq!(setup.outcome("good"), (503, "as_bad_response".into()), "{number}");
        assert_eq!(setup.server.count_of_path("/i"), 0, "{number}");
    }
}

/// Pitfall 41.
#[test]
fn down_at_the_start_is_503_and_recovers_by_itself() {
    let mut setup = start();
    setup.server.publish(RFC8414, metadata(&setup, json!({})));
    setup.server.stop();
    for _ in 0..6 {
        let response = setup.get("good");
        assert_eq!((response.status, response.reason().as_str()), (503, "as_unavailable"));
        assert!(response.header("retry-after").is_some());
    }
    setup.server.start_again();
    wait_until("it recovers by itself", || setup.outcome("good") == (200, String::new()));
    let status = setup.gateway.admin_get("/api/status").json();
    assert_eq!(status["authorization_servers"][0]["circuit"], "closed");
}

#[test]
fn the_pause_counts_failed_looks() {
    let setup = start();
    for place in [RFC8414, OIDC] {
        setup.server.publish(place, Behaviour::status(500));
    }
    let begun = std::time::Instant::now();
    for number in 0..30 {
        assert_eq!(setup.outcome(&format!("token-{number}")), (503, "as_unavailable".into()));
    }
    let looks = setup.server.count_of_path(RFC8414);
    assert!(looks <= 1 + begun.elapsed().as_secs() as usize, "{looks} in {:?}", begun.elapsed());
}

#[test]
fn many_requests_wait_for_one_look() {
    let setup = start();
    setup.server.publish(
        RFC8414,
        Behaviour::after(std::time::Duration::from_millis(300), metadata(&setup, json!({}))),
    );
    for number in 0..8 {
        setup.server.answer(&format!("token-{number}"), active(json!({})));
    }
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..8)
            .map(|number| {
                scope.spawn({
                    let setup = &setup;
                    move || setup.outcome(&format!("token-{number}"))
                })
            })
            .collect();
        for outcome in asking {
            assert_eq!(outcome.join().expect("no panic"), (200, String::new()));
        }
    });
    assert_eq!(setup.server.count_of_path(RFC8414), 1);
}

#[test]
fn redirects_are_not_followed() {
    let setup = start();
    let moved = format!("{}/moved", setup.server.origin());
    setup.server.publish("/moved", metadata(&setup, json!({})));
    for place in [RFC8414, OIDC] {
        setup.server.publish(place, Behaviour::respond(301, &[("Location", &moved)], ""));
    }
    assert_eq!(setup.outcome("good"), (503, "as_bad_response".into()));
    assert_eq!(setup.server.count_of_path("/moved"), 0);
}
