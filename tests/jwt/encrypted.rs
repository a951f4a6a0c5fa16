//! Encrypted tokens. (Keys, algorithms and the RFCs' own examples:
//! `src/introspect/jwt/jwe/tests.rs`.)

use super::sealer::fixtures;
use super::{
    ISSUER, JWKS, Sealer, Signer, claims, claims_with, config, decrypting, invalid, passed,
    publish, refused,
};
use crate::support::{Behaviour, Builder, Setup, active, now, one_route, run_cli_in, wait_until};
use serde_json::{Value, json};

#[test]
fn every_algorithm_opens() {
    let fixtures = fixtures();
    let set =
        json!({ "keys": fixtures["jwks"].as_object().expect("keys").values().collect::<Vec<_>>() })
            .to_string();
    let (setup, _) = decrypting(&[("keys.json", &set)]);
    setup.server.publish(JWKS, Behaviour::Json(json!({ "keys": [fixtures["signer"]] })));
    let tokens = fixtures["tokens"].as_array().expect("tokens");
    assert_eq!(tokens.len(), 60);
    for token in tokens {
        assert_eq!(
            setup.outcome(token["token"].as_str().expect("a token")),
            passed(),
            "{} {} {}",
            token["key"],
            token["alg"],
            token["enc"]
        );
    }
    assert_eq!(setup.upstream.last().header("x-introspected-sub"), Some("alice"));
}

