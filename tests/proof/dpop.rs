//! RFC 9449: a token that is bound to a key passes with a proof that was made for this request, and
//! with no other.

use super::client::{Client, ORIGIN, send};
use crate::jwt::Signer;
use crate::support::{Behaviour, Builder, Response, Setup, active, one_route};
use serde_json::json;
use std::time::Duration;

#[track_caller]
fn refused(response: &Response, error: &str) {
    assert_eq!((response.status, response.reason()), (401, "binding_dpop".into()), "{response:?}");
    let challenge = response.header("www-authenticate").unwrap_or_default();
    assert!(challenge.starts_with("DPoP realm=\"introgate\""), "{challenge}");
    assert!(challenge.contains(&format!("error=\"{error}\"")), "{challenge}");
    assert!(challenge.contains("algs=\"ES256 ES384 EdDSA PS256 RS256\""), "{challenge}");
    assert_eq!(response.json()["error"], error);
}

#[test]
fn a_bound_token_passes_with_its_proof() {
    let setup = Setup::route("scopes: [read]");
    let client = Client::new();
    client.own(&setup.server, "bound");
    for _ in 0..3 {
        let response = client.get(&setup.gateway, "bound");
        assert_eq!(response.status, 200, "{response:?}");
    }
    assert_eq!(setup.server.count(), 1, "two of them from the cache");
    let seen = setup.upstream.last();
    assert_eq!(seen.header("x-introspected-sub"), Some("alice"));
    assert_eq!((seen.header("authorization"), seen.header("dpop")), (None, None));
}

#[test]
fn every_kind_of_key_does() {
    let setup = Setup::route("");
    for signer in [Signer::p256(""), Signer::p384(""), Signer::ed25519(""), Signer::rsa("")] {
        let client = Client::of(signer);
        let token = client.jkt();
        client.own(&setup.server, &token);
        assert_eq!(client.get(&setup.gateway, &token).status, 200, "{}", client.signer.alg);
    }
    let client = Client::of(Signer::rsa(""));
    let (mut header, claims) = (client.header(), client.claims("GET", ORIGIN, &client.jkt()));
    header["alg"] = json!("PS256");
    assert_eq!(send(&setup.gateway, &client.jkt(), &client.sign(&header, &claims)).status, 200);
    header["alg"] = json!("PS384");
    let response = send(&setup.gateway, &client.jkt(), &client.sign(&header, &claims));
    refused(&response, "invalid_dpop_proof");
}

#[test]
fn the_upstream_gets_token_and_proof_where_it_is_to() {
    let setup = Setup::start(&format!("token: {{ forward: true }}\n{}", one_route("")));
    let client = Client::new();
    client.own(&setup.server, "bound");
    let proof = client.proof("GET", ORIGIN, "bound");
    assert_eq!(send(&setup.gateway, "bound", &proof).status, 200);
    let seen = setup.upstream.last();
    assert_eq!(seen.header("authorization"), Some("DPoP bound"));
    assert_eq!(seen.header("dpop"), Some(proof.as_str()));
}

#[test]
fn a_proof_is_good_once() {
    let setup = Setup::route("");
    let client = Client::new();
    client.own(&setup.server, "bound");
    let proof = client.proof("GET", ORIGIN, "bound");
    assert_eq!(send(&setup.gateway, "bound", &proof).status, 200);
    refused(&send(&setup.gateway, "bound", &proof), "invalid_dpop_proof");
    assert_eq!(setup.upstream.count(), 1);
    // only another client may use the same `jti`
    let other = Client::new();
    other.own(&setup.server, "other");
    let mut claims = other.claims("GET", ORIGIN, "other");
    claims["jti"] = json!("same");
    assert_eq!(send(&setup.gateway, "other", &other.sign(&other.header(), &claims)).status, 200);
    let mut own = client.claims("GET", ORIGIN, "bound");
    own["jti"] = json!("same");
    assert_eq!(send(&setup.gateway, "bound", &client.sign(&client.header(), &own)).status, 200);
    // nor in a proof that is new otherwise
    own["iat"] = json!(crate::support::now() - 5);
    let again = client.sign(&client.header(), &own);
    refused(&send(&setup.gateway, "bound", &again), "invalid_dpop_proof");
}

