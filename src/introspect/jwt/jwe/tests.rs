//! Tokens that others have encrypted: the RFCs' own, and those of `fixtures.py`.

use super::agreement::derived;
use super::*;
use serde_json::{Value, json};

const PLAIN: &str = "You can trust us to stick with you through thick and thin\u{2013}to the bitter end. And you can trust us to keep any secret of yours\u{2013}closer than you keep it yourself. But you cannot trust us to let you face trouble alone, and go off without a word. We are your friends, Frodo.";

fn fixtures() -> Value {
    serde_json::from_str(include_str!("fixtures.json")).unwrap_or_default()
}

fn keys(files: &[&str]) -> DecryptionKeys {
    let of_file = |content: &&str| {
        private_keys_of_file(content.as_bytes())
            .unwrap_or_else(|error| panic!("{error}: {content}"))
    };
    DecryptionKeys::new(files.iter().flat_map(of_file).collect(), String::new())
        .unwrap_or_else(|error| panic!("{error}"))
}

fn open(key: &Value, token: &str) -> Result<String, JwtFlaw> {
    keys(&[&key.to_string()]).open(token).map(|content| content.to_string())
}

fn header(members: Value) -> JweHeader {
    let read = JweHeader::from_members(members.as_object().unwrap_or_else(|| panic!("no object")));
    read.unwrap_or_else(|flaw| panic!("{flaw:?}"))
}

#[test]
fn rfc7518_appendix_c_key_agreement() {
    let bob = json!({
        "kty": "EC", "crv": "P-256", "x": "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
        "y": "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck", "d": "VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw",
    });
    let header = header(json!({
        "alg": "ECDH-ES", "enc": "A128GCM", "apu": "QWxpY2U", "apv": "Qm9i",
        "epk": {
            "kty": "EC", "crv": "P-256",
            "x": "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0", "y": "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps",
        },
    }));
    let keys = keys(&[&bob.to_string()]);
    let key = keys.keys[0].content_key(&header, &[]);
    assert_eq!(key.map(|key| key.to_vec()), bytes("VqqN6vgjbSBcIijNcacQGg").ok());
    // and its key derivation alone
    let secret: [u8; 32] = [
        158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156, 251, 49, 110,
        163, 218, 128, 106, 72, 246, 218, 167, 121, 140, 254, 144, 196,
    ];
    let key = derived(&secret, "A128GCM", b"Alice", b"Bob", 16);
    assert_eq!(key.map(|key| key.to_vec()), bytes("VqqN6vgjbSBcIijNcacQGg").ok());
}

/// Two rounds of its hash, as for A256CBC-HS512: the first is that of one round.
#[test]
fn a_long_key_is_derived_in_rounds() {
    let long = derived(b"secret", "A256CBC-HS512", b"", b"", 64).unwrap_or_default();
    assert_eq!(long.len(), 64);
    assert_ne!(long[..32], long[32..]);
}

/// ECDH-ES+A128KW with P-384, A128GCM.
#[test]
fn rfc7520_section_5_4() {
    let key = json!({
        "kty": "EC", "kid": "peregrin.took@tuckborough.example", "use": "enc", "crv": "P-384",
        "x": "YU4rRUzdmVqmRtWOs2OpDE_T5fsNIodcG8G5FWPrTPMyxpzsSOGaQLpe2FpxBmu2",
        "y": "A8-yxCHxkfBz3hKZfI1jUYMjUhsEveZ9THuwFjH2sCNdtksRJU7D5-SkgaFL1ETP",
        "d": "iTx2pk7wW-GqJkHcEkFQb2EFyYcO7RugmaW3mRrQVAOUiPommT0IdnYK2xDlZh-j",
    });
    let token = "eyJhbGciOiJFQ0RILUVTK0ExMjhLVyIsImtpZCI6InBlcmVncmluLnRvb2tAdHVja2Jvcm91Z2guZXhhbXBsZSIsImVwayI6eyJrdHkiOiJFQyIsImNydiI6IlAtMzg0IiwieCI6InVCbzRrSFB3Nmtiang1bDB4b3dyZF9vWXpCbWF6LUdLRlp1NHhBRkZrYllpV2d1dEVLNml1RURzUTZ3TmROZzMiLCJ5Ijoic3AzcDVTR2haVkMyZmFYdW1JLWU5SlUyTW84S3BvWXJGRHI1eVBOVnRXNFBnRXdaT3lRVEEtSmRhWTh0YjdFMCJ9LCJlbmMiOiJBMTI4R0NNIn0.0DJjBXri_kBcC46IkU5_Jk9BqaQeHdv2.mH-G2zVqgztUtnW_.tkZuOO9h95OgHJmkkrfLBisku8rGf6nzVxhRM3sVOhXgz5NJ76oID7lpnAi_cPWJRCjSpAaUZ5dOR3Spy7QuEkmKx8-3RCMhSYMzsXaEwDdXta9Mn5B7cCBoJKB0IgEnj_qfo1hIi-uEkUpOZ8aLTZGHfpl05jMwbKkTe2yK3mjF6SBAsgicQDVCkcY9BLluzx1RmC3ORXaM0JaHPB93YcdSDGgpgBWMVrNU1ErkjcMqMoT_wtCex3w03XdLkjXIuEr2hWgeP-nkUZTPU9EoGSPj6fAS-bSz87RCPrxZdj_iVyC6QWcqAu07WNhjzJEPc4jVntRJ6K53NgPQ5p99l3Z408OUqj4ioYezbS6vTPlQ.WuGzxmcreYjpHGJoa17EBg";
    assert_eq!(open(&key, token).as_deref(), Ok(PLAIN));
}

