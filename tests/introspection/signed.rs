//! `response: jwt`: answers that are signed. (The requirements of RFC 9701 itself:
//! `conformance::rfc9701`.)

use super::failed;
use crate::jwt::{Sealer, Signer};
use crate::support::{Behaviour, Builder, Setup, now, one_route, run_cli_in, wait_until};
use serde_json::{Value, json};

pub const ISSUER: &str = "https://as.test";
const JWKS: &str = "/introspect/jwks";
pub const MEDIA_TYPE: &str = "application/token-introspection+jwt";

/// A server `main` that has to sign its answers, with these further keys.
pub fn config(keys: &str) -> String {
    format!(
        "authorization_servers:\n  main: {{ introspection_endpoint: \"@AS@\", issuer: \"{ISSUER}\", response: jwt, retries: 0, circuit_breaker: {{ failures: 10000, open_for: 1s }}, client_auth: {{ method: client_secret_basic, client_id: gateway, client_secret: secret }}, {keys} }}\n{}",
        one_route("scopes: [read]")
    )
}

pub struct Signed {
    pub setup: Setup,
    pub signer: Signer,
}

impl Signed {
    #[track_caller]
    pub fn start(keys: &str) -> Signed {
        Signed::build(Builder::new(), keys)
    }

    #[track_caller]
    pub fn build(builder: Builder, keys: &str) -> Signed {
        let (setup, signer) = (
            Setup::build(builder, &config(&format!("jwks_uri: \"@AS@/jwks\", {keys}"))),
            Signer::p256("k"),
        );
        setup.server.publish(JWKS, Behaviour::Json(json!({ "keys": [signer.jwk()] })));
        Signed { setup, signer }
    }

    /// The outcome for a token of its own, about which this body is answered.
    #[track_caller]
    pub fn outcome_of(&self, body: &str) -> (u16, String) {
        self.outcome_as(&[("Content-Type", MEDIA_TYPE)], body)
    }

    #[track_caller]
    pub fn outcome_as(&self, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        let token = format!("t{:016x}", rand::random::<u64>());
        self.setup.server.behave(&token, Behaviour::respond(200, headers, body));
        self.setup.outcome(&token)
    }

    /// A good answer with these claims changed; `null` takes one away.
    pub fn answer(&self, changes: Value) -> String {
        sign(&self.signer, json!({}), &claims_with(changes))
    }
}

/// Signs an answer, with these members of the header changed.
pub fn sign(signer: &Signer, header: Value, claims: &Value) -> String {
    let mut members = json!({ "typ": "token-introspection+jwt" });
    for (name, value) in header.as_object().expect("an object") {
        members[name] = value.clone();
    }
    signer.sign_with(members, claims)
}

pub fn claims_with(changes: Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": "gateway", "iat": now(),
        "token_introspection": { "active": true, "sub": "alice", "scope": "read", "exp": now() + 3600, "iss": ISSUER },
    });
    for (name, value) in changes.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    claims.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    claims
}

fn passed() -> (u16, String) {
    (200, String::new())
}

#[test]
fn a_good_answer_is_read_as_any_other() {
    let signed = Signed::start("");
    assert_eq!(signed.outcome_of(&signed.answer(json!({}))), passed());
    let seen = signed.setup.upstream.last();
    assert_eq!(
        (seen.header("x-introspected-sub"), seen.header("x-introspected-scope")),
        (Some("alice"), Some("read"))
    );
    let inside = |members: Value| {
        signed.outcome_of(&signed.answer(json!({ "token_introspection": members })))
    };
    assert_eq!(inside(json!({ "active": false })), (401, "inactive".into()));
    assert_eq!(
        inside(json!({ "active": true, "scope": "other" })),
        (403, "insufficient_scope".into())
    );
    assert_eq!(
        inside(json!({ "active": true, "scope": "read", "exp": now() - 60 })),
        (401, "expired".into())
    );
    assert_eq!(
        inside(json!({ "active": true, "scope": "read", "iss": "https://other.test" })),
        (401, "issuer".into())
    );
    assert_eq!(
        inside(json!({ "active": true, "scope": "read", "token_type": "refresh_token" })),
        (401, "token_type".into())
    );
    for members in [
        json!({}),
        json!({ "active": "true" }),
        json!({ "active": true, "scope": 1 }),
        json!([]),
        json!("active"),
        json!(true),
    ] {
        assert_eq!(inside(members.clone()), failed("as_bad_response"), "{members}");
    }
    // one look at the keys for all of them
    assert_eq!(signed.setup.server.count_of_path(JWKS), 1);
}

