//! `private_key_jwt` and `client_secret_jwt`: RFC 7523, OpenID Connect Core §9.

use super::start;
use crate::jwt::Signer;
use crate::support::{Behaviour, Builder, Request, Setup, now, run_cli_in, wait_until};
use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED, UnparsedPublicKey};
use base64::prelude::*;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};
use std::fs;

const ENDPOINT: &str = "introspection_endpoint: \"@AS@\"";

/// The form's members, each once.
fn member(request: &Request, name: &str) -> Option<String> {
    let form = request.form();
    let mut values = form.iter().filter(|(other, _)| other == name).map(|(_, value)| value.clone());
    let value = values.next();
    assert_eq!(values.next(), None, "{name} twice");
    value
}

/// The claims of a request's assertion, after everything about it was checked.
#[track_caller]
fn claims(
    request: &Request,
    key: &DecodingKey,
    algorithm: Algorithm,
    kid: Option<&str>,
    audience: &str,
) -> Value {
    assert_eq!(
        member(request, "client_assertion_type").as_deref(),
        Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
    );
    assert_eq!(
        (member(request, "client_secret"), request.header("authorization")),
        (None, None),
        "one way to authenticate"
    );
    // RFC 7521 §4.2: allowed beside the assertion, and demanded by Spring Authorization Server
    assert_eq!(member(request, "client_id").as_deref(), Some("gateway"));
    assert_eq!(request.form().len(), 4, "{:?}", request.form());
    let assertion = member(request, "client_assertion").expect("an assertion");
    let header = decode_header(&assertion).expect("a header");
    assert_eq!((header.alg, header.kid.as_deref()), (algorithm, kid));
    let mut validation = Validation::new(algorithm);
    validation.leeway = 0;
    validation.set_audience(&[audience]);
    validation.set_issuer(&["gateway"]);
    validation.sub = Some("gateway".into());
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    let claims = decode::<Value>(&assertion, key, &validation).expect("a good assertion").claims;
    let time = |name: &str| claims[name].as_i64().expect("a time");
    assert!(
        time("iat") <= now() && now() - time("iat") < 30 && time("exp") - time("iat") <= 60,
        "{claims}"
    );
    assert_eq!(claims["aud"], audience, "one audience");
    assert!(claims["jti"].as_str().is_some_and(|jti| jti.len() >= 22), "{claims}");
    claims
}

fn public(signer: &Signer) -> DecodingKey {
    DecodingKey::from_jwk(&serde_json::from_value(signer.jwk()).expect("a JWK")).expect("a key")
}

fn jwk(signer: &Signer, members: Value) -> String {
    let mut jwk = signer.private_jwk();
    for (name, value) in members.as_object().expect("an object") {
        jwk[name] = value.clone();
    }
    jwk.to_string()
}

/// Each kind of key from each kind of file.
#[test]
fn every_key_signs() {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS512, RS256, RS384};
    let (rsa, p256, p384, ed) =
        (Signer::rsa("k"), Signer::p256("k"), Signer::p384("k"), Signer::ed25519("k"));
    let none = json!({ "kid": null });
    let set = json!({ "keys": [p384.named(Some("other")).private_jwk(), p256.named(Some("wanted")).private_jwk()] }).to_string();
    let cases: [(&Signer, String, &str, Algorithm, Option<&str>); 15] = [
        (&rsa, rsa.private_pem(), "", RS256, None),
        (&rsa, rsa.private_pem(), ", algorithm: PS256, key_id: a", PS256, Some("a")),
        (&rsa, rsa.private_pem(), ", algorithm: RS384", RS384, None),
        (&rsa, rsa.traditional_pem(), "", RS256, None),
        (&rsa, rsa.private_jwk().to_string(), "", RS256, Some("k")),
        (&rsa, jwk(&rsa, json!({ "alg": "PS512", "use": "sig" })), "", PS512, Some("k")),
        (&p256, p256.private_pem(), "", ES256, None),
        (&p256, p256.traditional_pem(), ", key_id: \"it's \\\"k\\\"\"", ES256, Some("it's \"k\"")),
        (&p256, jwk(&p256, none.clone()), "", ES256, None),
        (&p256, p256.private_jwk().to_string(), ", key_id: b", ES256, Some("b")),
        (&p256, set, ", key_id: wanted", ES256, Some("wanted")),
        (&p384, p384.private_pem(), ", algorithm: ES384", ES384, None),
        (&p384, p384.traditional_pem(), "", ES384, None),
        (&ed, ed.private_pem(), "", EdDSA, None),
        (&ed, jwk(&ed, json!({ "key_ops": ["sign"] })), "", EdDSA, Some("k")),
    ];
    for (signer, file, more, algorithm, kid) in cases {
        let keys = format!(
            "{ENDPOINT}, client_auth: {{ method: private_key_jwt, client_id: gateway, private_key: key{more} }}"
        );
        let setup = start(Builder::new().file("key", &file), &keys);
        assert_eq!(setup.outcome("good"), (200, String::new()), "{algorithm:?} {more}");
        assert_eq!(setup.outcome("narrow"), (200, String::new()));
        let jtis: Vec<Value> = setup
            .server
            .requests()
            .iter()
            .map(|request| {
                claims(request, &public(signer), algorithm, kid, &setup.server.url())["jti"].clone()
            })
            .collect();
        assert!(jtis.len() == 2 && jtis[0] != jtis[1], "{jtis:?}");
    }
}

