use super::*;
use crate::clock::Mono;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use jsonwebtoken::Algorithm;

/// RFC 9449 §7.1: the access token and the proof of figure 12.
const TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
const PROOF: &str = concat!(
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNo",
    "UklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERW",
    "clUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR",
    "1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCw",
    "iYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-E",
    "y71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA",
);
const JKT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
const URL: &str = "https://resource.example.org/protectedresource";
const IAT: i64 = 1_562_262_618;

struct Case<'c> {
    proofs: Vec<String>,
    method: Method,
    url: &'c str,
    token: &'c str,
    now: i64,
    settings: DpopSettings,
}

impl Default for Case<'_> {
    fn default() -> Self {
        Self {
            proofs: vec![PROOF.to_owned()],
            method: Method::GET,
            url: URL,
            token: TOKEN,
            now: IAT,
            settings: DpopSettings::default(),
        }
    }
}

impl Case<'_> {
    fn outcome(&self) -> Result<Proof, ProofFlaw> {
        let dpop = Dpop::new(self.settings.clone(), &DigestKey::from([7; 32]));
        let mut headers = HeaderMap::new();
        for proof in &self.proofs {
            headers.append(DPOP, HeaderValue::from_str(proof).map_err(|_| ProofFlaw::Malformed)?);
        }
        let url = HttpUrl::parse(self.url);
        let expected = Expected {
            method: &self.method,
            url: url.as_ref(),
            token: AccessToken::parse(self.token.as_bytes(), 100)
                .map_err(|_| ProofFlaw::TokenHash)?,
            now: Now { wall: self.now * 1000, mono: Mono::ZERO },
        };
        dpop.check(&headers, &expected)
    }

    /// The outcome for this proof.
    fn of(self, proof: impl Into<String>) -> Option<ProofFlaw> {
        Case { proofs: vec![proof.into()], ..self }.outcome().err()
    }
}

/// The RFC's proof with another header or payload, and so without a good signature.
fn changed(part: usize, change: impl Fn(&mut serde_json::Value)) -> String {
    let mut parts: Vec<String> = PROOF.split('.').map(str::to_owned).collect();
    let bytes = URL_SAFE_NO_PAD.decode(&parts[part]).unwrap_or_default();
    let mut value = serde_json::from_slice(&bytes).unwrap_or_default();
    change(&mut value);
    parts[part] = URL_SAFE_NO_PAD.encode(value.to_string());
    parts.join(".")
}

#[test]
fn rfc9449_section_7_1() {
    let proof = Case::default().outcome();
    assert_eq!(proof.map(|proof| proof.thumbprint.to_string()).as_deref(), Ok(JKT));
}

#[test]
fn a_proof_is_for_one_request_and_one_token() {
    let flaw = |case: Case<'_>| case.outcome().err();
    assert_eq!(flaw(Case { method: Method::POST, ..Case::default() }), Some(ProofFlaw::Method));
    assert_eq!(
        flaw(Case { url: "https://resource.example.org/x", ..Case::default() }),
        Some(ProofFlaw::Url)
    );
    assert_eq!(flaw(Case { url: "nonsense", ..Case::default() }), Some(ProofFlaw::Url));
    assert_eq!(flaw(Case { token: "other", ..Case::default() }), Some(ProofFlaw::TokenHash));
}

#[test]
fn the_window_is_to_the_second() {
    for (seconds, flaw) in [
        (0, None),
        (60, None),
        (-60, None),
        (61, Some(ProofFlaw::Time)),
        (-61, Some(ProofFlaw::Time)),
    ] {
        let case = Case { now: IAT + seconds, ..Case::default() };
        assert_eq!(case.outcome().err(), flaw, "{seconds}");
    }
}

