//! RFC 9470: OAuth 2.0 Step Up Authentication Challenge Protocol.

use crate::jwt::{self, Signer};
use crate::support::{Behaviour, Setup, active, now, one_route};
use serde_json::json;

/// §3: the challenge names the authentication context class references and the maximum age.
#[test]
fn section_3_the_challenge() {
    let setup = Setup::start(
        r#"
realm: api
routes:
  - { path: /acr, upstream: "@UPSTREAM@", step_up: { acr_values: [myACR, other] } }
  - { path: /age, upstream: "@UPSTREAM@", step_up: { max_age: 5m } }
"#,
    );
    for (path, parameter) in [("/acr", "acr_values=\"myACR other\""), ("/age", "max_age=\"300\"")] {
        let refused = setup.gateway.get_with(path, "good");
        assert_eq!((refused.status, &*refused.reason()), (401, "step_up"), "{path}");
        let challenge = refused.header("www-authenticate").unwrap_or_default();
        assert_eq!(
            challenge,
            format!(
                "Bearer realm=\"api\", error=\"insufficient_user_authentication\", error_description=\"A stronger or more recent login is required.\", {parameter}"
            )
        );
        assert_eq!(refused.json()["error"], "insufficient_user_authentication");
    }
}

/// §6.1: a JWT has `acr` and `auth_time` among its own claims.
#[test]
fn section_6_1_jwt_access_tokens() {
    let setup = Setup::start(&format!(
        "authorization_servers:\n  local: {{ type: jwt, issuer: \"https://as.test\", audience: [api], jwks_uri: \"@AS@/jwks\" }}\n{}",
        one_route("step_up: { acr_values: [myACR], max_age: 5m }")
    ));
    let signer = Signer::p256("k");
    setup.server.publish("/introspect/jwks", Behaviour::Json(json!({ "keys": [signer.jwk()] })));
    for (acr, auth_time, status) in [
        (json!("myACR"), json!(now() - 200), 200),
        (json!("other"), json!(now() - 200), 401),
        (json!("myACR"), json!(now() - 400), 401),
        (json!(null), json!(now() - 200), 401),
        (json!("myACR"), json!(null), 401),
    ] {
        let mut claims = jwt::claims();
        claims["acr"] = acr;
        claims["auth_time"] = auth_time;
        let response = setup.get(&signer.sign(&claims));
        assert_eq!(response.status, status, "{claims}");
        if status == 401 {
            assert_eq!(response.json()["error"], "insufficient_user_authentication", "{claims}");
        }
    }
}

/// §6.2: introspection answers carry `acr` and `auth_time`.
#[test]
fn section_6_2_introspection() {
    let setup = Setup::route("step_up: { acr_values: [myACR], max_age: 5m }");
    let answers = [
        ("strong", json!({ "acr": "myACR", "auth_time": now() - 200 }), 200),
        ("weak", json!({ "acr": "myacr", "auth_time": now() - 200 }), 401),
        ("old", json!({ "acr": "myACR", "auth_time": now() - 400 }), 401),
        ("unknown-time", json!({ "acr": "myACR" }), 401),
        ("unknown-acr", json!({ "auth_time": now() }), 401),
        ("text-time", json!({ "acr": "myACR", "auth_time": now().to_string() }), 401),
    ];
    for (token, members, status) in answers {
        setup.server.answer(token, active(members));
        assert_eq!(setup.get(token).status, status, "{token}");
        assert_eq!(setup.get(token).status, status, "{token}, from the cache");
    }
}
