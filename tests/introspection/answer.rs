//! The answer: active, inactive, or no valid answer at all.

use super::{failed, plain};
use crate::support::{Behaviour, active, now, wait_until};
use base64::prelude::*;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// `{"active":true,"sub":"zipped"}`, gzipped.
const GZIPPED: &str = "H4sIAAAAAAACA6tWSkwuySxLVbIqKSpN1VEqLk1SslKqyiwoSE1RqgUAmRKHPx4AAAA=";
/// An active answer with a member of 100 000 characters, gzipped.
const GZIPPED_LARGE: &str = "H4sIAAAAAAACA+3BsQ2AMBAEsF2uZoJs84IUdAiFNIjdswaF7Te1j3P2tHE/fctVR1oKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+K18Cz/GWzW4hgEA";

/// Contract §6: `active` is a JSON boolean in a JSON object, or the answer is none.
#[test]
fn only_the_boolean_true_is_active() {
    let setup = plain("");
    let deep = format!("{{\"active\":true,\"x\":{}", "[".repeat(20_000));
    let bad = [
        r#"{"active":"true"}"#,
        r#"{"active":"false"}"#,
        r#"{"active":1}"#,
        r#"{"active":0}"#,
        r#"{"active":null}"#,
        r#"{"active":[true]}"#,
        r#"{"active":{}}"#,
        r#"{"Active":true}"#,
        r#"{"sub":"alice"}"#,
        "{}",
        "null",
        "true",
        "[]",
        r#"[{"active":true}]"#,
        r#""active""#,
        "1",
        "",
        " ",
        r#"{"active":true"#,
        r#"{"active":true}}"#,
        r#"{"active":true} {"active":true}"#,
        r#"{"active":true,}"#,
        r#"{'active':true}"#,
        r#"{"active":True}"#,
        r#"{"active":true,"exp":NaN}"#,
        "active=true",
        "<html>true</html>",
        &deep,
    ];
    for (number, body) in bad.into_iter().enumerate() {
        let token = format!("token-{number}");
        setup.server.behave(&token, Behaviour::body(body));
        assert_eq!(setup.outcome(&token), failed("as_bad_response"), "{:.80}", body);
    }
    setup.server.behave("false", Behaviour::body(r#"{"active":false}"#));
    assert_eq!(setup.outcome("false"), (401, "inactive".into()));
    let more = r#" { "sub" : "eve" , "active" : false , "scope" : "read" } "#;
    setup.server.behave("more", Behaviour::body(more));
    assert_eq!(setup.outcome("more"), (401, "inactive".into()));
    assert_eq!(setup.upstream.count(), 0);
}

/// Pitfall 33: bytes that are no UTF-8.
#[test]
fn an_answer_that_is_no_text_is_bad() {
    let setup = plain("");
    for body in
        [b"\xff\xfe{".to_vec(), b"{\"active\":true,\"sub\":\"\xff\"}".to_vec(), vec![0; 100]]
    {
        setup.server.behave("x", Behaviour::Respond(200, vec![], body));
        assert_eq!(setup.outcome("x"), failed("as_bad_response"));
    }
}

/// Contract §6: duplicate members.
#[test]
fn a_member_twice_makes_the_answer_bad() {
    let setup = plain("");
    let bodies = [
        r#"{"active":true,"active":true}"#,
        r#"{"active":false,"active":true}"#,
        r#"{"active":true,"scope":"read","scope":"read write"}"#,
        r#"{"active":true,"sub":"a","sub":"b"}"#,
        r#"{"active":true,"other":1,"other":1}"#,
        r#"{"active":false,"\u0061ctive":true}"#,
    ];
    for (number, body) in bodies.into_iter().enumerate() {
        let token = format!("token-{number}");
        setup.server.behave(&token, Behaviour::body(body));
        assert_eq!(setup.outcome(&token), failed("as_bad_response"), "{body}");
    }
}

/// Pitfall 12; contract §6: the forms of `exp`.
#[test]
fn exp_in_every_shape() {
    let setup = plain("");
    let hour = now() + 3600;
    let passes = [
        json!(hour),
        json!(hour as f64 + 0.5),
        json!(hour.to_string()),
        json!(1e300),
        json!(u64::MAX),
        json!(i64::MAX),
        serde_json::from_str("99999999999999999999999999").expect("a number"),
    ];
    let expired = [
        json!(0),
        json!(-1),
        json!(i64::MIN),
        json!(-1e300),
        json!(0.5),
        json!("0"),
        json!((now() - 10) as f64),
        json!((now() - 10).to_string()),
    ];
    let nonsense = [
        json!("soon"),
        json!(""),
        json!("12abc"),
        json!(true),
        json!({}),
        json!([]),
        json!([hour]),
        json!("NaN"),
        json!("inf"),
    ];
    let table = passes.map(|exp| (exp, 200, ""));
    let table = table.into_iter().chain(expired.map(|exp| (exp, 401, "expired")));
    let table = table.chain(nonsense.map(|exp| (exp, 503, "as_bad_response")));
    for (number, (exp, status, reason)) in table.enumerate() {
        let token = format!("token-{number}");
        setup.server.answer(&token, active(json!({ "exp": exp })));
        assert_eq!(setup.outcome(&token), (status, reason.into()), "exp {exp}");
    }
    for raw in ["1e400", "-1e400"] {
        setup.server.behave(raw, Behaviour::Body(format!("{{\"active\":true,\"exp\":{raw}}}")));
        let (status, _) = setup.outcome(raw);
        assert!(
            [200, 401, 503].contains(&status) && (raw.starts_with('-') <= (status != 200)),
            "{raw}: {status}"
        );
    }
}

/// Pitfall 16; contract §6.
#[test]
fn nbf_in_the_future_is_not_yet_valid() {
    let setup = plain("");
    let cases = [
        (json!(now() + 3600), 401, "not_yet_valid"),
        (json!((now() + 3600).to_string()), 401, "not_yet_valid"),
        (json!(1e300), 401, "not_yet_valid"),
        (json!(now() - 3600), 200, ""),
        (json!(0), 200, ""),
        (json!("later"), 503, "as_bad_response"),
        (json!(false), 503, "as_bad_response"),
    ];
    for (number, (nbf, status, reason)) in cases.into_iter().enumerate() {
        let token = format!("token-{number}");
        setup.server.answer(&token, active(json!({ "nbf": nbf })));
        assert_eq!(setup.outcome(&token), (status, reason.into()), "nbf {nbf}");
    }
    setup.server.answer("iat", active(json!({ "iat": "yesterday" })));
    assert_eq!(setup.outcome("iat"), failed("as_bad_response"));
}

/// A token that becomes valid is not held back by an earlier refusal: the answer is cached, not the
/// refusal.
#[test]
fn a_token_becomes_valid_when_its_nbf_passes() {
    let setup = plain("");
    setup.server.answer("soon", active(json!({ "nbf": now() + 2 })));
    assert_eq!(setup.outcome("soon"), (401, "not_yet_valid".into()));
    wait_until("the token is valid", || setup.get("soon").status == 200);
}

/// Contract §6: `iss` must be the configured one where it is there; `require_issuer` makes it
/// necessary (pitfall 46).
#[test]
fn the_issuer_is_compared() {
    let ours = "https://as.example.com";
    for (required, missing) in [(false, (200, "")), (true, (401, "issuer"))] {
        let setup = plain(&format!("issuer: \"{ours}\", require_issuer: {required}"));
        let cases: [(&str, Value, (u16, &str)); 6] = [
            ("same", json!({ "iss": ours }), (200, "")),
            ("other", json!({ "iss": "https://other.example.com" }), (401, "issuer")),
            ("slash", json!({ "iss": format!("{ours}/") }), (401, "issuer")),
            ("longer", json!({ "iss": format!("{ours}.evil.test") }), (401, "issuer")),
            ("case", json!({ "iss": "https://AS.example.com" }), (401, "issuer")),
            ("none", json!({}), missing),
        ];
        for (token, answer, (status, reason)) in cases {
            setup.server.answer(token, active(answer));
            assert_eq!(
                setup.outcome(token),
                (status, reason.into()),
                "{token}, required: {required}"
            );
        }
    }
    let setup = plain("");
    setup.server.answer("any", active(json!({ "iss": "https://any.test" })));
    assert_eq!(setup.get("any").status, 200, "nothing configured, nothing compared");
}

/// Pitfall 33: bodies are bounded, compressed ones after they are unpacked.
#[test]
fn a_body_over_the_limit_is_bad() {
    let setup = plain("");
    let padded = |size: usize| Behaviour::Json(active(json!({ "pad": "x".repeat(size) })));
    setup.server.behave("small", padded(60_000));
    assert_eq!(setup.get("small").status, 200);
    setup.server.behave("large", padded(70_000));
    assert_eq!(setup.outcome("large"), failed("as_bad_response"));
    setup.server.behave("huge", padded(5_000_000));
    assert_eq!(setup.outcome("huge"), failed("as_bad_response"));
    let zipped = |body: &str| {
        let body = BASE64_STANDARD.decode(body).expect("base64");
        Behaviour::Respond(200, vec![("Content-Encoding".into(), "gzip".into())], body)
    };
    setup.server.behave("zipped", zipped(GZIPPED));
    assert_eq!(setup.get("zipped").status, 200);
    assert_eq!(setup.upstream.last().header("x-introspected-sub"), Some("zipped"));
    setup.server.behave("bomb", zipped(GZIPPED_LARGE));
    assert_eq!(setup.outcome("bomb"), failed("as_bad_response"));

    let narrow = plain("max_response_size: 1KiB");
    narrow.server.behave("small", padded(900));
    assert_eq!(narrow.get("small").status, 200);
    narrow.server.behave("large", padded(1100));
    assert_eq!(narrow.outcome("large"), failed("as_bad_response"));
}

/// Pitfall 33: an answer that never ends is cut at the limit, long before the time-out.
#[test]
fn an_answer_that_never_ends_is_cut_off() {
    let setup = plain("timeout: 30s");
    setup.server.behave_for_all(Behaviour::Endless);
    let began = Instant::now();
    assert_eq!(setup.outcome("x"), failed("as_bad_response"));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
