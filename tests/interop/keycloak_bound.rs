//! Keycloak's tokens that are bound to a DPoP key (RFC 9449) or to a certificate (RFC 8705), used
//! by client libraries through the gateway.

use super::clients::{
    LIBRARIES, SECRET, certificates_hold, identities, modules, proofs_hold, run_client, tls_gateway,
};
use super::keycloak::{launched, prepared};
use super::parts::unless_missing;
use super::server::{APP_SECRET, Server};
use super::situations::alone;
use crate::support::{Authority, Builder, Gateway, Upstream, free_port};
use serde_json::{Value, json};
use std::fs;

#[test]
#[ignore = "slow; make interop"]
fn keycloaks_bound_tokens_pass_with_their_proof() {
    let _alone = alone();
    let Some(modules) = unless_missing(modules()) else { return };
    let Some(directory) = unless_missing(prepared(&realm())) else { return };
    let authority = Authority::new();
    let files = identities(&authority);
    for name in ["ca.pem", "server.crt", "server.key"] {
        fs::copy(files.path().join(name), directory.path().join(name)).expect("a copy");
    }
    let https = free_port();
    let keycloak = launched(directory, move |directory| {
        let file = |name: &str| directory.join(name).display().to_string();
        vec![
            format!("--https-port={https}"),
            format!("--https-certificate-file={}", file("server.crt")),
            format!("--https-certificate-key-file={}", file("server.key")),
            format!("--truststore-paths={}", file("ca.pem")),
            "--https-client-auth=request".to_owned(),
        ]
    });
    let upstream = Upstream::start();

    let gateway = by_proofs(&keycloak, &upstream);
    let resource = format!("http://127.0.0.1:{}", gateway.port());
    for library in LIBRARIES {
        let before = upstream.count();
        let all = run_client(&modules, "clients/dpop.mjs", &[library, &resource]);
        proofs_hold(library, &all, &json!([200, 200]), &upstream, before);
    }

    let issuer = format!("https://127.0.0.1:{https}/realms/demo");
    let gateway = tls_gateway(&authority, files.path(), &issuer, "gateway", &upstream);
    let resource = format!("https://127.0.0.1:{}", gateway.port());
    let folder = files.path().to_str().expect("UTF-8");
    for library in LIBRARIES {
        let arguments = [library, &resource, folder];
        let before = upstream.count();
        let all = run_client(&modules, "clients/certificates.mjs", &arguments);
        certificates_hold(library, &all, &upstream, before);
    }
}

fn by_proofs(keycloak: &Server, upstream: &Upstream) -> Gateway {
    Builder::new().start(&format!(
        "
authorization_servers:
  real: {{ issuer: \"{}/realms/demo\", client_auth: {{ method: client_secret_basic, client_id: gateway, client_secret: \"{SECRET}\" }} }}
protected_resource: {{ resource: \"http://127.0.0.1:@PORT@\" }}
routes:
  - {{ path: /*, upstream: \"{}\", scopes: [read], audience: [gateway], binding: {{ dpop: required }} }}
",
        keycloak.origin(),
        upstream.url()
    ))
}

/// Two clients whose tokens are bound, and the gateway in the audience of their tokens.
fn realm() -> Value {
    let mapper = json!({
        "name": "gateway", "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper",
        "config": { "included.client.audience": "gateway", "access.token.claim": "true", "introspection.token.claim": "true" },
    });
    let client = |id: &str, authenticator: &str, attributes: Value| {
        json!({
            "clientId": id, "secret": APP_SECRET, "serviceAccountsEnabled": true, "standardFlowEnabled": false,
            "clientAuthenticatorType": authenticator, "attributes": attributes, "protocolMappers": [mapper],
            "optionalClientScopes": ["read"],
        })
    };
    json!({
        "realm": "demo", "enabled": true, "sslRequired": "none",
        "clientScopes": [{ "name": "read", "protocol": "openid-connect", "attributes": { "include.in.token.scope": "true" } }],
        "clients": [
            client("bound", "client-secret", json!({ "dpop.bound.access.tokens": "true" })),
            client("certified", "client-x509", json!({
                "x509.subjectdn": "CN=client", "tls.client.certificate.bound.access.tokens": "true",
            })),
            { "clientId": "gateway", "secret": SECRET, "standardFlowEnabled": false },
        ],
    })
}
