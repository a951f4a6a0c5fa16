//! `identity.assertion`: a signed JWT with the facts, verified as an upstream would: by the key set
//! that the gateway publishes.

use crate::jwt::Signer;
use crate::support::{Builder, Setup, active, now, one_route, wait_until};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};

const AUDIENCE: &str = "https://internal.example.com";

/// `identity` with this ttl and further keys; the private key is in `key.pem`.
fn identity(ttl: &str, keys: &str) -> String {
    format!(
        "identity: {{ assertion: {{ private_key: key.pem, audience: \"{AUDIENCE}\", ttl: {ttl} }}, {keys} }}\n"
    )
}

fn start(key: &str, yaml: &str) -> Setup {
    Setup::build(Builder::new().file("key.pem", key), yaml)
}

fn set(setup: &Setup) -> JwkSet {
    let response = setup.gateway.admin_get("/.well-known/jwks.json");
    assert_eq!(response.header("content-type"), Some("application/jwk-set+json"));
    serde_json::from_value(response.json()).expect("a key set")
}

/// The last assertion that reached the upstream.
fn assertion(setup: &Setup) -> String {
    let forwarded = setup.upstream.last();
    forwarded.header("x-introspected-assertion").expect("an assertion").to_owned()
}

/// The claims, by a key of the set that the header names. Time is not looked at.
fn verified(set: &JwkSet, assertion: &str) -> Option<Value> {
    let header = decode_header(assertion).expect("a header");
    assert_eq!(header.typ.as_deref(), Some("introgate+jwt"));
    let key = set.find(header.kid.as_deref().expect("a kid"))?;
    let mut validation = Validation::new(header.alg);
    validation.set_audience(&[AUDIENCE]);
    validation.validate_exp = false;
    let key = DecodingKey::from_jwk(key).expect("a key");
    Some(decode::<Value>(assertion, &key, &validation).expect("a good signature").claims)
}

fn kid(assertion: &str) -> String {
    decode_header(assertion).expect("a header").kid.expect("a kid")
}

#[test]
fn an_upstream_can_verify_who_calls_by_any_kind_of_key() {
    for (signer, alg) in [
        (Signer::p256(""), "ES256"),
        (Signer::p384(""), "ES384"),
        (Signer::ed25519(""), "EdDSA"),
        (Signer::rsa(""), "RS256"),
    ] {
        let setup = start(
            &signer.private_pem(),
            &format!("{}{}", identity("60s", "claims: [tier, address.country]"), one_route("")),
        );
        let members = json!({
            "sub": "alice", "client_id": "app", "scope": "read write", "exp": now() + 3600,
            "tier": "gold", "address": { "country": "NZ", "street": "not asked for" },
        });
        setup.server.answer("gold", active(members));
        assert_eq!(setup.get("gold").status, 200, "{alg}");
        let (set, assertion) = (set(&setup), assertion(&setup));
        assert_eq!(format!("{:?}", decode_header(&assertion).expect("a header").alg), alg);
        let claims = verified(&set, &assertion).expect("the key is published");
        for (name, expected) in [
            ("iss", json!("introgate")),
            ("aud", json!(AUDIENCE)),
            ("sub", json!("alice")),
            ("client_id", json!("app")),
            ("scope", json!("read write")),
            ("tier", json!("gold")),
            ("address", json!({ "country": "NZ" })),
        ] {
            assert_eq!(claims[name], expected, "{alg}: {name}");
        }
        let time = |name: &str| claims[name].as_i64().expect("a time");
        assert_eq!(time("exp") - time("iat"), 60);
        assert!((time("iat") - now()).abs() <= 10, "{claims}");
        assert!(claims["jti"].as_str().is_some_and(|jti| jti.len() == 32));
        let shown = serde_json::to_value(&set).expect("JSON").to_string();
        for private in ["\"d\"", "\"p\"", "\"q\"", "\"dp\"", "\"dq\"", "\"qi\"", "\"k\""] {
            assert!(!shown.contains(private), "{alg}: {private}");
        }
        assert!(set.keys[0].common.public_key_use.is_some());
    }
}