/// ES512, which the JWT library of these tests does not know: the signature is checked here
/// (RFC 7518 §3.4).
#[test]
fn a_key_of_p521_signs() {
    let p521 = Signer::p521("k");
    for (file, kid) in [
        (p521.private_pem(), None),
        (p521.traditional_pem(), None),
        (jwk(&p521, json!({ "alg": "ES512" })), Some("k")),
    ] {
        let keys = format!(
            "{ENDPOINT}, client_auth: {{ method: private_key_jwt, client_id: gateway, private_key: key }}"
        );
        let setup = start(Builder::new().file("key", &file), &keys);
        assert_eq!(setup.outcome("good"), (200, String::new()), "{file}");
        let assertion = member(&setup.server.last(), "client_assertion").expect("an assertion");
        let (signed, signature) = assertion.rsplit_once('.').expect("three parts");
        let (head, claims) = signed.split_once('.').expect("two parts");
        let part = |text: &str| -> Value {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64url");
            serde_json::from_slice(&bytes).expect("JSON")
        };
        let mut expected = json!({ "typ": "JWT", "alg": "ES512" });
        if let Some(kid) = kid {
            expected["kid"] = json!(kid);
        }
        assert_eq!(part(head), expected);
        assert_eq!(part(claims)["aud"], setup.server.url());
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        assert_eq!(signature.len(), 132);
        let coordinate = |name: &str| {
            let text = p521.jwk()[name].as_str().expect("a number").to_owned();
            BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64url")
        };
        let point = [vec![4], coordinate("x"), coordinate("y")].concat();
        UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, point)
            .verify(signed.as_bytes(), &signature)
            .expect("a good signature");
    }
    let setup = |more: &str| {
        let (directory, yaml) = (
            tempfile::tempdir().expect("a folder"),
            format!(
                "authorization_servers: {{ main: {{ introspection_endpoint: \"http://127.0.0.1:1/\", client_auth: {{ method: private_key_jwt, client_id: gateway, private_key: key{more} }} }} }}\nroutes: [{{ path: /*, upstream: \"http://127.0.0.1:1\" }}]\n"
            ),
        );
        fs::write(directory.path().join("key"), p521.private_pem()).expect("write the key");
        fs::write(directory.path().join("gateway.yaml"), yaml).expect("write the configuration");
        run_cli_in(directory.path(), &["check", "-c", "gateway.yaml"], &[])
    };
    let (code, out, err) = setup(", algorithm: ES384");
    let said = out + &err;
    assert!(
        code != 0 && said.contains("`ES384` does not fit the key") && said.contains("ES512"),
        "{said}"
    );
}

#[test]
fn a_secret_signs() {
    let secret = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    for (keys, algorithm) in [
        ("", Algorithm::HS256),
        (", algorithm: HS384", Algorithm::HS384),
        (", algorithm: HS512", Algorithm::HS512),
    ] {
        let builder = Builder::new().file("secret", &format!("{secret}\n"));
        let auth = format!(
            "client_auth: {{ method: client_secret_jwt, client_id: gateway, client_secret_file: secret{keys} }}"
        );
        let setup = start(builder, &format!("{ENDPOINT}, {auth}"));
        assert_eq!(setup.outcome("good"), (200, String::new()));
        claims(
            &setup.server.last(),
            &DecodingKey::from_secret(secret.as_bytes()),
            algorithm,
            None,
            &setup.server.url(),
        );
    }
}

/// The configured audience, else the issuer if there is one, else the endpoint.
#[test]
fn the_audience() {
    let key = Signer::ed25519("k");
    for (keys, auth, expected) in [
        ("issuer: \"https://as.test/\", ", "", "https://as.test/"),
        (
            "issuer: \"https://as.test/\", ",
            ", audience: \"https://as.test/token\"",
            "https://as.test/token",
        ),
        ("", ", audience: other", "other"),
    ] {
        let auth = format!(
            "client_auth: {{ method: private_key_jwt, client_id: gateway, private_key: key{auth} }}"
        );
        let setup = start(
            Builder::new().file("key", &key.private_pem()),
            &format!("{keys}{ENDPOINT}, {auth}"),
        );
        assert_eq!(setup.outcome("good"), (200, String::new()));
        claims(&setup.server.last(), &public(&key), Algorithm::EdDSA, None, expected);
    }
}

