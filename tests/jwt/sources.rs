//! Where keys come from: files. (For `jwks_uri` and discovery see the others.)

use super::{ISSUER, Signer, claims, config, invalid, passed};
use crate::support::{Builder, Setup, run_cli_in, wait_until};
use serde_json::json;

fn files(names: &str) -> String {
    config(&format!(
        "issuer: \"{ISSUER}\", audience: [api], keys: [{names}], algorithms: [RS256, PS256, ES256, ES384, ES512, EdDSA]"
    ))
}

#[test]
fn files_of_every_kind() {
    let (rsa, p256, p384, ed) =
        (Signer::rsa("r"), Signer::p256("e"), Signer::p384("f"), Signer::ed25519("d"));
    let (of_certificate, p521) = (Signer::p256("c"), Signer::p521("g"));
    let single = Signer::ed25519("single");
    let builder = Builder::new()
        .file("rsa.pem", &rsa.public_pem())
        .file("both.pem", &[&p256, &p384, &p521].map(Signer::public_pem).concat())
        .file("certificate.pem", &of_certificate.certificate(2020, 2090))
        .file("jwks.json", &json!({ "keys": [ed.jwk()] }).to_string())
        .file("jwk.json", &single.jwk().to_string());
    let setup =
        Setup::build(builder, &files("rsa.pem, both.pem, certificate.pem, jwks.json, jwk.json"));
    for signer in [&rsa, &p256, &p384, &p521, &ed, &of_certificate, &single] {
        assert_eq!(setup.outcome(&signer.sign(&claims())), passed(), "{:?}", signer.kid);
        // a key from a PEM file has no name, and so may be the one that a token means
        assert_eq!(
            setup.outcome(&signer.named(None).sign(&claims())),
            passed(),
            "{:?}",
            signer.kid
        );
    }
    assert_eq!(setup.outcome(&rsa.sign_as("PS256", &claims())), passed());
    assert_eq!(setup.outcome(&Signer::p256("e").sign(&claims())), invalid());
    assert_eq!(setup.server.count(), 0, "no call is made");
}

/// A key serves no longer than its certificate; a bare public key has no end.
#[test]
fn certificates_end() {
    let (past, future) = (Signer::p256("p"), Signer::p256("f"));
    let builder = Builder::new()
        .file("past.pem", &past.certificate(2001, 2002))
        .file("future.pem", &future.certificate(2080, 2090));
    let setup = Setup::build(builder, &files("past.pem, future.pem"));
    for signer in [&past, &future] {
        assert_eq!(setup.outcome(&signer.sign(&claims())), invalid());
    }
    let bare =
        Setup::build(Builder::new().file("past.pem", &past.public_pem()), &files("past.pem"));
    assert_eq!(bare.outcome(&past.sign(&claims())), passed());
}

#[test]
fn a_changed_file_is_read_again() {
    let (old, new) = (Signer::p256("o"), Signer::p256("n"));
    let setup = Setup::build(Builder::new().file("key.pem", &old.public_pem()), &files("key.pem"));
    let token = old.sign(&claims());
    assert_eq!((setup.outcome(&token), setup.outcome(&new.sign(&claims()))), (passed(), invalid()));
    std::fs::write(setup.gateway.directory().join("key.pem"), new.public_pem()).expect("write");
    wait_until("the new key is in force", || setup.outcome(&new.sign(&claims())) == passed());
    assert_eq!(setup.outcome(&token), invalid(), "also where the old key's verdict was cached");
}

#[test]
fn files_that_are_no_keys() {
    let signer = Signer::p256("k");
    let cases = [
        ("", "there is no public key"),
        ("hello", "there is no public key"),
        (&*signer.private_pem(), "there is a private key"),
        ("{}", "this is not a JWK set"),
        ("{\"keys\":[]}", "no public key"),
        ("{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}", "no public key"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "cannot be read"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cannot be read"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n", "cannot be read"),
    ];
    for (content, expected) in cases {
        let directory = tempfile::tempdir().expect("a folder");
        std::fs::write(directory.path().join("key"), content).expect("write");
        let yaml = files("key").replace("@UPSTREAM@", "http://127.0.0.1:1");
        std::fs::write(directory.path().join("gateway.yaml"), yaml).expect("write");
        let (code, out, err) = run_cli_in(directory.path(), &["check"], &[]);
        assert!(code == 64 && format!("{out}{err}").contains(expected), "{content:?}: {out}{err}");
    }
}

#[test]
fn check_warns_of_an_expired_certificate() {
    let directory = tempfile::tempdir().expect("a folder");
    std::fs::write(directory.path().join("key"), Signer::p256("k").certificate(2001, 2002))
        .expect("write");
    let yaml = files("key").replace("@UPSTREAM@", "http://127.0.0.1:1");
    std::fs::write(directory.path().join("gateway.yaml"), yaml).expect("write");
    let (code, out, err) = run_cli_in(directory.path(), &["check"], &[]);
    assert!(code == 0 && format!("{out}{err}").contains("has expired"), "{out}{err}");
}
