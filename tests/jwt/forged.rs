//! Attempts at forgery. RFC 8725 names most of them.

use super::{ISSUER, JWKS, Signer, claims, encode, invalid, passed, publish, start};
use crate::support::{Behaviour, Setup, now};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

fn setup(signer: &Signer) -> Setup {
    let setup = start("");
    publish(&setup, &[signer]);
    assert_eq!(setup.outcome(&signer.sign(&claims())), passed(), "the key is known");
    setup
}

#[test]
fn no_signature_is_none_in_every_spelling() {
    let signer = Signer::rsa("k");
    let setup = setup(&signer);
    for alg in ["none", "None", "NONE", "nOnE", "NoNe", "none ", " none", "", "null"] {
        let head = encode(&json!({ "alg": alg, "kid": "k" }).to_string());
        let body = encode(&claims().to_string());
        for signature in ["", "AA"] {
            assert_eq!(setup.outcome(&format!("{head}.{body}.{signature}")), invalid(), "{alg:?}");
        }
    }
    for header in [
        json!({ "kid": "k" }),
        json!({ "alg": null }),
        json!({ "alg": 0 }),
        json!({ "alg": ["RS256"] }),
        json!({ "alg": {} }),
    ] {
        assert_eq!(
            setup.outcome(&signer.sign_with(header.clone(), &claims())),
            if header.get("alg").is_none() { passed() } else { invalid() }
        );
    }
}

/// RFC 8725 §2.1: the public key as the secret of an HMAC.
#[test]
fn the_public_key_is_no_secret() {
    for signer in [Signer::rsa("k"), Signer::p256("k")] {
        let setup = setup(&signer);
        let jwk = signer.jwk();
        let raw = ["n", "x"].iter().find_map(|name| jwk[name].as_str()).expect("a key");
        let secrets = [
            signer.public_pem(),
            signer.public_pem().trim().to_owned(),
            jwk.to_string(),
            raw.to_owned(),
            String::new(),
        ]
        .map(String::into_bytes);
        for secret in secrets.into_iter().chain(URL_SAFE_NO_PAD.decode(raw)) {
            for (alg, algorithm) in [
                ("HS256", hmac::HMAC_SHA256),
                ("HS384", hmac::HMAC_SHA384),
                ("HS512", hmac::HMAC_SHA512),
            ] {
                let signed = format!(
                    "{}.{}",
                    encode(&json!({ "alg": alg, "kid": "k" }).to_string()),
                    encode(&claims().to_string())
                );
                let tag = hmac::sign(&hmac::Key::new(algorithm, &secret), signed.as_bytes());
                assert_eq!(
                    setup.outcome(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))),
                    invalid(),
                    "{alg}"
                );
            }
        }
    }
}

/// A key that comes with the token proves nothing, and no URL in a token is ever called.
#[test]
fn a_key_in_the_token_is_ignored() {
    let signer = Signer::p256("k");
    let setup = setup(&signer);
    let mine = Signer::p256("k");
    let (calls, certificate) = (setup.server.count(), mine.certificate(2020, 2090));
    let certificate: String = certificate.lines().filter(|line| !line.starts_with("---")).collect();
    let url = format!("{}/evil", setup.server.origin());
    setup.server.publish("/evil", Behaviour::Json(json!({ "keys": [mine.jwk()] })));
    for header in [
        json!({ "jwk": mine.jwk() }),
        json!({ "jku": url }),
        json!({ "x5u": url }),
        json!({ "x5c": [certificate] }),
        json!({ "jwk": mine.jwk(), "jku": url, "x5c": [certificate], "x5u": url }),
    ] {
        assert_eq!(
            setup.outcome(&mine.sign_with(header.clone(), &claims())),
            invalid(),
            "{header}"
        );
        // and does no harm beside a good signature
        assert_eq!(
            setup.outcome(&signer.sign_with(header.clone(), &claims())),
            passed(),
            "{header}"
        );
    }
    assert_eq!(setup.server.count(), calls);
}

#[test]
fn a_kid_is_a_name_and_nothing_else() {
    let signer = Signer::p256("k");
    let setup = setup(&signer);
    for kid in [
        "../../../../dev/null",
        "/etc/passwd",
        "' OR '1'='1",
        "k' UNION SELECT 'x",
        "k\u{0}",
        "K",
        "k ",
        "",
        "http://127.0.0.1/",
        "|id",
        "${jndi:x}",
    ] {
        assert_eq!(setup.outcome(&signer.named(Some(kid)).sign(&claims())), invalid(), "{kid}");
    }
    for kid in [json!(1), json!(["k"]), json!({ "k": "k" }), json!(true)] {
        assert_eq!(
            setup.outcome(&signer.sign_with(json!({ "kid": kid }), &claims())),
            invalid(),
            "{kid}"
        );
    }
    // longer than a token may be at all
    assert_eq!(setup.outcome(&signer.named(Some(&"k".repeat(40_000))).sign(&claims())).0, 400);
    assert_eq!(setup.outcome(&signer.named(Some(&"k".repeat(5_000))).sign(&claims())), invalid());
}

