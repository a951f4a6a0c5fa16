//! Keycloak's transmitter of security events (`--features=ssf`, experimental in this version): the
//! gateway makes its stream there, and users who log out have no cached answer soon after.

use super::keycloak::{ADMIN, SECRET, launched, prepared};
use super::parts::unless_missing;
use super::server::{APP_SECRET, Server, call};
use super::situations::alone;
use crate::support::{Builder, Gateway, Response, Upstream, run_cli, wait_until, wait_within};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// From the end of a session at Keycloak to that of the cached answer.
const SOON: Duration = Duration::from_secs(2);

/// Keycloak chooses `gateway/STREAM` unless the client has `ssf.streamAudience`.
const AUDIENCE: &str = "https://gateway.example.com";
const PASSWORD: &str = "wonderland";
const REALM: &str = "/realms/demo";

#[test]
#[ignore = "slow; make interop"]
fn a_session_that_ends_at_keycloak_ends_its_cached_answers() {
    let _alone = alone();
    let Some(directory) = unless_missing(prepared(&realm())) else { return };
    let keycloak = launched(directory, |_| vec!["--features=ssf".to_owned()]);
    let upstream = Upstream::start();
    let mut gateway = gateway(&keycloak, &upstream);
    wait_until("the stream is there", || {
        gateway.metric("introgate_event_stream_enabled") == 1.0
            && events(&gateway)["last_poll"].is_i64()
    });
    let stream = events(&gateway)["stream"]["id"].as_str().expect("its id").to_owned();
    doctor_finds(&gateway, &format!("events: the stream `{stream}` is enabled"));

    let [first, second, bobs] = ["alice", "alice", "bob"].map(|user| Session::new(&keycloak, user));
    let asked = || gateway.metric("introgate_introspections_total{server=\"keycloak\"}");
    for session in [&first, &second, &bobs, &first, &second, &bobs] {
        assert_eq!(gateway.get_with("/", &session.token).status, 200);
    }
    assert_eq!(asked(), 3.0, "the rest was from the cache");

    // one of Alice's two sessions
    first.log_out(&keycloak);
    let took = gone(&gateway, &first);
    println!("logged out: the cached answer is gone after {took:?}");
    for session in [&second, &bobs] {
        assert_eq!(gateway.get_with("/", &session.token).status, 200);
    }
    assert_eq!(asked(), 4.0, "no other answer ended");

    // an administrator ends all of them; Keycloak calls the session ALL
    let alice = keycloak_admin(&keycloak, "POST", &format!("/users/{}/logout", second.subject), "");
    assert_eq!(alice.status, 204, "{alice:?}");
    let took = gone(&gateway, &second);
    println!("logged out by an administrator: gone after {took:?}");
    assert_eq!(gateway.get_with("/", &bobs.token).status, 200);
    assert_eq!(asked(), 5.0, "Bob's answer did not end");

    // a new password: the token stays good at Keycloak, and is asked about again
    let password = json!({ "type": "password", "value": "another", "temporary": false });
    let path = format!("/users/{}/reset-password", bobs.subject);
    let set = keycloak_admin(&keycloak, "PUT", &path, &password.to_string());
    assert_eq!(set.status, 204, "{set:?}");
    wait_within(SOON, "Bob's answer ends", || {
        assert_eq!(gateway.get_with("/", &bobs.token).status, 200);
        asked() == 6.0
    });

    // events of the time without a gateway wait for it, and the stream is taken up again
    gateway.kill();
    bobs.log_out(&keycloak);
    let again = self::gateway(&keycloak, &upstream);
    wait_until("the event comes", || {
        again.metric("introgate_events_total{server=\"keycloak\",result=\"accepted\"}") == 1.0
    });
    assert_eq!(events(&again)["stream"]["id"], stream);
    assert_eq!(events(&again)["last_error"], Value::Null);
    assert_eq!(again.metric("introgate_event_verification_overdue"), 0.0);
}

/// How long it takes until the session's token is refused; its answer is in the cache.
#[track_caller]
fn gone(gateway: &Gateway, session: &Session) -> Duration {
    let ended = Instant::now();
    let mut last = None;
    wait_within(SOON, "the cached answer ends", || {
        let response = gateway.get_with("/", &session.token);
        let refused = response.status == 401;
        last = Some(response);
        refused
    });
    assert_eq!(last.map(|response| response.reason()).as_deref(), Some("inactive"));
    ended.elapsed()
}

