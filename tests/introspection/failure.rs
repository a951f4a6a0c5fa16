//! Failure: statuses, time-outs, broken connections, and retries.

use super::{MS, failed, plain};
use crate::support::{AuthorizationServer, Behaviour, Gateway, Setup, active, now, wait_until};
use serde_json::json;
use std::time::{Duration, Instant, UNIX_EPOCH};

/// Contract §6 and real-servers: the meaning of each status. Only its own 401 and 403 are about our
/// credentials.
#[test]
fn a_status_other_than_200_is_a_failure_of_its_own_kind() {
    let setup = plain("");
    let cases = [
        (401, "as_rejected_us"),
        (403, "as_rejected_us"),
        (429, "as_throttled"),
        (500, "as_unavailable"),
        (502, "as_unavailable"),
        (503, "as_unavailable"),
        (504, "as_unavailable"),
        (400, "as_bad_response"),
        (404, "as_bad_response"),
        (405, "as_bad_response"),
        (201, "as_bad_response"),
        (204, "as_bad_response"),
        (302, "as_bad_response"),
        (304, "as_bad_response"),
        (418, "as_bad_response"),
    ];
    for (status, reason) in cases {
        let body = if [204, 304].contains(&status) { "" } else { r#"{"active":true}"# };
        let token = format!("token-{status}");
        setup.server.behave(&token, Behaviour::respond(status, &[], body));
        let response = setup.get(&token);
        assert_eq!((response.status, response.reason().as_str()), (503, reason), "{status}");
        let wait: u64 =
            response.header("retry-after").expect("Retry-After").parse().expect("seconds");
        assert!(wait >= 1, "{status}");
        assert_eq!(
            response.header("www-authenticate"),
            None,
            "{status}: the client has done nothing wrong"
        );
        assert_eq!(setup.server.count_of(&token), 1, "{status}");
    }
    assert_eq!(setup.upstream.count(), 0);
}

/// real-servers: "400 with `error: unsupported_token_type` … inactive". Any other 400 is not.
#[test]
fn a_token_that_the_server_has_no_type_for_is_inactive() {
    let setup = plain("");
    let with = |body: &str| Behaviour::respond(400, &[("Content-Type", "application/json")], body);
    setup
        .server
        .behave("jwt", with(r#"{"error":"unsupported_token_type","error_description":"no"}"#));
    assert_eq!(setup.outcome("jwt"), (401, "inactive".into()));
    for (number, body) in [
        r#"{"error":"invalid_request"}"#,
        "unsupported_token_type",
        "",
        r#"["unsupported_token_type"]"#,
    ]
    .into_iter()
    .enumerate()
    {
        let token = format!("token-{number}");
        setup.server.behave(&token, with(body));
        assert_eq!(setup.outcome(&token), failed("as_bad_response"), "{body}");
    }
}

/// Pitfall 32: a redirect would carry the token elsewhere.
#[test]
fn redirects_are_not_followed() {
    let setup = plain("");
    let elsewhere = AuthorizationServer::start();
    elsewhere.behave_for_all(Behaviour::Json(active(json!({}))));
    for status in [301, 302, 303, 307, 308] {
        let token = format!("token-{status}");
        setup
            .server
            .behave(&token, Behaviour::respond(status, &[("Location", &elsewhere.url())], ""));
        assert_eq!(setup.outcome(&token), failed("as_bad_response"), "{status}");
    }
    assert_eq!((elsewhere.count(), setup.server.count()), (0, 5));
}

/// Pitfalls 33, 37 and 38: the time-out covers the whole call, and it fires on time.
#[test]
fn the_timeout_covers_the_whole_call() {
    let setup = plain("timeout: 400ms");
    let good = active(json!({ "sub": "alice" }));
    let slow = [
        Behaviour::Hang,
        Behaviour::after(MS(2000), Behaviour::Json(good.clone())),
        Behaviour::Drip(good, MS(60)),
    ];
    for (number, behaviour) in slow.into_iter().enumerate() {
        let token = format!("token-{number}");
        setup.server.behave(&token, behaviour.clone());
        let began = Instant::now();
        assert_eq!(setup.outcome(&token), failed("as_timeout"), "{behaviour:?}");
        let took = began.elapsed();
        assert!(took >= MS(380) && took < MS(1800), "{behaviour:?}: {took:?}");
        assert_eq!(setup.server.count_of(&token), 1, "not repeated: {behaviour:?}");
    }
}

/// The time-out covers all attempts together.
#[test]
fn retries_do_not_prolong_the_timeout() {
    let setup = Setup::server("retries: 5, timeout: 500ms");
    setup.server.behave_for_all(Behaviour::after(MS(200), Behaviour::status(503)));
    let began = Instant::now();
    assert_eq!(setup.get("x").status, 503);
    assert!(began.elapsed() < MS(1500), "{:?}", began.elapsed());
    assert!(setup.server.count() <= 3, "{} calls", setup.server.count());
}

/// Pitfalls 36 and 38; contract §2: calls that are repeated, and calls that are not.
#[test]
fn only_passing_failures_are_repeated() {
    let setup = Setup::server("retries: 1, circuit_breaker: { failures: 10000 }");
    let good = || Behaviour::Json(active(json!({})));
    let repeated =
        [Behaviour::status(502), Behaviour::status(503), Behaviour::status(504), Behaviour::Close];
    for (number, failure) in repeated.into_iter().enumerate() {
        let token = format!("repeated-{number}");
        setup.server.behave_in_turn(&token, [failure.clone(), good()]);
        assert_eq!(setup.get(&token).status, 200, "{failure:?}");
        assert_eq!(setup.server.count_of(&token), 2, "{failure:?}");
    }
    assert!(setup.gateway.metric("introgate_introspection_retries_total{server=\"main\"}") >= 3.0);
    let final_ones = [
        Behaviour::status(500),
        Behaviour::status(429),
        Behaviour::status(401),
        Behaviour::status(400),
        Behaviour::body("garbage"),
        Behaviour::inactive(),
    ];
    for (number, answer) in final_ones.into_iter().enumerate() {
        let token = format!("final-{number}");
        setup.server.behave_in_turn(&token, [answer.clone(), good()]);
        assert_ne!(setup.get(&token).status, 200, "{answer:?}");
        assert_eq!(setup.server.count_of(&token), 1, "{answer:?}");
    }
    setup.server.behave("always", Behaviour::status(503));
    assert_eq!(setup.outcome("always"), failed("as_unavailable"));
    assert_eq!(setup.server.count_of("always"), 2, "once, not more often");
}

/// real-servers: a reused connection that the server has closed meanwhile is normal; the call is
/// repeated at once, with any `retries`, and this is no failure.
#[test]
fn a_stale_connection_is_replaced_with_any_retries() {
    let setup = plain("");
    setup.server.one_answer_a_connection();
    for number in 0..6 {
        assert_eq!(setup.outcome(&format!("token-{number}")), (401, "inactive".into()), "{number}");
    }
    assert!(setup.server.count() > 6, "no connection was ever reused");
}

#[test]
fn a_server_that_drops_idle_connections_costs_no_request() {
    let setup = Setup::server("retries: 0, circuit_breaker: { failures: 1 }");
    for number in 0..5 {
        assert_eq!(setup.outcome(&format!("token-{number}")), (401, "inactive".into()), "{number}");
        setup.server.cut_connections();
    }
}

/// Pitfall 35 onwards: the connection is kept and used again.
#[test]
fn connections_to_the_server_are_reused() {
    let setup = plain("");
    for number in 0..20 {
        assert_eq!(setup.get(&format!("token-{number}")).status, 401);
    }
    assert!(
        setup.server.connection_count() <= 3,
        "{} connections",
        setup.server.connection_count()
    );
}

/// An HTTP/1.0 answer that ends with its connection is an answer.
#[test]
fn an_answer_that_ends_with_the_connection_is_read() {
    let setup = plain("");
    let raw = "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{\"active\":true}";
    setup.server.behave("old", Behaviour::Raw(raw.into()));
    assert_eq!(setup.get("old").status, 200);
}

/// Pitfall 37: broken off or no HTTP at all.
#[test]
fn a_broken_answer_is_503() {
    let setup = plain("");
    let broken = [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"active\":true}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nf\r\n{\"active\":true}\r\n",
        "nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\n",
        "SSH-2.0-OpenSSH_9.6\r\n",
    ];
    for (number, raw) in broken.into_iter().enumerate() {
        let token = format!("token-{number}");
        setup.server.behave(&token, Behaviour::Raw(raw.into()));
        let (status, reason) = setup.outcome(&token);
        assert_eq!(status, 503, "{raw}");
        assert!(
            ["as_unavailable", "as_bad_response"].contains(&reason.as_str()),
            "{raw}: {reason}"
        );
    }
    assert_eq!(setup.upstream.count(), 0);
}

/// The issue's case: the server is stopped; cached tokens still work, new ones get 503; once the
/// server is back, all tokens work.
#[test]
fn a_server_that_goes_away_and_comes_back() {
    let mut setup = Setup::server("circuit_breaker: { failures: 3, open_for: 300ms }");
    assert_eq!(setup.get("good").status, 200);
    setup.server.stop();
    for number in 0..6 {
        assert_eq!(setup.get("good").status, 200);
        let response = setup.get(&format!("new-{number}"));
        assert_eq!(response.status, 503);
        assert!(response.header("retry-after").is_some());
        let reason = response.reason();
        assert!(["as_unavailable", "as_circuit_open"].contains(&reason.as_str()), "{reason}");
    }
    setup.server.start_again();
    wait_until("new tokens are judged again", || setup.get("bare").status == 200);
    assert_eq!(setup.outcome("unknown"), (401, "inactive".into()));
}

/// Pitfall 41: a server that is not there at the start is no reason not to start.
#[test]
fn the_gateway_starts_without_its_server_and_recovers() {
    let mut server = AuthorizationServer::start();
    server.stop();
    let gateway = Gateway::start(&format!(
        "authorization_servers: {{ main: {{ introspection_endpoint: \"{}\", circuit_breaker: {{ open_for: 200ms }} }} }}\nroutes: [{{ path: /*, upstream: \"http://127.0.0.1:1\" }}]\n",
        server.url()
    ));
    assert_eq!(gateway.get_with("/", "x").status, 503);
    server.start_again();
    wait_until("the token is judged", || gateway.get_with("/", "x").status == 401);
}

/// RFC 9110 §10.2.3; pitfall 89: a pause is kept, in whichever form the server asks for it.
#[test]
fn a_pause_that_the_server_asks_for_is_kept() {
    let date = |seconds: i64| {
        let seconds = (now() + seconds).try_into().expect("a time after 1970");
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))
    };
    for (headers, kept) in [
        (vec![("Retry-After", "30".to_owned())], true),
        (vec![("Retry-After", date(30))], true),
        // a clock that is an hour off, on the server
        (vec![("Retry-After", date(3630)), ("Date", date(3600))], true),
        (vec![("Retry-After", date(-3570)), ("Date", date(-3600))], true),
        (vec![("Retry-After", "1".to_owned()), ("Retry-After", date(30))], true),
        (vec![("Retry-After", "99999999999999999999999".to_owned())], true),
        (vec![("Retry-After", "-30".to_owned())], false),
        (vec![("Retry-After", "soon".to_owned())], false),
        (vec![], false),
    ] {
        let setup = plain("");
        let owned: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        setup.server.behave("first", Behaviour::respond(429, &owned, ""));
        assert_eq!(setup.outcome("first"), failed("as_throttled"), "{headers:?}");
        let expected = if kept { failed("as_throttled") } else { (200, String::new()) };
        assert_eq!(setup.outcome("good"), expected, "{headers:?}");
        assert_eq!(setup.server.count_of("good"), usize::from(!kept), "{headers:?}");
    }
}

/// The log has advice that fits the gateway's authentication method, and shows the server's OAuth
/// error code (RFC 6749 §5.2), but nothing else of its answer.
#[test]
fn a_refused_gateway_gets_advice() {
    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    let coded = r#"{"error":"invalid_client","error_description":"no-such-thing"}"#;
    let unauthorized = r#"{"error":"unauthorized_client"}"#;
    for (auth, status, body, expected) in [
        (
            "method: none",
            401,
            "",
            "401 Unauthorized: the server does not accept this gateway; it wants client_auth, and none is configured",
        ),
        ("method: bearer, token: t", 403, "", "check client_auth: token, its end and its scope"),
        (
            "method: client_secret_basic, client_id: a, client_secret: b",
            401,
            coded,
            "(invalid_client): the server does not accept this gateway; check client_auth: client_id, client_secret and form_encode",
        ),
        (
            "method: client_secret_post, client_id: a, client_secret: b",
            400,
            coded,
            "status 400 (invalid_client): the server does not accept this gateway; check client_auth: client_id and client_secret",
        ),
        (
            "method: client_secret_jwt, client_id: a, client_secret: SECRET",
            400,
            unauthorized,
            "status 400 (unauthorized_client): the server does not accept this gateway; check client_auth: client_id, client_secret, algorithm and audience, and both clocks",
        ),
        // zitadel
        (
            "method: client_secret_basic, client_id: a, client_secret: b",
            401,
            "ErrorType=unauthorized_client Parent=no-such-thing",
            "status 401 Unauthorized: the server does not accept this gateway; check client_auth",
        ),
        (
            "method: none",
            400,
            r#"{"error":"invalid_request"}"#,
            "status 400 (invalid_request): the server does not understand the call",
        ),
        (
            "method: none",
            400,
            r#"{"error":"in\u0000valid no-such-thing"}"#,
            "status 400: the server does not understand the call",
        ),
        (
            "method: none",
            404,
            r#"{"error":"not_found"}"#,
            "status 404 Not Found (not_found), where 200 was expected",
        ),
        ("method: none", 302, "", "a redirect to a login page means that the path is wrong"),
    ] {
        let auth = auth.replace("SECRET", SECRET);
        let setup = plain(&format!("client_auth: {{ {auth} }}"));
        setup.server.behave_for_all(Behaviour::respond(status, &[("Location", "/login")], body));
        assert_eq!(setup.get("x").status, 503, "{auth}");
        let log = setup.gateway.log_with(expected);
        assert!(!log.contains("no-such-thing") && !log.contains(SECRET), "{log}");
    }
}

/// RFC 8259 §8.1: a reader may ignore a byte order mark.
#[test]
fn a_byte_order_mark_before_an_answer_is_ignored() {
    let setup = plain("");
    for (token, body, expected) in [
        ("a", "\u{feff}{\"active\":true}", 200),
        ("b", "\u{feff}{\"active\":false}", 401),
        ("c", "\u{feff}\u{feff}{\"active\":true}", 503),
        ("d", " \u{feff}{\"active\":true}", 503),
        ("e", "{\"active\":true}\u{feff}", 503),
    ] {
        setup.server.behave(token, Behaviour::body(body));
        assert_eq!(setup.get(token).status, expected, "{body:?}");
    }
}