/// ECDH-ES with P-256, A128CBC-HS256.
#[test]
fn rfc7520_section_5_5() {
    let key = json!({
        "kty": "EC", "kid": "meriadoc.brandybuck@buckland.example", "use": "enc", "crv": "P-256",
        "x": "Ze2loSV3wrroKUN_4zhwGhCqo3Xhu1td4QjeQ5wIVR0", "y": "HlLtdXARY_f55A3fnzQbPcm6hgr34Mp8p-nuzQCE0Zw",
        "d": "r_kHyZ-a06rmxM3yESK84r1otSg-aQcVStkRhA-iCM8",
    });
    let token = "eyJhbGciOiJFQ0RILUVTIiwia2lkIjoibWVyaWFkb2MuYnJhbmR5YnVja0BidWNrbGFuZC5leGFtcGxlIiwiZXBrIjp7Imt0eSI6IkVDIiwiY3J2IjoiUC0yNTYiLCJ4IjoibVBVS1RfYkFXR0hJaGcwVHBqanFWc1AxclhXUXVfdndWT0hIdE5rZFlvQSIsInkiOiI4QlFBc0ltR2VBUzQ2ZnlXdzVNaFlmR1RUMElqQnBGdzJTUzM0RHY0SXJzIn0sImVuYyI6IkExMjhDQkMtSFMyNTYifQ..yc9N8v5sYyv3iGQT926IUg.BoDlwPnTypYq-ivjmQvAYJLb5Q6l-F3LIgQomlz87yW4OPKbWE1zSTEFjDfhU9IPIOSA9Bml4m7iDFwA-1ZXvHteLDtw4R1XRGMEsDIqAYtskTTmzmzNa-_q4F_evAPUmwlO-ZG45Mnq4uhM1fm_D9rBtWolqZSF3xGNNkpOMQKF1Cl8i8wjzRli7-IXgyirlKQsbhhqRzkv8IcY6aHl24j03C-AR2le1r7URUhArM79BY8soZU0lzwI-sD5PZ3l4NDCCei9XkoIAfsXJWmySPoeRb2Ni5UZL4mYpvKDiwmyzGd65KqVw7MsFfI_K767G9C9Azp73gKZD0DyUn1mn0WW5LmyX_yJ-3AROq8p1WZBfG-ZyJ6195_JGG2m9Csg.WCCkNa-x4BeB9hIDIfFuhg";
    assert_eq!(open(&key, token).as_deref(), Ok(PLAIN));
}

#[test]
fn tokens_of_another_implementation() {
    let fixtures = fixtures();
    let mut seen = 0;
    for token in fixtures["tokens"].as_array().into_iter().flatten() {
        let (key, alg, enc) =
            (token["key"].as_str().unwrap_or_default(), &token["alg"], &token["enc"]);
        let text = token["token"].as_str().unwrap_or_default();
        assert_eq!(
            open(&fixtures["jwks"][key], text).as_deref().ok(),
            fixtures["signed"].as_str(),
            "{key} {alg} {enc}"
        );
        seen += 1;
    }
    assert_eq!(seen, 60);
}

#[test]
fn files_of_every_form() {
    let fixtures = fixtures();
    for (name, forms) in fixtures["files"].as_object().into_iter().flatten() {
        let token = fixtures["tokens"]
            .as_array()
            .and_then(|tokens| tokens.iter().find(|token| token["key"] == *name));
        let token = token.and_then(|token| token["token"].as_str()).unwrap_or_default();
        for (form, pem) in forms.as_object().into_iter().flatten() {
            assert!(keys(&[pem.as_str().unwrap_or_default()]).open(token).is_ok(), "{name} {form}");
        }
        let set = json!({ "keys": fixtures["jwks"].as_object().map(|jwks| jwks.values().cloned().collect::<Vec<_>>()) });
        assert!(keys(&[&set.to_string()]).open(token).is_ok(), "{name}");
    }
    // openssl's way of writing an EC key, and a certificate beside a key
    let sec1 = fixtures["files"]["p256"]["traditional"].as_str().unwrap_or_default();
    let with_parameters = format!(
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{sec1}"
    );
    assert_eq!(keys(&[&with_parameters]).keys.len(), 1);
}

