//! Listeners that a reload opens, closes and changes.

use super::listening;
use crate::support::{Connection, Setup, free_port, one_route, wait_until};

/// A connection that was there stays open for as long as its client wants, but for the notice that
/// its listener is gone.
#[test]
fn a_reload_opens_and_closes_listeners() {
    let route = one_route("auth: none");
    let setup = Setup::start(&route);
    let (first, second) = (setup.gateway.port(), free_port());
    let mut kept = setup.gateway.connect();
    assert_eq!(kept.request("GET", "/", &[], b"").expect("a response").status, 200);

    let listeners = |ports: &[u16]| {
        let each: Vec<_> =
            ports.iter().map(|port| format!("{{ address: \"127.0.0.1:{port}\" }}")).collect();
        format!("listeners: [{}]\n{route}", each.join(", "))
    };
    let get = |port| {
        Connection::try_open(port)
            .and_then(|mut client| client.request("GET", "/", &[], b""))
            .is_ok_and(|response| response.status == 200)
    };
    setup.reload(&listeners(&[first, second]));
    wait_until("the second listener is open", || get(second));
    assert!(get(first));
    assert_eq!(kept.request("GET", "/", &[], b"").expect("a response").status, 200);

    setup.reload(&listeners(&[second]));
    wait_until("the first listener is closed", || Connection::try_open(first).is_err());
    assert!(get(second));
    assert!(!setup.gateway.stderr().contains("restart"), "nothing needs a restart");

    // an address in the place of a wider one
    setup.reload(&listeners(&[second]).replace("127.0.0.1", "0.0.0.0"));
    wait_until("the failure is logged", || {
        setup.gateway.stderr().contains(&format!("0.0.0.0:{second}"))
    });
    wait_until("the wider listener is open", || get(second));
}

/// An address in use is logged once, and opened as soon as it is free.
#[test]
fn a_listener_that_cannot_be_opened_is_tried_again() {
    let route = one_route("auth: none");
    let setup = Setup::start(&route);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = taken.local_addr().expect("an address").port();
    setup.reload(&format!(
        "listeners: [{{ address: \"127.0.0.1:@PORT@\" }}, {{ address: \"127.0.0.1:{port}\" }}]\n{route}"
    ));
    let log = setup.gateway.log_with(&format!("cannot listen on 127.0.0.1:{port}"));
    assert_eq!(setup.gateway.get("/", &[]).status, 200);
    std::thread::sleep(std::time::Duration::from_millis(700));
    assert_eq!(log.matches("cannot listen").count(), 1, "{log}");
    drop(taken);
    wait_until("it is open", || {
        Connection::try_open(port)
            .and_then(|mut client| client.request("GET", "/", &[], b""))
            .is_ok_and(|response| response.status == 200)
    });
}

/// New limits hold for new connections.
#[test]
fn limits_are_reloaded() {
    let setup = Setup::start(&listening("limits: { headers: 1 }"));
    let get = || setup.gateway.get("/", &[("X-One", "1"), ("X-Two", "2")]).status;
    assert_eq!(get(), 431);
    setup.reload(&listening("limits: { headers: 3 }"));
    wait_until("the new limit holds", || get() == 200);
}
