//! The main job: a request passes with an active token, the service sees who called, everything
//! else is refused.

use crate::support::{Builder, Connection, Setup, UpstreamBehaviour, active, now, one_route};
use serde_json::json;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

#[test]
fn an_active_token_passes_and_the_service_sees_who_called() {
    let setup = Setup::route("scopes: [read]");
    let response = setup.gateway.get_with("/items/7?page=2", "good");

    assert_eq!(response.status, 200);
    assert_eq!(response.json()["upstream"], "upstream");
    let seen = setup.upstream.last();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/items/7?page=2"));
    assert_eq!(seen.header("x-introspected-sub"), Some("alice"));
    assert_eq!(seen.header("x-introspected-username"), Some("alice@example.com"));
    assert_eq!(seen.header("x-introspected-client-id"), Some("app"));
    assert_eq!(seen.header("x-introspected-scope"), Some("read write"));
    assert_eq!(seen.header("x-introspected-server"), Some("main"));
    assert_eq!(seen.header("authorization"), None);
    assert_eq!(setup.server.last().token().as_deref(), Some("good"));
}

#[test]
fn without_a_token_or_with_a_bad_or_narrow_one_nothing_reaches_the_service() {
    let setup = Setup::route("scopes: [read]");

    let missing = setup.gateway.get("/", &[]);
    assert_eq!((missing.status, missing.reason().as_str()), (401, "missing_token"));
    assert_eq!(setup.outcome("unknown"), (401, "inactive".into()));
    assert_eq!(setup.outcome("expired"), (401, "expired".into()));
    assert_eq!(setup.outcome("narrow"), (403, "insufficient_scope".into()));
    assert_eq!(setup.upstream.count(), 0);
}

/// The answer of the published example (RFC 7662 §2.2) with an `exp` that is still to come.
#[test]
fn the_published_answer_passes_with_its_extension_field() {
    let setup = Setup::start(&format!(
        "identity: {{ claims: [extension_field] }}\n{}",
        one_route("scopes: [dolphin], audience: [\"https://protected.example.net/resource\"]")
    ));
    let mut answer = json!({
        "active": true, "client_id": "l238j323ds-23ij4", "username": "jdoe", "scope": "read write dolphin",
        "sub": "Z5O3upPC88QrAjx00dis", "aud": "https://protected.example.net/resource",
        "iss": "https://server.example.com/", "exp": 1419356238, "iat": 1419350238,
        "extension_field": "twenty-seven",
    });
    setup.server.answer("2YotnFZFEjr1zCsicMWpAA", answer.clone());
    assert_eq!(setup.outcome("2YotnFZFEjr1zCsicMWpAA"), (401, "expired".into()));

    answer["exp"] = json!(now() + 60);
    setup.server.answer("later", answer);
    assert_eq!(setup.get("later").status, 200);
    let seen = setup.upstream.last();
    assert_eq!(seen.header("x-introspected-sub"), Some("Z5O3upPC88QrAjx00dis"));
    assert_eq!(seen.header("x-introspected-aud"), Some("https://protected.example.net/resource"));
    assert_eq!(seen.header("x-introspected-iss"), Some("https://server.example.com/"));
    assert_eq!(seen.header("x-introspected-iat"), Some("1419350238"));
    assert_eq!(seen.header("x-introspected-extension-field"), Some("twenty-seven"));
}

/// django-oauth-toolkit sends no `sub`, no `iss` and no `aud` (pitfall 48).
#[test]
fn an_answer_without_sub_is_enough() {
    let setup = Setup::route("scopes: [read]");
    let members = json!({ "client_id": "oUdofn7rfhRtKWbmhyVk", "scope": "read write dolphin" });
    setup.server.answer("dot", active(members));
    assert_eq!(setup.get("dot").status, 200);
    assert_eq!(setup.upstream.last().header("x-introspected-sub"), None);
    assert_eq!(
        setup.upstream.last().header("x-introspected-client-id"),
        Some("oUdofn7rfhRtKWbmhyVk")
    );
}

