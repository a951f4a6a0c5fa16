//! The endpoint itself (RFC 8935 §2).

use super::{CONFIG, World};
use crate::support::Setup;
use serde_json::json;

#[test]
fn it_is_not_there_unless_configured() {
    let setup = Setup::route("");
    for method in ["GET", "POST"] {
        let mut connection = setup.gateway.connect_admin();
        let response = connection.request(
            method,
            "/api/events",
            &[("Content-Type", "application/secevent+jwt")],
            b"",
        );
        assert_eq!(response.expect("an answer").status, 404, "{method}");
    }
    let world = World::start();
    let event = world.event(&world.session_revoked());
    let without =
        CONFIG.lines().filter(|line| !line.contains("events:")).collect::<Vec<_>>().join("\n");
    world.setup.reload(&without);
    assert_eq!(world.push(&event).status, 404, "a reload takes it away");
    world.setup.reload(CONFIG);
    assert_eq!(world.push(&event).status, 202, "and brings it back");
}

#[test]
fn methods_content_types_and_sizes() {
    let world = World::start();
    let response = world.setup.gateway.admin_get("/api/events");
    assert_eq!((response.status, response.header("allow")), (405, Some("POST")));
    let event = world.event(&world.session_revoked());
    for content_type in
        ["application/json", "application/jwt", "text/plain", "secevent+jwt", "multipart/form-data"]
    {
        let response = world.post(content_type, event.as_bytes());
        assert_eq!(
            (response.status, response.json()["err"].clone()),
            (415, json!("invalid_request")),
            "{content_type}"
        );
    }
    let mut connection = world.setup.gateway.connect_admin();
    assert_eq!(
        connection.request("POST", "/api/events", &[], event.as_bytes()).expect("an answer").status,
        415
    );
    let large = vec![b'a'; 64 * 1024 + 1];
    let response = world.post("application/secevent+jwt", &large);
    assert_eq!((response.status, response.json()["err"].clone()), (413, json!("invalid_request")));
    assert_eq!(world.asked_again(), [""; 0]);
    assert_eq!(world.post("Application/SecEvent+JWT; charset=utf-8", event.as_bytes()).status, 202);
}

/// The signature authenticates a transmitter; it does not know `admin.token`, and cannot use its
/// other credentials.
#[test]
fn the_admin_token_is_not_asked_for() {
    let admin = "admin: { address: \"127.0.0.1:@ADMIN_PORT@\", token: \"admin-secret\" }\n";
    let world = World::with(&format!("{admin}{CONFIG}"));
    assert_eq!(world.push(&world.event(&world.session_revoked())).status, 202);
    assert_eq!(world.asked_again(), ["alice-1", "alice-2"]);
    let mut connection = world.setup.gateway.connect_admin();
    let event = world.event(&world.session_revoked());
    let response = connection.request(
        "POST",
        "/api/cache/purge",
        &[("Authorization", &format!("Bearer {event}"))],
        b"{\"all\":true}",
    );
    assert_eq!(response.expect("an answer").status, 401);
}