#[test]
fn there_is_exactly_one_proof() {
    let proofs = |proofs: &[&str]| {
        let proofs = proofs.iter().map(|&proof| proof.to_owned()).collect();
        Case { proofs, ..Case::default() }.outcome().err()
    };
    assert_eq!(proofs(&[]), Some(ProofFlaw::Missing));
    assert_eq!(proofs(&[PROOF, PROOF]), Some(ProofFlaw::Several));
    assert_eq!(proofs(&[&format!("{PROOF},{PROOF}")]), Some(ProofFlaw::Several));
    assert_eq!(proofs(&[&format!("{PROOF}, x")]), Some(ProofFlaw::Several));
    assert_eq!(proofs(&["", PROOF]), Some(ProofFlaw::Several));
    assert_eq!(proofs(&[""]), Some(ProofFlaw::Malformed));
}

#[test]
fn a_proof_is_read_strictly() {
    let huge = format!("{PROOF}{}", "A".repeat(LONGEST));
    for bad in [
        "x".to_owned(),
        "..".to_owned(),
        format!("{PROOF}."),
        format!("{PROOF}.x"),
        format!("{PROOF}="),
        format!(" {PROOF} x"),
        PROOF.replacen("eyJ0eXAi", "eyJ0eXA+", 1),
        PROOF.rsplit_once('.').map(|(signed, _)| format!("{signed}.")).unwrap_or_default(),
        changed(0, |header| header["crit"] = serde_json::json!(["x"])),
        changed(0, |header| header["b64"] = false.into()),
        huge,
    ] {
        assert_eq!(Case::default().of(bad.clone()), Some(ProofFlaw::Malformed), "{bad:.80}");
    }
    for typ in ["", "JWT", "at+jwt", "dpop", "dpop+jwt "] {
        assert_eq!(
            Case::default().of(changed(0, |h| h["typ"] = typ.into())),
            Some(ProofFlaw::Type)
        );
    }
    let no_typ = changed(0, |header| header["typ"] = serde_json::Value::Null);
    assert_eq!(Case::default().of(no_typ), Some(ProofFlaw::Type));
    for alg in ["none", "HS256", "es256", "ES256K", "", "ES512"] {
        assert_eq!(
            Case::default().of(changed(0, |h| h["alg"] = alg.into())),
            Some(ProofFlaw::Algorithm)
        );
    }
    let only_rsa = DpopSettings { algorithms: vec![Algorithm::RS256], ..DpopSettings::default() };
    assert_eq!(
        Case { settings: only_rsa, ..Case::default() }.outcome().err(),
        Some(ProofFlaw::Algorithm)
    );
}

#[test]
fn the_key_is_public_and_for_the_algorithm() {
    let key = |change: fn(&mut serde_json::Value)| {
        Case::default().of(changed(0, |header| change(&mut header["jwk"])))
    };
    for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        let bad = changed(0, |header| header["jwk"][private] = "AQ".into());
        assert_eq!(Case::default().of(bad), Some(ProofFlaw::PrivateKey), "{private}");
    }
    let changes: [fn(&mut serde_json::Value); 13] = [
        |jwk| *jwk = serde_json::Value::Null,
        |jwk| *jwk = "x".into(),
        |jwk| *jwk = serde_json::json!({}),
        |jwk| jwk["kty"] = "RSA".into(),
        |jwk| jwk["kty"] = "oct".into(),
        |jwk| jwk["crv"] = "P-384".into(),
        |jwk| jwk["x"] = "AA".into(),
        |jwk| jwk["x"] = 1.into(),
        |jwk| jwk["y"] = format!("{}=", jwk["y"].as_str().unwrap_or_default()).into(),
        |jwk| jwk["use"] = "enc".into(),
        |jwk| jwk["key_ops"] = serde_json::json!(["sign"]),
        |jwk| jwk["key_ops"] = "verify".into(),
        |jwk| jwk["alg"] = "ES384".into(),
    ];
    for (i, change) in changes.into_iter().enumerate() {
        assert_eq!(key(change), Some(ProofFlaw::Key), "change {i}");
    }
    // the signature covers the header: a member more, and it does not hold
    assert_eq!(key(|jwk| jwk["use"] = "sig".into()), Some(ProofFlaw::Signature));
    assert_eq!(key(|jwk| jwk["alg"] = "ES256".into()), Some(ProofFlaw::Signature));
}

