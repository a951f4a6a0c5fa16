//! RFC 9396: OAuth 2.0 Rich Authorization Requests.

use crate::support::{Setup, active};
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
