//! `authorization_servers`.

use super::{told, with_server};

#[test]
fn no_endpoint() {
    let expected: &[&str] = &[
        "1:25: error: authorization_servers.a.introspection_endpoint: is missing; write the URL of the server's introspection endpoint, or its `issuer`",
    ];
    assert_eq!(
        told(
            "\
         authorization_servers: {a: {}}\n\
         routes: [{path: /*, upstream: http://b}]\n"
        ),
        expected
    );
}

#[test]
fn discovery() {
    let expected: &[&str] = &[
        "3:15: error: authorization_servers.b.issuer: is plain http, and its content decides whom to trust; write `introspection_endpoint` as well",
        "4:15: error: authorization_servers.c.issuer: is not an https URL, and so nothing can be found by it; write `introspection_endpoint` as well",
    ];
    assert_eq!(
        told(
            "\
         authorization_servers:\n\
         \x20 a: {issuer: https://as.example.com}\n\
         \x20 b: {issuer: http://as.example.com}\n\
         \x20 c: {issuer: as.example.com}\n\
         \x20 d: {issuer: http://localhost:1/x}\n\
         routes:\n\
         - {path: /a, upstream: http://b, authorization_server: a}\n\
         - {path: /d, upstream: http://b, authorization_server: d}\n"
        ),
        expected
    );
}

#[test]
fn endpoints() {
    let expected: &[&str] = &[
        "2:32: warning: authorization_servers.a.introspection_endpoint[0]: is plain http: tokens and the gateway's own credentials cross the network unprotected; use https",
        "2:81: error: authorization_servers.a.introspection_endpoint[2]: must start with `http://` or `https://`; write a URL such as `https://as.example.com/introspect`",
        "2:97: error: authorization_servers.a.introspection_endpoint[3]: is not a URL: empty host; write one such as `https://as.example.com/introspect`",
        "2:109: error: authorization_servers.a.introspection_endpoint[4]: must have no user name and password; for an authorization server they belong into `client_auth`",
        "2:126: error: authorization_servers.a.introspection_endpoint[5]: must have no fragment; remove `#` and everything after it",
        "2:141: error: authorization_servers.a.introspection_endpoint[6]: is a duplicate; remove one of the two",
        "2:167: error: authorization_servers.a.introspection_endpoint[7]: must have no white space; a URL has none",
        "2:182: error: authorization_servers.a.introspection_endpoint[8]: must start with `http://` or `https://`; write a URL such as `https://as.example.com/introspect`",
    ];
    assert_eq!(
        told(
            "\
         authorization_servers:\n\
         \x20 a: {introspection_endpoint: [http://as.example.com, http://localhost:1/x?a=b, as.example.com, 'https://', 'https://u:p@a', 'https://a#b', http://localhost:1/x?a=b, 'https://a b', ftp://a]}\n\
         routes: [{path: /*, upstream: http://b}]\n"
        ),
        expected
    );
}

#[test]
fn issuers() {
    let expected: &[&str] = &[
        "4:13: error: authorization_servers.main.issuer: must have no query and no fragment (RFC 8414 §2)",
        "5:20: error: authorization_servers.second.issuer: is empty; write the required value of `iss`, or remove the key",
        "6:27: error: authorization_servers.third.require_issuer: needs `issuer`: write the required value of `iss`, or remove this key",
        "7:20: error: authorization_servers.fourth.issuer: must have no white space: no `iss` would ever match",
        "9:5: error: routes[0].authorization_server: is missing; there are several, so name one: fourth, main, second, third",
    ];
    assert_eq!(
        with_server(
            "\
         \x20   issuer: https://as.example.com/?a=b\n\
         \x20 second: {issuer: '', introspection_endpoint: https://a}\n\
         \x20 third: {require_issuer: true, introspection_endpoint: https://a}\n\
         \x20 fourth: {issuer: 'a b', introspection_endpoint: https://a}\n"
        ),
        expected
    );
}

