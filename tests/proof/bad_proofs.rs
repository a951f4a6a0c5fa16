//! Proofs with one thing wrong each, and good ones that look odd.

use super::client::{Client, ORIGIN, part, send};
use crate::support::{Setup, now};
use serde_json::{Value, json};

/// The case, the way to make it from a good proof, and the sentence of the refusal (or `OK`).
type Row = (&'static str, fn(&Client, &mut Value, &mut Value), &'static str);

const OK: &str = "";
const TYPE: &str = "The typ of the DPoP proof is not dpop+jwt.";
const ALGORITHM: &str = "The algorithm of the DPoP proof is not accepted.";
const PRIVATE: &str = "The jwk of the DPoP proof has private members.";
const KEY: &str = "The jwk of the DPoP proof is not a public key for its algorithm.";
const CLAIMS: &str = "The DPoP proof lacks a claim, or one has the wrong type.";
const METHOD: &str = "The htm of the DPoP proof is not the method of the request.";
const URL: &str = "The htu of the DPoP proof is not the URL of the request.";
const TIME: &str = "The iat of the DPoP proof is too long ago or in the future.";
const HASH: &str = "The ath of the DPoP proof is not the hash of the access token.";
const MALFORMED: &str = "The DPoP proof is not a signed JWT.";

const ROWS: &[Row] = &[
    ("nothing changed", |_, _, _| {}, OK),
    ("typ in capitals", |_, h, _| h["typ"] = json!("DPOP+JWT"), OK),
    ("typ as a media type", |_, h, _| h["typ"] = json!("application/dpop+jwt"), OK),
    ("no typ", |_, h, _| remove(h, "typ"), TYPE),
    ("typ JWT", |_, h, _| h["typ"] = json!("JWT"), TYPE),
    ("typ a number", |_, h, _| h["typ"] = json!(1), TYPE),
    ("alg none", |_, h, _| h["alg"] = json!("none"), ALGORITHM),
    ("alg HS256", |_, h, _| h["alg"] = json!("HS256"), ALGORITHM),
    ("alg not allowed", |_, h, _| h["alg"] = json!("RS512"), ALGORITHM),
    ("alg of another key", |_, h, _| h["alg"] = json!("EdDSA"), KEY),
    ("no alg", |_, h, _| remove(h, "alg"), ALGORITHM),
    ("crit", |_, h, _| h["crit"] = json!(["exp"]), MALFORMED),
    ("a kid besides", |_, h, _| h["kid"] = json!("x"), OK),
    ("no jwk", |_, h, _| remove(h, "jwk"), KEY),
    ("jwk null", |_, h, _| h["jwk"] = json!(null), KEY),
    ("jwk empty", |_, h, _| h["jwk"] = json!({}), KEY),
    ("the private key", |c, h, _| h["jwk"] = c.signer.private_jwk(), PRIVATE),
    ("a secret key", |_, h, _| h["jwk"] = json!({ "kty": "oct", "k": "AQ" }), PRIVATE),
    ("jwk for encryption", |_, h, _| h["jwk"]["use"] = json!("enc"), KEY),
    ("jwk for signatures", |_, h, _| h["jwk"]["use"] = json!("sig"), OK),
    ("jwk with a kid", |_, h, _| h["jwk"]["kid"] = json!("1"), OK),
    ("no jti", |_, _, c| remove(c, "jti"), CLAIMS),
    ("jti empty", |_, _, c| c["jti"] = json!(""), CLAIMS),
    ("jti a number", |_, _, c| c["jti"] = json!(7), CLAIMS),
    ("jti null", |_, _, c| c["jti"] = json!(null), CLAIMS),
    ("jti of a kilobyte", |_, _, c| c["jti"] = json!("j".repeat(1024)), OK),
    ("jti huge", |_, _, c| c["jti"] = json!("j".repeat(20_000)), MALFORMED),
    ("no htm", |_, _, c| remove(c, "htm"), CLAIMS),
    ("htm in lower case", |_, _, c| c["htm"] = json!("get"), METHOD),
    ("htm POST", |_, _, c| c["htm"] = json!("POST"), METHOD),
    ("htm a list", |_, _, c| c["htm"] = json!(["GET"]), CLAIMS),
    ("no htu", |_, _, c| remove(c, "htu"), CLAIMS),
    ("htu empty", |_, _, c| c["htu"] = json!(""), URL),
    ("htu without scheme", |_, _, c| c["htu"] = json!("/"), URL),
    ("htu with query", |_, _, c| append(c, "?a=b"), OK),
    ("htu with fragment", |_, _, c| append(c, "#a"), OK),
    ("htu of another path", |_, _, c| append(c, "a"), URL),
    ("htu with dot segments", |_, _, c| append(c, "a/../."), OK),
    ("htu with https", |_, _, c| replace(c, "http:", "https:"), URL),
    ("htu with a scheme in capitals", |_, _, c| replace(c, "http:", "HTTP:"), OK),
    ("htu of another host", |_, _, c| replace(c, "gateway.", "other."), URL),
    ("htu with a host in capitals", |_, _, c| replace(c, "gateway.", "Gateway."), OK),
    ("htu with a user", |_, _, c| replace(c, "gateway.", "u@gateway."), URL),
    ("htu of another port", |_, _, c| replace(c, ".test", ".test:8080"), URL),
    ("htu with the default port", |_, _, c| replace(c, ".test", ".test:80"), OK),
    ("no iat", |_, _, c| remove(c, "iat"), CLAIMS),
    ("iat a text", |_, _, c| c["iat"] = json!(now().to_string()), CLAIMS),
    ("iat null", |_, _, c| c["iat"] = json!(null), CLAIMS),
    ("iat with a fraction", |_, _, c| c["iat"] = json!(now() as f64 - 0.5), OK),
    ("iat nearly a window ago", |_, _, c| c["iat"] = json!(now() - 55), OK),
    ("iat more than a window ago", |_, _, c| c["iat"] = json!(now() - 61), TIME),
    ("iat nearly a window ahead", |_, _, c| c["iat"] = json!(now() + 55), OK),
    ("iat more than a window ahead", |_, _, c| c["iat"] = json!(now() + 66), TIME),
    ("iat in milliseconds", |_, _, c| c["iat"] = json!(now() * 1000), TIME),
    ("iat far away", |_, _, c| c["iat"] = json!(1e300), TIME),
    ("no ath", |_, _, c| remove(c, "ath"), HASH),
    ("ath empty", |_, _, c| c["ath"] = json!(""), HASH),
    (
        "ath padded",
        |_, _, c| c["ath"] = json!(format!("{}=", c["ath"].as_str().unwrap_or_default())),
        HASH,
    ),
    ("ath of another token", |cl, _, c| c["ath"] = cl.claims("", "", "x")["ath"].clone(), HASH),
    ("ath a number", |_, _, c| c["ath"] = json!(1), CLAIMS),
    ("a nonce that is not ours", |_, _, c| c["nonce"] = json!("x"), OK),
    ("an unknown claim", |_, _, c| c["x"] = json!({ "y": [1] }), OK),
];