/// All of them wait for one introspection, so that each is in flight when the others arrive.
#[test]
fn of_many_at_once_one_passes() {
    let setup = Setup::route("");
    let client = Client::new();
    let answer = active(json!({ "cnf": { "jkt": client.jkt() } })).to_string();
    let slow = Behaviour::after(Duration::from_millis(500), Behaviour::body(&answer));
    setup.server.behave("bound", slow);
    let proof = client.proof("GET", ORIGIN, "bound");
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let send = || send(&setup.gateway, "bound", &proof).status;
        let threads: Vec<_> = (0..12).map(|_| scope.spawn(send)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a status")).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 11, "{statuses:?}");
    assert_eq!(setup.upstream.count(), 1);
}

/// A refusal does not use up the proof's `jti`: the client may correct the request.
#[test]
fn only_good_proofs_are_noted() {
    let setup = Setup::start(
        "routes:\n  - { path: /, upstream: \"@UPSTREAM@\" }\n  - { path: /strict, upstream: \"@UPSTREAM@\", scopes: [admin] }\n",
    );
    let (client, thief) = (Client::new(), Client::new());
    client.own(&setup.server, "bound");
    let url = ORIGIN;
    let claims = client.claims("GET", url, "bound");
    // another party signs a proof with the same claims, and breaks the signature of the real one
    refused(&send(&setup.gateway, "bound", &thief.sign(&thief.header(), &claims)), "invalid_token");
    let good = client.sign(&client.header(), &claims);
    let broken = format!("{}AAAA", &good[..good.len() - 4]);
    refused(&send(&setup.gateway, "bound", &broken), "invalid_dpop_proof");
    assert_eq!(send(&setup.gateway, "bound", &good).status, 200);

    let proof = client.proof("GET", &format!("{url}strict"), "bound");
    let headers = [("Authorization", "DPoP bound"), ("DPoP", proof.as_str())];
    for _ in 0..2 {
        let response = setup.gateway.get("/strict", &headers);
        assert_eq!((response.status, response.reason()), (403, "insufficient_scope".into()));
        let challenge = response.header("www-authenticate").unwrap_or_default();
        assert!(challenge.starts_with("DPoP realm="), "{challenge}");
    }
}

#[test]
fn scheme_and_binding_belong_together() {
    let setup = Setup::route("");
    let client = Client::new();
    client.own(&setup.server, "bound");
    let proof = || client.proof("GET", ORIGIN, "bound");
    for scheme in ["DPoP", "dpop", "DPOP"] {
        let headers = [("Authorization", &*format!("{scheme}  bound")), ("DPoP", &proof())];
        assert_eq!(setup.gateway.get("/", &headers).status, 200, "{scheme}");
    }
    // pitfall 71: with the scheme Bearer the binding would be gone
    refused(&setup.get("bound"), "invalid_token");
    let headers = [("Authorization", "Bearer bound"), ("DPoP", &*proof())];
    refused(&setup.gateway.get("/", &headers), "invalid_token");
    // the answer about an unbound token names no key
    let proof = client.proof("GET", ORIGIN, "good");
    refused(&send(&setup.gateway, "good", &proof), "invalid_token");
    assert_eq!(setup.get("good").status, 200);
    // a proof with another key than the token's
    let other = Client::new();
    let proof = other.proof("GET", ORIGIN, "bound");
    refused(&send(&setup.gateway, "bound", &proof), "invalid_token");
    let bare = setup.gateway.get("/", &[("Authorization", "DPoP bound")]);
    refused(&bare, "invalid_dpop_proof");
    let inactive = setup.gateway.get("/", &[("Authorization", "DPoP unknown")]);
    assert_eq!((inactive.status, inactive.reason()), (401, "inactive".into()));
}

#[test]
fn a_token_in_another_place_has_no_scheme() {
    let setup = Setup::start(
        "token: { from: [header, query] }\nroutes: [{ path: /*, upstream: \"@UPSTREAM@\" }]",
    );
    let client = Client::new();
    client.own(&setup.server, "bound");
    let proof = client.proof("GET", ORIGIN, "bound");
    let response = setup.gateway.get("/?access_token=bound", &[("DPoP", &proof)]);
    refused(&response, "invalid_token");
    assert_eq!(send(&setup.gateway, "bound", &proof).status, 200);
}

#[test]
fn required_takes_nothing_else() {
    let setup = Setup::route("binding: { dpop: required }, scopes: [read]");
    let client = Client::new();
    client.own(&setup.server, "bound");
    assert_eq!(client.get(&setup.gateway, "bound").status, 200);
    refused(&setup.get("good"), "invalid_token");
    refused(&setup.get("bound"), "invalid_token");
    let missing = setup.gateway.get("/", &[]);
    assert_eq!((missing.status, missing.reason()), (401, "missing_token".into()));
    let expected = r#"DPoP realm="introgate", algs="ES256 ES384 EdDSA PS256 RS256", scope="read""#;
    assert_eq!(missing.header("www-authenticate"), Some(expected));
    let inactive = setup.get("unknown");
    let challenge = inactive.header("www-authenticate").unwrap_or_default();
    assert!(challenge.starts_with("DPoP realm="), "{challenge}");
}

#[test]
fn off_refuses_bound_tokens_unless_they_may_pass_unbound() {
    let setup = Setup::route("binding: { dpop: off }");
    let client = Client::new();
    client.own(&setup.server, "bound");
    for response in [client.get(&setup.gateway, "bound"), setup.get("bound")] {
        assert_eq!((response.status, response.reason()), (401, "binding_dpop".into()));
        let challenge = response.header("www-authenticate").unwrap_or_default();
        assert!(challenge.starts_with("Bearer realm="), "{challenge}");
    }
    for keys in
        ["binding: { dpop: off, allow_unbound_use: true }", "binding: { allow_unbound_use: true }"]
    {
        let setup = Setup::route(keys);
        client.own(&setup.server, "bound");
        assert_eq!(setup.get("bound").status, 200, "{keys}");
        assert_eq!(client.get(&setup.gateway, "bound").status, 200, "{keys}");
    }
}

#[test]
fn the_url_is_the_one_that_the_client_called() {
    let routes = "routes:\n  - { path: /v1/*, upstream: \"@UPSTREAM@\", rewrite: { strip_prefix: /v1, add_prefix: /internal } }\n";
    let setup = Setup::start(routes);
    let client = Client::new();
    client.own(&setup.server, "bound");
    let at = |setup: &Setup, headers: &[(&str, &str)], url: &str| {
        let proof = client.proof("GET", url, "bound");
        let mut all = vec![("Authorization", "DPoP bound"), ("DPoP", proof.as_str())];
        all.extend(headers);
        setup.gateway.get("/v1/a%2Cb/%7Ec?q=1", &all).status
    };
    let own = ORIGIN;
    for (path, status) in [
        ("v1/a%2Cb/%7Ec", 200),
        ("v1/a%2cb/~c", 200),
        ("v1/./a%2cb/x/../~c", 200),
        ("v1/a%2Cb/~c?q=1", 200),
        ("v1/a%2Cb/~c?q=2#f", 200),
        ("internal/a%2Cb/~c", 401),
        ("a%2Cb/~c", 401),
        ("v1/a%2Cb/~C", 401),
        ("v1/a%2Cb", 401),
        ("v1/a%2Cb/~c/", 401),
    ] {
        assert_eq!(at(&setup, &[], &format!("{own}{path}")), status, "{path}");
    }
    assert_eq!(setup.upstream.last().path(), "/internal/a%2Cb/~c");
    // a stranger does not say how it was called
    let claims = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "api.example.com")];
    let public = "https://api.example.com/v1/a%2Cb/~c";
    assert_eq!(at(&setup, &claims, public), 401);

    let behind = Setup::start(&format!("trusted_proxies: [127.0.0.1]\n{routes}"));
    client.own(&behind.server, "bound");
    assert_eq!(at(&behind, &claims, public), 200);
    assert_eq!(at(&behind, &claims, "https://API.example.com:443/v1/a%2Cb/~c"), 200);
    assert_eq!(at(&behind, &claims, "http://api.example.com/v1/a%2Cb/~c"), 401);
    assert_eq!(at(&behind, &claims, "https://api.example.com:8443/v1/a%2Cb/~c"), 401);
    let two = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "api.example.com, b.test")];
    assert_eq!(at(&behind, &two, public), 401);

    let named = Setup::start(&format!("public_url: \"https://api.example.com\"\n{routes}"));
    client.own(&named.server, "bound");
    assert_eq!(at(&named, &[], public), 200);
    let direct = format!("{}v1/a%2Cb/~c", ORIGIN);
    assert_eq!(at(&named, &[], &direct), 401);
}

