//! Refusals: status, challenge and problem document; and data that they never contain.

use crate::support::{Behaviour, Response, Setup, UpstreamBehaviour, active, now};
use serde_json::json;

const ROUTES: &str = r#"
realm: api
routes:
  - { name: read, path: /read, upstream: "@UPSTREAM@", scopes: [read, list] }
  - { name: any, path: /any, upstream: "@UPSTREAM@", scopes: [base], scopes_any: [a, b] }
  - { name: audience, path: /audience, upstream: "@UPSTREAM@", audience: [other] }
  - { name: claim, path: /claim, upstream: "@UPSTREAM@", claims: { role: admin } }
  - { name: down, path: /down, upstream: "http://127.0.0.1:1" }
  - { name: plain, path: /plain, upstream: "@UPSTREAM@" }
"#;

/// A cause and its result: path, `Authorization`, status, reason, OAuth error.
struct Case {
    path: &'static str,
    authorization: Option<&'static str>,
    status: u16,
    reason: &'static str,
    error: Option<&'static str>,
}

const fn case(
    path: &'static str,
    authorization: Option<&'static str>,
    status: u16,
    reason: &'static str,
    error: Option<&'static str>,
) -> Case {
    Case { path, authorization, status, reason, error }
}

/// Each row of contract §5 that a request with these parts can cause.
const CASES: [Case; 17] = [
    case("/plain", None, 401, "missing_token", None),
    case("/plain", Some("Basic eDp5"), 401, "missing_token", None),
    case("/plain", Some("Bearer a,b"), 400, "malformed_token", Some("invalid_request")),
    case("/plain", Some("Bearer unknown"), 401, "inactive", Some("invalid_token")),
    case("/plain", Some("Bearer expired"), 401, "expired", Some("invalid_token")),
    case("/plain", Some("Bearer early"), 401, "not_yet_valid", Some("invalid_token")),
    case("/plain", Some("Bearer refresh"), 401, "token_type", Some("invalid_token")),
    case("/audience", Some("Bearer good"), 401, "audience", Some("invalid_token")),
    case("/read", Some("Bearer narrow"), 403, "insufficient_scope", Some("insufficient_scope")),
    case("/claim", Some("Bearer good"), 403, "claim", None),
    case("/plain", Some("Bearer broken"), 503, "as_bad_response", None),
    case("/plain", Some("Bearer failing"), 503, "as_unavailable", None),
    case("/plain", Some("Bearer busy"), 503, "as_throttled", None),
    case("/plain", Some("Bearer locked"), 503, "as_rejected_us", None),
    case("/nowhere", Some("Bearer good"), 404, "no_route", None),
    case("/plain%2fx", Some("Bearer good"), 400, "bad_request", None),
    case("/down", Some("Bearer good"), 502, "upstream_unavailable", None),
];

const LEAK: &str = "internal-detail-of-the-server";

fn setup() -> Setup {
    let setup = Setup::start(ROUTES);
    let server = &setup.server;
    server.answer("early", active(json!({ "nbf": now() + 600, "note": LEAK })));
    server.answer("refresh", active(json!({ "token_type": "refresh_token", "note": LEAK })));
    let failing =
        |status| Behaviour::respond(status, &[("X-Leak", LEAK), ("WWW-Authenticate", LEAK)], LEAK);
    server.behave("broken", Behaviour::body(&format!("{{\"active\":\"{LEAK}\"}}")));
    server.behave("failing", failing(500));
    server.behave("busy", failing(429));
    server.behave("locked", failing(401));
    server.answer("unknown", json!({ "active": false, "error_description": LEAK }));
    setup
}

fn ask(setup: &Setup, method: &str, case: &Case, more: &[(&str, &str)]) -> Response {
    let mut headers = more.to_vec();
    headers.extend(case.authorization.map(|value| ("Authorization", value)));
    setup.gateway.request(method, case.path, &headers, b"")
}

/// Contract §5: the problem document has its members and nothing from the authorization server's
/// answer (pitfall 67).
#[test]
fn a_refusal_is_a_problem_document() {
    let setup = setup();
    for case in &CASES {
        let id = format!("id-{}", case.reason);
        let response = ask(&setup, "GET", case, &[("X-Request-Id", &id)]);
        assert_eq!(
            (response.status, response.reason().as_str()),
            (case.status, case.reason),
            "{}",
            case.path
        );
        assert_eq!(
            response.header("content-type"),
            Some("application/problem+json"),
            "{}",
            case.reason
        );
        let problem = response.json();
        for member in ["type", "title", "detail"] {
            assert!(
                problem[member].as_str().is_some_and(|text| !text.is_empty()),
                "{member}: {problem}"
            );
        }
        assert_eq!(problem["status"], case.status);
        assert_eq!(problem["request_id"], id);
        assert_eq!(
            problem.get("error").and_then(|error| error.as_str()),
            case.error,
            "{}",
            case.reason
        );
        let known =
            ["type", "title", "status", "detail", "error", "reason", "request_id", "instance"];
        let members: Vec<_> = problem.as_object().expect("an object").keys().collect();
        assert!(members.iter().all(|member| known.contains(&member.as_str())), "{members:?}");
    }
}

