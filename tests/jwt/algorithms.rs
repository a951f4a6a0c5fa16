//! Every algorithm, and keys that are not for it.

use super::{Signer, claims, invalid, passed, publish, start};
use serde_json::json;

#[test]
fn every_algorithm_verifies() {
    let all = "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA";
    let setup = start(&format!("algorithms: [{all}]"));
    let (rsa, p256, p384, p521, ed) = (
        Signer::rsa("r"),
        Signer::p256("e"),
        Signer::p384("f"),
        Signer::p521("g"),
        Signer::ed25519("d"),
    );
    publish(&setup, &[&rsa, &p256, &p384, &p521, &ed]);
    for alg in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] {
        assert_eq!(setup.outcome(&rsa.sign_as(alg, &claims())), passed(), "{alg}");
    }
    for signer in [&p256, &p384, &p521, &ed] {
        assert_eq!(setup.outcome(&signer.sign(&claims())), passed(), "{}", signer.alg);
    }
    let stranger = Signer::p521("g").sign(&claims());
    assert_eq!(setup.outcome(&stranger), invalid(), "another key of the same name");
    assert_eq!(setup.outcome(&p521.sign_as("ES384", &claims())), invalid());
    // an introspection endpoint was never asked
    assert_eq!(setup.server.count(), setup.server.count_of_path(super::JWKS));
    assert_eq!(setup.server.count(), 1);
}

#[test]
fn algorithms_outside_the_list_are_refused() {
    let setup = start("algorithms: [ES256]");
    let (rsa, p256) = (Signer::rsa("r"), Signer::p256("e"));
    publish(&setup, &[&rsa, &p256]);
    assert_eq!(setup.outcome(&rsa.sign(&claims())), invalid());
    assert_eq!(setup.outcome(&p256.sign(&claims())), passed());
}

#[test]
fn the_defaults_are_rs256_es256_and_eddsa() {
    let setup = start("");
    let (rsa, p256, p384, ed) =
        (Signer::rsa("r"), Signer::p256("e"), Signer::p384("f"), Signer::ed25519("d"));
    let p521 = Signer::p521("g");
    publish(&setup, &[&rsa, &p256, &p384, &p521, &ed]);
    for signer in [&rsa, &p256, &ed] {
        assert_eq!(setup.outcome(&signer.sign(&claims())), passed(), "{}", signer.alg);
    }
    assert_eq!(setup.outcome(&p384.sign(&claims())), invalid());
    assert_eq!(setup.outcome(&p521.sign(&claims())), invalid());
    for alg in ["RS384", "PS256"] {
        assert_eq!(setup.outcome(&rsa.sign_as(alg, &claims())), invalid(), "{alg}");
    }
}

/// RFC 8725 §3.1: the key determines its algorithm, and the token does not.
#[test]
fn a_key_serves_only_its_own_use() {
    let setup = start("algorithms: [RS256, PS256, ES256, EdDSA]");
    let rsa = Signer::rsa("r");
    let keys = [
        rsa.named(Some("ps only")).with(json!({ "alg": "PS256" })),
        rsa.named(Some("for encryption")).with(json!({ "use": "enc" })),
        rsa.named(Some("to sign")).with(json!({ "key_ops": ["sign"] })),
        rsa.named(Some("oaep")).with(json!({ "alg": "RSA-OAEP-256" })),
        rsa.named(Some("expired")).with(json!({ "exp": crate::support::now() - 1 })),
        rsa.named(Some("tomorrow")).with(json!({ "nbf": crate::support::now() + 86400 })),
        rsa.named(Some("ended, somehow")).with(json!({ "exp": "soon" })),
        rsa.named(Some("fine")).with(
            json!({ "use": "sig", "alg": "RS256", "key_ops": ["verify"], "x5c": ["x"], "x5t": 1 }),
        ),
    ];
    publish(&setup, &keys.iter().collect::<Vec<_>>());
    for key in &keys {
        let expected = if key.kid.as_deref() == Some("fine") { passed() } else { invalid() };
        assert_eq!(setup.outcome(&key.sign(&claims())), expected, "{:?}", key.kid);
    }
    assert_eq!(setup.outcome(&keys[0].sign_as("PS256", &claims())), passed());
    // the type of the key decides
    for alg in ["ES256", "EdDSA"] {
        assert_eq!(setup.outcome(&keys[7].sign_as(alg, &claims())), invalid(), "{alg}");
    }
}

#[test]
fn short_rsa_keys_verify_nothing() {
    let setup = start("");
    let (short, rsa) = (Signer::short_rsa("s"), Signer::rsa("r"));
    publish(&setup, &[&short.with(json!({})), &rsa]);
    // no library here signs with it, so the signature is another key's; the test shows that the key
    // is not used
    assert_eq!(setup.outcome(&rsa.named(Some("s")).sign(&claims())), invalid());
    assert_eq!(setup.outcome(&rsa.sign(&claims())), passed());
}

/// Where neither side has a `kid`, all keys that fit are tried.
#[test]
fn keys_without_a_name() {
    let setup = start("");
    let (one, two, ed) =
        (Signer::p256("").named(None), Signer::p256("").named(None), Signer::ed25519("d"));
    publish(&setup, &[&one, &two, &ed]);
    assert_eq!(setup.outcome(&one.sign(&claims())), passed());
    assert_eq!(setup.outcome(&two.sign(&claims())), passed());
    assert_eq!(
        setup.outcome(&two.named(Some("x")).sign(&claims())),
        passed(),
        "a key without a name may be the one that is named"
    );
    assert_eq!(
        setup.outcome(&ed.named(None).sign(&claims())),
        passed(),
        "a token without a name may be of a named key"
    );
    assert_eq!(setup.outcome(&Signer::p256("").named(None).sign(&claims())), invalid());
}
