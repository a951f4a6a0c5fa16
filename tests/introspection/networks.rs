//! Ways to an authorization server: IPv6 alone, dead addresses beside good ones, names that move,
//! and hosts that no proxy is used for.

use super::failed;
use crate::support::{AuthorizationServer, Builder, Setup, free_port, one_route, wait_until};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const MOVED: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 7));

fn configuration(endpoint: &str, keys: &str) -> String {
    format!(
        "authorization_servers:\n  main: {{ introspection_endpoint: \"{endpoint}\", circuit_breaker: {{ failures: 10000, open_for: 1s }}, {keys} }}\ncache: {{ ttl: 0s, inactive_ttl: 0s }}\n{}",
        one_route("")
    )
}

fn has_ipv6() -> bool {
    let has = TcpListener::bind((V6, 0)).is_ok();
    if !has {
        eprintln!("!!! SKIPPED: no IPv6 here");
    }
    has
}

fn can_move_names() -> bool {
    let can = Builder::can_have_own_hosts();
    if !can {
        eprintln!("!!! SKIPPED: no mount namespaces here, so that names cannot be moved");
    }
    can
}

/// Another address of the same port, from which connections are forwarded to 127.0.0.1.
struct Door {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    closed: Arc<AtomicBool>,
}

impl Door {
    fn open(ip: IpAddr, port: u16) -> Door {
        let address = SocketAddr::new(ip, port);
        let listener = TcpListener::bind(address).expect("the other address");
        let door = Door {
            address,
            connections: Arc::default(),
            open: Arc::default(),
            closed: Arc::default(),
        };
        let (connections, open, closed) =
            (door.connections.clone(), door.open.clone(), door.closed.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if closed.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(client), Ok(server)) =
                    (stream, TcpStream::connect((Ipv4Addr::LOCALHOST, port)))
                else {
                    continue;
                };
                connections.fetch_add(1, Ordering::SeqCst);
                let copies = [client.try_clone(), server.try_clone(), client.try_clone()];
                let [Ok(reader), Ok(writer), Ok(kept)] = copies else { continue };
                open.lock().expect("connections").push(kept);
                for (mut from, mut to) in [(reader, server), (writer, client)] {
                    std::thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        door
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Ends its connections, and refuses others.
    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        // the listener is dropped by the next connection
        let _ = TcpStream::connect(self.address);
        for stream in self.open.lock().expect("connections").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        wait_until("it refuses", || TcpStream::connect(self.address).is_err());
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.close();
    }
}

/// An address that answers no attempt to connect, as behind a firewall that drops packets: nothing
/// accepts, and the queue is full.
struct Silent {
    _listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl Silent {
    fn at(ip: IpAddr, port: u16) -> Silent {
        let address = SocketAddr::new(ip, port);
        let listener = TcpListener::bind(address).expect("the address");
        let mut queue = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            queue.push(stream);
            assert!(queue.len() < 10_000, "the queue has no end");
        }
        Silent { _listener: listener, _queue: queue }
    }
}

/// By its address and by a name that has no other.
#[test]
fn a_server_with_ipv6_alone() {
    if !has_ipv6() {
        return;
    }
    let server = AuthorizationServer::start();
    let port = server.port();
    let door = Door::open(V6, port);
    let endpoint = format!("http://[::1]:{port}/introspect");
    let setup = Setup::around(server, Builder::new(), &configuration(&endpoint, ""));
    assert_eq!(setup.outcome("good"), (200, String::new()));
    assert_eq!(setup.outcome("unknown"), (401, "inactive".into()));
    assert!(door.connections() >= 1);
    assert_eq!(setup.server.last().header("host"), Some(&*format!("[::1]:{port}")));
    drop((setup, door));

    if !can_move_names() {
        return;
    }
    let server = AuthorizationServer::start();
    let port = server.port();
    let door = Door::open(V6, port);
    let endpoint = format!("http://as.test:{port}/introspect");
    let builder = Builder::new().hosts("::1 as.test\n");
    let setup = Setup::around(server, builder, &configuration(&endpoint, ""));
    assert_eq!(setup.outcome("good"), (200, String::new()));
    assert!(door.connections() >= 1);
}

/// RFC 8305: the other family is tried a moment later, and the first answer counts. A name whose
/// one family is dead costs far less than `connect_timeout` for each address.
#[test]
fn a_dead_family_does_not_delay_the_other() {
    if !has_ipv6() || !can_move_names() {
        return;
    }
    const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);
    let keys = format!("retries: 0, timeout: 20s, connect_timeout: {CONNECT_TIMEOUT:?}");
    for hosts in ["::1 as.test\n127.0.0.1 as.test\n", "127.0.0.1 as.test\n::1 as.test\n"] {
        let server = AuthorizationServer::start();
        let _silent = Silent::at(V6, server.port());
        let endpoint = format!("http://as.test:{}/introspect", server.port());
        let builder = Builder::new().hosts(hosts);
        let setup = Setup::around(server, builder, &configuration(&endpoint, &keys));
        let began = Instant::now();
        assert_eq!(setup.outcome("good"), (200, String::new()), "{hosts}");
        assert!(began.elapsed() < CONNECT_TIMEOUT / 2, "{hosts}: {:?}", began.elapsed());
    }
    // and where the living one is IPv6
    let server = AuthorizationServer::start();
    let (port, ip) = (server.port(), MOVED);
    let _silent = Silent::at(ip, port);
    let _door = Door::open(V6, port);
    let endpoint = format!("http://as.test:{port}/introspect");
    let builder = Builder::new().hosts(&format!("{ip} as.test\n::1 as.test\n"));
    let setup = Setup::around(server, builder, &configuration(&endpoint, &keys));
    let began = Instant::now();
    assert_eq!(setup.outcome("good"), (200, String::new()));
    assert!(began.elapsed() < CONNECT_TIMEOUT / 2, "{:?}", began.elapsed());
}

