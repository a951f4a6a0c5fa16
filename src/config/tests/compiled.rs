//! The settings that whole files compile to.

use super::{EXAMPLE, WHOLE, client_auth, read, told};
use crate::config::Settings;
use crate::extract::TokenPlace;
use crate::introspect::ClientAuth;
use crate::listen::{Limits, Listen, ListenerSettings, Protocols, Serves};
use crate::policy::AuthMode;
use crate::telemetry::{AccessLog, LogFormat};
use crate::upstream::{Balance, Endpoint};
use std::time::Duration;

fn settings(text: &str) -> Settings {
    let loaded = read(text);
    loaded.settings.unwrap_or_else(|| panic!("{:?}", loaded.problems))
}

#[test]
fn the_smallest_file_gets_all_defaults() {
    let settings = settings(WHOLE);
    assert!(settings.threads >= 1);
    let listener = ListenerSettings {
        serves: Serves::Proxy,
        address: Listen::Tcp(([0, 0, 0, 0], 8080).into()),
        protocols: Protocols::default(),
        proxy_protocol: false,
        tls: None,
        limits: Limits::default(),
    };
    assert_eq!(settings.listeners, [listener]);
    assert_eq!(settings.admin.address, Some(([127, 0, 0, 1], 9901).into()));
    assert_eq!(
        (settings.realm.as_str(), settings.shutdown_timeout),
        ("introgate", Duration::from_secs(30))
    );
    let server = &settings.servers[0];
    assert_eq!(
        (&*server.name, server.timeout, server.connect_timeout),
        ("main", Duration::from_secs(5), Duration::from_millis(500))
    );
    assert_eq!((server.max_response_size, server.max_concurrent, server.retries), (65_536, 256, 1));
    assert!(matches!(client_auth(server), Some(ClientAuth::None)));
    assert_eq!(
        (settings.cache.ttl, settings.cache.inactive_ttl),
        (Duration::from_secs(60), Duration::from_secs(10))
    );
    assert_eq!(
        (settings.cache.max_entries, settings.cache.inactive_max_entries),
        (100_000, 10_000)
    );
    assert_eq!(settings.token.from, [TokenPlace::Authorization]);
    assert_eq!((settings.token.max_length, settings.token.forward), (8192, false));
    assert_eq!(settings.identity.prefix, "X-Introspected-");
    assert_eq!((settings.log.format, settings.log.access), (LogFormat::Json, AccessLog::All));
    let route = &settings.routes[0];
    assert_eq!(
        (&*route.name, &*route.destination.upstream, route.demands.auth),
        ("/*", "http://127.0.0.1:9000", AuthMode::Required)
    );
    assert_eq!(
        (route.demands.authorization_servers.as_slice(), route.destination.timeout),
        (&["main".into()][..], Duration::from_secs(60))
    );
    let upstream = &settings.upstreams[0];
    assert_eq!((&*upstream.name, upstream.balance), ("http://127.0.0.1:9000", Balance::RoundRobin));
    assert_eq!(
        upstream.servers[0].at,
        Endpoint::Tcp { host: "127.0.0.1".into(), port: 9000, tls: false }
    );
}

#[test]
fn the_example_is_whole() {
    assert_eq!(told(EXAMPLE), [""; 0]);
    let settings = settings(EXAMPLE);
    assert_eq!(settings.routes.len(), 6);
    let upstream = settings.upstreams.iter().find(|upstream| &*upstream.name == "api");
    assert_eq!(
        upstream.map(|upstream| upstream.servers.iter().map(|server| server.weight).collect()),
        Some(vec![1, 2])
    );
    let main = settings.servers.iter().find(|server| &*server.name == "main");
    assert!(
        matches!(main.and_then(client_auth), Some(ClientAuth::ClientSecretBasic { client_secret, form_encode: true, .. })
        if client_secret.expose() == "change-me")
    );
}

#[test]
fn routes_inherit_key_by_key() {
    let settings = settings(
        "authorization_servers: {a: {introspection_endpoint: https://a}, b: {introspection_endpoint: https://b}}\n\
         defaults: {authorization_server: a, scopes: [read], audience: [x], max_age: 5s, preflight: pass}\n\
         routes:\n\
         - {path: /a, upstream: http://a}\n\
         - {path: /b, upstream: http://a, scopes: [write], authorization_server: [b]}\n\
         - {path: /c, upstream: http://a, auth: none}\n",
    );
    let [inherits, overrides, public] = &*settings.routes else { panic!("three routes") };
    assert_eq!(
        (&*inherits.demands.policy.scopes, &*inherits.demands.policy.audience),
        (&["read".to_owned()][..], &["x".to_owned()][..])
    );
    assert_eq!(
        (inherits.demands.authorization_servers.as_slice(), inherits.demands.preflight_pass),
        (&["a".into()][..], true)
    );
    assert_eq!(
        (&*overrides.demands.policy.scopes, &*overrides.demands.policy.audience),
        (&["write".to_owned()][..], &["x".to_owned()][..])
    );
    assert_eq!(
        (overrides.demands.authorization_servers.as_slice(), overrides.limits.max_age),
        (&["b".into()][..], Some(Duration::from_secs(5)))
    );
    assert_eq!(
        (
            public.demands.auth,
            public.demands.authorization_servers.len(),
            public.demands.policy.scopes.len()
        ),
        (AuthMode::None, 0, 0)
    );
    assert_eq!(settings.upstreams.len(), 1);
}

#[test]
fn derived_names_differ() {
    let settings = settings(
        "authorization_servers: {a: {introspection_endpoint: https://a}}\n\
         routes:\n\
         - {path: [/a, /b], host: x.com, methods: [GET, HEAD], upstream: http://a}\n\
         - {path: [/a, /c], host: x.com, methods: [POST], upstream: http://a, name: '/d'}\n\
         - {path: /d, upstream: http://a}\n\
         - {path: /e, upstream: http://a, name: '/d #2'}\n",
    );
    let names: Vec<&str> = settings.routes.iter().map(|route| &*route.name).collect();
    assert_eq!(names, ["GET,HEAD x.com/a +1", "/d", "/d #3", "/d #2"]);
}

#[test]
fn lone_references_become_numbers_and_booleans() {
    let settings = settings(&format!(
        "{WHOLE}threads: ${{FOUR}}\ntoken: {{ forward: \"${{YES}}\", max_length: \"${{NONE:-100}}\" }}\n\
         cache: {{ refresh_ahead: \"${{NONE:-0.5}}\", ttl: \"${{SHORT}}\" }}\nrealm: ${{FOUR}}\n"
    ));
    assert_eq!(
        (settings.threads, settings.token.forward, settings.token.max_length),
        (4, true, 100)
    );
    assert_eq!((settings.cache.refresh_ahead, settings.cache.ttl), (0.5, Duration::from_secs(5)));
    assert_eq!(settings.realm, "4");
}

#[test]
fn places_of_tokens() {
    let settings = settings(&format!(
        "{WHOLE}token: {{from: ['header:X-Token', header, query, 'query:t', 'cookie:c', form]}}\nadmin: {{address: off}}\n"
    ));
    let expected = [
        TokenPlace::Header(http::HeaderName::from_static("x-token")),
        TokenPlace::Authorization,
        TokenPlace::Query("access_token".into()),
        TokenPlace::Query("t".into()),
        TokenPlace::Cookie("c".into()),
        TokenPlace::Form,
    ];
    assert_eq!(settings.token.from, expected);
    assert_eq!(settings.admin.address, None);
}