#[test]
fn bearer_without_token() {
    let expected: &[&str] = &[
        "4:5: error: authorization_servers.main.client_auth.token: is missing; `bearer` needs it, or `token_file`",
    ];
    assert_eq!(with_server("    client_auth: {method: bearer}\n"), expected);
}

#[test]
fn an_empty_token_from_outside() {
    let expected: &[&str] = &[
        "4:42: error: authorization_servers.main.client_auth.token: is empty; `bearer` needs it, or `token_file`",
    ];
    assert_eq!(with_server("    client_auth: {method: bearer, token: \"${EMPTY}\"}\n"), expected);
}

#[test]
fn a_token_that_cannot_be_sent() {
    let expected: &[&str] = &[
        "4:42: error: authorization_servers.main.client_auth.token: has white space or characters other than visible ASCII, and cannot be sent in a header",
    ];
    assert_eq!(with_server("    client_auth: {method: bearer, token: \"two words\"}\n"), expected);
}

#[test]
fn members_of_other_methods() {
    let expected: &[&str] = &[
        "7:7: error: authorization_servers.main.client_auth.client_id: belongs to `client_secret_basic`, `client_secret_post`, `client_secret_jwt`, `private_key_jwt`, `client_assertion`, `tls_client_auth`, `self_signed_tls_client_auth` and `client_credentials`, and the method is `bearer`; write exactly one method and its keys",
        "8:7: error: authorization_servers.main.client_auth.client_secret: belongs to `client_secret_basic`, `client_secret_post`, `client_secret_jwt` and `client_credentials`, and the method is `bearer`; write exactly one method and its keys",
        "9:7: error: authorization_servers.main.client_auth.form_encode: belongs to `client_secret_basic` and `client_credentials`, and the method is `bearer`; write exactly one method and its keys",
    ];
    assert_eq!(
        with_server(
            "\
         \x20   client_auth:\n\
         \x20     method: bearer\n\
         \x20     token: x\n\
         \x20     client_id: y\n\
         \x20     client_secret: z\n\
         \x20     form_encode: false\n"
        ),
        expected
    );
}

#[test]
fn a_forgotten_method() {
    let expected: &[&str] = &[
        "4:19: error: authorization_servers.main.client_auth.token: belongs to `bearer`, and the method is `none`, the default; write exactly one method and its keys",
    ];
    assert_eq!(with_server("    client_auth: {token: x}\n"), expected);
}

#[test]
fn basic_without_its_parts() {
    let expected: &[&str] = &[
        "4:5: error: authorization_servers.main.client_auth.client_id: is missing; `client_secret_basic` needs it",
        "4:5: error: authorization_servers.main.client_auth.client_secret: is missing; `client_secret_basic` needs it, or `client_secret_file`",
    ];
    assert_eq!(with_server("    client_auth: {method: client_secret_basic}\n"), expected);
}

#[test]
fn a_colon_without_encoding() {
    let expected: &[&str] = &[
        "4:59: error: authorization_servers.main.client_auth.client_id: has a colon, which Basic cannot carry without encoding; use `form_encode: true` or `client_secret_post`",
    ];
    assert_eq!(
        with_server(
            "    client_auth: {method: client_secret_basic, client_id: 'a:b', client_secret: c, form_encode: false}\n"
        ),
        expected
    );
}

#[test]
fn post_with_both_secrets() {
    let expected: &[&str] = &[
        "4:79: error: authorization_servers.main.client_auth.client_secret_file: `client_secret` is written as well; keep one of the two",
    ];
    assert_eq!(
        with_server(
            "    client_auth: {method: client_secret_post, client_id: a, client_secret: b, client_secret_file: /nonexistent}\n"
        ),
        expected
    );
}