/// Where longer tokens are allowed, a header still has a limit.
#[test]
fn large_tokens() {
    let signer = Signer::p256("k");
    let setup = Setup::start(&format!(
        "token: {{ max_length: 1000000 }}\n{}",
        super::config(&format!("issuer: \"{ISSUER}\", audience: [api], jwks_uri: \"@AS@/jwks\""))
    ));
    publish(&setup, &[&signer]);
    assert_eq!(setup.outcome(&signer.named(Some(&"k".repeat(20_000))).sign(&claims())), invalid());
    let mut claims = claims();
    claims["x"] = json!("x".repeat(15_000));
    assert_eq!(setup.outcome(&signer.sign(&claims)), passed());
    // a header of a megabyte does not get as far as being a token
    let huge = signer.named(Some(&"k".repeat(1 << 20))).sign(&super::claims());
    let request = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {huge}\r\nConnection: close\r\n\r\n"
    );
    let answer = String::from_utf8_lossy(&setup.gateway.raw(request.as_bytes())).into_owned();
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(setup.outcome(&signer.sign(&super::claims())), passed(), "and the gateway lives on");
}

/// Two readers may take different ones.
#[test]
fn duplicate_members() {
    let signer = Signer::p256("k");
    let setup = setup(&signer);
    let good = claims().to_string();
    let head = r#"{"alg":"ES256","kid":"k"}"#;
    assert_eq!(setup.outcome(&signer.sign_text(head, &good)), passed());
    for header in [
        r#"{"alg":"ES256","alg":"ES256","kid":"k"}"#,
        r#"{"alg":"ES256","kid":"k","kid":"k"}"#,
        r#"{"alg":"ES256","kid":"k","\u006bid":"k"}"#,
    ] {
        assert_eq!(setup.outcome(&signer.sign_text(header, &good)), invalid(), "{header}");
    }
    let doubled = |member: &str| good.replacen('{', &format!("{{{member},"), 1);
    for member in [
        r#""sub":"root""#,
        r#""exp":99999999999"#,
        r#""aud":"api""#,
        r#""x":{"a":1,"a":2}"#,
        r#""s\u0075b":"root""#,
    ] {
        assert_eq!(setup.outcome(&signer.sign_text(head, &doubled(member))), invalid(), "{member}");
    }
}