#[test]
fn files_that_are_no_private_keys() {
    let fixtures = fixtures();
    let without = |key: &str, member: &str| {
        let mut jwk = fixtures["jwks"][key].clone();
        jwk.as_object_mut().map(|jwk| jwk.shift_remove(member));
        jwk
    };
    let with = |key: &str, member: &str, value: Value| {
        let mut jwk = fixtures["jwks"][key].clone();
        jwk[member] = value;
        jwk
    };
    for (jwk, expected) in [
        (without("p256", "d"), "no private key"),
        (without("rsa", "d"), "no private key"),
        (without("rsa", "qi"), "cannot be used"),
        (without("p256", "y"), "cannot be used"),
        (with("p256", "d", fixtures["jwks"]["p384"]["d"].clone()), "cannot be used"),
        (with("p256", "d", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE")), "cannot be used"),
        (
            with("x25519", "x", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE")),
            "cannot be used",
        ),
        (with("p256", "crv", json!("P-521")), "cannot be used"),
        (with("p256", "use", json!("sig")), "no private key"),
        (with("p256", "key_ops", json!(["sign"])), "no private key"),
        (with("rsa", "alg", json!("RSA1_5")), "no private key"),
        (with("rsa", "alg", json!("RS256")), "no private key"),
        (json!({ "kty": "oct", "k": "AAAA", "d": "x" }), "no private key"),
        (json!({ "keys": [] }), "no private key"),
        (json!({ "keys": 1 }), "not a JWK set"),
        (json!({}), "not a JWK set"),
    ] {
        let told = private_keys_of_file(jwk.to_string().as_bytes()).err();
        assert!(told.as_ref().is_some_and(|told| told.contains(expected)), "{told:?} {jwk}");
    }
    for (file, expected) in [
        ("", "no private key"),
        ("{", "not one JSON object"),
        (
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
            "without a passphrase",
        ),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "no private key"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "cannot be used"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n",
            "cannot be used",
        ),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n", "cannot be read"),
    ] {
        let told = private_keys_of_file(file.as_bytes()).err();
        assert!(told.as_ref().is_some_and(|told| told.contains(expected)), "{told:?} {file}");
    }
}

#[test]
fn a_key_is_never_printed() {
    let fixtures = fixtures();
    let key = &fixtures["jwks"]["p256"];
    let keys = keys(&[&key.to_string()]);
    let shown = format!("{keys:?} {keys:#?}");
    assert!(
        shown.contains("p256") && !shown.contains(key["d"].as_str().unwrap_or_default()),
        "{shown}"
    );
}

/// RFC 7516 §11.5: a key that was sent and cannot be read is a random one from there on.
#[test]
fn an_encrypted_key_that_is_wrong_goes_unseen() {
    let fixtures = fixtures();
    let keys = keys(&[&fixtures["jwks"]["rsa"].to_string()]);
    let header = header(json!({ "alg": "RSA-OAEP-256", "enc": "A256GCM" }));
    for encrypted in [vec![], vec![0; 16], vec![7; 256], vec![255; 256], vec![1; 8192]] {
        let of = || {
            keys.keys[0]
                .content_key(&header, &encrypted)
                .map(|key| key.to_vec())
                .unwrap_or_default()
        };
        let (one, two) = (of(), of());
        assert!(one.len() == 32 && one != two && one != [0; 32]);
    }
}

/// A point that is not on the curve would give the private key away, a little with each token.
#[test]
fn a_sender_s_key_is_on_the_curve() {
    let fixtures = fixtures();
    let keys = keys(&[&fixtures["jwks"]["p256"].to_string()]);
    let own = |name: &str| fixtures["jwks"][name].clone();
    let with = |name: &str, member: &str, value: &str| {
        let mut key = own(name);
        key[member] = json!(value);
        key
    };
    let zeros = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let agree = |epk: Value| {
        let header = header(json!({ "alg": "ECDH-ES", "enc": "A128GCM", "epk": epk }));
        keys.keys[0].content_key(&header, &[]).is_some()
    };
    assert!(agree(own("p256")));
    for epk in [
        with("p256", "y", zeros),
        with("p256", "x", zeros),
        with("p256", "x", "AAAA"),
        with("p256", "crv", "P-384"),
        with("p256", "kty", "OKP"),
        own("p384"),
        own("x25519"),
        json!({}),
    ] {
        assert!(!agree(epk.clone()), "{epk}");
    }
    let DecryptionKeys { keys, .. } = self::keys(&[&fixtures["jwks"]["x25519"].to_string()]);
    let header = header(
        json!({ "alg": "ECDH-ES", "enc": "A128GCM", "epk": { "kty": "OKP", "crv": "X25519", "x": zeros } }),
    );
    assert!(keys[0].content_key(&header, &[]).is_none(), "RFC 8037 §3.2: all zeros");
}

#[test]
fn no_more_than_ten_keys() {
    let key = fixtures()["jwks"]["p256"].to_string();
    let many = |count| {
        DecryptionKeys::new(
            (0..count)
                .flat_map(|_| private_keys_of_file(key.as_bytes()).unwrap_or_default())
                .collect(),
            String::new(),
        )
    };
    assert!(many(10).is_ok() && many(11).is_err());
}
