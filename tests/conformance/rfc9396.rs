//! RFC 9396: OAuth 2.0 Rich Authorization Requests.

use crate::jwt::{self, Signer};
use crate::support::{Behaviour, Setup, active, one_route};
use serde_json::json;

/// §9.2, example: the introspection response carries the authorization details. A route that needs
/// one of them lets the token pass, and one that needs more does not.
#[test]
fn section_9_2_token_introspection() {
    let setup = Setup::start(
        r#"
routes:
  - { path: /payments, upstream: "@UPSTREAM@", authorization_details: [{ type: payment_initiation, actions: [initiate], locations: ["https://example.com/payments"] }] }
  - { path: /cancel, upstream: "@UPSTREAM@", authorization_details: [{ type: payment_initiation, actions: [initiate, cancel, delete] }] }
  - { path: /both, upstream: "@UPSTREAM@", authorization_details: [{ type: payment_initiation }, { type: account_information }] }
"#,
    );
    // the members of the RFC's example
    let details = json!([{
        "type": "payment_initiation",
        "actions": ["initiate", "status", "cancel"],
        "locations": ["https://example.com/payments"],
        "instructedAmount": { "currency": "EUR", "amount": "123.50" },
        "creditorName": "Merchant123",
        "creditorAccount": { "iban": "DE02100100109307118603" },
        "remittanceInformationUnstructured": "Ref Number Merchant",
    }]);
    setup.server.answer("pay", active(json!({ "authorization_details": details })));
    assert_eq!(setup.gateway.get_with("/payments", "pay").status, 200);
    for path in ["/cancel", "/both"] {
        let refused = setup.gateway.get_with(path, "pay");
        assert_eq!((refused.status, &*refused.reason()), (403, "authorization_details"), "{path}");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"introgate\""));
    }
    let without = setup.gateway.get_with("/payments", "good");
    assert_eq!((without.status, &*without.reason()), (403, "authorization_details"));
}

/// §9.1: a JWT has them among its own claims; the example's two kinds of access.
#[test]
fn section_9_1_jwt_access_tokens() {
    let needed = r#"authorization_details: [{ type: "https://scheme.example.com/files", permissions: [read], path: /myfiles/A }]"#;
    let setup = Setup::start(&format!(
        "authorization_servers:\n  local: {{ type: jwt, issuer: \"https://as.test\", audience: [api], jwks_uri: \"@AS@/jwks\" }}\n{}",
        one_route(needed)
    ));
    let signer = Signer::p256("k");
    setup.server.publish("/introspect/jwks", Behaviour::Json(json!({ "keys": [signer.jwk()] })));
    let files = json!({
        "type": "https://scheme.example.com/files",
        "permissions": ["read", "write"],
        "path": "/myfiles/A",
    });
    let other = json!({ "type": "https://scheme.example.com/calendar", "permissions": ["read"], "path": "/myfiles/A" });
    for (details, status) in [
        (json!([files]), 200),
        (json!([other, files]), 200),
        (json!([other]), 403),
        (json!([]), 403),
        (json!(null), 403),
        (json!(files), 403),
    ] {
        let mut claims = jwt::claims();
        claims["authorization_details"] = details;
        assert_eq!(setup.get(&signer.sign(&claims)).status, status, "{claims}");
    }
}

/// §2: `type` is compared to the letter, and an object without it is none of any type.
#[test]
fn section_2_the_type_decides() {
    let setup = Setup::route("authorization_details: [{ type: payment_initiation }]");
    for (details, status) in [
        (json!([{ "type": "payment_initiation" }]), 200),
        (json!([{ "type": "Payment_Initiation" }]), 403),
        (json!([{ "type": "payment_initiation " }]), 403),
        (json!([{ "type": "payment_initiation2" }]), 403),
        (json!([{ "type": ["payment_initiation"] }]), 403),
        (json!([{ "actions": ["payment_initiation"] }]), 403),
        (json!(["payment_initiation"]), 403),
    ] {
        let token = format!("token-{:016x}", rand::random::<u64>());
        setup.server.answer(&token, active(json!({ "authorization_details": details })));
        assert_eq!(setup.get(&token).status, status, "{details}");
    }
}
