//! Names of services: looked up again by their time to live, and at once when every known address
//! refuses connections.

use super::{balanced, config};
use crate::support::{Builder, Upstream};
use std::time::{Duration, Instant};

/// A service that comes back under another address is reached by the very next request: its old
/// address refuses, and the name is looked up before the request is given up.
#[test]
fn a_name_is_looked_up_at_once_when_every_address_refuses() {
    if !Builder::can_have_own_hosts() {
        eprintln!("!!! SKIPPED: no mount namespaces here, so that names cannot be moved");
        return;
    }
    let upstream = Upstream::start();
    let servers = format!("{{ servers: [\"http://service.test:{}\"] }}", upstream.port());
    for method in ["GET", "POST"] {
        let gateway = Builder::new().hosts("127.0.0.9 service.test\n").start(&config(&servers));
        let began = Instant::now();
        assert_eq!(gateway.request(method, "/", &[], b"").status, 502);
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());

        std::thread::sleep(Duration::from_millis(200));
        gateway.set_hosts("127.0.0.1 service.test\n");
        assert_eq!(gateway.request(method, "/", &[], b"").status, 200, "{method}");
    }
}

#[test]
fn a_name_without_address_is_502() {
    let gateway = balanced("{ servers: [\"http://no-such-name.invalid:80\"] }");
    assert_eq!(gateway.get("/", &[]).status, 502);
    gateway.log_with("the name of an upstream cannot be resolved");
}
