//! Events from authorization servers: events and logout tokens end exactly the cached answers that
//! they name, and only signatures of this server count.

mod bad;
mod delivery;
mod keys;
mod logout;
pub mod poll;
mod poll_bad;
mod purges;
pub mod stream;
mod together;
pub mod transmitter;

use crate::jwt::Signer;
use crate::support::{Builder, Response, Setup, active, now};
use serde_json::{Value, json};

pub const ISSUER: &str = "https://as.test";
const OTHER: &str = "https://other.test";
pub const AUDIENCE: &str = "https://gateway.test";
pub const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type";
const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type";
const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Token, `sub`, `client_id`, `jti`, `sid`.
const TOKENS: [(&str, &str, &str, &str, &str); 4] = [
    ("alice-1", "alice", "app-1", "j1", "s1"),
    ("alice-2", "alice", "app-2", "j2", "s2"),
    ("bob-1", "bob", "app-2", "j3", "s3"),
    ("carol-1", "carol", "app-3", "j4", ""),
];

/// A gateway with two authorization servers that know the same tokens, each with events of its own
/// issuer.
pub struct World {
    pub setup: Setup,
    /// Signs for [`ISSUER`], the issuer of `main`.
    pub signer: Signer,
    /// Signs for [`OTHER`], the issuer of `other`.
    other: Signer,
}

const CONFIG: &str = r#"
authorization_servers:
  main:
    introspection_endpoint: "@AS@"
    events: { issuer: "https://as.test", audience: ["https://gateway.test"], keys: [main.json], max_age: 5m }
  other:
    introspection_endpoint: "@AS@"
    headers: { X-Other: yes }
    events: { issuer: "https://other.test", audience: ["https://gateway.test"], keys: [other.json] }
routes:
  - { path: /*, upstream: "@UPSTREAM@", authorization_server: main }
  - { path: /other, upstream: "@UPSTREAM@", authorization_server: other }
"#;

impl World {
    #[track_caller]
    fn start() -> World {
        World::with(CONFIG)
    }

    #[track_caller]
    pub fn with(yaml: &str) -> World {
        World::signed_by(Signer::p256("main"), yaml)
    }

    #[track_caller]
    pub fn signed_by(signer: Signer, yaml: &str) -> World {
        let other = Signer::p256("other");
        let keys = |signer: &Signer| json!({ "keys": [signer.jwk()] }).to_string();
        let builder =
            Builder::new().file("main.json", &keys(&signer)).file("other.json", &keys(&other));
        let setup = Setup::build(builder, yaml);
        for (token, sub, client_id, jti, sid) in TOKENS {
            let mut answer = json!({ "sub": sub, "client_id": client_id, "jti": jti });
            if !sid.is_empty() {
                answer["sid"] = json!(sid);
            }
            setup.server.answer(token, active(answer));
        }
        let world = World { setup, signer, other };
        world.asked_again();
        world
    }

    /// Sends every token to both servers' routes, and returns those without a cached answer;
    /// `/other` marks the second server's.
    #[track_caller]
    pub fn asked_again(&self) -> Vec<String> {
        let mut again = Vec::new();
        for path in ["/", "/other"] {
            for (token, ..) in TOKENS {
                let before = self.setup.server.count();
                assert_eq!(self.setup.gateway.get_with(path, token).status, 200, "{path} {token}");
                if self.setup.server.count() > before {
                    again.push(format!("{token}{}", path.trim_end_matches('/')));
                }
            }
        }
        again
    }

    /// Good claims of one event about this subject.
    pub fn claims(&self, event: &str, sub_id: Value) -> Value {
        json!({
            "iss": ISSUER, "aud": AUDIENCE, "iat": now(), "jti": format!("{:016x}", rand::random::<u64>()),
            "sub_id": sub_id, "events": { event: { "event_timestamp": now() } },
        })
    }

    fn session_revoked(&self) -> Value {
        self.claims(&format!("{CAEP}/session-revoked"), iss_sub("alice"))
    }

    pub fn event(&self, claims: &Value) -> String {
        sign(&self.signer, claims)
    }

    #[track_caller]
    fn push(&self, token: &str) -> Response {
        self.post("application/secevent+jwt", token.as_bytes())
    }

    #[track_caller]
    fn logout(&self, token: &str) -> Response {
        self.post("application/x-www-form-urlencoded", format!("logout_token={token}").as_bytes())
    }

    #[track_caller]
    fn post(&self, content_type: &str, body: &[u8]) -> Response {
        let mut connection = self.setup.gateway.connect_admin();
        connection
            .request("POST", "/api/events", &[("Content-Type", content_type)], body)
            .expect("an answer")
    }

    pub fn metric(&self, labels: &str) -> f64 {
        self.setup.gateway.metric(&format!("introgate_events_total{{{labels}}}"))
    }
}

fn sign(signer: &Signer, claims: &Value) -> String {
    signer.sign_with(json!({ "typ": "secevent+jwt" }), claims)
}

pub fn iss_sub(sub: &str) -> Value {
    json!({ "format": "iss_sub", "iss": ISSUER, "sub": sub })
}

/// The claims but for these; `null` takes one away.
pub fn but(mut claims: Value, changes: Value) -> Value {
    let members = claims.as_object_mut().expect("an object");
    for (name, value) in changes.as_object().expect("an object") {
        match value {
            Value::Null => members.shift_remove(name),
            value => members.insert(name.clone(), value.clone()),
        };
    }
    claims
}