#[test]
fn answers_that_are_not_believed() {
    let signed = Signed::start("");
    let (signer, other) = (&signed.signer, Signer::p256("k"));
    let good = claims_with(json!({}));
    let none = format!(
        "{}.{}.",
        crate::jwt::encode(r#"{"alg":"none","typ":"token-introspection+jwt"}"#),
        crate::jwt::encode(&good.to_string())
    );
    let answer = signed.answer(json!({}));
    let hmac = {
        let text = format!(
            "{}.{}",
            crate::jwt::encode(r#"{"alg":"HS256","kid":"k","typ":"token-introspection+jwt"}"#),
            crate::jwt::encode(&good.to_string())
        );
        let key =
            aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, signer.public_pem().as_bytes());
        let tag = aws_lc_rs::hmac::sign(&key, text.as_bytes());
        format!(
            "{text}.{}",
            base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, tag)
        )
    };
    let parts: Vec<&str> = answer.split('.').collect();
    let inactive = sign(
        signer,
        json!({}),
        &claims_with(json!({ "token_introspection": { "active": false } })),
    );
    let swapped =
        format!("{}.{}.{}", parts[0], inactive.split('.').nth(1).expect("a payload"), parts[2]);
    for (body, told) in [
        (none, "`alg` is none"),
        (hmac, "`alg` is none, a secret-key algorithm"),
        (sign(&other, json!({}), &good), "the signature does not hold"),
        (
            sign(&other.named(Some("other")), json!({}), &good),
            "a key that the authorization server does not publish",
        ),
        (sign(&other, json!({ "jwk": other.jwk() }), &good), "the signature does not hold"),
        (swapped, "the signature does not hold"),
        (sign(&Signer::p384("f"), json!({}), &good), "`alg` is not among"),
        (sign(signer, json!({ "typ": "JWT" }), &good), "`typ` is not"),
        (sign(signer, json!({ "typ": "at+jwt" }), &good), "`typ` is not"),
        (sign(signer, json!({ "typ": null }), &good), "`typ` is not"),
        (sign(signer, json!({ "crit": ["x"] }), &good), "`crit`"),
        (Sealer::rsa().seal(&answer), "there are no `decryption_keys`"),
        (
            signed.answer(json!({ "iss": "https://other.test" })),
            "`iss` is not the configured issuer",
        ),
        (
            signed.answer(json!({ "iss": format!("{ISSUER}/") })),
            "`iss` is not the configured issuer",
        ),
        (signed.answer(json!({ "iss": null })), "`iss` is not the configured issuer"),
        (signed.answer(json!({ "iss": [ISSUER] })), "`iss` is not the configured issuer"),
        (signed.answer(json!({ "aud": "other" })), "`aud` is not this gateway"),
        (signed.answer(json!({ "aud": ["other"] })), "`aud` is not this gateway"),
        (signed.answer(json!({ "aud": null })), "`aud` is not this gateway"),
        (signed.answer(json!({ "aud": 1 })), "`aud` is not this gateway"),
        (signed.answer(json!({ "iat": null })), "it has no `iat`"),
        (signed.answer(json!({ "iat": now().to_string() })), "is not a number"),
        (signed.answer(json!({ "iat": now() + 60 })), "`iat` is in the future"),
        (signed.answer(json!({ "iat": now() - 320 })), "more than five minutes ago"),
        (signed.answer(json!({ "iat": 0 })), "more than five minutes ago"),
        (signed.answer(json!({ "exp": now() - 60 })), "it has expired"),
        (signed.answer(json!({ "nbf": now() + 60 })), "`nbf` is in the future"),
        (signed.answer(json!({ "token_introspection": null })), "it has no `token_introspection`"),
        (
            signed.answer(json!({ "token_introspection": null, "active": true, "scope": "read" })),
            "it has no `token_introspection`",
        ),
        (signed.answer(json!({ "token_introspection": "{\"active\":true}" })), "is not an object"),
        (String::new(), "three parts"),
        (r#"{"active":true,"scope":"read"}"#.to_owned(), "three parts"),
        (format!("{answer}.x"), "three parts"),
        (format!("\u{fffd}{answer}"), "canonical base64url"),
        (
            signer.sign_text(
                r#"{"alg":"ES256","kid":"k","typ":"token-introspection+jwt"}"#,
                r#"{"iss":"a","iss":"b"}"#,
            ),
            "without duplicate members",
        ),
    ] {
        assert_eq!(signed.outcome_of(&body), failed("as_bad_response"), "{told}: {body}");
        // a failure is logged once a minute: the cause of the last one is on the status page
        let status = signed.setup.gateway.admin_get("/api/status").text();
        assert!(status.contains(told), "{told}: {status}");
    }
    assert_eq!(signed.outcome_of(&answer), passed());
    assert_eq!(
        signed.outcome_of(
            &signed.answer(
                json!({ "aud": ["other", "gateway"], "iat": now() - 200, "exp": now() + 5 })
            )
        ),
        passed()
    );
    assert_eq!(
        signed.outcome_of(&format!("{answer}\r\n")),
        passed(),
        "white space around it does no harm"
    );
    assert_eq!(
        signed.outcome_of(&sign(
            signer,
            json!({ "typ": "application/Token-Introspection+JWT" }),
            &good
        )),
        passed()
    );
}

/// Who asked for a signature does not take less.
#[test]
fn a_plain_answer_is_none() {
    let signed = Signed::start("");
    let plain = r#"{"active":true,"scope":"read"}"#;
    let answer = signed.answer(json!({}));
    for (headers, body) in [
        (&[("Content-Type", "application/json")][..], plain),
        (&[("Content-Type", "application/json")], &answer),
        (&[("Content-Type", "application/jwt")], &answer),
        (&[("Content-Type", "text/plain; x=application/token-introspection+jwt")], &answer),
        (&[], &answer),
        (&[("Content-Type", MEDIA_TYPE)], plain),
    ] {
        assert_eq!(signed.outcome_as(headers, body), failed("as_bad_response"), "{headers:?}");
    }
    signed.setup.gateway.log_with("introspection_signed_response_alg");
    for content_type in [
        "application/Token-Introspection+JWT",
        "application/token-introspection+jwt; charset=utf-8",
    ] {
        assert_eq!(
            signed.outcome_as(&[("Content-Type", content_type)], &answer),
            passed(),
            "{content_type}"
        );
    }
}

/// Statuses other than 200 have the same meaning as for plain answers.
#[test]
fn errors_are_not_signed() {
    let signed = Signed::start("");
    for (status, body, expected) in [
        (401, "", failed("as_rejected_us")),
        (429, "", failed("as_throttled")),
        (500, "", failed("as_unavailable")),
        (302, "", failed("as_bad_response")),
        (400, r#"{"error":"unsupported_token_type"}"#, (401, "inactive".to_owned())),
    ] {
        let token = format!("t{status}");
        signed.setup.server.behave(&token, Behaviour::respond(status, &[], body));
        assert_eq!(signed.setup.outcome(&token), expected, "{status}");
    }
}

#[test]
fn the_settings_are_kept() {
    let named = Signed::start("audience: [urn:gateway, other], algorithms: [ES384], leeway: 100s");
    let signer = Signer::p384("f");
    named
        .setup
        .server
        .publish(JWKS, Behaviour::Json(json!({ "keys": [signer.jwk(), named.signer.jwk()] })));
    let outcome =
        |changes: Value| named.outcome_of(&sign(&signer, json!({}), &claims_with(changes)));
    assert_eq!(outcome(json!({ "aud": "urn:gateway" })), passed());
    assert_eq!(
        outcome(json!({})),
        failed("as_bad_response"),
        "the client id is not meant where there is an audience"
    );
    assert_eq!(
        outcome(json!({ "aud": "urn:gateway", "iat": now() + 60, "exp": now() - 60 })),
        passed()
    );
    assert_eq!(
        named.outcome_of(&named.answer(json!({ "aud": "urn:gateway" }))),
        failed("as_bad_response"),
        "ES256"
    );
}

/// As for `type: jwt`: one look for a key that is not known, and not again at once.
#[test]
fn keys_rotate() {
    let signed = Signed::start("");
    assert_eq!(signed.outcome_of(&signed.answer(json!({}))), passed());
    let new = Signer::ed25519("new");
    let answer = sign(&new, json!({}), &claims_with(json!({})));
    assert_eq!(signed.outcome_of(&answer), failed("as_bad_response"));
    let looks = signed.setup.server.count_of_path(JWKS);
    assert!(looks <= 2, "{looks}");
    signed.setup.server.publish(JWKS, Behaviour::Json(json!({ "keys": [new.jwk()] })));
    wait_until("the new key is known", || signed.outcome_of(&answer) == passed());
    wait_until("the old key is gone", || {
        signed.outcome_of(&signed.answer(json!({}))) == failed("as_bad_response")
    });
}

#[test]
fn keys_that_cannot_be_had() {
    let signed = Signed::start("");
    signed.setup.server.publish(JWKS, Behaviour::status(503));
    assert_eq!(signed.outcome_of(&signed.answer(json!({}))), failed("as_unavailable"));
    signed.setup.server.publish(JWKS, Behaviour::Json(json!({ "keys": [signed.signer.jwk()] })));
    wait_until("the keys are there", || signed.outcome_of(&signed.answer(json!({}))) == passed());
}

#[test]
fn keys_from_files_and_from_the_issuer() {
    let signer = Signer::ed25519("k");
    let setup = Setup::build(
        Builder::new().file("as.pem", &signer.public_pem()),
        &config("keys: [as.pem]"),
    );
    let respond = |claims: &Value| {
        Behaviour::respond(200, &[("Content-Type", MEDIA_TYPE)], &sign(&signer, json!({}), claims))
    };
    setup.server.behave("t", respond(&claims_with(json!({}))));
    assert_eq!(setup.outcome("t"), passed());
    assert_eq!(setup.server.count(), 1, "no keys were fetched");

    let yaml = config("").replace("introspection_endpoint: \"@AS@\", ", "").replace(ISSUER, "@AS@");
    let setup = Setup::start(&yaml);
    let issuer = setup.server.url();
    setup.server.publish(
        "/.well-known/oauth-authorization-server/introspect",
        Behaviour::Json(json!({ "issuer": issuer, "introspection_endpoint": format!("{issuer}/i"), "jwks_uri": format!("{issuer}/jwks") })),
    );
    setup.server.publish(JWKS, Behaviour::Json(json!({ "keys": [signer.jwk()] })));
    let inside = json!({ "active": true, "scope": "read" });
    setup.server.behave(
        "t",
        respond(&claims_with(json!({ "iss": issuer, "token_introspection": inside }))),
    );
    assert_eq!(setup.outcome("t"), passed());
}

#[test]
fn encrypted_answers() {
    let sealer = Sealer::rsa();
    let signed =
        Signed::build(Builder::new().file("key.pem", &sealer.pem()), "decryption_keys: [key.pem]");
    let answer = signed.answer(json!({}));
    for cty in [json!("JWT"), json!("token-introspection+jwt"), Value::Null] {
        assert_eq!(
            signed.outcome_of(&sealer.seal_with(json!({ "cty": cty }), &answer)),
            passed(),
            "{cty}"
        );
    }
    assert_eq!(signed.outcome_of(&answer), passed(), "a signature is enough");
    let plain = claims_with(json!({})).to_string();
    for body in [
        sealer.seal(&plain),
        sealer.seal(&sealer.seal(&answer)),
        sealer.seal(&sign(&Signer::p256("k"), json!({}), &claims_with(json!({})))),
        sealer.seal(&sign(&signed.signer, json!({ "typ": "JWT" }), &claims_with(json!({})))),
        sealer.seal_with(json!({ "zip": "DEF" }), &answer),
        Sealer::p256().seal(&answer),
        sealer.seal(&answer).replacen('.', ".A", 1),
    ] {
        assert_eq!(signed.outcome_of(&body), failed("as_bad_response"), "{body}");
    }
}

/// Answers without a signature are not used any more.
#[test]
fn plain_answers_are_not_kept_for_it() {
    let plain = config("").replace("response: jwt, ", "");
    let setup = Setup::start(&plain);
    assert_eq!(setup.outcome("good"), passed());
    setup.reload(&config("jwks_uri: \"@AS@/jwks\""));
    wait_until("answers must be signed", || setup.outcome("good") == failed("as_bad_response"));
    setup.reload(&plain);
    wait_until("plain answers are good again", || setup.outcome("good") == passed());
}

/// Nothing of an answer is in any log.
#[test]
fn nothing_leaks() {
    let signer = Signer::p256("k");
    let yaml = format!("log: {{ level: trace }}\n{}", config("keys: [as.pem]"));
    let setup = Setup::build(Builder::new().file("as.pem", &signer.public_pem()), &yaml);
    let answers = [
        sign(&signer, json!({}), &claims_with(json!({}))),
        sign(&Signer::p256("k"), json!({}), &claims_with(json!({}))),
    ];
    for (answer, token, status) in [(&answers[0], "good-one", 200), (&answers[1], "bad-one", 503)] {
        setup
            .server
            .behave(token, Behaviour::respond(200, &[("Content-Type", MEDIA_TYPE)], answer));
        assert_eq!(setup.get(token).status, status);
    }
    setup.gateway.log_with("is not to be believed");
    setup.gateway.access_log(2);
    let log = format!("{}{}", setup.gateway.stderr(), setup.gateway.stdout());
    for part in answers.iter().flat_map(|answer| answer.split('.').skip(1)) {
        assert!(!log.contains(part), "{log}");
    }
}

#[test]
fn a_configuration_that_leaves_something_open() {
    let told = |server: &str| {
        let directory = tempfile::tempdir().expect("a folder");
        let yaml = format!(
            "authorization_servers:\n  main: {{ introspection_endpoint: \"https://as.test/i\", {server} }}\n{}",
            one_route("")
        );
        std::fs::write(
            directory.path().join("gateway.yaml"),
            yaml.replace("@UPSTREAM@", "http://127.0.0.1:1"),
        )
        .expect("write");
        let (code, out, err) = run_cli_in(directory.path(), &["check"], &[]);
        (code, format!("{out}{err}"))
    };
    let auth =
        "client_auth: { method: client_secret_basic, client_id: gateway, client_secret: secret }";
    for (server, expected) in [
        (format!("response: jwt, {auth}"), "main.issuer: is missing"),
        ("response: jwt, issuer: \"https://as.test\"".to_owned(), "main.audience: is missing"),
        (
            format!("response: jwt, issuer: \"https://as.test\", audience: [], {auth}"),
            "main.audience: is empty",
        ),
        (
            format!("response: jwt, issuer: \"http://as.test\", {auth}"),
            "main.issuer: is plain http",
        ),
        (format!("response: jwt, issuer: \"as.test\", {auth}"), "main.issuer: is not an https URL"),
        (
            format!("response: jwt, issuer: \"https://as.test\", algorithms: [HS256], {auth}"),
            "main.algorithms[0]: is a secret-key algorithm",
        ),
        (
            format!("response: jwt, issuer: \"https://as.test\", algorithms: [none], {auth}"),
            "main.algorithms[0]: means no signature",
        ),
        (
            format!(
                "response: jwt, issuer: \"https://as.test\", jwks_uri: \"https://a\", keys: [x], {auth}"
            ),
            "main.jwks_uri: `keys` is written as well",
        ),
        (
            format!("response: jwt, issuer: \"https://as.test\", decryption_keys: [x], {auth}"),
            "main.decryption_keys[0]: there is no such file",
        ),
        (
            format!("jwks_uri: \"https://as.test/jwks\", {auth}"),
            "main.jwks_uri: is about signed answers",
        ),
        ("audience: [x]".to_owned(), "main.audience: is about signed answers"),
        ("decryption_keys: [x]".to_owned(), "main.decryption_keys: is about signed answers"),
        ("response: jwt, typ: [x]".to_owned(), "main.typ: belongs to servers of type `jwt`"),
    ] {
        let (code, output) = told(&server);
        assert!(code == 64 && output.contains(expected), "{server}: {output}");
    }
    let (code, output) = told(&format!("response: jwt, issuer: \"https://as.test\", {auth}"));
    assert_eq!((code, output.contains("error")), (0, false), "{output}");
}