/// Pitfall 66.
#[test]
fn a_refusal_challenges_as_the_rfc_demands() {
    let setup = setup();
    for case in &CASES {
        let response = ask(&setup, "GET", case, &[]);
        let challenge = response.header("www-authenticate");
        let about_the_token = [401, 403].contains(&case.status) || case.error.is_some();
        assert_eq!(challenge.is_some(), about_the_token, "{}: {challenge:?}", case.reason);
        let Some(challenge) = challenge else { continue };
        assert!(challenge.starts_with("Bearer "), "{challenge}");
        assert!(challenge.contains("realm=\"api\""), "{challenge}");
        match case.error {
            Some(error) => {
                assert!(challenge.contains(&format!("error=\"{error}\"")), "{challenge}")
            }
            None => assert!(!challenge.contains("error="), "{challenge}"),
        }
        assert_eq!(response.header("retry-after"), None, "{}", case.reason);
    }
}

/// Contract §5: `scope` names the scopes that the route needs.
#[test]
fn the_challenge_names_the_scopes_that_are_needed() {
    let setup = setup();
    let scope = |path: &str, token: Option<&str>| {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let header = bearer.as_deref().map(|value| ("Authorization", value));
        let response = setup.gateway.get(path, &Vec::from_iter(header));
        let challenge = response.header("www-authenticate").expect("a challenge").to_owned();
        let scope = challenge.split_once("scope=\"").and_then(|(_, rest)| rest.split_once('"'));
        scope.map(|(scope, _)| scope.to_owned())
    };
    assert_eq!(scope("/read", Some("narrow")).as_deref(), Some("read list"));
    assert_eq!(scope("/read", None).as_deref(), Some("read list"));
    assert_eq!(scope("/plain", None), None);
    let any = scope("/any", Some("narrow")).expect("a scope");
    assert!(any.split(' ').any(|scope| scope == "base"), "{any}");
}

/// Contract §5: a `Retry-After` in whole seconds with every 503.
#[test]
fn a_503_has_the_time_of_the_next_attempt() {
    let setup = setup();
    for case in CASES.iter().filter(|case| case.status == 503) {
        let response = ask(&setup, "GET", case, &[]);
        let seconds = response.header("retry-after").and_then(|value| value.parse::<u64>().ok());
        assert!(seconds.is_some_and(|seconds| (1..=3600).contains(&seconds)), "{}", case.reason);
    }
}

/// Pitfall 69: HEAD has the head of GET and no body; the connection stays usable.
#[test]
fn head_has_no_body() {
    let setup = setup();
    for case in &CASES {
        let mut connection = setup.gateway.connect();
        let headers: Vec<_> =
            case.authorization.map(|value| ("Authorization", value)).into_iter().collect();
        let head = connection.request("HEAD", case.path, &headers, b"").expect("a head");
        assert_eq!(head.status, case.status, "{}", case.reason);
        let get = ask(&setup, "GET", case, &[]);
        assert_eq!(
            head.header("www-authenticate"),
            get.header("www-authenticate"),
            "{}",
            case.reason
        );
        if head.header("connection").is_none_or(|value| !value.eq_ignore_ascii_case("close")) {
            // a body after HEAD would be read as the start of this answer
            let next = connection.request("GET", "/nowhere", &[], b"");
            match next {
                Ok(next) => assert_eq!(next.status, 404, "{}", case.reason),
                Err(error) => {
                    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof, "{}", case.reason)
                }
            }
        } else {
            assert_eq!(connection.read_to_end(), b"", "{}", case.reason);
        }
    }
}

/// Contract §5: gRPC gets trailers-only `grpc-status` 16, 7 or 14 (pitfall 69).
#[test]
fn grpc_gets_its_own_shape() {
    let setup = setup();
    let statuses = [
        ("missing_token", "16"),
        ("inactive", "16"),
        ("insufficient_scope", "7"),
        ("claim", "7"),
        ("as_unavailable", "14"),
        ("as_rejected_us", "14"),
        ("upstream_unavailable", "14"),
    ];
    for (reason, status) in statuses {
        let case = CASES.iter().find(|case| case.reason == reason).expect("a case");
        for kind in ["application/grpc", "application/grpc+proto"] {
            let response = ask(&setup, "POST", case, &[("Content-Type", kind), ("TE", "trailers")]);
            assert_eq!(
                (response.status, response.header("grpc-status")),
                (200, Some(status)),
                "{reason}"
            );
            assert!(
                response
                    .header("content-type")
                    .is_some_and(|kind| kind.starts_with("application/grpc"))
            );
            assert!(response.body.is_empty(), "{reason}");
        }
    }
    let web = ask(&setup, "POST", &CASES[0], &[("Content-Type", "application/grpcish")]);
    assert_eq!(web.status, 401, "only gRPC itself");
}

