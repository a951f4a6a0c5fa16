//! `proxy`: an authorization server that is called through an HTTP proxy, a real one and bad ones.

use super::{MS, failed};
use crate::support::{
    Authority, AuthorizationServer, Behaviour, Builder, Setup, Tinyproxy, Tls, free_port, one_route,
};
use base64::prelude::*;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

const PASSWORD: &str = "s3c ret@proxy";
const ENCODED: &str = "s3c%20ret%40proxy";

fn configuration(keys: &str) -> String {
    let guards = "retries: 0, timeout: 2s, circuit_breaker: { failures: 10000, open_for: 1s }";
    format!("authorization_servers:\n  main: {{ {guards}, {keys} }}\n{}", one_route(""))
}

/// A server behind TLS, and a builder that trusts it.
fn secured() -> (AuthorizationServer, Tls, Builder) {
    let (authority, server) = (Authority::new(), AuthorizationServer::start());
    let tls = Tls::before(server.port(), &authority.certify(&["localhost", "127.0.0.1"]), None);
    (server, tls, Builder::new().file("ca.pem", authority.pem()))
}

/// Introspection, discovery, keys and our own token all go through the proxy; with the password in
/// the URL, in a file, and from the environment.
#[test]
fn every_call_goes_through_it() {
    let Some(proxy) = Tinyproxy::start(Some(("gate", "s3cretOfTheProxy"))) else { return };
    let url = format!("http://gate:s3cretOfTheProxy@127.0.0.1:{}", proxy.port());
    for (how, keys) in [
        ("url", format!("proxy: \"{url}\"")),
        ("file", "proxy_file: proxy".to_owned()),
        ("environment", "proxy: environment".to_owned()),
    ] {
        let (server, tls, builder) = secured();
        let before = proxy.log().len();
        let issuer = server.origin();
        let secure = format!("https://localhost:{}", tls.port());
        server.publish(
            "/.well-known/oauth-authorization-server",
            Behaviour::Json(json!({
                "issuer": issuer, "token_endpoint": format!("{issuer}/token"),
                "introspection_endpoint": format!("{secure}/introspect"),
            })),
        );
        server.publish(
            "/token",
            Behaviour::Json(json!({ "access_token": "own", "token_type": "Bearer" })),
        );
        let auth = "client_auth: { method: client_credentials, client_id: a, client_secret: b }";
        let keys = format!("issuer: \"{issuer}\", tls: {{ ca: ca.pem }}, {auth}, {keys}");
        let builder = builder
            .file("proxy", &format!("{url}\n"))
            .env("HTTPS_PROXY", &url)
            .env("HTTP_PROXY", &url);
        let setup = Setup::around(server, builder, &configuration(&keys));
        assert_eq!(setup.outcome("good"), (200, String::new()), "{how}");
        assert_eq!(setup.outcome("unknown"), (401, "inactive".into()), "{how}");
        assert_eq!(setup.server.count_of_path("/token"), 1, "{how}");
        let log = proxy.log_with(before, &format!("CONNECT localhost:{}", tls.port()));
        assert!(
            log.contains("/.well-known/oauth-authorization-server") && log.contains("/token"),
            "{how}: {log}"
        );
        let shown = setup.gateway.admin_get("/api/config").text();
        let told = setup.gateway.stderr() + &setup.gateway.stdout() + &shown;
        assert!(!told.contains("s3cretOfTheProxy"), "{told}");
    }
}

/// Without the key nothing in the environment counts, and `NO_PROXY` is honoured with it.
#[test]
fn the_environment_counts_only_where_it_is_asked_for() {
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    for (keys, exempt, expected) in [
        ("", "", (200, String::new())),
        ("proxy: environment", "", failed("as_unavailable")),
        ("proxy: environment", "127.0.0.1", (200, String::new())),
    ] {
        let builder = Builder::new()
            .env("HTTP_PROXY", &nowhere)
            .env("http_proxy", &nowhere)
            .env("NO_PROXY", exempt);
        let keys = format!("introspection_endpoint: \"@AS@\", {keys}");
        let setup = Setup::build(builder, &configuration(&keys));
        assert_eq!(setup.outcome("good"), expected, "{keys} {exempt}");
    }
}

/// Behaviour of a fake proxy after it has read the request's head.
#[derive(Clone, Copy, Debug)]
enum Does {
    Answer(&'static str),
    Hang,
    Close,
}

/// Its port, and the heads that came.
fn fake(does: Does) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = heads.clone();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = [0; 4096];
            let read = stream.read(&mut head).unwrap_or_default();
            seen.lock().expect("heads").push(String::from_utf8_lossy(&head[..read]).into_owned());
            match does {
                Does::Answer(text) => drop(stream.write_all(text.as_bytes())),
                Does::Hang => open.push(stream),
                Does::Close => {}
            }
        }
    });
    (port, heads)
}

#[test]
fn bad_proxies_are_failures_of_the_server_that_name_the_proxy() {
    let refused = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"p\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let forbidden = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    // closes behind its consent, so that TLS does not begin
    let consent = "HTTP/1.1 200 Connection established\r\n\r\n";
    for (does, secure, reason, told) in [
        (Does::Answer(refused), true, "as_unavailable", "check user and password of `proxy`"),
        (Does::Answer(refused), false, "as_unavailable", "check user and password of `proxy`"),
        (
            Does::Answer(forbidden),
            true,
            "as_unavailable",
            "the proxy makes no connection to the server",
        ),
        (Does::Hang, true, "as_timeout", ""),
        (Does::Hang, false, "as_timeout", ""),
        (Does::Close, true, "as_unavailable", "cannot connect"),
        (Does::Close, false, "as_unavailable", ""),
        (Does::Answer(consent), true, "as_unavailable", "cannot connect"),
        (Does::Answer("garbage\r\n\r\n"), true, "as_unavailable", "cannot connect"),
    ] {
        let (port, heads) = fake(does);
        let (server, tls, builder) = secured();
        let endpoint = match secure {
            true => format!("https://localhost:{}/introspect", tls.port()),
            false => server.url(),
        };
        let keys = format!(
            "introspection_endpoint: \"{endpoint}\", tls: {{ ca: ca.pem }}, proxy: \"http://u:{ENCODED}@127.0.0.1:{port}\""
        );
        let setup = Setup::around(server, builder, &configuration(&keys));
        let began = std::time::Instant::now();
        assert_eq!(setup.outcome("good"), failed(reason), "{does:?} {secure}");
        assert!(began.elapsed() < MS(6000), "{does:?}");
        assert_eq!(setup.server.count(), 0, "{does:?} {secure}: the server was not reached");
        let log = setup.gateway.log_with("introspection failed");
        assert!(log.contains(told), "{does:?} {secure}: {log}");
        assert!(!log.contains(ENCODED) && !log.contains(PASSWORD), "{log}");
        let heads = heads.lock().expect("heads");
        let head = heads.first().expect("a request");
        let target = if secure {
            format!("CONNECT localhost:{}", tls.port())
        } else {
            format!("POST {endpoint} ")
        };
        assert!(head.starts_with(&target), "{head}");
        let basic = BASE64_STANDARD.encode(format!("u:{PASSWORD}"));
        assert!(head.to_lowercase().contains("proxy-authorization: basic"), "{head}");
        assert!(head.contains(&basic), "{head}");
        assert!(!secure || !head.contains("token=") && !head.contains("good"), "{head}");
    }
}