#[track_caller]
fn gateway(keycloak: &Server, upstream: &Upstream) -> Gateway {
    let (origin, service) = (keycloak.origin(), upstream.url());
    let secret = format!("client_id: gateway, client_secret: \"{SECRET}\"");
    Builder::new().start(&format!(
        r#"
authorization_servers:
  keycloak:
    issuer: {origin}{REALM}
    client_auth: {{ method: client_secret_basic, {secret} }}
    events:
      audience: ["{AUDIENCE}"]
      transmitter: {origin}{REALM}
      delivery: poll
      poll_interval: 1s
      client_auth: {{ method: client_credentials, {secret}, scope: "ssf.read ssf.manage", token_endpoint: {origin}{REALM}/protocol/openid-connect/token }}
cache: {{ ttl: 10m }}
routes:
  - {{ path: /*, upstream: "{service}" }}
"#
    ))
}

fn events(gateway: &Gateway) -> Value {
    gateway.admin_get("/api/status").json()["authorization_servers"][0]["events"].clone()
}

#[track_caller]
fn doctor_finds(gateway: &Gateway, line: &str) {
    let file = gateway.config_file().display().to_string();
    let (code, out, err) = run_cli(&["doctor", "-c", &file], &[]);
    assert!(code == 0 && out.contains(line), "exit code {code}\n{out}\n{err}");
}

/// A user's session, with an access token of it.
struct Session {
    token: String,
    refresh_token: String,
    subject: String,
}

impl Session {
    #[track_caller]
    fn new(keycloak: &Server, user: &str) -> Session {
        let form = format!("grant_type=password&username={user}&password={PASSWORD}&scope=openid");
        let answer = form_of(keycloak, "token", &form).json();
        let text = |name: &str| answer[name].as_str().expect(name).to_owned();
        let token = text("access_token");
        let introspected = call(
            keycloak.ports.public,
            "GET",
            &format!("{REALM}/protocol/openid-connect/userinfo"),
            &[("Authorization", &format!("Bearer {token}"))],
            "",
        );
        let claims = introspected.expect("an answer").json();
        let subject = claims["sub"].as_str().expect("a subject").to_owned();
        Session { token, refresh_token: text("refresh_token"), subject }
    }

    #[track_caller]
    fn log_out(&self, keycloak: &Server) {
        let form = format!("refresh_token={}", self.refresh_token);
        let answer = form_of(keycloak, "logout", &form);
        assert_eq!(answer.status, 204, "{answer:?}");
    }
}

/// A request of the application `app`.
#[track_caller]
fn form_of(keycloak: &Server, endpoint: &str, form: &str) -> Response {
    let form = format!("{form}&client_id=app&client_secret={APP_SECRET}");
    let path = format!("{REALM}/protocol/openid-connect/{endpoint}");
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    call(keycloak.ports.public, "POST", &path, &headers, &form).expect("an answer")
}

/// A request to the administration of the realm.
#[track_caller]
fn keycloak_admin(keycloak: &Server, method: &str, path: &str, body: &str) -> Response {
    let port = keycloak.ports.public;
    let form = format!("grant_type=password&client_id=admin-cli&username={ADMIN}&password={ADMIN}");
    let token = call(
        port,
        "POST",
        "/realms/master/protocol/openid-connect/token",
        &[("Content-Type", "application/x-www-form-urlencoded")],
        &form,
    );
    let token = token.expect("an answer").json()["access_token"].as_str().map(str::to_owned);
    let bearer = format!("Bearer {}", token.expect("an administrator's token"));
    let headers = [("Authorization", &*bearer), ("Content-Type", "application/json")];
    call(port, method, &format!("/admin{REALM}{path}"), &headers, body).expect("an answer")
}

/// Without `ssf.defaultSubjects` of the client Keycloak accepts the gateway's subject, the tenant,
/// and sends no event.
fn realm() -> Value {
    let scope = |name: &str, mappers: Value| {
        json!({
            "name": name, "protocol": "openid-connect", "protocolMappers": mappers,
            "attributes": { "include.in.token.scope": "true" },
        })
    };
    let mapper = |name: &str, kind: &str, mut config: Value| {
        config["access.token.claim"] = json!("true");
        config["introspection.token.claim"] = json!("true");
        config["userinfo.token.claim"] = json!("true");
        json!({ "name": name, "protocol": "openid-connect", "protocolMapper": kind, "config": config })
    };
    let user = |name: &str| {
        json!({
            "username": name, "enabled": true, "email": format!("{name}@example.com"),
            "firstName": name, "lastName": "of Wonderland",
            "credentials": [{ "type": "password", "value": PASSWORD }],
        })
    };
    json!({
        "realm": "demo", "enabled": true, "sslRequired": "none",
        "attributes": { "ssf.transmitterEnabled": "true" },
        "users": [user("alice"), user("bob")],
        "clientScopes": [
            scope("ssf.read", json!([])),
            scope("ssf.manage", json!([])),
            scope("basic", json!([
                mapper("sub", "oidc-sub-mapper", json!({})),
                mapper("gateway", "oidc-audience-mapper", json!({ "included.client.audience": "gateway" })),
            ])),
        ],
        "clients": [
            {
                "clientId": "app", "secret": APP_SECRET, "directAccessGrantsEnabled": true,
                "standardFlowEnabled": false, "defaultClientScopes": ["basic"],
            },
            {
                "clientId": "gateway", "secret": SECRET, "serviceAccountsEnabled": true,
                "standardFlowEnabled": false, "optionalClientScopes": ["ssf.read", "ssf.manage"],
                "attributes": {
                    "ssf.enabled": "true", "ssf.streamAudience": AUDIENCE, "ssf.defaultSubjects": "ALL",
                },
            },
        ],
    })
}