/// Encryption hides a token, and proves nothing: who signed it is looked at as before.
#[test]
fn the_inner_token_is_checked_completely() {
    for sealer in [Sealer::rsa(), Sealer::p256()] {
        let (setup, signer) = decrypting(&[("key.pem", &sealer.pem())]);
        assert_eq!(setup.outcome(&sealer.seal(&signer.sign(&claims()))), passed());
        for (changes, expected) in [
            (json!({ "exp": now() - 60 }), refused("expired")),
            (json!({ "exp": null }), invalid()),
            (json!({ "iss": "https://other.test" }), refused("issuer")),
            (json!({ "aud": "other" }), refused("audience")),
        ] {
            assert_eq!(
                setup.outcome(&sealer.seal(&signer.sign(&claims_with(changes.clone())))),
                expected,
                "{changes}"
            );
        }
        assert_eq!(
            setup.outcome(&sealer.seal(&Signer::p256("k").sign(&claims()))),
            invalid(),
            "signed by another"
        );
        assert_eq!(
            setup.outcome(
                &sealer.seal(&signer.sign_with(json!({ "typ": "logout+jwt" }), &claims()))
            ),
            invalid()
        );
        let unsigned = format!(
            "{}.{}.",
            super::encode(r#"{"alg":"none"}"#),
            super::encode(&claims().to_string())
        );
        for content in [
            &*unsigned,
            &claims().to_string(),
            "",
            "a.b",
            "\u{0}",
            &sealer.seal(&signer.sign(&claims())),
        ] {
            assert_eq!(setup.outcome(&sealer.seal(content)), invalid(), "{content}");
        }
        setup.gateway.log_with("is encrypted again");
        setup.gateway.log_with("the signature does not hold");
    }
}

/// Signed tokens need no encryption: the authorization server decides, and any sender can encrypt.
#[test]
fn a_token_that_is_only_signed_is_a_token() {
    let (setup, signer) = decrypting(&[("key.pem", &Sealer::rsa().pem())]);
    assert_eq!(setup.outcome(&signer.sign(&claims())), passed());
}

#[test]
fn without_keys_the_operator_gets_advice() {
    let setup = super::start("");
    let signer = Signer::p256("k");
    publish(&setup, &[&signer]);
    assert_eq!(setup.outcome(&Sealer::rsa().seal(&signer.sign(&claims()))), invalid());
    setup.gateway.log_with("there are no `decryption_keys`");
}

/// A change of any part prevents decryption, and the client gets the same refusal each time.
#[test]
fn a_change_of_any_part() {
    let (rsa, p256) = (Sealer::rsa(), Sealer::p256());
    let (setup, signer) = decrypting(&[("rsa.pem", &rsa.pem()), ("ec.pem", &p256.pem())]);
    let mut bodies = std::collections::BTreeSet::new();
    for sealer in [&rsa, &p256] {
        let token = sealer.seal(&signer.sign(&claims()));
        let other = sealer.seal(&signer.sign(&claims()));
        assert_eq!((setup.outcome(&token), setup.outcome(&other)), (passed(), passed()));
        let parts: Vec<&str> = token.split('.').collect();
        let others: Vec<&str> = other.split('.').collect();
        for at in 0..5 {
            let flipped = {
                let middle = parts[at].len() / 2;
                let letter =
                    if parts[at].as_bytes().get(middle) == Some(&b'A') { "B" } else { "A" };
                format!(
                    "{}{letter}{}",
                    &parts[at][..middle],
                    parts[at].get(middle + 1..).unwrap_or_default()
                )
            };
            let shorter = parts[at].get(4..).unwrap_or("AAAA");
            for changed in [
                &flipped,
                others[at],
                shorter,
                "",
                &format!("{}AAAA", parts[at]),
                "AAAA",
                "%",
                &format!("{}=", parts[at]),
            ] {
                // ECDH-ES has no encrypted key, and RSA headers are alike
                if changed == parts[at] {
                    continue;
                }
                let mut parts = parts.clone();
                parts[at] = changed;
                let response = setup.get(&parts.join("."));
                assert_eq!((response.status, response.reason()), invalid(), "part {at}: {changed}");
                let mut body: Value = response.json();
                body["request_id"] = Value::Null;
                bodies.insert((
                    body.to_string(),
                    response.header("www-authenticate").map(str::to_owned),
                ));
            }
        }
        for form in [
            format!("{token}."),
            format!("{token}.x"),
            format!(".{token}"),
            "....".to_owned(),
            token.replacen('.', "", 1),
        ] {
            assert_eq!(setup.outcome(&form), invalid(), "{form}");
        }
    }
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    setup.gateway.log_with("cannot be opened");
}

#[test]
fn headers_that_are_refused() {
    let sealer = Sealer::p256();
    let (setup, signer) = decrypting(&[("key.json", &sealer.jwk().to_string())]);
    let outcome =
        |members: Value| setup.outcome(&sealer.seal_with(members, &signer.sign(&claims())));
    for members in [
        json!({}),
        json!({ "cty": null }),
        json!({ "cty": "application/at+jwt" }),
        json!({ "kid": null }),
        json!({ "typ": "JWT" }),
    ] {
        assert_eq!(outcome(members.clone()), passed(), "{members}");
    }
    for (members, told) in [
        (json!({ "zip": "DEF" }), "`zip`"),
        (json!({ "zip": "none" }), "`zip`"),
        (json!({ "crit": ["exp"] }), "`crit`"),
        (json!({ "crit": [] }), "`crit`"),
        (json!({ "cty": "text/plain" }), "`cty`"),
        (json!({ "cty": 1 }), "wrong type"),
        (json!({ "alg": "dir" }), "another `alg`"),
        (json!({ "alg": "RSA1_5" }), "another `alg`"),
        (json!({ "alg": "RSA-OAEP" }), "another `alg`"),
        (
            json!({ "alg": "PBES2-HS256+A128KW", "p2s": "AAAA", "p2c": 1_000_000_000 }),
            "another `alg`",
        ),
        (json!({ "alg": "A128KW" }), "another `alg`"),
        (json!({ "alg": "none" }), "another `alg`"),
        (json!({ "alg": null }), "another `alg`"),
        (json!({ "alg": "RSA-OAEP-256" }), "not for the key"),
        (json!({ "enc": "A128CTR" }), "another `enc`"),
        (json!({ "enc": null }), "another `enc`"),
        (json!({ "kid": "another" }), "not among `decryption_keys`"),
        (json!({ "kid": 1 }), "wrong type"),
        (json!({ "epk": null }), "cannot be opened"),
        (json!({ "epk": "AAAA" }), "wrong type"),
        (json!({ "apu": "%" }), "base64url"),
        (json!({ "apv": "AAAA" }), "cannot be opened"),
        (json!({ "alg": "ECDH-ES+A256KW" }), "cannot be opened"),
    ] {
        assert_eq!(outcome(members.clone()), invalid(), "{members}");
        setup.gateway.log_with(told);
    }
}

/// Where longer tokens are allowed, these still have their limits; nothing of a large one is
/// decrypted.
#[test]
fn large_tokens() {
    let sealer = Sealer::rsa();
    let yaml = config(&format!(
        "issuer: \"{ISSUER}\", audience: [api], jwks_uri: \"@AS@/jwks\", decryption_keys: [key.pem]"
    ));
    let builder = Builder::new().file("key.pem", &sealer.pem());
    let (setup, signer) = (
        Setup::build(
            builder,
            &format!(
                "listeners: [{{ address: \"127.0.0.1:@PORT@\", limits: {{ header_size: 1000KiB }} }}]\ntoken: {{ max_length: 1000000 }}\n{yaml}"
            ),
        ),
        Signer::p256("k"),
    );
    publish(&setup, &[&signer]);
    let fine = sealer.seal(&signer.sign(&claims_with(json!({ "x": "x".repeat(10_000) }))));
    assert_eq!(setup.outcome(&fine), passed());
    let large = sealer.seal(&signer.sign(&claims_with(json!({ "x": "x".repeat(38_000) }))));
    assert!(large.len() > 65_536);
    assert_eq!(setup.outcome(&large), invalid());
    assert_eq!(
        setup
            .outcome(&sealer.seal_with(json!({ "x": "x".repeat(9_000) }), &signer.sign(&claims()))),
        invalid()
    );
    setup.gateway.log_with("larger than 64 KiB");
    setup.gateway.log_with("larger than 8 KiB");
    let huge = sealer.seal_with(json!({ "x": "x".repeat(1 << 20) }), &signer.sign(&claims()));
    let request = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {huge}\r\nConnection: close\r\n\r\n"
    );
    let answer = String::from_utf8_lossy(&setup.gateway.raw(request.as_bytes())).into_owned();
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(
        setup.outcome(&sealer.seal(&signer.sign(&claims()))),
        passed(),
        "and the gateway lives on"
    );
}

