//! `introgate run --upgrade`: a new process takes over sockets and cache from one that runs.

use crate::support::{Connection, Gateway, Setup, UpstreamBehaviour, run_cli_in, wait_within};
use serde_json::json;
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// The old process ends by itself.
#[track_caller]
fn ended(mut old: Child) -> ExitStatus {
    let mut status = None;
    wait_within(Duration::from_secs(20), "the old process has ended", || {
        status = old.try_wait().expect("its state");
        status.is_some()
    });
    status.expect("a status")
}

#[track_caller]
fn upgrade(gateway: &mut Gateway) {
    let old = gateway.upgrade();
    gateway.log_with("took over from the old process");
    assert_eq!(ended(old).code(), Some(0));
}

/// Clients with kept and with new connections, while process after process takes over.
#[test]
fn no_connection_is_refused_and_no_request_is_lost() {
    let mut setup = Setup::route("");
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let port = setup.gateway.port();
    std::thread::scope(|scope| {
        let clients = [true, true, false, false].map(|keep| {
            let (stop, answered) = (&stop, &answered);
            scope.spawn(move || {
                let headers = [("Authorization", "Bearer good")];
                let mut kept: Option<Connection> = None;
                while !stop.load(Ordering::SeqCst) {
                    let mut connection = kept.take().unwrap_or_else(|| Connection::open(port));
                    let response =
                        connection.request("GET", "/", &headers, b"").expect("a response");
                    assert_eq!(response.status, 200, "{}", response.text());
                    answered.fetch_add(1, Ordering::SeqCst);
                    // the last response on a connection of the old process has `Connection: close`
                    if keep && response.header("connection") != Some("close") {
                        kept = Some(connection);
                    }
                }
            })
        });
        for _ in 0..3 {
            let before = answered.load(Ordering::SeqCst);
            wait_within(Duration::from_secs(20), "requests are answered", || {
                answered.load(Ordering::SeqCst) > before + 50
            });
            upgrade(&mut setup.gateway);
        }
        stop.store(true, Ordering::SeqCst);
        for client in clients {
            client.join().expect("no request is lost");
        }
    });
    assert!(answered.load(Ordering::SeqCst) > 150);
    // no stampede: the token has been asked about once, whichever process was there
    assert_eq!(setup.server.count(), 1);
}

/// A request in flight is finished by the old process.
#[test]
fn a_request_in_flight_is_finished() {
    let mut setup = Setup::route("");
    setup.upstream.behave(UpstreamBehaviour::EchoAfter(Duration::from_millis(1500)));
    let mut connection = setup.gateway.connect();
    let bytes = crate::support::request_bytes("GET", "/", &[("Authorization", "Bearer good")], b"");
    connection.send(&bytes).expect("send");
    crate::support::wait_until("it is under way", || setup.upstream.count() == 1);
    let old = setup.gateway.upgrade();
    assert_eq!(connection.read_response("GET").expect("a response").status, 200);
    assert_eq!(ended(old).code(), Some(0));
    setup.upstream.behave(UpstreamBehaviour::Echo);
    assert_eq!(setup.get("good").status, 200);
}

/// Answers that were handed over are found, purged, and no older than they were.
#[test]
fn the_cache_goes_on() {
    let mut setup = Setup::start(&format!(
        "cache: {{ ttl: 4s, refresh_ahead: 0 }}\n{}",
        crate::support::one_route("")
    ));
    for number in 0..40 {
        let token = format!("token-{number}");
        let sub = format!("user-{}", number % 2);
        setup.server.answer(&token, json!({ "active": true, "sub": sub }));
        assert_eq!(setup.get(&token).status, 200);
    }
    assert_eq!(setup.server.count(), 40);
    upgrade(&mut setup.gateway);
    assert_eq!(setup.get("token-7").status, 200);
    assert_eq!(setup.server.count(), 40);
    let purged = setup.gateway.admin_post("/api/cache/purge", &json!({ "sub": "user-1" })).json();
    assert_eq!(purged["purged"], 20);
    setup.server.answer("token-7", json!({ "active": false }));
    assert_eq!(setup.get("token-7").status, 401);
    // the ttl counts from the answer, in whichever process it arrived
    let asked = setup.server.count();
    wait_within(Duration::from_secs(10), "the answer has expired", || {
        setup.get("token-8").status == 200 && setup.server.count() > asked
    });
}

/// A new process that cannot start leaves the old one as it is.
#[test]
fn a_new_process_that_fails_changes_nothing() {
    let mut setup = Setup::route("");
    let yaml = std::fs::read_to_string(setup.gateway.config_file()).expect("the file");
    // the file is watched: the old process refuses it as well, and goes on
    setup.gateway.rewrite_config(&format!("{yaml}nonsense: true\n"));
    let mut old = setup.gateway.upgrade();
    assert_eq!(setup.gateway.wait_for_exit(Duration::from_secs(10)).code(), Some(64));
    assert!(old.try_wait().expect("its state").is_none());
    assert_eq!(setup.get("good").status, 200);
    setup.gateway.rewrite_config(&yaml);
    let failed = setup.gateway.upgrade();
    drop(failed);
    setup.gateway.log_with("took over from the old process");
    assert_eq!(ended(old).code(), Some(0));
    assert_eq!(setup.get("good").status, 200);
}

/// Without a process that runs there is nothing to take over.
#[test]
fn an_upgrade_of_nothing_has_a_remedy() {
    let directory = tempfile::tempdir().expect("a folder");
    let yaml = "authorization_servers: { main: { introspection_endpoint: \"http://127.0.0.1:9/\" } }\n\
                routes: [{ path: /*, upstream: \"http://127.0.0.1:9\", scopes: [read] }]\n";
    std::fs::write(directory.path().join("gateway.yaml"), yaml).expect("write");
    let socket = directory.path().join("upgrade.sock");
    let socket = socket.to_str().expect("UTF-8");
    let environment = [("INTROGATE_UPGRADE_SOCKET", socket)];
    let (code, _, err) = run_cli_in(directory.path(), &["run", "--upgrade"], &environment);
    assert_eq!(code, 1, "{err}");
    assert!(err.contains(socket) && err.contains("start it without --upgrade"), "{err}");
}