#[test]
fn an_unknown_method() {
    let expected: &[&str] = &[
        "4:27: error: authorization_servers.main.client_auth.method: expected one of `none`, `bearer`, `client_secret_basic`, `client_secret_post`, `client_secret_jwt`, `private_key_jwt`, `client_assertion`, `tls_client_auth`, `self_signed_tls_client_auth`, `client_credentials`, found `basic`",
    ];
    assert_eq!(with_server("    client_auth: {method: basic, client_id: a}\n"), expected);
}

#[test]
fn parameters() {
    let expected: &[&str] = &[
        "4:18: error: authorization_servers.main.parameters.token: is sent by the gateway itself; remove it",
        "4:28: error: authorization_servers.main.parameters.token_type_hint: has a key of its own beside `parameters`: `token_type_hint`",
        "4:48: error: authorization_servers.main.parameters.client_id: is a matter of `client_auth`; remove it here",
        "4:78: error: authorization_servers.main.parameters.n: expected text, found [redacted]; put it in quotes",
    ];
    assert_eq!(
        with_server(
            "    parameters: {token: a, token_type_hint: b, client_id: c, resource: d, n: 1}\n"
        ),
        expected
    );
}

#[test]
fn headers() {
    let expected: &[&str] = &[
        "4:15: error: authorization_servers.main.headers.authorization: is a matter of `client_auth`; remove it here",
        "4:33: error: authorization_servers.main.headers.Host: is set by the gateway itself; remove it",
        "4:42: error: authorization_servers.main.headers.Content-Type: is set by the gateway itself; remove it",
        "4:67: error: authorization_servers.main.headers.x-a: is a duplicate, since header names are case-insensitive; remove one of the two",
        "4:75: error: authorization_servers.main.headers.\"b d\": `\"b d\"` is not the name of a header",
        "4:90: error: authorization_servers.main.headers.X-B: cannot be a header's value: it must be visible ASCII and spaces",
        "4:98: error: authorization_servers.main.headers.Content-Length: is set by the gateway itself; remove it",
        "4:119: error: authorization_servers.main.headers.X-Forwarded-Host: is sent because of `forward_host`; remove one of the two",
        "5:19: warning: authorization_servers.main.forward_host: forwards no host, since no route names one: write the public name as `host` of the routes, without `*`",
    ];
    assert_eq!(
        with_server(
            "\
         \x20   headers: {authorization: a, Host: b, Content-Type: c, X-A: d, x-a: e, 'b d': f, X-B: \"a\\nb\", Content-Length: '1', X-Forwarded-Host: g}\n\
         \x20   forward_host: true\n"
        ),
        expected
    );
}

#[test]
fn limits() {
    let expected: &[&str] = &[
        "4:14: error: authorization_servers.main.timeout: must be longer than zero",
        "6:24: error: authorization_servers.main.max_response_size: must be more than nothing; `64KiB` is plenty",
        "7:33: error: authorization_servers.main.circuit_breaker.failures: must be at least 1, found `0`",
        "7:46: error: authorization_servers.main.circuit_breaker.open_for: must be longer than zero",
        "8:14: error: authorization_servers.main.retries: must be at most 10, found `11`",
        "9:22: warning: authorization_servers.main.token_type_hint: is not a registered hint (RFC 7009 §2.1); servers may take a token for inactive because of it; write `access_token`",
    ];
    assert_eq!(
        with_server(
            "\
         \x20   timeout: 0s\n\
         \x20   connect_timeout: 10s\n\
         \x20   max_response_size: 0B\n\
         \x20   circuit_breaker: {failures: 0, open_for: 0s}\n\
         \x20   retries: 11\n\
         \x20   token_type_hint: bearer\n"
        ),
        expected
    );
    let too_large: &[&str] = &[
        "4:24: error: authorization_servers.main.max_response_size: must be at most 16MiB; `64KiB` is plenty",
    ];
    assert_eq!(with_server("    max_response_size: 17MiB\n"), too_large);
}

