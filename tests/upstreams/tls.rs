//! TLS towards services: who is trusted, which name is verified, which certificate is shown.

use super::config;
use crate::support::{Authority, Builder, Gateway, Hello, Identity, Tls, Upstream, wait_until};

/// The certificate must be one that the process trusts, for the name that was asked for.
#[test]
fn a_service_behind_tls() {
    let authority = Authority::new();
    for (identity, status) in [
        (authority.certify(&["127.0.0.1"]), 200),
        (authority.certify(&["service.test"]), 502),
        (Authority::new().certify(&["127.0.0.1"]), 502),
    ] {
        let upstream = Upstream::start();
        let tls = Tls::before(upstream.port(), &identity, None);
        let builder =
            Builder::new().file("ca.pem", authority.pem()).env("SSL_CERT_FILE", "@DIR@/ca.pem");
        let routes = format!(
            "routes: [{{path: /*, upstream: \"https://127.0.0.1:{}\", auth: none}}]",
            tls.port()
        );
        let gateway =
            builder.start(&format!("authorization_servers: {{main: {{introspection_endpoint: \"http://127.0.0.1:9/\"}}}}\n{routes}"));
        for _ in 0..3 {
            assert_eq!(gateway.get("/", &[]).status, status);
            assert_eq!(gateway.request("POST", "/", &[], b"body").status, status);
        }
        assert!(
            upstream.connection_count() <= if status == 200 { 2 } else { 0 },
            "{}",
            upstream.connection_count()
        );
    }
}

/// A gateway in front of a service with this TLS.
fn gateway_with(tls: &Tls, keys: &str, files: &[(&str, &str)]) -> Gateway {
    let files = files.iter().fold(Builder::new(), |builder, (name, text)| builder.file(name, text));
    files.start(&config(&format!(
        "{{ servers: [\"https://127.0.0.1:{}\"], tls: {{ {keys} }} }}",
        tls.port()
    )))
}

/// `tls.ca` takes the place of the system's roots; another authority's certificate is refused.
#[test]
fn the_upstreams_own_roots_decide() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    for (identity, status) in
        [(ours.certify(&["127.0.0.1"]), 200), (theirs.certify(&["127.0.0.1"]), 502)]
    {
        let upstream = Upstream::start();
        let tls = Tls::before(upstream.port(), &identity, None);
        let gateway = gateway_with(&tls, "ca: ca.pem", &[("ca.pem", ours.pem())]);
        assert_eq!(gateway.get("/", &[]).status, status);
        assert_eq!(gateway.request("POST", "/", &[], b"body").status, status);
    }
}

#[test]
fn another_name_is_asked_for_and_verified() {
    let authority = Authority::new();
    let upstream = Upstream::start();
    let tls = Tls::before(upstream.port(), &authority.certify(&["api.internal"]), None);
    let files = [("ca.pem", authority.pem())];
    let gateway = gateway_with(&tls, "ca: ca.pem, server_name: api.internal", &files);
    assert_eq!(gateway.get("/", &[]).status, 200);
    assert_eq!(tls.seen()[0].server_name.as_deref(), Some("api.internal"));
    let gateway = gateway_with(&tls, "ca: ca.pem, server_name: other.internal", &files);
    assert_eq!(gateway.get("/", &[]).status, 502);
}

/// A service that wants a client certificate gets the configured one, also after it was replaced.
#[test]
fn the_gateways_certificate_is_shown_and_reloaded() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let upstream = Upstream::start();
    let tls = Tls::before(upstream.port(), &servers.certify(&["127.0.0.1"]), Some(clients.pem()));
    let without = gateway_with(&tls, "ca: ca.pem", &[("ca.pem", servers.pem())]);
    assert_eq!(without.get("/", &[]).status, 502);

    let (first, second) = (clients.certify(&["gateway"]), clients.certify(&["gateway"]));
    let gateway = gateway_with(
        &tls,
        "ca: ca.pem, certificate: gw.crt, private_key: gw.key",
        &[("ca.pem", servers.pem()), ("gw.crt", &first.certificate), ("gw.key", &first.key)],
    );
    let shows = |identity: &Identity| {
        assert_eq!(gateway.get("/", &[]).status, 200);
        assert_eq!(gateway.request("POST", "/", &[], b"body").status, 200);
        tls.seen().iter().any(|hello: &Hello| hello.certificate == Some(identity.der()))
    };
    assert!(shows(&first) && !shows(&second));

    // half of the pair does not fit: the old one stays
    let folder = gateway.directory();
    std::fs::write(folder.join("gw.crt"), &second.certificate).expect("write");
    gateway.log_with("is not the key of the first certificate");
    assert!(!shows(&second));
    std::fs::write(folder.join("gw.key"), &second.key).expect("write");
    wait_until("the new certificate is shown", || shows(&second));
}
