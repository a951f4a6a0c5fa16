//! RFC 9449 §8: nonces of the gateway.

use super::client::{Client, ORIGIN, send};
use crate::support::{Gateway, Response, Setup, UpstreamBehaviour, one_route};
use serde_json::json;
use std::time::Duration;

const NONCES: &str = "dpop: { nonce: true }\n";

fn with_nonce(client: &Client, gateway: &Gateway, nonce: &str) -> Response {
    let mut claims = client.claims("GET", ORIGIN, "bound");
    claims["nonce"] = json!(nonce);
    send(gateway, "bound", &client.sign(&client.header(), &claims))
}

fn nonce(response: &Response) -> String {
    response.header("dpop-nonce").unwrap_or_else(|| panic!("no nonce: {response:?}")).to_owned()
}

#[test]
fn a_client_is_given_the_nonce_that_it_needs() {
    let setup = Setup::start(&format!("{NONCES}{}", one_route("")));
    let client = Client::new();
    client.own(&setup.server, "bound");
    let challenged = client.get(&setup.gateway, "bound");
    assert_eq!((challenged.status, challenged.reason()), (401, "binding_dpop".into()));
    assert_eq!(challenged.json()["error"], "use_dpop_nonce");
    let challenge = challenged.header("www-authenticate").unwrap_or_default();
    assert!(challenge.contains("error=\"use_dpop_nonce\""), "{challenge}");
    let given = nonce(&challenged);
    let passed = with_nonce(&client, &setup.gateway, &given);
    assert_eq!(passed.status, 200);
    nonce(&passed);
    assert_eq!(with_nonce(&client, &setup.gateway, "other").json()["error"], "use_dpop_nonce");
    for (i, status) in [(0, 401), (given.len() - 1, 401)] {
        let mut forged = given.clone().into_bytes();
        forged[i] ^= 1;
        let forged = String::from_utf8(forged).expect("ASCII");
        assert_eq!(with_nonce(&client, &setup.gateway, &forged).status, status, "{forged}");
    }
}

/// The header is set once, in any kind of response, in place of the upstream's own.
#[test]
fn each_response_to_a_proof_has_a_nonce() {
    let setup = Setup::start(&format!("{NONCES}{}", one_route("")));
    let client = Client::new();
    client.own(&setup.server, "bound");
    let given = nonce(&client.get(&setup.gateway, "bound"));
    for response in [
        UpstreamBehaviour::Raw(
            b"HTTP/1.1 404 Not Found\r\nDPoP-Nonce: theirs\r\nContent-Length: 2\r\n\r\nno".to_vec(),
        ),
        UpstreamBehaviour::Stream(vec!["a".into(), "b".into()], Duration::from_millis(10)),
        UpstreamBehaviour::Echo,
    ] {
        setup.upstream.behave(response);
        let got = with_nonce(&client, &setup.gateway, &given);
        assert_eq!(nonce(&got), given);
    }
    let method = |method: &str| {
        let mut claims = client.claims(method, ORIGIN, "bound");
        claims["nonce"] = json!(given);
        let proof = client.sign(&client.header(), &claims);
        let headers = [("Authorization", "DPoP bound"), ("DPoP", proof.as_str())];
        setup.gateway.request(method, "/", &headers, b"")
    };
    for name in ["HEAD", "POST", "PUT"] {
        assert_eq!(nonce(&method(name)), given, "{name}");
    }
    assert_eq!(setup.get("good").header("dpop-nonce"), None, "a bearer token needs none");
}

#[test]
fn nonces_survive_a_reload() {
    let setup = Setup::start(&format!("{NONCES}{}", one_route("")));
    let client = Client::new();
    client.own(&setup.server, "bound");
    let given = nonce(&client.get(&setup.gateway, "bound"));
    setup.reload(&format!("{NONCES}{}", one_route("timeout: 5s")));
    assert_eq!(with_nonce(&client, &setup.gateway, &given).status, 200);
    setup.reload(&one_route("timeout: 6s"));
    let response = client.get(&setup.gateway, "bound");
    assert_eq!((response.status, response.header("dpop-nonce")), (200, None));
}
