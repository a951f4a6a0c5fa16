//! `fast_path`: the two ways that a request can go differ in nothing but their price. On both, the
//! client gets the same response, the upstream the same request and the operator the same line in
//! the log.

mod fuzz;

use crate::support::{
    AuthorizationServer, Connection, Gateway, Request, Upstream, UpstreamBehaviour, known_tokens,
    wait_until,
};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use std::time::Duration;

struct Both {
    fast: Gateway,
    general: Gateway,
    upstream: Upstream,
    _server: AuthorizationServer,
}

/// All that can be seen of one request from outside.
#[derive(Debug, PartialEq)]
struct Seen {
    /// Status, headers in order of their names, body; nothing where the connection was closed
    /// instead.
    response: Option<(u16, Vec<String>, String)>,
    /// Whether the connection took another request.
    kept: bool,
    /// Requests that reached the upstream: request lines, headers in order of their names, length
    /// of the body.
    forwarded: Vec<(String, Vec<String>, usize)>,
    /// The logged line, without times.
    logged: Option<Value>,
}

const ROUTES: &str = "
identity: {claims: [extension_field]}
token: {from: [header, query, \"cookie:at\"]}
routes:
  - {name: items, path: /items/*, upstream: \"@UPSTREAM@\", scopes: [read]}
  - {name: strict, path: /strict/*, methods: [GET], upstream: \"@UPSTREAM@\", scopes: [admin]}
  - {name: moved, path: /moved/*, upstream: \"@UPSTREAM@\", auth: optional, rewrite: {strip_prefix: /moved, add_prefix: /to}}
  - {name: public, host: gateway.test, path: /public/*, upstream: \"@UPSTREAM@\", auth: none, preflight: pass}
  - {name: own-host, path: /own-host/*, upstream: own, auth: none}
upstreams:
  own: {servers: [\"@UPSTREAM@\"], preserve_host: false}
";

impl Both {
    fn start() -> Both {
        let (server, upstream) = (AuthorizationServer::start(), Upstream::start());
        known_tokens(&server);
        let servers = format!(
            "authorization_servers: {{main: {{introspection_endpoint: \"{}\"}}}}",
            server.url()
        );
        let gateway = |fast: bool| {
            let routes = ROUTES.replace("@UPSTREAM@", &upstream.url());
            Gateway::start(&format!("fast_path: {fast}\n{servers}{routes}"))
        };
        Both { fast: gateway(true), general: gateway(false), upstream, _server: server }
    }

    /// Sends these bytes both ways.
    #[track_caller]
    fn compare(&self, method: &str, request: &[u8], what: &str) {
        let (fast, general) =
            (self.see(&self.fast, method, request), self.see(&self.general, method, request));
        assert_eq!(fast, general, "{what}\nrequest: {}", request.escape_ascii());
    }

    fn see(&self, gateway: &Gateway, method: &str, request: &[u8]) -> Seen {
        let (before, logged) = (self.upstream.count(), gateway.access_log(0).len());
        let mut connection = gateway.connect();
        connection.patience(Duration::from_secs(5));
        let _ = connection.send(request);
        let response = connection.read_response(method).ok();
        let kept = response.is_some() && is_kept(&mut connection);
        drop(connection);
        let logged = log_since(gateway, logged)
            .into_iter()
            .find(|line| !PROBES.contains(&line["path"].as_str().unwrap_or_default()));
        let forwarded = self.upstream.requests().split_off(before);
        Seen {
            response: response.map(|response| {
                (
                    response.status,
                    sorted(&response.headers),
                    steady(&String::from_utf8_lossy(&response.body)),
                )
            }),
            kept,
            forwarded: forwarded
                .iter()
                .filter(|request| !PROBES.contains(&request.path()))
                .map(told)
                .collect(),
            logged: logged.map(timeless),
        }
    }
}

/// Asked for by the tests themselves.
const PROBES: [&str; 2] = ["/public/again", "/nowhere/probe"];

/// The access log behind the first `known` lines, with all that has happened so far.
fn log_since(gateway: &Gateway, known: usize) -> Vec<Value> {
    // waits until nothing is in flight, and every line is in order before the probe's
    gateway.metrics();
    let id = format!("probe-{known}");
    gateway.get(PROBES[1], &[("X-Request-Id", &id)]);
    gateway.access_log_of(&id);
    gateway.access_log(0).split_off(known)
}

/// Whether another request is answered on the same connection.
fn is_kept(connection: &mut Connection) -> bool {
    connection
        .request("GET", PROBES[0], &[("Host", "gateway.test")], b"")
        .is_ok_and(|response| response.status < 500)
}

fn told(request: &Request) -> (String, Vec<String>, usize) {
    (format!("{} {}", request.method, request.target), sorted(&request.headers), request.body.len())
}

/// Without the headers that differ between requests.
fn sorted(headers: &[(String, String)]) -> Vec<String> {
    let made_anew = ["date", "x-request-id", "traceparent"];
    let line = |(name, value): &(String, String)| {
        let name = name.to_ascii_lowercase();
        let value = if made_anew.contains(&name.as_str()) && !value.contains("fixed") {
            "…"
        } else {
            value
        };
        format!("{name}: {value}")
    };
    let mut lines: Vec<String> = headers.iter().map(line).collect();
    lines.sort();
    // echoes say how long they are
    lines.retain(|line| !line.starts_with("content-length"));
    lines
}

/// A refusal or an echo without its varying parts.
fn steady(body: &str) -> String {
    match serde_json::from_str::<Value>(body) {
        Ok(mut value) if value.is_object() => {
            value["request_id"].take();
            // of an echo: they are compared as the upstream saw them
            value["headers"].take();
            value.to_string()
        }
        _ => body.to_owned(),
    }
}

fn timeless(mut line: Value) -> Value {
    for member in [
        "ts",
        "request_id",
        "trace_id",
        "duration_ms",
        "upstream_ms",
        "introspection_ms",
        "cache",
        "token_fp",
    ] {
        line[member].take();
    }
    line
}

const GOOD: &str = "Authorization: Bearer good\r\n";

#[test]
fn requests_made_of_odd_parts() {
    let both = Both::start();
    let mut random = StdRng::seed_from_u64(7);
    for _ in 0..200 {
        let (method, request) = odd_request(&mut random);
        both.compare(method, &request, "odd parts");
    }
}

/// Differences that the comparison of odd parts has found.
#[test]
fn repeated_headers() {
    let both = Both::start();
    for lines in [
        "Authorization: Bearer\r\nAuthorization: Basic dTpw\r\n",
        "Authorization: Basic dTpw\r\nAuthorization: Bearer good\r\n",
        "Authorization: Basic dTpw\r\nAuthorization: Basic dTpw\r\n",
        "Connection: keep-alive\r\nConnection: close\r\n",
        "Connection: close\r\nConnection: keep-alive\r\n",
        "X-Twice: 1\r\nX-Twice: 2\r\nX-Introspected-Sub: a\r\nX-Introspected-Sub: b\r\n",
        "Cookie: at=good; a=1\r\nCookie: b=2\r\n",
    ] {
        let request = format!("GET /public/1 HTTP/1.1\r\nHost: gateway.test\r\n{lines}\r\n");
        both.compare("GET", request.as_bytes(), "repeated");
    }
}

/// A request of parts that are mostly sound each, and seldom together.
fn odd_request(random: &mut StdRng) -> (&'static str, Vec<u8>) {
    let mut pick = |from: &[&'static str]| *from.choose(random).expect("a choice");
    let method = pick(&[
        "GET", "GET", "GET", "GET", "GET", "HEAD", "HEAD", "POST", "OPTIONS", "DELETE", "get",
        "TRACE",
    ]);
    let target = pick(TARGETS);
    let version = pick(&[
        "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0",
        "HTTP/1.2",
    ]);
    let host = pick(&[
        "Host: gateway.test\r\n",
        "Host: gateway.test\r\n",
        "HOST:gateway.test:80\r\n",
        "host: GATEWAY.test.\r\n",
        HOSTS[0],
        HOSTS[1],
        HOSTS[2],
        HOSTS[3],
        HOSTS[4],
    ]);
    let mut text = format!("{method} {target} {version}\r\n{host}").into_bytes();
    for _ in 0..pick(&["1", "2", "3", "4", "6"]).len() + 2 {
        text.extend_from_slice(pick(LINES).as_bytes());
    }
    if pick(&["close", "", ""]) == "close" {
        text.extend_from_slice(b"Connection: close\r\n");
    }
    text.extend_from_slice(b"\r\n");
    // seldom, a byte that is something else
    if random.random_ratio(1, 12) {
        let at = random.random_range(0..text.len());
        text[at] = *b"\0\r\n \t:/%\x80\xff".choose(random).expect("a byte");
    }
    (method, text)
}

const HOSTS: [&str; 5] = [
    "",
    "Host: \r\n",
    "Host: a b\r\n",
    "Host: gateway.test\r\nHost: gateway.test\r\n",
    "Host: other.test@gateway.test\r\n",
];

const TARGETS: &[&str] = &[
    "/items/1",
    "/items/1",
    "/items/1?page=1",
    "/items",
    "/items/a/../b",
    "/items/%2e%2e/strict/x",
    "//items//1",
    "/items/%41%42?q=%41",
    "/items/a%2fb",
    "/items/%zz",
    "/items/a;b=c",
    "/items/é",
    "/items/x#y",
    "/items/1?access_token=good",
    "/items/1?a=b&access_token=good&c=d",
    "/items/1?access_token=",
    "/strict/1",
    "/moved/1?x=y",
    "/moved",
    "/public/1",
    "/own-host/1",
    "/nowhere",
    "http://gateway.test/items/1",
    "http://other.test/public/1",
    "https://gateway.test",
    "*",
    "items",
    "/items/1 2",
];

const LINES: &[&str] = &[
    GOOD,
    GOOD,
    GOOD,
    "authorization: bearer good\r\n",
    "Authorization: Bearer bad\r\n",
    "Authorization: Bearer\r\n",
    "Authorization: Basic dTpw\r\n",
    "Authorization: Bearer good, Bearer good\r\n",
    "Cookie: a=1; at=good; b=2\r\n",
    "Cookie: at=good\r\n",
    "Cookie: c=3\r\n",
    "X-Introspected-Sub: root\r\n",
    "x_introspected.scope: admin\r\n",
    "X-Introspected-Server:\r\n",
    "X-HTTP-Method-Override: DELETE\r\n",
    "X-Forwarded-For: 6.6.6.6\r\n",
    "X-Forwarded-Port: 1\r\n",
    "Forwarded: for=6.6.6.6\r\n",
    "X-Request-Id: fixed-1\r\n",
    "X-Request-Id: not a word\r\n",
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n",
    "Connection: keep-alive\r\n",
    "Connection: Keep-Alive, X-Custom\r\n",
    "Connection: Authorization\r\n",
    "Connection: upgrade\r\nUpgrade: h2c\r\n",
    "Keep-Alive: timeout=5\r\n",
    "Proxy-Connection: keep-alive\r\n",
    "Proxy-Authorization: Basic dTpw\r\n",
    "TE: trailers\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: +0\r\n",
    "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
    "Content-Type: application/grpc\r\n",
    "Origin: https://a.test\r\nAccess-Control-Request-Method: GET\r\n",
    "Accept: */*\r\n",
    "User-Agent: \x7f\r\n",
    "X-Custom:   spaces   \r\n",
    "X-Empty:\r\n",
    "X-Latin: \u{e9}\r\n",
    "X-Custom : 1\r\n",
    " folded\r\n",
    "X-Line: a\n",
    "no colon\r\n",
    "X-\u{e9}: 1\r\n",
];

/// Responses as they come from careless, old and hostile services.
#[test]
fn responses_of_every_kind() {
    let both = Both::start();
    let long = "x".repeat(300_000);
    let many: String = (0..100).map(|n| format!("X-Line-{n}: {n}\r\n")).collect();
    let responses = [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nX-Mixed-Case: 1\r\nx-twice: 1\r\nX-Twice: 2\r\nDate: long ago\r\nServer: x\r\n\r\nok"
            .into(),
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".into(),
        format!("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n{long}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n493e0\r\n{long}\r\n0\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\n\r\n{long}"),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n0\r\nTrailer: 1\r\n\r\n".into(),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n3\r\nabc\r\n0\r\n\r\n".into(),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".into(),
        "HTTP/1.1 200 OK\r\n\r\n".into(),
        "HTTP/1.1 200 OK\r\n\r\nuntil the end".into(),
        "HTTP/1.0 200 OK\r\n\r\nuntil the end".into(),
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok".into(),
        "HTTP/1.1 204 No Content\r\n\r\n".into(),
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 17\r\nETag: \"a\"\r\n\r\n".into(),
        "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nConnection: close\r\n\r\ngone".into(),
        "HTTP/1.1 500 \r\nContent-Length: 4\r\n\r\noops".into(),
        "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok".into(),
        "HTTP/1.1 299 My Own\r\nContent-Length: 2\r\n\r\nok".into(),
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok".into(),
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok".into(),
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!".into(),
        "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok".into(),
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok".into(),
        "HTTP/1.1 200 OK\r\nX-Folded: a\r\n b\r\nContent-Length: 2\r\n\r\nok".into(),
        "HTTP/1.1 200 OK\r\nX-Space : a\r\nContent-Length: 2\r\n\r\nok".into(),
        "HTTP/1.1 200 OK\nContent-Length: 2\n\nok".into(),
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n\r\nok".into(),
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Latin: \u{e9}\r\nX-Empty:\r\n\r\nok".into(),
        format!("HTTP/1.1 200 OK\r\n{many}Content-Length: 2\r\n\r\nok"),
        format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\nContent-Length: 2\r\n\r\nok", &long[..30_000]),
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nUpgrade: h2c\r\n\r\nok".into(),
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more".into(),
        "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nnot all of it".into(),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nnot".into(),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nnot\r\n".into(),
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".into(),
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n".into(),
        "HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\nok".into(),
        "HTTP/1.1 200 OK\r\nContent-".into(),
        "SSH-2.0-OpenSSH\r\n".into(),
        String::new(),
    ];
    for response in responses {
        both.upstream.behave(UpstreamBehaviour::Raw(response.clone().into_bytes()));
        let shown: String = response.chars().take(200).collect();
        for method in ["GET", "HEAD"] {
            let request = format!("{method} /items/1 HTTP/1.1\r\nHost: gateway.test\r\n{GOOD}\r\n");
            both.compare(
                method,
                request.as_bytes(),
                &format!("response: {}", shown.escape_debug()),
            );
        }
    }
}

/// Plain and other requests may take turns on one connection, whole or in pieces.
#[test]
fn one_connection_takes_both_ways() {
    let both = Both::start();
    for gateway in [&both.fast, &both.general] {
        let mut connection = gateway.connect();
        let plain = format!("GET /items/1 HTTP/1.1\r\nHost: gateway.test\r\n{GOOD}\r\n");
        let body = format!(
            "POST /items/2 HTTP/1.1\r\nHost: gateway.test\r\n{GOOD}Content-Length: 3\r\n\r\nabc"
        );
        for round in 0..3 {
            for (request, method, length) in
                [(&plain, "GET", 0), (&body, "POST", 3), (&plain, "GET", 0)]
            {
                let (first, second) = request.split_at(if round == 1 { 20 } else { 0 });
                connection.send(first.as_bytes()).expect("a part of a request");
                if !first.is_empty() {
                    std::thread::sleep(Duration::from_millis(30));
                }
                connection.send(second.as_bytes()).expect("the rest");
                let response = connection.read_response(method).expect("a response");
                assert_eq!(
                    (response.status, &response.json()["body_length"]),
                    (200, &length.into()),
                    "{request}"
                );
            }
        }
    }
}

/// RFC 9112 §9.3.2: plain requests that come at once are answered in their order.
#[test]
fn plain_requests_that_come_at_once() {
    let both = Both::start();
    let requests: String = (0..20)
        .map(|n| format!("GET /items/{n} HTTP/1.1\r\nHost: gateway.test\r\n{GOOD}\r\n"))
        .collect();
    let mut connection = both.fast.connect();
    connection.send(requests.as_bytes()).expect("all of them");
    for n in 0..20 {
        assert_eq!(
            connection.read_response("GET").expect("a response").json()["target"],
            format!("/items/{n}")
        );
    }
    // the next one waits in the gateway while the service takes its time
    both.upstream.behave(UpstreamBehaviour::EchoAfter(Duration::from_millis(100)));
    let next = format!("GET /items/a HTTP/1.1\r\nHost: gateway.test\r\n{GOOD}\r\n");
    connection.send(next.as_bytes()).expect("one");
    std::thread::sleep(Duration::from_millis(30));
    connection.send(next.replace("/items/a", "/items/b").as_bytes()).expect("and another");
    for path in ["/items/a", "/items/b"] {
        assert_eq!(connection.read_response("GET").expect("a response").json()["target"], path);
    }
}

/// As nginx logs it: 499, and the service's work is cancelled.
#[test]
fn a_client_that_leaves_is_noticed() {
    let both = Both::start();
    both.upstream.behave(UpstreamBehaviour::Hang);
    for gateway in [&both.fast, &both.general] {
        let before = both.upstream.count();
        let mut connection = gateway.connect();
        let request = format!(
            "GET /items/1 HTTP/1.1\r\nHost: gateway.test\r\nX-Request-Id: fixed-left\r\n{GOOD}\r\n"
        );
        connection.send(request.as_bytes()).expect("a request");
        wait_until("the request is at the service", || both.upstream.count() > before);
        drop(connection);
        let line = gateway.access_log_of("fixed-left");
        assert_eq!(
            (&line["status"], &line["decision"], &line["reason"]),
            (&499.into(), &"allow".into(), &Value::Null)
        );
    }
}

/// `fast_path` is taken over on reload, in the middle of a connection.
#[test]
fn the_way_changes_on_reload() {
    let both = Both::start();
    let mut connection = both.fast.connect();
    let mut ask = || {
        connection
            .request("GET", "/public/1", &[("Host", "gateway.test")], b"")
            .expect("a response")
            .status
    };
    assert_eq!(ask(), 200);
    let yaml = std::fs::read_to_string(both.fast.config_file()).expect("the configuration");
    for way in ["false", "true"] {
        both.fast.reload(&yaml.replace("fast_path: true", &format!("fast_path: {way}")));
        assert_eq!((ask(), ask()), (200, 200), "{way}");
    }
}