/// One assertion, one call: servers remember each `jti`.
#[test]
fn every_attempt_has_its_own() {
    let key = Signer::p256("k");
    let auth = "client_auth: { method: private_key_jwt, client_id: gateway, private_key: key }";
    let start = |keys: &str| {
        let yaml = format!(
            "authorization_servers:\n  main: {{ {keys}, {auth} }}\n{}",
            crate::support::one_route("")
        );
        Setup::build(Builder::new().file("key", &key.private_pem()), &yaml)
    };
    let jti = |request: &Request, audience: &str| {
        claims(request, &public(&key), Algorithm::ES256, None, audience)["jti"].clone()
    };

    let setup = start(&format!("{ENDPOINT}, retries: 1"));
    setup.server.behave_in_turn(
        "good",
        [Behaviour::status(503), Behaviour::Json(json!({ "active": true }))],
    );
    assert_eq!(setup.outcome("good"), (200, String::new()));
    let requests = setup.server.requests();
    assert_eq!(requests.len(), 2, "a retry");
    assert_ne!(jti(&requests[0], &setup.server.url()), jti(&requests[1], &setup.server.url()));

    let setup = start("retries: 0, introspection_endpoint: [\"@AS@/first\", \"@AS@\"]");
    setup.server.publish("/introspect/first", Behaviour::status(500));
    assert_eq!(setup.outcome("good"), (200, String::new()));
    let requests = setup.server.requests();
    assert_eq!(requests.len(), 2, "the next endpoint");
    assert_ne!(
        jti(&requests[0], &format!("{}/first", setup.server.url())),
        jti(&requests[1], &setup.server.url())
    );

    let setup = start(&format!("{ENDPOINT}, retries: 0"));
    setup.server.one_answer_a_connection();
    assert_eq!(setup.outcome("good"), (200, String::new()));
    assert_eq!(setup.outcome("narrow"), (200, String::new()));
    let requests = setup.server.requests();
    assert_eq!(requests.len(), 3, "a connection that was closed meanwhile");
    assert_ne!(jti(&requests[1], &setup.server.url()), jti(&requests[2], &setup.server.url()));
}

/// Answers got with the old key are not used for the new one.
#[test]
fn a_new_key_file_takes_effect_without_a_restart() {
    let (old, new) = (Signer::p256("old"), Signer::ed25519("new"));
    let auth = "client_auth: { method: private_key_jwt, client_id: gateway, private_key: key }";
    let setup = start(
        Builder::new().file("key", &old.private_jwk().to_string()),
        &format!("{ENDPOINT}, {auth}"),
    );
    assert_eq!(setup.outcome("good"), (200, String::new()));
    claims(&setup.server.last(), &public(&old), Algorithm::ES256, Some("old"), &setup.server.url());
    let file = setup.gateway.directory().join("key");
    let reloads = |result: &str| {
        setup.gateway.metric(&format!("introgate_config_reloads_total{{result=\"{result}\"}}"))
    };

    let before = reloads("failure");
    fs::write(&file, "not a key").expect("write");
    wait_until("an invalid key is refused", || reloads("failure") > before);
    assert_eq!(setup.outcome("narrow"), (200, String::new()));
    claims(&setup.server.last(), &public(&old), Algorithm::ES256, Some("old"), &setup.server.url());

    let before = reloads("success");
    fs::write(&file, new.private_jwk().to_string()).expect("write");
    wait_until("the new key is read", || reloads("success") > before);
    assert_eq!(setup.outcome("good"), (200, String::new()));
    claims(&setup.server.last(), &public(&new), Algorithm::EdDSA, Some("new"), &setup.server.url());
}

/// RFC 6749 §5.2: a refused assertion may be a 400.
#[test]
fn an_assertion_that_is_refused_is_our_trouble() {
    let key = Signer::ed25519("k");
    let auth = "client_auth: { method: private_key_jwt, client_id: gateway, private_key: key }";
    let setup =
        start(Builder::new().file("key", &key.private_pem()), &format!("{ENDPOINT}, {auth}"));
    for status in [400, 401] {
        setup.server.behave_for_all(Behaviour::respond(
            status,
            &[],
            r#"{"error":"invalid_client"}"#,
        ));
        assert_eq!(setup.outcome("good"), (503, "as_rejected_us".into()), "{status}");
    }
    let sent = member(&setup.server.last(), "client_assertion").expect("an assertion");
    let signature = sent.rsplit('.').next().expect("a signature");
    assert!(BASE64_URL_SAFE_NO_PAD.decode(signature).is_ok_and(|signature| signature.len() == 64));
    assert!(!setup.gateway.stderr().contains(signature), "an assertion is a credential");
}