#[test]
fn a_connect_timeout_that_never_comes() {
    let expected: &[&str] = &[
        "5:22: warning: authorization_servers.main.connect_timeout: is longer than `timeout`, which ends the whole call before",
    ];
    assert_eq!(
        with_server(
            "\
         \x20   timeout: 1s\n\
         \x20   connect_timeout: 2s\n"
        ),
        expected
    );
}

#[test]
fn trust_roots_that_are_missing() {
    let expected: &[&str] = &[
        "4:15: error: authorization_servers.main.tls.ca: there is no such file; create it, or correct its name",
    ];
    assert_eq!(with_server("    tls: {ca: /nonexistent/ca.pem}\n"), expected);
}

#[test]
fn names() {
    let expected: &[&str] = &[
        "4:3: error: authorization_servers.\"bad name\": `\"bad name\"` is not a name; use at most 64 of letters, digits, `-`, `_` and `.`, a letter or digit first",
        "6:5: error: routes[0].authorization_server: is missing; there are several, so name one: bad name, main",
    ];
    assert_eq!(with_server("  'bad name': {introspection_endpoint: https://a}\n"), expected);
}

fn events(of_server: &str, of_events: &str) -> Vec<String> {
    let told = told(&format!(
        "authorization_servers:\n  a: {{{of_server}, events: {{{of_events}}}}}\n  b: {{introspection_endpoint: https://b}}\n\
         routes: [{{path: /*, upstream: http://b, authorization_server: a}}, {{path: /b, upstream: http://b, authorization_server: b}}]\n"
    ));
    told.iter().filter_map(|told| Some(told.split_once(": ")?.1.to_owned())).collect()
}

#[test]
fn events_need_an_audience_an_issuer_and_keys() {
    let (endpoint, fine): (_, &[&str]) = ("introspection_endpoint: https://a", &[]);
    assert_eq!(events(&format!("{endpoint}, issuer: https://a"), "audience: [g]"), fine);
    assert_eq!(events(endpoint, "audience: [g], issuer: https://a"), fine);
    assert_eq!(
        events(
            endpoint,
            "audience: [g], issuer: any, jwks_uri: https://a/k, algorithms: [PS256], max_age: 1h"
        ),
        fine
    );
    assert_eq!(
        events("type: google, audience: [x]", "audience: [g], issuer: https://accounts.google.com"),
        fine
    );
    assert_eq!(
        events("type: jwt, issuer: https://a, audience: [x], then: b", "audience: [g]"),
        fine
    );
    for (of_server, of_events, expected) in [
        (
            endpoint,
            "issuer: https://a",
            "error: authorization_servers.a.events.audience: is missing",
        ),
        (
            endpoint,
            "audience: [], issuer: https://a",
            "error: authorization_servers.a.events.audience: ",
        ),
        (
            endpoint,
            "audience: [''], issuer: https://a",
            "error: authorization_servers.a.events.audience[0]: is empty",
        ),
        (
            endpoint,
            "audience: [g]",
            "error: authorization_servers.a.events.issuer: is missing; write the exact `iss` of events",
        ),
        (
            endpoint,
            "audience: [g], issuer: ''",
            "error: authorization_servers.a.events.issuer: is empty",
        ),
        (
            endpoint,
            "audience: [g], issuer: any",
            "error: authorization_servers.a.events.issuer: is not an https URL",
        ),
        (
            endpoint,
            "audience: [g], issuer: http://a",
            "error: authorization_servers.a.events.issuer: is plain http",
        ),
        (
            endpoint,
            "audience: [g], issuer: any, keys: [/nonexistent]",
            "error: authorization_servers.a.events.keys[0]: there is no such file",
        ),
        (
            endpoint,
            "audience: [g], issuer: any, jwks_uri: http://a/k",
            "warning: authorization_servers.a.events.jwks_uri: is plain http",
        ),
        (
            endpoint,
            "audience: [g], issuer: https://a, algorithms: [none]",
            "error: authorization_servers.a.events.algorithms[0]: means no signature",
        ),
        (
            endpoint,
            "audience: [g], issuer: https://a, algorithms: [HS256]",
            "error: authorization_servers.a.events.algorithms[0]: is a secret-key",
        ),
        (
            endpoint,
            "audience: [g], issuer: https://a, max_age: 0s",
            "error: authorization_servers.a.events.max_age: must be longer",
        ),
        (
            endpoint,
            "audience: [g], issuer: https://a, window: 1m",
            "error: authorization_servers.a.events.window: ",
        ),
        (
            "type: jwt, issuer: https://a, audience: [x]",
            "audience: [g]",
            "error: authorization_servers.a.events: would end nothing",
        ),
        (
            "type: jwt, issuer: 'https://a/{tenantid}', tenants: [t], audience: [x], then: b",
            "audience: [g]",
            "error: authorization_servers.a.events.issuer: is missing",
        ),
    ] {
        let told = events(of_server, of_events);
        assert!(
            told.len() == 1 && told[0].starts_with(expected),
            "{of_server}, {of_events}: {told:?}"
        );
    }
    let off = told(
        "admin: {address: off}\nauthorization_servers: {a: {introspection_endpoint: https://a, issuer: https://a, events: {audience: [g]}}}\n\
         routes: [{path: /*, upstream: http://b}]\n",
    );
    assert!(off.len() == 1 && off[0].contains("`admin.address` is `off`"), "{off:?}");
}

