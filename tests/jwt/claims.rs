//! The claims below a good signature: RFC 7519 §4.1, RFC 9068.

use super::{ISSUER, Signer, claims, claims_with, invalid, passed, publish, refused, start};
use crate::support::now;
use serde_json::json;

#[test]
fn each_claim_has_its_reason() {
    let setup = start("");
    let signer = Signer::ed25519("k");
    publish(&setup, &[&signer]);
    let cases = [
        (json!({ "exp": null }), invalid()),
        (json!({ "exp": (now() + 3600).to_string() }), invalid()),
        (json!({ "exp": true }), invalid()),
        (json!({ "exp": [now() + 3600] }), invalid()),
        (json!({ "nbf": now().to_string() }), invalid()),
        (json!({ "iat": now().to_string() }), invalid()),
        (json!({ "exp": now() - 60 }), refused("expired")),
        (json!({ "exp": 0 }), refused("expired")),
        (json!({ "exp": -1.5 }), refused("expired")),
        (json!({ "exp": 1e300 }), passed()),
        (json!({ "exp": now() as f64 + 3600.5 }), passed()),
        (json!({ "nbf": now() + 60 }), refused("not_yet_valid")),
        (json!({ "iss": "https://other.test" }), refused("issuer")),
        (json!({ "iss": format!("{ISSUER}/") }), refused("issuer")),
        (json!({ "iss": null }), refused("issuer")),
        (json!({ "iss": [ISSUER] }), invalid()),
        (json!({ "aud": "other" }), refused("audience")),
        (json!({ "aud": null }), refused("audience")),
        (json!({ "aud": [] }), refused("audience")),
        (json!({ "aud": ["other", "api"] }), passed()),
        (json!({ "aud": 1 }), invalid()),
        (json!({ "aud": ["api", 1] }), invalid()),
        (json!({ "aud": "api2" }), refused("audience")),
        (json!({ "sub": 1 }), invalid()),
        (json!({ "sub": null }), passed()),
        (json!({ "scope": 1 }), invalid()),
        (json!({ "token_use": "refresh" }), refused("token_type")),
        (json!({ "cnf": { "jkt": "x" } }), refused("binding_dpop")),
        (json!({ "active": false }), passed()),
    ];
    for (changes, expected) in cases {
        assert_eq!(
            setup.outcome(&signer.sign(&claims_with(changes.clone()))),
            expected,
            "{changes}"
        );
    }
}

/// Once, not twice; on a hit as on a miss.
#[test]
fn leeway() {
    let setup = start("leeway: 30s");
    let signer = Signer::ed25519("k");
    publish(&setup, &[&signer]);
    let cases = [
        (json!({ "exp": now() - 15 }), passed()),
        (json!({ "exp": now() - 45 }), refused("expired")),
        (json!({ "nbf": now() + 15 }), passed()),
        (json!({ "nbf": now() + 45 }), refused("not_yet_valid")),
    ];
    for (changes, expected) in cases {
        let token = signer.sign(&claims_with(changes.clone()));
        assert_eq!(setup.outcome(&token), expected, "{changes}");
        assert_eq!(setup.outcome(&token), expected, "{changes}, again");
    }
    let exact = start("leeway: 0s");
    publish(&exact, &[&signer]);
    assert_eq!(
        exact.outcome(&signer.sign(&claims_with(json!({ "exp": now() })))),
        refused("expired")
    );
}

/// Pitfall 10: a cached answer ends with the token.
#[test]
fn a_token_ends_while_it_is_cached() {
    let setup = start("leeway: 0s");
    let signer = Signer::ed25519("k");
    publish(&setup, &[&signer]);
    let token = signer.sign(&claims_with(json!({ "exp": now() + 2 })));
    assert_eq!(setup.outcome(&token), passed());
    crate::support::wait_until("the token ends", || setup.outcome(&token) == refused("expired"));
}

#[test]
fn identity_headers_come_from_the_claims() {
    let setup = start("");
    let signer = Signer::ed25519("k");
    publish(&setup, &[&signer]);
    let exp = now() + 100;
    let header = |changes, name: &str| {
        assert_eq!(setup.outcome(&signer.sign(&claims_with(changes))), passed());
        setup.upstream.last().header(name).map(str::to_owned)
    };
    assert_eq!(header(json!({}), "x-introspected-sub").as_deref(), Some("alice"));
    assert_eq!(
        header(json!({ "exp": exp }), "x-introspected-exp"),
        Some(exp.to_string()),
        "without the leeway"
    );
    assert_eq!(
        header(json!({ "scope": null, "scp": "a  b" }), "x-introspected-scope").as_deref(),
        Some("a b")
    );
    assert_eq!(header(json!({}), "x-introspected-server").as_deref(), Some("local"));
    assert_eq!(
        header(json!({ "azp": "other" }), "x-introspected-client-id").as_deref(),
        Some("app")
    );
    assert_eq!(
        header(json!({ "client_id": null, "azp": "a", "appid": "b" }), "x-introspected-client-id")
            .as_deref(),
        Some("a")
    );
    assert_eq!(
        header(json!({ "client_id": null, "appid": "b" }), "x-introspected-client-id").as_deref(),
        Some("b")
    );
    assert_eq!(header(json!({ "client_id": null }), "x-introspected-client-id"), None);
}

#[test]
fn typ() {
    let signer = Signer::ed25519("k");
    let outcome = |setup: &crate::support::Setup, typ: serde_json::Value| {
        setup.outcome(&signer.sign_with(json!({ "typ": typ }), &claims()))
    };
    let any = start("");
    publish(&any, &[&signer]);
    for typ in
        [json!(null), json!("JWT"), json!("jwt"), json!("at+jwt"), json!("application/at+jwt")]
    {
        assert_eq!(outcome(&any, typ.clone()), passed(), "{typ}");
    }
    for typ in [
        json!("dpop+jwt"),
        json!("logout+jwt"),
        json!("token-introspection+jwt"),
        json!(""),
        json!(1),
        json!("secevent+jwt"),
    ] {
        assert_eq!(outcome(&any, typ.clone()), invalid(), "{typ}");
    }
    let listed = start("typ: [Application/Special+JWT, jwt]");
    publish(&listed, &[&signer]);
    for typ in [json!("special+jwt"), json!("application/SPECIAL+jwt"), json!("JWT")] {
        assert_eq!(outcome(&listed, typ.clone()), passed(), "{typ}");
    }
    for typ in [json!(null), json!("at+jwt")] {
        assert_eq!(outcome(&listed, typ.clone()), invalid(), "{typ}");
    }
}

/// RFC 9068 §2.2 and §4.
#[test]
fn rfc9068_profile() {
    let setup = start("typ: [at+jwt]");
    let signer = Signer::ed25519("k");
    publish(&setup, &[&signer]);
    let outcome = |typ: &str, changes| {
        setup.outcome(&signer.sign_with(json!({ "typ": typ }), &claims_with(changes)))
    };
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        assert_eq!(outcome(typ, json!({})), passed(), "{typ}");
    }
    for typ in ["JWT", "at+jwt ", "id+jwt", "text/at+jwt"] {
        assert_eq!(outcome(typ, json!({})), invalid(), "{typ}");
    }
    for claim in ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"] {
        assert_eq!(outcome("at+jwt", json!({ claim: null })), invalid(), "{claim}");
    }
    // other names do not replace `client_id` here
    assert_eq!(outcome("at+jwt", json!({ "client_id": null, "azp": "app" })), invalid());
}