fn remove(members: &mut Value, name: &str) {
    members.as_object_mut().expect("an object").remove(name);
}

fn append(claims: &mut Value, end: &str) {
    claims["htu"] = json!(format!("{}{end}", claims["htu"].as_str().expect("a text")));
}

fn replace(claims: &mut Value, from: &str, to: &str) {
    claims["htu"] = json!(claims["htu"].as_str().expect("a text").replace(from, to));
}

#[test]
fn one_thing_wrong_is_enough() {
    let setup = Setup::route("");
    let client = Client::new();
    client.own(&setup.server, "bound");
    for (what, change, sentence) in ROWS {
        let (mut header, mut claims) = (client.header(), client.claims("GET", ORIGIN, "bound"));
        change(&client, &mut header, &mut claims);
        let response = send(&setup.gateway, "bound", &client.sign(&header, &claims));
        if sentence.is_empty() {
            assert_eq!(response.status, 200, "{what}: {response:?}");
            continue;
        }
        assert_eq!((response.status, response.reason()), (401, "binding_dpop".into()), "{what}");
        let body = response.json();
        assert_eq!(body["error"], "invalid_dpop_proof", "{what}");
        assert_eq!(body["detail"], *sentence, "{what}");
    }
}

#[test]
fn headers_that_are_not_one_proof() {
    let setup = Setup::route("");
    let client = Client::new();
    client.own(&setup.server, "bound");
    let proof = || client.proof("GET", ORIGIN, "bound");
    let (claims, header) = (client.claims("GET", ORIGIN, "bound"), client.header());
    let (header, claims) = (header.to_string(), claims.to_string());
    let unsigned = format!("{}.{}.", part(&header), part(&claims));
    let twice = claims.replacen('{', "{\"htm\":\"GET\",", 1);
    let several = "The request has more than one DPoP proof.";
    let rows: Vec<(&str, Vec<String>, &str)> = vec![
        ("none", vec![], "The request has no DPoP proof."),
        ("empty", vec![String::new()], MALFORMED),
        ("two lines", vec![proof(), proof()], several),
        ("a good one and an empty one", vec![proof(), String::new()], several),
        ("two in one line", vec![format!("{}, {}", proof(), proof())], several),
        ("two in one line, no space", vec![format!("{},{}", proof(), proof())], several),
        ("a scheme in front", vec![format!("DPoP {}", proof())], MALFORMED),
        ("in quotes", vec![format!("\"{}\"", proof())], MALFORMED),
        ("no signature", vec![unsigned.clone()], MALFORMED),
        (
            "another signature",
            vec![format!("{unsigned}{}", part(&"x".repeat(64)))],
            "The signature of the DPoP proof is not valid.",
        ),
        ("padding", vec![format!("{}=", proof())], MALFORMED),
        ("five parts", vec![format!("{}.a.b", proof())], MALFORMED),
        ("a claim twice", vec![client.signer.sign_text(&header, &twice)], MALFORMED),
        ("claims that are no object", vec![client.signer.sign_text(&header, "[]")], MALFORMED),
        ("a huge one", vec!["e".repeat(20_000)], MALFORMED),
    ];
    for (what, proofs, sentence) in rows {
        let mut headers = vec![("Authorization", "DPoP bound")];
        headers.extend(proofs.iter().map(|proof| ("DPoP", proof.as_str())));
        let response = setup.gateway.get("/", &headers);
        assert_eq!((response.status, response.reason()), (401, "binding_dpop".into()), "{what}");
        assert_eq!(response.json()["detail"], sentence, "{what}");
    }
    assert_eq!(setup.upstream.count(), 0);
}