#[test]
fn each_claim_is_there_and_of_its_type() {
    use serde_json::{Value, json};
    for name in ["jti", "htm", "htu", "iat"] {
        for bad in [Value::Null, json!([]), json!({}), json!(true)] {
            let proof = changed(1, |claims| claims[name] = bad.clone());
            assert_eq!(Case::default().of(proof), Some(ProofFlaw::Claims), "{name} {bad}");
        }
        let without = changed(1, |claims| {
            if let Some(claims) = claims.as_object_mut() {
                claims.remove(name);
            }
        });
        assert_eq!(Case::default().of(without), Some(ProofFlaw::Claims), "without {name}");
    }
    for (name, bad, flaw) in [
        ("jti", json!(""), ProofFlaw::Claims),
        ("jti", json!(1), ProofFlaw::Claims),
        ("iat", json!(IAT.to_string()), ProofFlaw::Claims),
        ("iat", json!(1e300), ProofFlaw::Time),
        ("iat", json!(-1e300), ProofFlaw::Time),
        ("iat", json!(i64::MIN), ProofFlaw::Time),
        ("iat", json!(u64::MAX), ProofFlaw::Time),
        ("iat", json!(0), ProofFlaw::Time),
        ("htm", json!("get"), ProofFlaw::Method),
        ("htm", json!(""), ProofFlaw::Method),
        ("htu", json!(""), ProofFlaw::Url),
        ("htu", json!("/protectedresource"), ProofFlaw::Url),
        ("ath", json!(""), ProofFlaw::TokenHash),
        ("ath", json!(JKT), ProofFlaw::TokenHash),
        ("ath", json!(1), ProofFlaw::Claims),
        ("nonce", json!(1), ProofFlaw::Claims),
        ("jti", json!("other"), ProofFlaw::Signature),
    ] {
        let proof = changed(1, |claims| claims[name] = bad.clone());
        assert_eq!(Case::default().of(proof), Some(flaw), "{name} {bad}");
    }
}

#[test]
fn a_demanded_nonce_is_one_of_ours() {
    let settings = || DpopSettings { nonce: true, ..DpopSettings::default() };
    let case = || Case { settings: settings(), ..Case::default() };
    assert_eq!(case().outcome().err(), Some(ProofFlaw::Nonce));
    let now = Now { wall: IAT * 1000, mono: Mono::ZERO };
    let dpop = Dpop::new(settings(), &DigestKey::from([7; 32]));
    let nonce = dpop.nonce(now).and_then(|nonce| nonce.to_str().map(str::to_owned).ok());
    let with = |nonce: &str| changed(1, |claims| claims["nonce"] = nonce.into());
    assert_eq!(case().of(with(&nonce.unwrap_or_default())), Some(ProofFlaw::Signature));
    assert_eq!(case().of(with("other")), Some(ProofFlaw::Nonce));
    assert_eq!(Dpop::new(DpopSettings::default(), &DigestKey::random()).nonce(now), None);
}

#[test]
fn a_proof_is_known_by_its_key_and_its_id() {
    let proof = Case::default().outcome().map(|proof| proof.once);
    assert_eq!(proof, Case { now: IAT + 30, ..Case::default() }.outcome().map(|proof| proof.once));
    assert_eq!(proof.map(|once| once.forgotten_at), Ok(IAT + 121));
}

/// RFC 7638 §3.1, and appendix A.3 of RFC 8037 for Ed25519.
#[test]
fn rfc7638_section_3_1() {
    let of = |jwk: &str| {
        let jwk: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(jwk).unwrap_or_default();
        thumbprint(&jwk).map(|thumbprint| thumbprint.to_string())
    };
    let rsa = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
    assert_eq!(of(rsa).as_deref(), Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
    let ed = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    assert_eq!(of(ed).as_deref(), Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
    assert_eq!(of(r#"{"kty":"oct","k":"AQ"}"#), None);
    assert_eq!(of("{}"), None);
}