#[test]
fn events_by_poll_and_streams() {
    let (endpoint, fine): (_, &[&str]) =
        ("introspection_endpoint: https://a, issuer: https://a", &[]);
    let poll = "audience: [g], delivery: poll";
    for of_events in [
        format!("{poll}, poll_endpoint: https://a/poll, poll_interval: 1s"),
        format!("{poll}, transmitter: https://t/x, verify_every: 1m"),
        format!("{poll}, poll_endpoint: https://a/poll, client_auth: {{method: bearer, token: t}}"),
        format!(
            "{poll}, poll_endpoint: https://a/poll, client_auth: {{method: client_credentials, client_id: i, client_secret: s}}"
        ),
    ] {
        assert_eq!(events(endpoint, &of_events), fine, "{of_events}");
    }
    let post = "introspection_endpoint: https://a, issuer: https://a, client_auth: {method: client_secret_post, client_id: i, client_secret: s}";
    assert_eq!(events(post, "audience: [g]"), fine, "a push needs no credentials");
    let at = "error: authorization_servers.a.events.";
    for (of_server, of_events, expected) in [
        (endpoint, "delivery: poll", "poll_endpoint: is missing; `delivery: poll` needs it"),
        (endpoint, "delivery: pull", "delivery: "),
        (
            endpoint,
            "delivery: poll, poll_endpoint: https://a, transmitter: https://t",
            "poll_endpoint: `transmitter` is written as well",
        ),
        (endpoint, "poll_endpoint: https://a", "poll_endpoint: belongs to `delivery: poll`"),
        (endpoint, "poll_interval: 1s", "poll_interval: belongs to `delivery: poll`"),
        (endpoint, "verify_every: 1s", "verify_every: needs `transmitter`"),
        (
            endpoint,
            "delivery: poll, poll_endpoint: https://a, poll_interval: 0s",
            "poll_interval: must be longer than zero",
        ),
        (
            endpoint,
            "delivery: poll, transmitter: https://t, verify_every: 0s",
            "verify_every: must be longer than zero",
        ),
        (endpoint, "delivery: poll, transmitter: http://t", "transmitter: is plain http"),
        (endpoint, "delivery: poll, transmitter: t", "transmitter: is not an https URL"),
        (endpoint, "transmitter: https://t", "transmitter: needs `public_url`"),
        (endpoint, "client_auth: {method: bearer, token: t}", "client_auth: has no effect"),
        (
            post,
            "delivery: poll, poll_endpoint: https://a",
            "client_auth: the server's own method sends credentials in a form",
        ),
        (
            endpoint,
            "delivery: poll, poll_endpoint: https://a, client_auth: {method: client_secret_post, client_id: i, client_secret: s}",
            "client_auth: its method sends credentials in a form",
        ),
        (
            endpoint,
            "delivery: poll, poll_endpoint: https://a, client_auth: {method: bearer}",
            "client_auth.token: is missing",
        ),
    ] {
        let told = events(of_server, &format!("audience: [g], {of_events}"));
        let expected = format!("{at}{expected}");
        assert!(told.len() == 1 && told[0].starts_with(&expected), "{of_events}: {told:?}");
    }
    let off = told(
        "admin: {address: off}\nauthorization_servers: {a: {introspection_endpoint: https://a, issuer: https://a, events: {audience: [g], delivery: poll, poll_endpoint: https://a/p}}}\n\
         routes: [{path: /*, upstream: http://b}]\n",
    );
    assert!(!off.concat().contains("error"), "polling needs no admin listener: {off:?}");
}