/// All addresses are tried; with none that answers, the call ends in `connect_timeout`.
#[test]
fn dead_addresses_cost_no_more_than_connect_timeout() {
    if !can_move_names() {
        return;
    }
    let server = AuthorizationServer::start();
    let port = server.port();
    let (first, second) = (MOVED, IpAddr::V4(Ipv4Addr::new(127, 0, 0, 8)));
    let hosts = format!("{first} as.test\n{second} as.test\n");
    let endpoint = format!("http://as.test:{port}/introspect");
    let keys = "retries: 0, timeout: 20s, connect_timeout: 2s";
    let _silent = Silent::at(first, port);
    let door = Door::open(second, port);
    let setup =
        Setup::around(server, Builder::new().hosts(&hosts), &configuration(&endpoint, keys));
    assert_eq!(setup.outcome("good"), (200, String::new()), "the second address is tried");
    door.close();
    let _also_silent = Silent::at(second, port);
    let began = Instant::now();
    assert_eq!(setup.outcome("narrow"), failed("as_timeout"));
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    let log = setup.gateway.log_with("introspection failed");
    assert!(log.contains("cannot connect"), "{log}");
}

/// A server that comes back under another address is found by the next call: no address is kept.
#[test]
fn a_name_that_moves_is_followed() {
    if !can_move_names() {
        return;
    }
    let server = AuthorizationServer::start();
    let port = server.port();
    let (old, new) =
        (Door::open(MOVED, port), Door::open(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9)), port));
    let endpoint = format!("http://as.test:{port}/introspect");
    let builder = Builder::new().hosts(&format!("{} as.test\n", old.address.ip()));
    let setup = Setup::around(server, builder, &configuration(&endpoint, "retries: 0"));
    assert_eq!(setup.outcome("good"), (200, String::new()));
    assert!(old.connections() >= 1);
    setup.gateway.set_hosts(&format!("{} as.test\n", new.address.ip()));
    old.close();
    assert_eq!(setup.outcome("good"), (200, String::new()), "no request is lost");
    assert!(new.connections() >= 1);

    // a name that has no address for a while
    setup.gateway.set_hosts("127.0.0.1 else.test\n");
    new.close();
    let (status, reason) = setup.outcome("good");
    // slow name servers make it the other
    assert!(matches!((status, &*reason), (503, "as_unavailable" | "as_timeout")), "{reason}");
    let back = Door::open(MOVED, port);
    setup.gateway.set_hosts(&format!("{} as.test\n", back.address.ip()));
    assert_eq!(setup.outcome("good"), (200, String::new()));
}

/// `NO_PROXY` with `proxy: environment`: names with their subdomains, addresses and networks. The
/// proxy here answers nothing, so that a call by it fails.
#[test]
fn no_proxy_exempts_names_addresses_and_networks() {
    let nowhere = format!("http://127.0.0.1:{}", free_port());
    for (host, exempt, direct) in [
        ("127.0.0.1", "127.0.0.1", true),
        ("127.0.0.1", "127.0.0.0/8", true),
        ("127.0.0.1", "10.0.0.0/8", false),
        ("127.0.0.1", "10.0.0.0/8, 127.0.0.1", true),
        ("127.0.0.1", "*", true),
        ("127.0.0.1", "localhost", false),
        ("localhost", "localhost", true),
        ("localhost", "example.com,localhost", true),
        ("localhost", "host", false),
        ("localhost", "a.localhost", false),
        ("localhost", "127.0.0.1", false),
        ("localhost", "", false),
    ] {
        let server = AuthorizationServer::start();
        let endpoint = format!("http://{host}:{}/introspect", server.port());
        let builder = Builder::new()
            .env("HTTP_PROXY", &nowhere)
            .env("http_proxy", &nowhere)
            .env("NO_PROXY", exempt);
        let keys = "retries: 0, timeout: 5s, proxy: environment";
        let setup = Setup::around(server, builder, &configuration(&endpoint, keys));
        let expected = if direct { (200, String::new()) } else { failed("as_unavailable") };
        assert_eq!(setup.outcome("good"), expected, "{host} with NO_PROXY={exempt}");
        assert_eq!(setup.server.count() > 0, direct, "{host} with NO_PROXY={exempt}");
    }
}
