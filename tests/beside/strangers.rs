//! Peers that are not in `trusted_proxies` may not ask (contract §10). All peers of the tests are on
//! loopback; a PROXY protocol header gives a connection another address.

use super::envoy::envoy;
use super::running::{Beside, Changes};
use crate::support::{AuthorizationServer, Connection, Gateway, free_port, wait_until};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

const STRANGER: &str = "PROXY TCP4 203.0.113.9 192.0.2.1 4711 8080\r\n";
const KNOWN: &str = "PROXY TCP4 192.0.2.7 192.0.2.1 4711 8080\r\n";

#[test]
fn a_stranger_gets_403_and_the_log_says_what_to_do() {
    let server = AuthorizationServer::start();
    let gateway = Gateway::start(&format!(
        "listeners: [{{ address: \"127.0.0.1:@PORT@\", serves: forward_auth, proxy_protocol: true }}]\n\
         trusted_proxies: [127.0.0.1, 192.0.2.0/24]\n\
         authorization_servers: {{ main: {{ introspection_endpoint: \"{}\" }} }}\n\
         routes: [{{ path: /*, auth: none }}]\n",
        server.url()
    ));
    for (header, status) in [(KNOWN, 200), (STRANGER, 403)] {
        let mut connection = Connection::open(gateway.port());
        connection.send(header.as_bytes()).expect("sent");
        let response = connection.request("GET", "/", &[], b"").expect("an answer");
        assert_eq!(response.status, status, "{}", response.text());
        assert_eq!(response.headers_all("x-introspected-sub"), [""; 0]);
    }
    let line = gateway.log_with("add its address there");
    assert!(line.contains("203.0.113.9"), "{line}");
}

/// Forwards connections to a port, with a PROXY protocol header in front. It ends with the test.
fn relay(to: u16, header: &'static str) -> u16 {
    let port = free_port();
    let socket = TcpListener::bind(("127.0.0.1", port)).expect("bind");
    let copy = |mut from: TcpStream, mut to: TcpStream| {
        let mut bytes = [0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            if to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    };
    std::thread::spawn(move || {
        for client in socket.incoming().flatten() {
            let Ok(mut server) = TcpStream::connect(("127.0.0.1", to)) else { continue };
            let (Ok(from), Ok(back)) = (client.try_clone(), server.try_clone()) else { continue };
            if server.write_all(header.as_bytes()).is_ok() {
                std::thread::spawn(move || copy(from, server));
                std::thread::spawn(move || copy(back, client));
            }
        }
    });
    port
}

/// PERMISSION_DENIED is no decision: Envoy refuses with `status_on_error`.
#[test]
fn envoy_lets_nothing_pass_where_it_may_not_ask() {
    let Some(proxy) = envoy() else { return };
    let listener = "address: 127.0.0.1:8090";
    for (header, status) in [(KNOWN, 200), (STRANGER, 503)] {
        let gateway_port = free_port();
        let relay = relay(gateway_port, header);
        let changes = Changes {
            gateway: vec![
                (listener, format!("address: 127.0.0.1:{gateway_port}\n    proxy_protocol: true")),
                ("\nroutes:", "\ntrusted_proxies: [127.0.0.1, 192.0.2.0/24]\nroutes:".into()),
            ],
            proxy: vec![("port_value: 8090", format!("port_value: {relay}"))],
            ..Changes::default()
        };
        let beside = Beside::start_unasked(&proxy, &changes);
        let reader = [("Authorization", "Bearer reader")];
        let mut last = 0;
        wait_until("Envoy has read its clusters", || {
            last = beside.request("GET", "/items", &reader).status;
            last == status
        });
        assert_eq!(beside.service.count() > 0, status == 200, "{header} {last}");
        if status == 503 {
            let line = beside.gateway().log_with("add its address there");
            assert!(line.contains("203.0.113.9"), "{line}");
        }
    }
}
