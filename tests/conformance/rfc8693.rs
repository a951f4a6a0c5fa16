//! RFC 8693: OAuth 2.0 Token Exchange.

use crate::support::{Setup, active};
use serde_json::json;

/// §4.1: the outermost `act` is the current actor; nested ones are history, and decide nothing.
#[test]
fn section_4_1_the_outermost_actor() {
    let setup = Setup::route("");
    let delegated = json!({
        "sub": "user@example.com",
        "act": {
            "sub": "https://service16.example.com",
            "client_id": "service16",
            "act": { "sub": "https://service77.example.com", "client_id": "service77" },
        },
    });
    setup.server.answer("delegated", active(delegated));
    let id = "rfc8693";
    let headers = [("Authorization", "Bearer delegated"), ("X-Request-Id", id)];
    assert_eq!(setup.gateway.get("/", &headers).status, 200);
    let request = setup.upstream.last();
    assert_eq!(request.header("x-introspected-sub"), Some("user@example.com"));
    let actor = Some("https://service16.example.com");
    assert_eq!(request.header("x-introspected-act-sub"), actor);
    assert_eq!(request.header("x-introspected-act-client-id"), Some("service16"));
    let line = setup.gateway.access_log_of(id);
    assert_eq!((line["sub"].as_str(), line["act_sub"].as_str()), (Some("user@example.com"), actor));
}

/// A token that is not delegated has no actor, with any headers of the client.
#[test]
fn section_4_1_no_actor() {
    let setup = Setup::route("");
    let nested = (0..10).fold(json!({ "sub": "innermost" }), |act, _| json!({ "act": act }));
    setup.server.answer("nested", active(json!({ "act": nested })));
    for token in ["good", "nested"] {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("Authorization", &*bearer),
            ("X-Introspected-Act-Sub", "mallory"),
            ("X_Introspected_Act_Client_Id", "mallory"),
            ("X-Request-Id", token),
        ];
        assert_eq!(setup.gateway.get("/", &headers).status, 200);
        let request = setup.upstream.last();
        assert!(!request.headers.iter().any(|(name, _)| name.to_lowercase().contains("act")));
        assert!(setup.gateway.access_log_of(token).get("act_sub").is_none());
    }
}