#[test]
fn scope_implications() {
    let expected: &[&str] = &[
        "4:26: error: authorization_servers.main.scope_implications.\"a b\": `\"a b\"` is not a scope; write the name of one",
        "4:35: error: authorization_servers.main.scope_implications.\"a b\"[1]: is empty; name a scope",
    ];
    assert_eq!(with_server("    scope_implications: {a b: [c, '']}\n"), expected);
    let expected: &[&str] = &[
        "4:34: error: authorization_servers.main.scope_implications.b: is part of a circle: `b` → `c` → `b`; remove one of these implications",
    ];
    assert_eq!(with_server("    scope_implications: {a: [b], b: [c], c: [d, b]}\n"), expected);
    let none: &[&str] = &[];
    assert_eq!(with_server("    scope_implications: {a: [b, c], b: [d], c: [d]}\n"), none);
}

#[test]
fn proxies() {
    for (keys, expected) in [
        ("proxy: 'http://proxy.internal:3128'", None),
        ("proxy: 'https://u:p%40@proxy.internal'", None),
        ("proxy: 'http://[::1]:3128/'", None),
        ("proxy: environment", None),
        ("proxy: ''", None),
        (
            "proxy: proxy.internal",
            Some("is not a URL; write one such as `http://proxy.internal:3128`"),
        ),
        ("proxy: 'socks5://proxy.internal:1080'", Some("must start with `http://` or `https://`")),
        ("proxy: 'proxy.internal:3128'", Some("must start with `http://` or `https://`")),
        ("proxy: 'http://proxy.internal/x'", Some("must have no path, query and fragment")),
        ("proxy: 'http://proxy.internal?hunter2'", Some("must have no path, query and fragment")),
        ("proxy: 'http://:hunter2@proxy.internal'", Some("has a password and no user name")),
        (
            "proxy: environment, tls: {server_name: a.b}",
            Some("cannot be used together with `tls.server_name`"),
        ),
        ("proxy: environment, proxy_file: x", Some("`proxy` is written as well")),
        ("proxy_file: no-such-file", Some("there is no such file")),
    ] {
        let text = format!(
            "authorization_servers: {{a: {{introspection_endpoint: https://a/x, {keys}}}}}\nroutes: [{{path: /*, upstream: http://b, scopes: [x]}}]\n"
        );
        let told = told(&text);
        assert_eq!(told.len(), usize::from(expected.is_some()), "{keys}: {told:?}");
        assert!(
            told.iter().all(|line| line.contains(expected.unwrap_or_default())),
            "{keys}: {told:?}"
        );
        assert!(!told.concat().contains("hunter2"), "{told:?}");
    }
}