#[test]
fn a_kid_chooses_among_keys() {
    let (rsa, p256) = (Sealer::rsa(), Sealer::p256());
    let set = json!({ "keys": [rsa.jwk(), p256.jwk()] }).to_string();
    let (setup, signer) = decrypting(&[("keys.json", &set)]);
    for sealer in [&rsa, &p256] {
        for (kid, expected) in [
            (json!(sealer.jwk()["kid"]), passed()),
            (Value::Null, passed()),
            (json!("x25519"), invalid()),
        ] {
            assert_eq!(
                setup.outcome(&sealer.seal_with(json!({ "kid": kid }), &signer.sign(&claims()))),
                expected,
                "{kid}"
            );
        }
    }
    assert_eq!(
        setup.outcome(&rsa.seal_with(json!({ "kid": "p256" }), &signer.sign(&claims()))),
        invalid()
    );
    // a key from a PEM file has no name, and so may be the one that is meant
    let (setup, signer) = decrypting(&[("rsa.pem", &rsa.pem()), ("ec.pem", &p256.pem())]);
    for sealer in [&rsa, &p256] {
        assert_eq!(
            setup.outcome(&sealer.seal_with(json!({ "kid": "any" }), &signer.sign(&claims()))),
            passed()
        );
    }
}

#[test]
fn a_changed_file_is_read_again() {
    let (old, new) = (Sealer::rsa(), Sealer::p256());
    let (setup, signer) = decrypting(&[("key.pem", &old.pem())]);
    let (of_old, of_new) = (old.seal(&signer.sign(&claims())), new.seal(&signer.sign(&claims())));
    assert_eq!((setup.outcome(&of_old), setup.outcome(&of_new)), (passed(), invalid()));
    std::fs::write(setup.gateway.directory().join("key.pem"), new.pem()).expect("write");
    wait_until("the new key is in force", || setup.outcome(&of_new) == passed());
    assert_eq!(setup.outcome(&of_old), invalid(), "also where the old key's verdict was cached");
    // an unusable file changes nothing
    std::fs::write(setup.gateway.directory().join("key.pem"), "no key").expect("write");
    setup.gateway.log_with("there is no private key in the file");
    assert_eq!(setup.outcome(&new.seal(&signer.sign(&claims()))), passed());
}

