//! The health service beside `ext_authz`, and the limits of connections to that listener.

use crate::interop::{Process, python, source, unless_missing};
use crate::support::http2::{Event, Http2, frame};
use crate::support::{AuthorizationServer, Gateway, wait_until};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

/// A gateway whose listener has these limits.
fn gateway(server: &AuthorizationServer, limits: &str) -> Gateway {
    Gateway::start(&format!(
        "shutdown_timeout: 5m\n\
         listeners: [{{ address: \"127.0.0.1:@PORT@\", serves: ext_authz, limits: {{ {limits} }} }}]\n\
         authorization_servers: {{ main: {{ introspection_endpoint: \"{}\" }} }}\n\
         routes: [{{ path: /*, scopes: [read] }}]\n",
        server.url()
    ))
}

/// The health service answers, and a client that watches it does not delay the stop.
#[test]
fn the_health_service_answers_and_lets_the_gateway_stop() {
    let Some(python) = unless_missing(python::with_grpc()) else { return };
    let server = AuthorizationServer::start();
    let mut gateway = gateway(&server, "");
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let mut command = Command::new(python);
    command.arg(source("grpc/health.py")).arg(gateway.port().to_string());
    let _watching = Process::start(&mut command, &log);
    wait_until("the health service is watched", || {
        fs::read_to_string(&log).unwrap_or_default().contains("watched: 1")
    });
    assert_eq!(gateway.terminate().code(), Some(0));
}

const WATCH: [(&str, &str); 6] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/grpc.health.v1.Health/Watch"),
    (":authority", "gateway.test"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
];

const PATIENCE: Duration = Duration::from_secs(20);

fn open(gateway: &Gateway) -> f64 {
    gateway.metric(&format!("introgate_connections{{listener=\"127.0.0.1:{}\"}}", gateway.port()))
}

/// A connection without a call is closed after `idle_timeout`; one with a call stays.
#[test]
fn a_connection_without_a_call_ends() {
    let server = AuthorizationServer::start();
    let gateway = gateway(&server, "idle_timeout: 300ms, write_timeout: 20s");
    let mut watching = Http2::open(gateway.port(), &[]);
    watching.headers(1, &WATCH, false).expect("sent");
    // an empty message: the health of the whole
    watching.frame(frame::DATA, 1, 1, &[0; 5]).expect("sent");
    let head = watching.next(PATIENCE);
    assert_eq!(head, Some(Event::Head { stream: 1, status: Some(200), end: false }));
    let mut idle = Http2::open(gateway.port(), &[]);
    assert_eq!(idle.next(PATIENCE), Some(Event::Closed));
    // `next` answers the PINGs that come meanwhile
    let state = watching.next(PATIENCE);
    assert!(matches!(state, Some(Event::Data { stream: 1, .. })), "{state:?}");
    assert_eq!(watching.next(Duration::from_secs(2)), None, "it is still watched");
    assert_eq!(open(&gateway), 1.0);
}

/// A peer that is gone without a word does not keep its connection by a call that never ends.
#[test]
fn a_peer_that_answers_no_ping_is_left() {
    let server = AuthorizationServer::start();
    let gateway = gateway(&server, "idle_timeout: 300ms, write_timeout: 300ms");
    let mut watching = Http2::open(gateway.port(), &[]);
    watching.headers(1, &WATCH, false).expect("sent");
    watching.frame(frame::DATA, 1, 1, &[0; 5]).expect("sent");
    wait_until("the connection is there", || open(&gateway) == 1.0);
    // nothing is read, so that no PING is answered
    wait_until("the connection has ended", || open(&gateway) == 0.0);
}

/// The rest of a question must come within `header_timeout`.
#[test]
fn a_question_that_does_not_come_to_its_end_is_refused() {
    const ASK: &str = "/envoy.service.auth.v3.Authorization/Check";
    let server = AuthorizationServer::start();
    let gateway = gateway(&server, "header_timeout: 300ms");
    let mut asking = Http2::open(gateway.port(), &[]);
    let fields = WATCH.map(|(name, value)| (name, if name == ":path" { ASK } else { value }));
    asking.headers(1, &fields, false).expect("sent");
    asking.frame(frame::DATA, 0, 1, &[0, 0, 0, 1, 0]).expect("a message of 256 bytes begins");
    let head = asking.next(PATIENCE);
    assert!(matches!(head, Some(Event::Head { stream: 1, .. })), "{head:?}");
    // a client that speaks HTTP/1 gets no answer that it could take for a decision
    let mut other = TcpStream::connect(("127.0.0.1", gateway.port())).expect("connect");
    other.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    let mut answer = String::new();
    let _ = other.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 505 "), "{answer}");
}