#[test]
fn the_issuer_is_the_public_url() {
    let yaml = format!("public_url: https://api.example.com/\n{}", identity("60s", ""));
    let setup = start(&Signer::p256("").private_pem(), &format!("{yaml}{}", one_route("")));
    assert_eq!(setup.get("good").status, 200);
    let claims = verified(&set(&setup), &assertion(&setup)).expect("the key is published");
    assert_eq!(claims["iss"], "https://api.example.com");
}

/// Signing costs more than a cached request: one assertion serves for half of its life.
#[test]
fn an_assertion_is_kept_with_its_answer_and_made_anew_in_time() {
    let yaml = format!("{}{}", identity("1h", ""), one_route(""));
    let setup = start(&Signer::p256("").private_pem(), &yaml);
    assert_eq!(setup.get("good").status, 200);
    let first = assertion(&setup);
    assert_eq!(setup.get("good").status, 200);
    assert_eq!(assertion(&setup), first);
    assert_eq!(setup.get("bare").status, 200);
    assert_ne!(assertion(&setup), first, "another token");
    assert_eq!(setup.server.count(), 2);

    let setup = start(&Signer::p256("").private_pem(), &yaml.replace("1h", "2s"));
    assert_eq!(setup.get("good").status, 200);
    let first = assertion(&setup);
    wait_until("a new assertion", || {
        let before = now();
        assert_eq!(setup.get("good").status, 200);
        let assertion = assertion(&setup);
        let claims = verified(&set(&setup), &assertion).expect("the key is published");
        assert!(claims["exp"].as_i64().expect("a time") >= before, "it is good when it arrives");
        assertion != first
    });
    assert_eq!(setup.server.count(), 1, "the answer is the cached one");
}

#[test]
fn an_assertion_ends_with_its_token() {
    let yaml = format!("{}{}", identity("1h", ""), one_route(""));
    let setup = start(&Signer::p256("").private_pem(), &yaml);
    let exp = now() + 300;
    setup.server.answer("short", active(json!({ "sub": "alice", "exp": exp })));
    assert_eq!(setup.get("short").status, 200);
    let claims = verified(&set(&setup), &assertion(&setup)).expect("the key is published");
    assert_eq!(claims["exp"], exp);
}

/// Everything that a client sends under that name is removed, on every route and in every spelling.
#[test]
fn a_client_cannot_send_one() {
    let routes = "routes:\n\
        \x20 - { path: /public, upstream: \"@UPSTREAM@\", auth: none }\n\
        \x20 - { path: /optional, upstream: \"@UPSTREAM@\", auth: optional }\n\
        \x20 - { path: /*, upstream: \"@UPSTREAM@\" }\n";
    let setup = start(&Signer::p256("").private_pem(), &format!("{}{routes}", identity("60s", "")));
    for path in ["/public", "/optional", "/private"] {
        for name in ["X-Introspected-Assertion", "x_introspected_assertion"] {
            let mut headers = vec![(name, "eyJmb3JnZWQi")];
            if path == "/private" {
                headers.push(("Authorization", "Bearer good"));
            }
            assert_eq!(setup.gateway.get(path, &headers).status, 200);
            let forwarded = setup.upstream.last();
            let found: Vec<_> = forwarded
                .headers
                .iter()
                .filter(|(name, _)| name.to_lowercase().replace('_', "-").ends_with("-assertion"))
                .collect();
            assert_eq!(found.len(), usize::from(path == "/private"), "{path}: {found:?}");
            assert!(found.iter().all(|(_, value)| !value.contains("forged")), "{found:?}");
        }
    }
}