/// The other server knows the token as the client has it.
#[test]
fn then_gets_the_token_as_it_came() {
    let sealer = Sealer::rsa();
    let yaml = format!(
        "authorization_servers:\n  local: {{ type: jwt, issuer: \"{ISSUER}\", audience: [api], jwks_uri: \"@AS@/jwks\", decryption_keys: [key.pem], then: main }}\n  main: {{ introspection_endpoint: \"@AS@\" }}\n{}",
        one_route("authorization_server: local")
    );
    let (setup, signer) =
        (Setup::build(Builder::new().file("key.pem", &sealer.pem()), &yaml), Signer::p256("k"));
    publish(&setup, &[&signer]);
    let (known, unknown) =
        (sealer.seal(&signer.sign(&claims())), sealer.seal(&signer.sign(&claims())));
    setup.server.answer(&known, active(json!({})));
    assert_eq!((setup.outcome(&known), setup.outcome(&unknown)), (passed(), refused("inactive")));
    let forged = sealer.seal(&Signer::p256("k").sign(&claims()));
    assert_eq!((setup.outcome(&forged), setup.server.count_of(&forged)), (invalid(), 0));
}

#[test]
fn files_that_are_no_keys() {
    for (content, expected) in [
        ("", "there is no private key"),
        (&*Signer::rsa("r").public_pem(), "there is no private key"),
    ] {
        let directory = tempfile::tempdir().expect("a folder");
        std::fs::write(directory.path().join("key"), content).expect("write");
        let yaml = config(&format!(
            "issuer: \"{ISSUER}\", audience: [api], jwks_uri: \"https://a/jwks\", decryption_keys: [key, missing]"
        ));
        std::fs::write(
            directory.path().join("gateway.yaml"),
            yaml.replace("@UPSTREAM@", "http://127.0.0.1:1"),
        )
        .expect("write");
        let (code, out, err) = run_cli_in(directory.path(), &["check"], &[]);
        let told = format!("{out}{err}");
        assert!(
            code == 64
                && told.contains(expected)
                && told.contains("decryption_keys[1]: there is no such file"),
            "{told}"
        );
    }
}

/// An issuer cannot be seen from outside.
#[test]
fn an_encrypted_token_shows_no_issuer() {
    let directory = tempfile::tempdir().expect("a folder");
    std::fs::write(directory.path().join("key"), Sealer::rsa().pem()).expect("write");
    let yaml = config(&format!(
        "issuer: \"{ISSUER}\", audience: [api], jwks_uri: \"https://a/jwks\", decryption_keys: [key], tokens: {{ jwt_issuer: \"{ISSUER}\" }}"
    ));
    std::fs::write(
        directory.path().join("gateway.yaml"),
        yaml.replace("@UPSTREAM@", "http://127.0.0.1:1"),
    )
    .expect("write");
    let (code, out, err) = run_cli_in(directory.path(), &["check"], &[]);
    let told = format!("{out}{err}");
    assert!(
        code == 0 && told.contains("warning: authorization_servers.local.tokens.jwt_issuer: cannot be seen in encrypted tokens"),
        "{told}"
    );
}

/// Nothing of a token, and nothing of a key, is in any log, at any level.
#[test]
fn nothing_leaks() {
    let sealer = Sealer::p256();
    let yaml = config(&format!(
        "issuer: \"{ISSUER}\", audience: [api], jwks_uri: \"@AS@/jwks\", decryption_keys: [key.json]"
    ));
    let builder = Builder::new().file("key.json", &sealer.jwk().to_string());
    let (setup, signer) =
        (Setup::build(builder, &format!("log: {{ level: trace }}\n{yaml}")), Signer::p256("k"));
    publish(&setup, &[&signer]);
    let signed = signer.sign(&claims());
    let tokens = [sealer.seal(&signed), sealer.seal_with(json!({ "kid": "wrong" }), &signed)];
    assert_eq!((setup.outcome(&tokens[0]), setup.outcome(&tokens[1])), (passed(), invalid()));
    setup.gateway.log_with("not among `decryption_keys`");
    setup.gateway.access_log(2);
    let log = format!("{}{}", setup.gateway.stderr(), setup.gateway.stdout());
    let key = sealer.jwk();
    let parts = tokens
        .iter()
        .chain([&signed])
        .flat_map(|token| token.split('.'))
        .filter(|part| !part.is_empty());
    for secret in parts.chain(key["d"].as_str()) {
        assert!(!log.contains(secret), "{log}");
    }
}