#[test]
fn methods_differ() {
    let setup = Setup::route("");
    let client = Client::new();
    client.own(&setup.server, "bound");
    for method in ["GET", "HEAD", "POST", "DELETE"] {
        for signed in ["GET", "POST"] {
            let proof = client.proof(signed, ORIGIN, "bound");
            let headers = [("Authorization", "DPoP bound"), ("DPoP", proof.as_str())];
            let status = setup.gateway.request(method, "/", &headers, b"").status;
            assert_eq!(status, if method == signed { 200 } else { 401 }, "{method} {signed}");
        }
    }
}

/// A reload forgets no proof.
#[test]
fn a_reload_brings_no_proof_back() {
    let setup = Setup::route("");
    let client = Client::new();
    client.own(&setup.server, "bound");
    let proof = client.proof("GET", ORIGIN, "bound");
    assert_eq!(send(&setup.gateway, "bound", &proof).status, 200);
    setup.reload(&one_route("scopes: [read]"));
    refused(&send(&setup.gateway, "bound", &proof), "invalid_dpop_proof");
}

#[test]
fn no_log_has_a_proof_in_it() {
    let setup =
        Setup::build(Builder::new(), &format!("log: {{ level: trace }}\n{}", one_route("")));
    let client = Client::new();
    client.own(&setup.server, "bound");
    let proof = client.proof("GET", ORIGIN, "bound");
    assert_eq!(send(&setup.gateway, "bound", &proof).status, 200);
    refused(&send(&setup.gateway, "bound", &proof), "invalid_dpop_proof");
    setup.gateway.access_log(2);
    let (_, signature) = proof.rsplit_once('.').expect("three parts");
    let logs = setup.gateway.stdout() + &setup.gateway.stderr();
    assert!(!logs.contains(signature) && !logs.contains("DPoP bound"), "{logs}");
}