#[test]
fn broken_forms() {
    let signer = Signer::p256("k");
    let setup = setup(&signer);
    let token = signer.sign(&claims());
    let parts: Vec<&str> = token.split('.').collect();
    let [head, body, signature] = parts.as_slice() else { panic!("three parts") };
    let flipped = |part: &str| {
        let at = part.len() / 2;
        let other = if part.as_bytes()[at] == b'A' { "B" } else { "A" };
        format!("{}{other}{}", &part[..at], &part[at + 1..])
    };
    let other_claims = encode(&super::claims_with(json!({ "sub": "root" })).to_string());
    let cases = [
        format!("{head}.{body}"),
        format!("{head}.{body}."),
        format!("{head}..{signature}"),
        format!(".{body}.{signature}"),
        "..".to_owned(),
        "...".to_owned(),
        format!("{token}."),
        format!("{token}.x"),
        format!("{token}.x.y.z"),
        format!(".{token}"),
        token[..token.len() - 1].to_owned(),
        token[..token.len() - 10].to_owned(),
        format!("{token}A"),
        format!("{token}="),
        format!("{head}={body}.{signature}"),
        format!("{head}.{body}==.{signature}"),
        format!("{head}.{}.{signature}", flipped(body)),
        format!("{head}.{body}.{}", flipped(signature)),
        format!("{head}.{other_claims}.{signature}"),
        format!("{head}.{body}.{}", URL_SAFE_NO_PAD.encode([0; 64])),
        format!("{head}.{body}.{}", URL_SAFE_NO_PAD.encode([0; 63])),
        signer.sign_text(r#"["ES256"]"#, "{}"),
        signer.sign_text(r#"{"alg":"ES256","kid":"k"}"#, "[]"),
        signer.sign_text(r#"{"alg":"ES256","kid":"k"}"#, "null"),
        signer.sign_text(r#"{"alg":"ES256","kid":"k"}"#, ""),
        signer.sign_text(r#"{"alg":"ES256","kid":"k"}"#, &"[".repeat(2_000)),
        "opaque-token".to_owned(),
        "a.b.c".to_owned(),
        "a.b.c.d.e".to_owned(),
    ];
    for case in cases {
        assert_eq!(setup.outcome(&case), invalid(), "{case}");
    }
    assert_eq!(setup.outcome(&token), passed());
}

/// The last bits of a part's last letter are not used; a second spelling of a token would be a
/// second token to a cache or a revocation list.
#[test]
fn base64url_has_one_form() {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let signer = Signer::p256("k");
    let setup = setup(&signer);
    let token = signer.sign(&claims());
    // 64 bytes leave four unused bits in the last of 86 letters
    let last = LETTERS
        .iter()
        .position(|letter| *letter == token.as_bytes()[token.len() - 1])
        .expect("a letter");
    assert_eq!(last % 16, 0);
    let other = format!("{}{}", &token[..token.len() - 1], char::from(LETTERS[last + 1]));
    assert_eq!((setup.outcome(&other), setup.outcome(&token)), (invalid(), passed()));
    let standard = token.replace('-', "+").replace('_', "/");
    if standard != token {
        assert_eq!(setup.outcome(&standard), invalid());
    }
}

#[test]
fn header_extensions() {
    let signer = Signer::p256("k");
    let setup = setup(&signer);
    for header in [
        json!({ "crit": ["exp"] }),
        json!({ "crit": [] }),
        json!({ "crit": ["b64"], "b64": true }),
        json!({ "b64": false }),
        json!({ "crit": ["b64"], "b64": false }),
        json!({ "zip": "DEF" }),
        json!({ "alg": "ES512" }),
        json!({ "alg": "ES256K" }),
        json!({ "alg": "es256" }),
        json!({ "alg": "EdDSA" }),
        json!({ "alg": "dir", "enc": "A128GCM" }),
        json!({ "alg": "RSA-OAEP-256", "enc": "A256GCM", "zip": "DEF" }),
    ] {
        assert_eq!(
            setup.outcome(&signer.sign_with(header.clone(), &claims())),
            invalid(),
            "{header}"
        );
    }
}

/// CVE-2022-21449: a signature of zeros.
#[test]
fn a_signature_of_zeros() {
    for signer in [Signer::p256("k"), Signer::ed25519("k")] {
        let setup = setup(&signer);
        let token = signer.sign(&claims());
        let signed = token.rsplit_once('.').map(|(signed, _)| signed).expect("a signature");
        assert_eq!(
            setup.outcome(&format!("{signed}.{}", URL_SAFE_NO_PAD.encode([0; 64]))),
            invalid()
        );
    }
}

/// The client learns the reason; the operator, once a minute, the cause. Nothing of a token is in
/// any log.
#[test]
fn the_operator_learns_the_cause() {
    let signer = Signer::p256("k");
    let setup = setup(&signer);
    let forged = Signer::p256("k");
    let tokens: Vec<String> = (0..5).map(|_| forged.sign(&claims())).collect();
    for token in &tokens {
        let response = setup.get(token);
        assert_eq!(response.status, 401);
        let challenge = response.header("www-authenticate").expect("a challenge");
        assert!(
            challenge.starts_with("Bearer ") && challenge.contains("error=\"invalid_token\""),
            "{challenge}"
        );
    }
    let log = setup.gateway.log_with("the signature does not hold");
    assert_eq!(log.matches("the signature does not hold").count(), 1, "{log}");
    for token in &tokens {
        for part in token.split('.') {
            assert!(!log.contains(part) && !setup.gateway.stdout().contains(part));
        }
    }
    let body: Value = setup.get(&tokens[0]).json();
    assert_eq!((&body["reason"], &body["error"]), (&json!("invalid_jwt"), &json!("invalid_token")));
}

/// A refusal that will not change is kept: a flood of one bad token costs one verification. It
/// never touches good ones.
#[test]
fn refusals_are_cached_in_the_budget_of_bad_tokens() {
    let signer = Signer::p256("k");
    let setup = setup(&signer);
    let expired = signer.sign(&super::claims_with(json!({ "exp": now() - 100 })));
    for _ in 0..5 {
        assert_eq!(setup.outcome(&expired), super::refused("expired"));
    }
    let hits =
        setup.gateway.metric("introgate_cache_requests_total{cache=\"inactive\",result=\"hit\"}");
    assert_eq!(hits, 4.0);
    assert_eq!(setup.server.count_of_path(JWKS), 1);
}
