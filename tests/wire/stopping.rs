//! SIGTERM while clients keep their connections busy (pitfall 88).

use crate::support::{Setup, UpstreamBehaviour};
use std::time::{Duration, Instant};

/// The fate of one client.
#[derive(Debug, PartialEq)]
enum End {
    /// The last response had `Connection: close`.
    Told,
    /// The connection ended without an answer to a request.
    Lost(String),
}

/// Clients without think time: each sends its next request as soon as it has the last response. As
/// long as no response has `Connection: close`, each request is answered.
#[test]
fn no_client_that_keeps_its_connection_loses_a_request() {
    for round in 0..3 {
        let mut setup = Setup::route("");
        setup.upstream.behave(UpstreamBehaviour::EchoAfter(Duration::from_millis(round)));
        let clients: Vec<_> = (0..12)
            .map(|number| {
                let mut connection = setup.gateway.connect();
                let headers = [("Authorization", "Bearer good")];
                let (method, body): (_, &[u8]) =
                    if number % 3 == 0 { ("POST", b"body") } else { ("GET", b"") };
                std::thread::spawn(move || {
                    loop {
                        match connection.request(method, "/", &headers, body) {
                            Err(error) => return End::Lost(error.to_string()),
                            Ok(response) if response.status != 200 => {
                                return End::Lost(response.status.to_string());
                            }
                            Ok(response) if response.header("connection") == Some("close") => {
                                return End::Told;
                            }
                            Ok(_) => {}
                        }
                    }
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(300));
        setup.gateway.sigterm();
        let ends: Vec<_> = clients.into_iter().filter_map(|client| client.join().ok()).collect();
        assert!(ends.len() == 12 && ends.iter().all(|end| *end == End::Told), "{ends:?}");
        let began = Instant::now();
        assert_eq!(setup.gateway.wait_for_exit(Duration::from_secs(5)).code(), Some(0));
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    }
}

/// A refusal, an interim response, and a client that asks once more behind SIGTERM.
#[test]
fn every_last_response_has_connection_close() {
    let mut setup = Setup::route("");
    let mut idle: Vec<_> = (0..4).map(|_| setup.gateway.connect()).collect();
    for connection in &mut idle {
        assert_eq!(connection.request("GET", "/", &[], b"").expect("an answer").status, 401);
    }
    let mut slow = setup.gateway.connect();
    let good = [("Authorization", "Bearer good")];
    setup.upstream.behave(UpstreamBehaviour::EchoAfter(Duration::from_millis(300)));
    let bytes = crate::support::request_bytes("GET", "/", &good, b"");
    slow.send(&bytes).expect("send");
    std::thread::sleep(Duration::from_millis(100));
    setup.gateway.sigterm();
    std::thread::sleep(Duration::from_millis(100));
    for (connection, (method, headers, status)) in idle.iter_mut().zip([
        ("GET", &good[..], 200),
        ("GET", &[], 401),
        ("POST", &good[..], 200),
        ("DELETE", &[], 401),
    ]) {
        let response = connection.request(method, "/", headers, b"").expect("an answer");
        assert_eq!((response.status, response.header("connection")), (status, Some("close")));
    }
    let response = slow.read_response("GET").expect("an answer");
    assert_eq!((response.status, response.header("connection")), (200, Some("close")));
    assert_eq!(setup.gateway.wait_for_exit(Duration::from_secs(5)).code(), Some(0));
}
