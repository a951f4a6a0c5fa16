//! django-oauth-toolkit as the authorization server, Python's `http.server` as the service: the
//! setup in the README.
//!
//! Tests run twice where client authentication could matter: with a bearer token of scope
//! `introspection`, and with HTTP Basic, where Django's password hashing makes each
//! introspection cost a third of a second or more.

use super::django::Django;
use super::legacy_service::{ITEMS, LegacyService};
use super::parts::unless_missing;
use super::python;
use super::situations::{alone, assert_unavailable};
use crate::support::{Gateway, Response, now, wait_until, wait_within};
use std::sync::MutexGuard;
use std::time::{Duration, Instant};

const BEARER: &str = r#"{ method: bearer, token: "${INTROSPECTION_TOKEN}" }"#;
const BASIC: &str = r#"{ method: client_secret_basic, client_id: "${GATEWAY_CLIENT_ID}", client_secret: "${GATEWAY_CLIENT_SECRET}" }"#;

macro_rules! with_bearer_and_basic {
    ($($test:ident)*) => {
        mod bearer { $(#[test] fn $test() { super::$test(super::BEARER) })* }
        mod basic { $(#[test] fn $test() { super::$test(super::BASIC) })* }
    };
}

with_bearer_and_basic! {
    an_active_token_passes_and_the_service_learns_whose_it_is
    a_token_that_does_not_suffice_is_refused
    while_django_is_down_cached_tokens_work_and_others_get_503
}

fn an_active_token_passes_and_the_service_learns_whose_it_is(client_auth: &str) {
    let Some(parts) = Parts::start() else { return };
    let gateway = parts.gateway(client_auth, "60s");
    let token = parts.django.seeded("active_token");

    let served = gateway.get_with("/items.txt", token);
    assert_eq!((served.status, served.text().as_str()), (200, ITEMS));

    let bearer = format!("Bearer {token}");
    let forged = [
        ("Authorization", bearer.as_str()),
        ("X-Introspected-Username", "admin"),
        ("X-Introspected-Sub", "1"),
        ("X_Introspected_Sub", "1"),
    ];
    let seen = Seen::by_the_service(&gateway.get("/echo", &forged));
    assert_eq!(seen.all("X-Introspected-Username"), ["jdoe"]);
    assert_eq!(seen.all("X-Introspected-Client-Id"), ["app"]);
    assert_eq!(seen.all("X-Introspected-Scope"), ["read write"]);
    assert_eq!(seen.all("X-Introspected-Server"), ["django"]);
    let exp: i64 = seen.all("X-Introspected-Exp")[0].parse().expect("seconds");
    assert!((now()..=now() + 3600).contains(&exp), "{exp}");
    // django-oauth-toolkit knows no `sub`, and the token is not the service's business
    assert!(seen.all("X-Introspected-Sub").is_empty(), "{seen:?}");
    assert!(seen.all("X_Introspected_Sub").is_empty(), "{seen:?}");
    assert!(seen.all("Authorization").is_empty(), "{seen:?}");

    let own = parts.django.server.issue("app", "read", None);
    let seen = Seen::by_the_service(&gateway.get_with("/echo", &own));
    assert_eq!(seen.all("X-Introspected-Client-Id"), ["app"]);
    assert!(seen.all("X-Introspected-Username").is_empty(), "{seen:?}");

    let asked = gateway.metric("introgate_introspections_total{server=\"django\"}");
    assert_eq!(asked, 2.0, "one introspection for each token");
}

fn a_token_that_does_not_suffice_is_refused(client_auth: &str) {
    let Some(parts) = Parts::start() else { return };
    let gateway = parts.gateway(client_auth, "60s");

    let none = gateway.get("/echo", &[]);
    assert_refused(&none, 401, "missing_token");
    assert!(!challenge(&none).contains("error="), "{none:?}");

    let narrow = gateway.get_with("/echo", parts.django.seeded("narrow_token"));
    assert_refused(&narrow, 403, "insufficient_scope");
    assert!(challenge(&narrow).contains(r#"error="insufficient_scope""#));
    assert!(challenge(&narrow).contains(r#"scope="read""#), "{narrow:?}");

    // Django gives the same answer for an expired token as for an unknown one: `{"active": false}`
    for token in [parts.django.seeded("expired_token"), "never-issued"] {
        let refusal = gateway.get_with("/echo", token);
        assert_refused(&refusal, 401, "inactive");
        assert!(challenge(&refusal).contains(r#"error="invalid_token""#));
    }
}

fn while_django_is_down_cached_tokens_work_and_others_get_503(client_auth: &str) {
    const TTL: Duration = Duration::from_secs(6);
    let Some(mut parts) = Parts::start() else {
        return;
    };
    let gateway = parts.gateway(client_auth, "6s");
    let active = parts.django.seeded("active_token").to_owned();
    let late = parts.django.seeded("late_token").to_owned();
    assert_eq!(gateway.get_with("/echo", &active).status, 200);
    let cached = Instant::now();

    parts.django.server.stop();
    let new = gateway.get_with("/echo", &late);
    assert_unavailable(&new);
    assert_eq!(new.reason(), "as_unavailable");
    // more failures than the circuit breaker bears: from then on no request waits for a connection
    let rest = (0..8).map(|n| gateway.get_with("/echo", &format!("never-issued-{n}")));
    let rest: Vec<_> = rest.inspect(assert_unavailable).collect();
    assert_eq!(rest[7].reason(), "as_circuit_open");

    let still = gateway.get_with("/echo", &active);
    assert!(cached.elapsed() < TTL, "this machine is too slow to tell");
    let seen = Seen::by_the_service(&still);
    assert_eq!(seen.all("X-Introspected-Username"), ["jdoe"]);
    wait_within(TTL * 2, "the cached answer ends", || {
        let response = gateway.get_with("/echo", &active);
        if response.status == 200 {
            return false;
        }
        assert_unavailable(&response);
        true
    });

    parts.django.server.come_back();
    for token in [&late, &active] {
        wait_within(Duration::from_secs(30), "it works again", || {
            let response = gateway.get_with("/echo", token);
            if response.status == 200 {
                return true;
            }
            assert_unavailable(&response);
            // a client that heeds Retry-After is slower than this
            std::thread::sleep(Duration::from_millis(200));
            false
        });
    }
    let unknown = gateway.get_with("/echo", "never-issued-0");
    assert_refused(&unknown, 401, "inactive");
}

#[test]
fn credentials_of_ours_that_django_rejects_are_no_fault_of_the_client() {
    let Some(parts) = Parts::start() else { return };
    let secret = parts.django.seeded("gateway_client_secret");
    let no_scope = parts.django.seeded("active_token");
    let basic = |secret: &str, more: &str| {
        format!(
            "{{ method: client_secret_basic, client_id: gateway, client_secret: \"{secret}\"{more} }}"
        )
    };
    // Django answers all of these with 403 and an empty text/html
    for client_auth in [
        "{ method: none }".to_owned(),
        "{ method: bearer, token: never-issued }".to_owned(),
        format!("{{ method: bearer, token: \"{no_scope}\" }}"),
        basic("not-the-secret", ""),
        // Django decodes credentials that were never encoded
        basic(secret, ", form_encode: false"),
        "{ method: client_secret_post, client_id: gateway, client_secret: not-the-secret }"
            .to_owned(),
    ] {
        let gateway = parts.gateway(&client_auth, "60s");
        // more often than the circuit breaker bears: Django is well, so it has to stay closed
        for n in 0..6 {
            let response = gateway.get_with("/echo", &format!("token-{n}"));
            assert_unavailable(&response);
            assert_eq!(response.reason(), "as_rejected_us", "{client_auth}");
        }
        let said = gateway.stderr() + &gateway.stdout();
        for credential in [secret, no_scope, "not-the-secret"] {
            assert!(!said.contains(credential), "{said}");
        }
    }
}

#[test]
fn a_missing_final_slash_is_named_as_the_reason() {
    let Some(parts) = Parts::start() else { return };
    let endpoint = parts.django.introspection_endpoint();
    let gateway = parts.gateway_asking(endpoint.trim_end_matches('/'), BEARER, "60s");

    let response = gateway.get_with("/echo", parts.django.seeded("active_token"));
    assert_unavailable(&response);
    assert_eq!(response.reason(), "as_bad_response");
    wait_until("the log names the redirect and its usual reason", || {
        let said = gateway.stderr();
        said.contains("/o/introspect/") && said.contains("slash")
    });
}

/// Everything but the gateway.
struct Parts {
    django: Django,
    service: LegacyService,
    _alone: MutexGuard<'static, ()>,
}

impl Parts {
    /// `None`, with a message, if a part is missing.
    #[track_caller]
    fn start() -> Option<Parts> {
        let python = unless_missing(python::with_django())?;
        let alone = alone();
        Some(Parts {
            django: Django::start(python),
            service: LegacyService::start(),
            _alone: alone,
        })
    }

    #[track_caller]
    fn gateway(&self, client_auth: &str, ttl: &str) -> Gateway {
        self.gateway_asking(&self.django.introspection_endpoint(), client_auth, ttl)
    }

    #[track_caller]
    fn gateway_asking(&self, endpoint: &str, client_auth: &str, ttl: &str) -> Gateway {
        let service = self.service.url();
        let seeded = |name| self.django.seeded(name);
        Gateway::env("INTROSPECTION_TOKEN", seeded("introspection_token"))
            .env("GATEWAY_CLIENT_ID", seeded("gateway_client_id"))
            .env("GATEWAY_CLIENT_SECRET", seeded("gateway_client_secret"))
            .start(&format!(
                "
authorization_servers:
  django:
    introspection_endpoint: {endpoint}
    client_auth: {client_auth}
cache: {{ ttl: {ttl} }}
routes:
  - {{ path: /*, upstream: \"{service}\", scopes: [read] }}
"
            ))
    }
}

/// The headers that the service echoes.
#[derive(Debug)]
struct Seen(Vec<(String, String)>);

impl Seen {
    #[track_caller]
    fn by_the_service(response: &Response) -> Seen {
        assert_eq!(response.status, 200, "{response:?}");
        let pairs: Vec<(String, String)> =
            serde_json::from_value(response.json()).expect("pairs from /echo");
        Seen(pairs)
    }

    fn all(&self, name: &str) -> Vec<&str> {
        let named = self.0.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }
}

#[track_caller]
fn assert_refused(response: &Response, status: u16, reason: &str) {
    assert_eq!(response.status, status, "{response:?}");
    assert_eq!(response.reason(), reason, "{response:?}");
}

#[track_caller]
fn challenge(response: &Response) -> &str {
    let challenge = response.header("WWW-Authenticate");
    let challenge = challenge.unwrap_or_else(|| panic!("no challenge: {response:?}"));
    assert!(challenge.starts_with("Bearer realm="), "{challenge}");
    challenge
}
