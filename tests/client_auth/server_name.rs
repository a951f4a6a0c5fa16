//! `tls.server_name`: the certificate's name, with any host in the URL. Verification is never off.

use super::start_before;
use crate::support::{Authority, AuthorizationServer, Behaviour, Builder, Setup, Tls, now};
use serde_json::json;

/// A server whose certificate is for `as.internal` alone.
fn start(keys: impl Fn(u16) -> String) -> (Setup, Tls) {
    let (authority, server) = (Authority::new(), AuthorizationServer::start());
    let tls = Tls::before(server.port(), &authority.certify(&["as.internal"]), None);
    let keys = keys(tls.port());
    (start_before(server, Builder::new().file("ca.pem", authority.pem()), &keys), tls)
}

#[test]
fn the_name_is_asked_for_and_verified_and_the_host_is_called() {
    for host in ["127.0.0.1", "localhost"] {
        let (setup, tls) = start(|port| {
            format!(
                "introspection_endpoint: \"https://{host}:{port}/introspect?a=b\", tls: {{ ca: ca.pem, server_name: as.internal }}"
            )
        });
        assert_eq!(setup.outcome("good"), (200, String::new()), "{host}");
        assert_eq!(setup.outcome("bad"), (401, "inactive".into()), "{host}");
        let names: Vec<_> = tls.seen().iter().map(|hello| hello.server_name.clone()).collect();
        assert_eq!(names, [Some("as.internal".to_owned())], "one connection for both");
        let request = setup.server.last();
        assert_eq!(
            request.headers_all("host"),
            [format!("{host}:{}", tls.port())],
            "the URL's, not the certificate's"
        );
        assert_eq!(request.target, "/introspect?a=b");
    }
}

#[test]
fn a_certificate_of_another_name_is_refused() {
    for name in ["", ", server_name: other.internal", ", server_name: as.internal.test"] {
        let (setup, tls) = start(|port| {
            format!(
                "introspection_endpoint: \"https://localhost:{port}/introspect\", tls: {{ ca: ca.pem{name} }}"
            )
        });
        assert_eq!(setup.outcome("good"), (503, "as_unavailable".into()), "{name}");
        assert_eq!((tls.seen().len(), setup.server.count()), (0, 0));
    }
    let (setup, _tls) = start(|port| {
        format!(
            "introspection_endpoint: \"https://localhost:{port}/introspect\", tls: {{ server_name: as.internal }}"
        )
    });
    assert_eq!(
        setup.outcome("good"),
        (503, "as_unavailable".into()),
        "the right name from an unknown authority"
    );
}

/// Each host is looked up by itself, although all have one name in TLS.
#[test]
fn several_endpoints_have_their_own_addresses() {
    let (setup, _tls) = start(|port| {
        let urls = format!(
            "\"https://127.0.0.2:{port}/introspect\", \"https://127.0.0.1:{port}/introspect\""
        );
        format!("introspection_endpoint: [{urls}], tls: {{ ca: ca.pem, server_name: as.internal }}")
    });
    assert_eq!(setup.outcome("good"), (200, String::new()));
    assert_eq!(setup.outcome("narrow"), (200, String::new()));
    assert_eq!(setup.server.count(), 2);
}

#[test]
fn other_kinds_have_it_too() {
    let (setup, tls) = start(|port| {
        format!(
            "type: google, audience: [app], endpoint: \"https://127.0.0.1:{port}/t\", tls: {{ ca: ca.pem, server_name: as.internal }}"
        )
    });
    setup.server.publish(
        "/t",
        Behaviour::Json(json!({ "aud": "app", "sub": "1", "exp": (now() + 60).to_string() })),
    );
    assert_eq!(setup.outcome("good"), (200, String::new()));
    assert_eq!(tls.seen()[0].server_name.as_deref(), Some("as.internal"));

    let key = crate::jwt::Signer::p256("k");
    let (setup, tls) = start(|port| {
        let tls = "tls: { ca: ca.pem, server_name: as.internal }";
        format!(
            "type: jwt, issuer: \"https://as.test\", audience: [api], jwks_uri: \"https://127.0.0.1:{port}/jwks\", {tls}"
        )
    });
    setup.server.publish("/jwks", Behaviour::Json(json!({ "keys": [key.jwk()] })));
    let token = key.sign(&json!({ "iss": "https://as.test", "aud": "api", "exp": now() + 60 }));
    assert_eq!(setup.outcome(&token), (200, String::new()));
    assert_eq!(tls.seen()[0].server_name.as_deref(), Some("as.internal"));
}

/// Without `tls.ca` the system's roots count, for each kind of server and for endpoints found by an
/// issuer.
#[test]
fn the_systems_roots_are_trusted_by_every_kind() {
    for (path, keys) in [
        ("/t", "type: google, audience: [app], endpoint: \"https://127.0.0.1:@TLS@/t\""),
        ("/i", "issuer: \"https://127.0.0.1:@TLS@\""),
        ("/introspect", "introspection_endpoint: \"https://127.0.0.1:@TLS@/introspect\""),
    ] {
        let (authority, server) = (Authority::new(), AuthorizationServer::start());
        let tls = Tls::before(server.port(), &authority.certify(&["127.0.0.1"]), None);
        let origin = format!("https://127.0.0.1:{}", tls.port());
        let metadata = json!({ "issuer": origin, "introspection_endpoint": format!("{origin}/i") });
        server.publish("/.well-known/oauth-authorization-server", Behaviour::Json(metadata));
        server.publish(
            "/t",
            Behaviour::Json(json!({ "aud": "app", "sub": "1", "exp": (now() + 60).to_string() })),
        );
        let builder =
            Builder::new().file("ca.pem", authority.pem()).env("SSL_CERT_FILE", "@DIR@/ca.pem");
        let setup = start_before(server, builder, &keys.replace("@TLS@", &tls.port().to_string()));
        assert_eq!(setup.outcome("good"), (200, String::new()), "{keys}");
        assert_eq!(setup.server.count_of_path(path), 1);
    }
}