/// Pitfall 67; contract §5: never anything that the authorization server sent, nor a token, nor an
/// address of ours.
#[test]
fn nothing_leaks() {
    let setup = setup();
    for case in &CASES {
        let response = ask(&setup, "GET", case, &[]);
        let all = format!("{:?} {}", response.headers, response.text());
        let tokens = ["unknown", "expired", "narrow", "broken", "failing"];
        let authorities =
            [format!("127.0.0.1:{}", setup.server.port()), format!(":{}", setup.upstream.port())];
        for secret in [LEAK, "/introspect", "panicked", "src/", ".rs"]
            .into_iter()
            .chain(authorities.iter().map(String::as_str))
        {
            assert!(!all.contains(secret), "{}: {secret} in {all}", case.reason);
        }
        // `expired` and `inactive` are words of ours; the token's value would be in quotes or
        // behind Bearer
        for token in tokens {
            assert!(!all.contains(&format!("Bearer {token}")), "{}: {all}", case.reason);
        }
    }
}

/// Contract §5: `reason` is the same word in the body, the log and the metric.
#[test]
fn the_reason_is_the_same_word_everywhere() {
    let setup = setup();
    for case in CASES.iter().filter(|case| case.reason != "upstream_unavailable") {
        let id = format!("same-{}", case.reason);
        let metric = format!("introgate_decisions_total{{reason=\"{}\"}}", case.reason);
        let before = setup.gateway.metric(&metric);
        let response = ask(&setup, "GET", case, &[("X-Request-Id", &id)]);
        assert_eq!(response.reason(), case.reason);
        let line = setup.gateway.access_log_of(&id);
        assert_eq!((&line["reason"], &line["status"]), (&json!(case.reason), &json!(case.status)));
        assert_eq!(setup.gateway.metric(&metric), before + 1.0, "{metric}");
    }
}

/// Pitfall 67: a realm that could end its quoted-string is refused before anything runs.
#[test]
fn the_realm_cannot_end_its_quotes() {
    let yaml = "authorization_servers: {main: {introspection_endpoint: 'http://127.0.0.1:9/'}}\nrealm: 'a \"b\"'\nroutes: [{path: /*, upstream: 'http://127.0.0.1:9'}]";
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("gateway.yaml");
    std::fs::write(&file, yaml).expect("written");
    let (code, out, _) = crate::support::run_cli(&["check", "-c", &file.to_string_lossy()], &[]);
    assert_eq!(code, 64);
    assert!(out.contains(":2:8: error: realm: "), "{out}");
}

/// The body of a refused request is not taken for the next one (pitfall 62).
#[test]
fn the_body_of_a_refused_request_is_no_request() {
    let setup = Setup::route("");
    let inner = "GET /smuggled HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n\r\n";
    let length = inner.len();
    let requests = [
        format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{inner}"),
        format!(
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{inner}\r\n0\r\n\r\n"
        ),
        format!("POST /a%2fb HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{inner}"),
    ];
    for request in requests {
        let mut connection = setup.gateway.connect();
        connection.send(request.as_bytes()).expect("send");
        let refused = connection.read_response("POST").expect("a refusal");
        assert!([400, 401].contains(&refused.status));
        // the next response on this connection belongs to this request
        let follow = connection.request("GET", "/", &[("Connection", "close")], b"");
        assert!(
            follow.is_err() || follow.is_ok_and(|response| response.status == 401),
            "{request}"
        );
    }
    assert_eq!(setup.upstream.count(), 0);
}

/// A refusal does not wait for a body that never comes.
#[test]
fn a_refusal_does_not_wait_for_the_body() {
    let setup = Setup::route("");
    let mut connection = setup.gateway.connect();
    connection
        .send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nstart")
        .expect("send");
    assert_eq!(connection.read_response("POST").expect("a refusal").status, 401);
}

/// Contract §5: 504 and 502 are about the service, and never a challenge.
#[test]
fn the_services_failures_are_no_challenges() {
    let setup = Setup::start(
        "upstreams: { api: { servers: [\"@UPSTREAM@\"], read_timeout: 200ms } }\nroutes: [{ path: /*, upstream: api }]",
    );
    for (behaviour, status, reason) in [
        (UpstreamBehaviour::Close, 502, "upstream_unavailable"),
        (UpstreamBehaviour::Hang, 504, "upstream_timeout"),
    ] {
        setup.upstream.behave(behaviour);
        let response = setup.get("good");
        assert_eq!((response.status, response.reason().as_str()), (status, reason));
        assert_eq!(response.header("content-type"), Some("application/problem+json"));
        assert_eq!(response.header("www-authenticate"), None);
    }
}
