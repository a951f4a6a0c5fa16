//! RFC 7516: JSON Web Encryption, as far as access tokens are concerned. (Its rules about single
//! header parameters: `jwt::encrypted`.)

use crate::jwt::{Sealer, Signer, claims, decrypting, invalid, passed};
use serde_json::json;

/// §3.1: five parts, of which the encrypted key may be empty.
#[test]
fn section_3_1_compact_serialization() {
    let sealer = Sealer::p256();
    let (setup, signer) = decrypting(&[("key.pem", &sealer.pem())]);
    let token = sealer.seal(&signer.sign(&claims()));
    assert_eq!((token.split('.').count(), token.split('.').nth(1)), (5, Some("")));
    assert_eq!(setup.outcome(&token), passed());
}

/// §4.1.13: an extension that is not understood is refused, and so is a list that is empty or names
/// registered parameters.
#[test]
fn section_4_1_13_crit() {
    let sealer = Sealer::rsa();
    let (setup, signer) = decrypting(&[("key.pem", &sealer.pem())]);
    for crit in [json!(["x"]), json!(["exp"]), json!(["alg"]), json!([]), json!("x"), json!(null)] {
        let expected = if crit.is_null() { passed() } else { invalid() };
        assert_eq!(
            setup.outcome(
                &sealer.seal_with(json!({ "crit": crit, "x": 1 }), &signer.sign(&claims()))
            ),
            expected,
            "{crit}"
        );
    }
}

/// §5.2: the protected header is authenticated with the content: a different spelling with the same
/// meaning does not verify.
#[test]
fn section_5_2_the_header_is_protected() {
    let sealer = Sealer::rsa();
    let (setup, signer) = decrypting(&[("key.pem", &sealer.pem())]);
    let token = sealer.seal(&signer.sign(&claims()));
    let (header, rest) = token.split_once('.').expect("parts");
    let other = crate::jwt::encode(&format!("{} ", crate::jwt::decode(header)));
    assert_eq!(
        (setup.outcome(&format!("{other}.{rest}")), setup.outcome(&token)),
        (invalid(), passed())
    );
}

/// §11.5: the flaw inside is not revealed: a key for another, a wrong key, a wrong tag.
#[test]
fn section_11_5_failures_are_alike() {
    let sealer = Sealer::rsa();
    let (setup, signer) = decrypting(&[("key.pem", &sealer.pem())]);
    let (one, two) = (sealer.seal(&signer.sign(&claims())), sealer.seal(&signer.sign(&claims())));
    let (one, two): (Vec<&str>, Vec<&str>) = (one.split('.').collect(), two.split('.').collect());
    let mixed = |at: usize| {
        (0..5).map(|i| if i == at { two[i] } else { one[i] }).collect::<Vec<_>>().join(".")
    };
    let zeros = [one[0], &"A".repeat(342), one[2], one[3], one[4]].join(".");
    let mut told = std::collections::BTreeSet::new();
    for token in [mixed(1), mixed(2), mixed(3), mixed(4), zeros] {
        let response = setup.get(&token);
        assert_eq!((response.status, response.reason()), invalid());
        told.insert(response.header("www-authenticate").map(str::to_owned));
    }
    assert_eq!(told.len(), 1);
    // another reason, logged behind it
    assert_eq!(setup.outcome(&sealer.seal(&Signer::p256("k").sign(&claims()))), invalid());
    setup.gateway.log_with("the signature does not hold");
    assert_eq!(
        setup.gateway.stderr().matches("a token was refused").count(),
        2,
        "the log does not tell either"
    );
}
