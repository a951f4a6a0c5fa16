//! `tls_client_auth` and `self_signed_tls_client_auth`: RFC 8705.

use super::start_before;
use crate::support::{
    Authority, AuthorizationServer, Behaviour, Builder, Hello, Identity, Setup, Tls, wait_until,
};
use serde_json::json;
use std::fs;

fn builder(authority: &Authority, client: &Identity) -> Builder {
    Builder::new()
        .file("ca.pem", authority.pem())
        .file("client.crt", &client.certificate)
        .file("client.key", &client.key)
}

fn auth(method: &str) -> String {
    format!(
        "tls: {{ ca: ca.pem }}, client_auth: {{ method: {method}, client_id: gateway, certificate: client.crt, private_key: client.key }}"
    )
}

/// A server that is called over TLS alone, by clients with a certificate that leads to `clients`.
fn secured(authority: &Authority, clients: &str) -> (AuthorizationServer, Tls, String) {
    let server = AuthorizationServer::start();
    let tls = Tls::before(server.port(), &authority.certify(&["127.0.0.1"]), Some(clients));
    let endpoint =
        format!("introspection_endpoint: \"https://127.0.0.1:{}/introspect\"", tls.port());
    (server, tls, endpoint)
}

#[test]
fn the_server_sees_the_certificate_and_the_client_id() {
    let authority = Authority::new();
    let own = Identity::self_signed();
    for (method, client, trusted) in [
        ("tls_client_auth", authority.certify(&["gateway.test"]), authority.pem()),
        ("self_signed_tls_client_auth", own.clone(), &own.certificate),
    ] {
        let (server, tls, endpoint) = secured(&authority, trusted);
        let setup = start_before(
            server,
            builder(&authority, &client),
            &format!("{endpoint}, {}", auth(method)),
        );
        assert_eq!(setup.outcome("good"), (200, String::new()), "{method}");
        assert_eq!(tls.seen(), [Hello { server_name: None, certificate: Some(client.der()) }]);
        let request = setup.server.last();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(request.form(), [pair("token", "good"), pair("client_id", "gateway")]);
        assert_eq!(request.header("authorization"), None);
    }
}

#[test]
fn without_a_certificate_or_with_a_foreign_one_there_is_no_answer() {
    let (authority, other) = (Authority::new(), Authority::new());
    for (client, auth) in [
        (authority.certify(&[]), "tls: { ca: ca.pem }".to_owned()),
        (other.certify(&[]), auth("tls_client_auth")),
    ] {
        let (server, tls, endpoint) = secured(&authority, authority.pem());
        let setup =
            start_before(server, builder(&authority, &client), &format!("{endpoint}, {auth}"));
        assert_eq!(setup.outcome("good"), (503, "as_rejected_us".into()), "{auth}");
        assert_eq!((tls.seen(), setup.server.count()), (Vec::new(), 0));
    }
}