#[test]
fn bodies_pass_whole_in_both_framings() {
    let setup = Setup::route("");
    let bearer = ("Authorization", "Bearer good");
    let megabyte = vec![b'x'; 1 << 20];
    let response = setup.gateway.request("POST", "/", &[bearer], &megabyte);
    assert_eq!(response.json()["body_length"], 1 << 20);

    let chunked = [bearer, ("Transfer-Encoding", "chunked")];
    let response = setup.gateway.request("PUT", "/", &chunked, b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    assert_eq!(response.json()["body_length"], 5);
    assert_eq!(setup.upstream.last().body, b"abcde");
}

#[test]
fn the_services_status_headers_and_body_pass_unchanged() {
    let setup = Setup::route("");
    let answer = b"HTTP/1.1 418 Teapot\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nWWW-Authenticate: Basic realm=\"own\"\r\nContent-Length: 5\r\n\r\nshort";
    setup.upstream.behave(UpstreamBehaviour::Raw(answer.to_vec()));
    let response = setup.get("good");
    assert_eq!((response.status, response.text().as_str()), (418, "short"));
    assert_eq!(response.headers_all("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(response.header("www-authenticate"), Some("Basic realm=\"own\""));
}

#[test]
fn one_connection_carries_many_requests_each_judged_by_itself() {
    let setup = Setup::route("scopes: [read]");
    let mut connection = setup.gateway.connect();
    for (token, status) in
        [("good", 200), ("unknown", 401), ("good", 200), ("narrow", 403), ("good", 200)]
    {
        let bearer = format!("Bearer {token}");
        let response = connection.request("GET", "/", &[("Authorization", &bearer)], b"");
        assert_eq!(response.expect("an answer").status, status, "{token}");
    }
    let without = connection.request("GET", "/", &[], b"").expect("an answer");
    assert_eq!(without.status, 401, "nothing is remembered of a connection");
}

#[test]
fn a_streamed_answer_arrives_as_it_is_sent() {
    let setup = Setup::route("");
    let chunks = vec!["first".to_owned(), "second".to_owned()];
    setup.upstream.behave(UpstreamBehaviour::Stream(chunks, Duration::from_millis(400)));
    let began = Instant::now();
    let mut connection = setup.gateway.connect();
    connection
        .send(b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n\r\n")
        .expect("send");
    let mut received = Vec::new();
    while !received.ends_with(b"first") {
        received.extend(connection.read_bytes(1).expect("a byte"));
    }
    let first = began.elapsed();
    assert!(first < Duration::from_millis(780), "the first part waited for the second: {first:?}");
    while !received.ends_with(b"second") {
        received.extend(connection.read_bytes(1).expect("a byte"));
    }
    assert!(began.elapsed() >= Duration::from_millis(800));
}

/// An upgrade goes through the same gate (architecture: "WebSocket upgrades go through the same
/// gate").
#[test]
fn a_websocket_needs_a_token_too() {
    let setup = Setup::route("scopes: [read]");
    let upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket")];
    let refused = setup.gateway.get("/ws", &upgrade);
    assert_eq!((refused.status, setup.upstream.count()), (401, 0));

    let mut connection = setup.gateway.connect();
    let headers =
        [upgrade[0], upgrade[1], ("Authorization", "Bearer good"), ("X-Introspected-Sub", "evil")];
    let response = connection.request("GET", "/ws", &headers, b"").expect("an answer");
    assert_eq!(response.status, 101);
    assert_eq!(setup.upstream.last().header("x-introspected-sub"), Some("alice"));
    for message in [b"ping".as_slice(), b"and again"] {
        connection.send(message).expect("send");
        assert_eq!(connection.read_bytes(message.len()).expect("the echo"), message);
    }
}

#[test]
fn a_client_that_expects_100_continue_gets_its_answer() {
    let setup = Setup::route("");
    let mut connection = setup.gateway.connect();
    let head = b"POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    connection.send(head).expect("send");
    std::thread::sleep(Duration::from_millis(50));
    connection.send(b"body").expect("send");
    let response = connection.read_response("POST").expect("an answer");
    assert_eq!((response.status, setup.upstream.last().body), (200, b"body".to_vec()));
}

/// Contract §2: a listener may be `unix:PATH`.
#[test]
fn it_listens_on_a_unix_socket() {
    let setup = Setup::start(&format!(
        "listeners: [{{address: \"unix:@DIR@/in.sock\"}}]\n{}",
        one_route("")
    ));
    let mut connection = Connection::open_unix(&setup.gateway.directory().join("in.sock"));
    let bearer = [("Authorization", "Bearer good")];
    assert_eq!(connection.request("GET", "/", &bearer, b"").expect("an answer").status, 200);
    assert_eq!(connection.request("GET", "/", &[], b"").expect("an answer").status, 401);
}

/// Contract §2: a server of an upstream may be `unix:PATH`.
#[test]
fn it_speaks_to_an_upstream_on_a_unix_socket() {
    let directory = tempfile::tempdir().expect("a folder");
    let path = directory.path().join("up.sock");
    let listener = UnixListener::bind(&path).expect("bind");
    let service = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the gateway connects");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a request");
            head.push(byte[0]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").expect("answer");
        String::from_utf8(head).expect("ASCII")
    });
    let setup = Setup::start(&format!(
        "upstreams: {{ local: {{ servers: [\"unix:{}\"] }} }}\nroutes: [{{ path: /*, upstream: local }}]\n",
        path.display()
    ));
    assert_eq!(setup.get("good").text(), "hi");
    assert!(
        service.join().expect("the service").to_lowercase().contains("x-introspected-sub: alice")
    );
}

/// Contract §2: `${NAME}` and `${NAME:-default}` in any string.
#[test]
fn values_come_from_the_environment() {
    let builder = Builder::new().env("INTROSPECTION_TOKEN", "from-the-environment");
    let setup = Setup::build(
        builder,
        &format!(
            "authorization_servers:\n  main:\n    introspection_endpoint: \"@AS@\"\n    client_auth: {{ method: bearer, token: \"${{INTROSPECTION_TOKEN}}\" }}\nrealm: \"${{REALM:-fallback}}\"\n{}",
            one_route("")
        ),
    );
    assert_eq!(setup.get("good").status, 200);
    assert_eq!(setup.server.last().header("authorization"), Some("Bearer from-the-environment"));
    let challenge = setup.gateway.get("/", &[]);
    assert!(
        challenge.header("www-authenticate").expect("a challenge").contains("realm=\"fallback\"")
    );
}