/// Any of these is refused, with a good proof as well.
#[test]
fn a_binding_that_cannot_be_checked_is_refused() {
    let setup = Setup::route("");
    let client = Client::new();
    let jkt = client.jkt();
    let rows = [
        json!({}),
        json!([]),
        json!("x"),
        json!(7),
        json!({ "jkt": "" }),
        json!({ "jkt": 7 }),
        json!({ "jkt": null }),
        json!({ "jkt": format!("{jkt}=") }),
        json!({ "jkt": jkt[1..] }),
        json!({ "jkt": jkt.repeat(100) }),
        json!({ "jkt": [jkt] }),
        json!({ "jkt": jkt, "kid": "1" }),
        json!({ "jkt": jkt, "x5t#S256": "x" }),
        json!({ "kid": "1" }),
        json!({ "jwk": client.signer.jwk() }),
        json!({ "x5t": "x" }),
    ];
    for (i, cnf) in rows.into_iter().enumerate() {
        let token = format!("token-{i}");
        setup.server.answer(&token, crate::support::active(json!({ "cnf": cnf })));
        for response in [client.get(&setup.gateway, &token), setup.get(&token)] {
            assert_eq!((response.status, response.reason()), (401, "binding_dpop".into()), "{cnf}");
        }
    }
    assert_eq!(setup.upstream.count(), 0);
}