/// The key file is read again; assertions by the old key can still be verified. A file that is half
/// written changes nothing.
#[test]
fn a_new_key_takes_over_and_the_old_one_stays_published() {
    let yaml = format!("{}{}", identity("1h", ""), one_route(""));
    let (old, new) = (Signer::p256("").private_pem(), Signer::ed25519("").private_pem());
    let setup = start(&old, &yaml);
    let file = setup.gateway.directory().join("key.pem");
    assert_eq!(setup.get("good").status, 200);
    let first = assertion(&setup);

    std::fs::write(&file, &new[..new.len() / 2]).expect("written");
    setup.gateway.log_with("configuration not reloaded");
    assert_eq!(setup.get("good").status, 200);
    assert_eq!(assertion(&setup), first);

    std::fs::write(&file, &new).expect("written");
    wait_until("the new key signs", || {
        assert_eq!(setup.get("good").status, 200);
        kid(&assertion(&setup)) != kid(&first)
    });
    let set = set(&setup);
    assert_eq!(set.keys.len(), 2);
    assert_eq!(set.keys[0].common.key_id.as_deref(), Some(&*kid(&assertion(&setup))));
    for assertion in [&first, &assertion(&setup)] {
        let claims = verified(&set, assertion).expect("both keys are published");
        assert_eq!(claims["sub"], "alice");
    }
    assert_eq!(setup.server.count(), 1, "the answer stays in the cache");
}

#[test]
fn without_an_assertion_there_are_no_keys() {
    let setup = Setup::route("");
    assert_eq!(setup.gateway.admin_get("/.well-known/jwks.json").status, 404);
    assert_eq!(setup.get("good").status, 200);
    assert_eq!(setup.upstream.last().header("x-introspected-assertion"), None);
}

/// Answers that are made up must not become assertions.
#[test]
fn explaining_signs_nothing() {
    let yaml = format!("{}{}", identity("60s", ""), one_route(""));
    let setup = start(&Signer::p256("").private_pem(), &yaml);
    let question = json!({
        "method": "GET", "url": "/",
        "response": { "active": true, "sub": "mallory" },
    });
    let all = setup.gateway.admin_post("/api/explain", &question).json();
    assert_eq!(all["decision"], "allow", "{all:#}");
    let shown = all["headers"]["x-introspected-assertion"].as_str().expect("the header");
    let claims = shown.strip_prefix("unsigned ").expect("it says so");
    assert_eq!(serde_json::from_str::<Value>(claims).expect("JSON")["sub"], "mallory");
}

#[test]
fn forward_auth_carries_it() {
    let yaml = format!(
        "listeners: [{{ address: \"127.0.0.1:@PORT@\", serves: forward_auth }}]\n{}routes: [{{ path: /* }}]\n",
        identity("60s", "")
    );
    let setup = start(&Signer::p256("").private_pem(), &yaml);
    let answer = setup.gateway.get("/", &[("Authorization", "Bearer good")]);
    assert_eq!(answer.status, 200);
    let assertion = answer.header("x-introspected-assertion").expect("an assertion");
    assert_eq!(verified(&set(&setup), assertion).expect("the key is published")["sub"], "alice");
}

/// Upstreams that cannot reach the admin listener get the keys by a route that leads there.
#[test]
fn a_route_may_publish_the_keys() {
    let yaml = format!(
        "{}upstreams: {{ keys: {{ servers: [\"http://127.0.0.1:@ADMIN_PORT@\"], preserve_host: false }} }}\n\
         routes:\n\
         \x20 - {{ path: /.well-known/jwks.json, methods: [GET, HEAD], upstream: keys, auth: none }}\n\
         \x20 - {{ path: /*, upstream: \"@UPSTREAM@\" }}\n",
        identity("60s", "")
    );
    let setup = start(&Signer::p256("").private_pem(), &yaml);
    let published = setup.gateway.get("/.well-known/jwks.json", &[]);
    assert_eq!(published.status, 200);
    assert_eq!(published.json(), serde_json::to_value(set(&setup)).expect("JSON"));
    for path in ["/metrics", "/api/config", "/.well-known/jwks.json/../../metrics"] {
        assert_eq!(setup.gateway.get(path, &[]).status, 401, "{path}");
    }
}

/// An assertion whose claims do not fit into a header refuses the request.
#[test]
fn an_assertion_that_does_not_fit_is_500() {
    let yaml = format!("{}{}", identity("60s", "claims: [a, b]"), one_route(""));
    let setup = start(&Signer::p256("").private_pem(), &yaml);
    let members = json!({ "a": "x".repeat(2000), "b": "x".repeat(2000) });
    setup.server.answer("large", active(members));
    assert_eq!(setup.outcome("large"), (500, "identity_too_large".into()));
}