/// RFC 8705 §5: for clients with a certificate, and for no others.
#[test]
fn an_alias_in_the_metadata_is_for_clients_with_a_certificate() {
    let authority = Authority::new();
    let client = authority.certify(&[]);
    let start = |auth: &str, aliases: &dyn Fn(&Tls) -> serde_json::Value| -> (Setup, Tls) {
        let (server, tls, _) = secured(&authority, authority.pem());
        let (issuer, plain) = (server.origin(), format!("{}/plain", server.origin()));
        let document = json!({ "issuer": issuer, "introspection_endpoint": plain, "mtls_endpoint_aliases": aliases(&tls) });
        server.publish("/.well-known/oauth-authorization-server", Behaviour::Json(document));
        (
            start_before(
                server,
                builder(&authority, &client),
                &format!("issuer: \"{issuer}\", {auth}"),
            ),
            tls,
        )
    };
    let alias = |tls: &Tls| json!({ "introspection_endpoint": format!("https://127.0.0.1:{}/mtls", tls.port()) });

    let (setup, tls) = start(&auth("tls_client_auth"), &alias);
    assert_eq!(setup.outcome("good"), (200, String::new()));
    assert_eq!((setup.server.count_of_path("/mtls"), setup.server.count_of_path("/plain")), (1, 0));
    assert_eq!(tls.seen().last().and_then(|hello| hello.certificate.clone()), Some(client.der()));

    let (setup, tls) = start("tls: { ca: ca.pem }", &alias);
    assert_eq!(setup.outcome("good"), (200, String::new()));
    assert_eq!(
        (
            setup.server.count_of_path("/mtls"),
            setup.server.count_of_path("/plain"),
            tls.seen().len()
        ),
        (0, 1, 0)
    );

    let (setup, _tls) =
        start(&auth("tls_client_auth"), &|_| json!({ "token_endpoint": "https://127.0.0.1/" }));
    assert_eq!(setup.outcome("good"), (200, String::new()));
    assert_eq!(setup.server.count_of_path("/plain"), 1, "no alias for this endpoint");

    for wrong in [
        json!({ "introspection_endpoint": 1 }),
        json!({ "introspection_endpoint": "http://example.com/" }),
    ] {
        let (setup, _tls) = start(&auth("tls_client_auth"), &|_| wrong.clone());
        assert_eq!(setup.outcome("good"), (503, "as_bad_response".into()), "{wrong}");
        assert_eq!(setup.server.count_of_path("/plain"), 0);
    }
}

#[test]
fn a_new_certificate_takes_effect_without_a_restart() {
    let authority = Authority::new();
    let (old, new) = (authority.certify(&["old.test"]), authority.certify(&["new.test"]));
    let (server, tls, endpoint) = secured(&authority, authority.pem());
    let setup = start_before(
        server,
        builder(&authority, &old),
        &format!("{endpoint}, {}", auth("tls_client_auth")),
    );
    assert_eq!(setup.outcome("good"), (200, String::new()));
    // for a moment the two do not belong together
    fs::write(setup.gateway.directory().join("client.crt"), &new.certificate).expect("write");
    fs::write(setup.gateway.directory().join("client.key"), &new.key).expect("write");
    wait_until("the new certificate is shown, also for a token that was known", || {
        assert_eq!(setup.outcome("good"), (200, String::new()));
        tls.seen().last().and_then(|hello| hello.certificate.clone()) == Some(new.der())
    });
}

/// `client_credentials` with a certificate: the token endpoint sees it, and so does the
/// introspection endpoint, for a token that is bound to it (RFC 8705 §3).
#[test]
fn the_token_endpoint_sees_the_certificate() {
    let authority = Authority::new();
    let client = authority.certify(&["gateway.test"]);
    let (server, tls, endpoint) = secured(&authority, authority.pem());
    let own = json!({ "access_token": "own-1", "token_type": "Bearer", "expires_in": 3600 });
    server.publish("/token", Behaviour::Json(own));
    let auth = format!(
        "tls: {{ ca: ca.pem }}, client_auth: {{ method: client_credentials, client_id: gateway, certificate: client.crt, private_key: client.key, token_endpoint: \"https://127.0.0.1:{}/token\" }}",
        tls.port()
    );
    let setup = start_before(server, builder(&authority, &client), &format!("{endpoint}, {auth}"));
    assert_eq!(setup.outcome("good"), (200, String::new()));
    let seen = tls.seen();
    assert!(!seen.is_empty());
    for hello in seen {
        assert_eq!(hello, Hello { server_name: None, certificate: Some(client.der()) });
    }
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let fetched = setup.server.requests_of_path("/token");
    let [fetched] = &*fetched else { panic!("one call: {fetched:?}") };
    let expected = [pair("grant_type", "client_credentials"), pair("client_id", "gateway")];
    assert_eq!(fetched.form(), expected);
    assert_eq!(fetched.header("authorization"), None);
    let asked = setup.server.requests_of_path("/introspect");
    assert_eq!(asked[0].header("authorization"), Some("Bearer own-1"));
    assert_eq!(asked[0].form(), [pair("token", "good")]);
}
