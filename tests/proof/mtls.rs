//! RFC 8705 §3: a token that is bound to a client certificate passes with that certificate alone.
//! Here a proxy in front of the gateway forwards the certificate.

use super::client::Client;
use crate::support::{Response, Setup, active, one_route};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use introgate::parts::Thumbprint;
use serde_json::json;

/// A self-signed certificate: its PEM and its DER.
fn certificate() -> (String, Vec<u8>) {
    let key = rcgen::KeyPair::generate().expect("a key pair");
    let parameters = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    let certificate = parameters.self_signed(&key).expect("a certificate");
    (certificate.pem(), certificate.der().to_vec())
}

fn hash(der: &[u8]) -> String {
    Thumbprint::hash(der).as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As `$ssl_client_escaped_cert` of nginx and `Cert` of Envoy have it.
fn escaped(pem: &str) -> String {
    pem.replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D")
        .replace('\n', "%0A")
        .replace(' ', "%20")
}

/// The four forms in which proxies pass a certificate on.
fn forms(pem: &str, der: &[u8]) -> Vec<(&'static str, String)> {
    vec![
        (
            "X-Forwarded-Client-Cert",
            format!("By=spiffe://x;Hash={};Subject=\"CN=a, b\"", hash(der)),
        ),
        ("X-Forwarded-Client-Cert", format!("Cert=\"{}\"", escaped(pem))),
        ("Client-Cert", format!(":{}:", STANDARD.encode(der))),
        ("X-SSL-Client-Cert", escaped(pem)),
        ("ssl-client-cert", escaped(pem)),
        ("X-SSL-Client-Cert", STANDARD.encode(der)),
    ]
}

const BEHIND: &str = "trusted_proxies: [127.0.0.1]\n";

/// Makes the server know this token, bound to the certificate.
fn bind(setup: &Setup, token: &str, der: &[u8]) {
    let thumbprint = Thumbprint::hash(der).to_string();
    let cnf = json!({ "x5t#S256": thumbprint });
    setup.server.answer(token, active(json!({ "sub": "alice", "cnf": cnf })));
}

fn get(setup: &Setup, token: &str, lines: &[(&str, &str)]) -> Response {
    let authorization = format!("Bearer {token}");
    let mut headers = vec![("Authorization", authorization.as_str())];
    headers.extend(lines);
    setup.gateway.get("/", &headers)
}

#[track_caller]
fn refused(response: &Response, detail: &str) {
    assert_eq!((response.status, response.reason()), (401, "binding_mtls".into()));
    assert_eq!(response.json()["detail"], detail);
    let challenge = response.header("www-authenticate").unwrap_or_default();
    let start = "Bearer realm=\"introgate\", error=\"invalid_token\"";
    assert!(challenge.starts_with(start), "{challenge}");
}

const NONE: &str = "The request does not come with a client certificate.";
const OTHER: &str = "The access token is bound to another client certificate.";

#[test]
fn a_trusted_proxy_forwards_the_certificate() {
    let setup = Setup::start(&format!("{BEHIND}{}", one_route("")));
    let ((pem, der), (other_pem, other_der)) = (certificate(), certificate());
    bind(&setup, "bound", &der);
    for (name, value) in forms(&pem, &der) {
        assert_eq!(get(&setup, "bound", &[(name, &value)]).status, 200, "{name}: {value}");
        assert_eq!(setup.upstream.last().header(name), Some(value.as_str()), "passed on");
    }
    assert_eq!(setup.server.count(), 1, "the others from the cache");
    for (name, value) in forms(&other_pem, &other_der) {
        refused(&get(&setup, "bound", &[(name, &value)]), OTHER);
    }
    refused(&get(&setup, "bound", &[]), NONE);
    // a chain of proxies, and two that disagree
    let two = format!("Hash={},Hash={}", hash(&der), hash(&other_der));
    refused(&get(&setup, "bound", &[("X-Forwarded-Client-Cert", &two)]), NONE);
    let lines = [forms(&pem, &der).swap_remove(0), forms(&other_pem, &other_der).swap_remove(2)];
    let lines: Vec<(&str, &str)> = lines.iter().map(|(n, v)| (*n, v.as_str())).collect();
    refused(&get(&setup, "bound", &lines), NONE);
    assert_eq!(get(&setup, "good", &[]).status, 200, "a token without binding needs none");
}

/// The certificate is no secret: a stranger may know it.
#[test]
fn a_stranger_is_not_believed() {
    let setup = Setup::start(&one_route(""));
    let (pem, der) = certificate();
    bind(&setup, "bound", &der);
    for (name, value) in forms(&pem, &der) {
        refused(&get(&setup, "bound", &[(name, &value)]), NONE);
        for name in [name.to_owned(), name.replace('-', "_")] {
            assert_eq!(get(&setup, "good", &[(&name, &value)]).status, 200);
            assert_eq!(setup.upstream.last().header(&name), None, "{name} is not passed on");
        }
    }
}

#[test]
fn required_takes_nothing_else_and_off_takes_none() {
    let (pem, der) = certificate();
    let forms = forms(&pem, &der);
    let (name, value) = &forms[0];
    let setup = Setup::start(&format!("{BEHIND}{}", one_route("binding: { mtls: required }")));
    bind(&setup, "bound", &der);
    assert_eq!(get(&setup, "bound", &[(name, value)]).status, 200);
    let unbound = "The access token is not bound to a client certificate.";
    refused(&get(&setup, "good", &[(name, value)]), unbound);

    let setup = Setup::start(&format!("{BEHIND}{}", one_route("binding: { mtls: off }")));
    bind(&setup, "bound", &der);
    let off = "An access token that is bound to a client certificate is not accepted here.";
    refused(&get(&setup, "bound", &[(name, value)]), off);

    let keys = "binding: { allow_unbound_use: true }";
    let setup = Setup::start(&format!("{BEHIND}{}", one_route(keys)));
    bind(&setup, "bound", &certificate().1);
    assert_eq!(get(&setup, "bound", &[]).status, 200);
    refused(&get(&setup, "bound", &[(name, value)]), OTHER);
}

/// A token that is bound to both needs both.
#[test]
fn two_bindings_need_two_proofs() {
    let setup = Setup::start(&format!("{BEHIND}{}", one_route("")));
    let (client, (pem, der)) = (Client::new(), certificate());
    let thumbprint = Thumbprint::hash(&der).to_string();
    let cnf = json!({ "x5t#S256": thumbprint, "jkt": client.jkt() });
    setup.server.answer("both", active(json!({ "cnf": cnf })));
    let forms = forms(&pem, &der);
    let (name, value) = &forms[0];
    let send = |lines: &[(&str, &str)]| {
        let proof = client.proof("GET", super::ORIGIN, "both");
        let mut headers = vec![("Authorization", "DPoP both"), ("DPoP", &*proof)];
        headers.extend(lines);
        setup.gateway.get("/", &headers)
    };
    assert_eq!(send(&[(name, value)]).status, 200);
    assert_eq!(send(&[]).reason(), "binding_mtls");
    assert_eq!(get(&setup, "both", &[(name, value)]).reason(), "binding_dpop");
}
