//! The headers that the service trusts: only the gateway can set them, and no value can break them.

use crate::support::{Behaviour, Request, Setup, active, now, one_route, percent_decode};
use base64::prelude::*;
use serde_json::{Value, json};

/// The headers that a service could take for the gateway's, in any spelling.
fn introspected(request: &Request) -> Vec<(String, String)> {
    let lower = |name: &str| name.to_lowercase().replace(['_', '.'], "-");
    let named =
        request.headers.iter().filter(|(name, _)| lower(name).starts_with("x-introspected-"));
    let mut named: Vec<_> = named.map(|(name, value)| (lower(name), value.clone())).collect();
    named.sort();
    named
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(name, value)| (format!("x-introspected-{name}"), value.to_string()))
        .collect()
}

const FORGED: [(&str, &str); 12] = [
    ("X-Introspected-Sub", "evil"),
    ("x-introspected-sub", "evil"),
    ("X-INTROSPECTED-SUB", "evil"),
    ("X_Introspected_Sub", "evil"),
    ("X.Introspected.Sub", "evil"),
    ("X-Introspected_Sub", "evil"),
    ("x_introspected-scope", "evil"),
    ("X-Introspected-Role", "evil"),
    ("X-Introspected-Claims", "evil"),
    ("X-Introspected-Assertion", "evil"),
    ("X-Introspected-", "evil"),
    ("X_Introspected.Aud", "evil"),
];

/// Pitfalls 51 and 53: every spelling, on every path that reaches a service.
#[test]
fn forged_headers_are_removed_on_every_path() {
    let setup = Setup::start(
        r#"
routes:
  - { path: /guarded, upstream: "@UPSTREAM@" }
  - { path: /optional, upstream: "@UPSTREAM@", auth: optional }
  - { path: /open, upstream: "@UPSTREAM@", auth: none }
  - { path: /preflight, upstream: "@UPSTREAM@", preflight: pass }
"#,
    );
    let with = |more: &[(&'static str, &'static str)]| [&FORGED, more].concat();
    let bearer = ("Authorization", "Bearer narrow");
    let ours = pairs(&[("scope", "other"), ("server", "main"), ("sub", "bob")]);
    for path in ["/guarded", "/optional"] {
        assert_eq!(setup.gateway.get(path, &with(&[bearer])).status, 200);
        assert_eq!(introspected(&setup.upstream.last()), ours, "{path}");
    }
    for path in ["/optional", "/open"] {
        assert_eq!(setup.gateway.get(path, &with(&[])).status, 200);
        assert_eq!(introspected(&setup.upstream.last()), [], "{path}");
    }
    let preflight = [("Origin", "https://app.test"), ("Access-Control-Request-Method", "GET")];
    assert_eq!(setup.gateway.request("OPTIONS", "/preflight", &with(&preflight), b"").status, 200);
    assert_eq!(introspected(&setup.upstream.last()), []);

    let upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket")];
    for (path, more, expected) in [("/open", None, vec![]), ("/guarded", Some(bearer), ours)] {
        let mut headers = with(&upgrade);
        headers.extend(more);
        let mut connection = setup.gateway.connect();
        let response = connection.request("GET", path, &headers, b"").expect("an answer");
        assert_eq!(response.status, 101);
        assert_eq!(introspected(&setup.upstream.last()), expected, "websocket on {path}");
    }
}

/// Names that merely look alike are the client's own.
#[test]
fn other_headers_pass() {
    let setup = Setup::route("");
    let headers = [
        ("Authorization", "Bearer good"),
        ("X-Introspect", "1"),
        ("Introspected-Sub", "2"),
        ("X-Own", "a"),
        ("X-Own", "b"),
    ];
    assert_eq!(setup.gateway.get("/", &headers).status, 200);
    let seen = setup.upstream.last();
    assert_eq!(
        (seen.header("x-introspect"), seen.header("introspected-sub")),
        (Some("1"), Some("2"))
    );
    assert_eq!(seen.headers_all("x-own"), ["a", "b"]);
}

#[test]
fn the_prefix_can_be_another_one() {
    let setup = Setup::start(&format!("identity: {{ prefix: X-Auth- }}\n{}", one_route("")));
    let headers = [
        ("Authorization", "Bearer good"),
        ("X-Auth-Sub", "evil"),
        ("x_auth.role", "evil"),
        ("X-Introspected-Sub", "own"),
    ];
    assert_eq!(setup.gateway.get("/", &headers).status, 200);
    let seen = setup.upstream.last();
    assert_eq!(seen.header("x-auth-sub"), Some("alice"));
    assert_eq!(seen.header("x-introspected-sub"), Some("own"), "no longer ours");
    assert!(!seen.headers.iter().any(|(_, value)| value == "evil"));
}

/// Pitfall 54: `Connection` cannot name our headers away.
#[test]
fn connection_cannot_remove_our_headers() {
    let setup = Setup::route("");
    for named in [
        "x-introspected-sub",
        "close, X-Introspected-Sub",
        "keep-alive,X-Introspected-Scope , x-introspected-sub",
        "x-request-id",
    ] {
        let headers = [("Authorization", "Bearer good"), ("Connection", named)];
        assert_eq!(setup.gateway.get("/", &headers).status, 200, "{named}");
        let seen = setup.upstream.last();
        assert_eq!(seen.header("x-introspected-sub"), Some("alice"), "{named}");
        assert_eq!(seen.header("x-introspected-scope"), Some("read write"), "{named}");
        assert!(
            seen.header("x-request-id").is_some() && seen.header("x-forwarded-for").is_some(),
            "{named}"
        );
    }
}

/// Pitfall 52: a missing member is no header, not the client's and not an empty one.
#[test]
fn a_missing_member_is_no_header() {
    let setup = Setup::route("");
    let headers = [&FORGED[..], &[("Authorization", "Bearer bare")]].concat();
    assert_eq!(setup.gateway.get("/", &headers).status, 200);
    assert_eq!(introspected(&setup.upstream.last()), pairs(&[("server", "main")]));
    setup
        .server
        .answer("nulls", active(json!({ "sub": null, "username": null, "client_id": "app" })));
    assert_eq!(setup.get("nulls").status, 200);
    assert_eq!(
        introspected(&setup.upstream.last()),
        pairs(&[("client-id", "app"), ("server", "main")])
    );
}

/// Contract §4: nor is an empty one, of any type.
#[test]
fn an_empty_member_is_no_header() {
    let setup = Setup::start(&format!(
        "identity: {{ claims: [groups, realm, realm.roles, note] }}\n{}",
        one_route("")
    ));
    setup.server.answer(
        "empty",
        active(json!({
            "aud": [], "scope": [], "sub": "", "username": "", "groups": [], "note": "",
            "realm": { "roles": [] }, "token_type": "",
        })),
    );
    assert_eq!(setup.get("empty").status, 200);
    let expected = pairs(&[("realm", r#"{"roles":[]}"#), ("server", "main")]);
    assert_eq!(introspected(&setup.upstream.last()), expected);
    setup.server.answer("object", active(json!({ "realm": {}, "groups": {}, "note": {} })));
    assert_eq!(setup.get("object").status, 200);
    assert_eq!(introspected(&setup.upstream.last()), pairs(&[("server", "main")]));
}

/// Contract §4: the registered members, each in its form (pitfall 56).
#[test]
fn registered_members_become_headers() {
    let setup = Setup::route("");
    let exp = now() + 60;
    setup.server.answer(
        "full",
        active(json!({
            "scope": ["read", "write"], "client_id": "app", "username": "jdoe", "token_type": "Bearer", "exp": exp,
            "iat": 1419350238, "nbf": 1419350238, "sub": "alice", "aud": ["a", "b"], "iss": "https://as.test/", "jti": "j-1",
            "extension_field": "not asked for",
        })),
    );
    assert_eq!(setup.get("full").status, 200);
    let exp = exp.to_string();
    let expected = pairs(&[
        ("aud", r#"["a","b"]"#),
        ("client-id", "app"),
        ("exp", &exp),
        ("iat", "1419350238"),
        ("iss", "https://as.test/"),
        ("jti", "j-1"),
        ("nbf", "1419350238"),
        ("scope", "read write"),
        ("server", "main"),
        ("sub", "alice"),
        ("token-type", "Bearer"),
        ("username", "jdoe"),
    ]);
    assert_eq!(introspected(&setup.upstream.last()), expected);
}

/// Contract §4: configured members; scalars as text, the rest as compact JSON.
#[test]
fn configured_members_become_headers() {
    let yaml = format!(
        r"identity: {{ claims: [extension_field, level, verified, groups, org, 'org.unit', absent] }}
{}",
        one_route("")
    );
    let setup = Setup::start(&yaml);
    setup.server.answer(
        "x",
        active(json!({
            "extension_field": "twenty-seven", "level": 3, "verified": true, "groups": ["a", "b"], "org": { "unit": "sales" },
        })),
    );
    assert_eq!(setup.get("x").status, 200);
    let seen = setup.upstream.last();
    let value = |name: &str| seen.header(&format!("x-introspected-{name}")).map(str::to_owned);
    assert_eq!(value("extension-field").as_deref(), Some("twenty-seven"));
    assert_eq!(
        (value("level").as_deref(), value("verified").as_deref()),
        (Some("3"), Some("true"))
    );
    assert_eq!(value("groups").as_deref(), Some(r#"["a","b"]"#));
    assert_eq!(value("org").as_deref(), Some(r#"{"unit":"sales"}"#));
    assert_eq!(value("org-unit").as_deref(), Some("sales"));
    assert_eq!(value("absent"), None);
}

/// Contract §2, `all_claims`: the whole answer, base64url.
#[test]
fn the_whole_answer_can_be_sent_on() {
    let setup = Setup::start(&format!("identity: {{ all_claims: true }}\n{}", one_route("")));
    let answer = active(json!({ "sub": "jürgen\r\n", "odd name:": { "a": [1, null] } }));
    setup.server.answer("x", answer.clone());
    assert_eq!(setup.get("x").status, 200);
    let seen = setup.upstream.last();
    let claims = seen.header("x-introspected-claims").expect("the header").trim_end_matches('=');
    let decoded = BASE64_URL_SAFE_NO_PAD.decode(claims).expect("base64url");
    assert_eq!(serde_json::from_slice::<Value>(&decoded).expect("JSON"), answer);
}

/// Pitfall 55: no value can split a header or a request, and each can be read back.
#[test]
fn values_cannot_break_headers() {
    let setup = Setup::route("");
    let values = [
        "a\r\nX-Evil: 1",
        "a\nX-Evil: 1\n\nGET /x HTTP/1.1",
        "a\rb",
        "a\0b",
        "\u{1}\u{7f}",
        "tab\there",
        "jürgen",
        "日本語 😀",
        "100%",
        "%0d%0aX-Evil: 1",
        "quo\"te, semi;colon",
    ];
    for (number, value) in values.into_iter().enumerate() {
        let token = format!("token-{number}");
        setup.server.answer(
            &token,
            active(json!({ "sub": value, "scope": [value, "read"], "aud": [value] })),
        );
        assert_eq!(setup.get(&token).status, 200, "{value:?}");
        let seen = setup.upstream.last();
        let sub = seen.header("x-introspected-sub").expect("the header");
        assert!(sub.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{sub:?}");
        assert_eq!(percent_decode(sub), value, "{sub:?}");
        let aud = percent_decode(seen.header("x-introspected-aud").expect("the header"));
        assert_eq!(serde_json::from_str::<Value>(&aud).expect("JSON"), json!([value]));
        assert_eq!(seen.header("x-evil"), None);
        assert_eq!(setup.upstream.count(), number + 1);
    }
    assert_eq!(percent_decode("a%0D%0A"), "a\r\n");
}

/// Contract §4: over 4 KiB the request is refused (pitfall 55).
#[test]
fn a_value_that_is_too_large_refuses_the_request() {
    let setup = Setup::server("max_response_size: 1MiB");
    for (length, outcome) in [
        (4096, (200, "")),
        (4097, (500, "identity_too_large")),
        (65_536, (500, "identity_too_large")),
        (500_000, (500, "identity_too_large")),
    ] {
        let token = format!("token-{length}");
        setup.server.answer(&token, active(json!({ "sub": "x".repeat(length) })));
        for _ in ["miss", "hit"] {
            let (status, reason) = setup.outcome(&token);
            assert_eq!((status, reason.as_str()), outcome, "{length}");
        }
    }
    assert_eq!(setup.upstream.count(), 2);
}

/// Pitfall 57: a member's name cannot make an invalid header, or one with another meaning.
#[test]
fn odd_member_names_make_no_odd_headers() {
    let yaml = format!(
        r#"identity: {{ claims: ["host", "content-length", "https://ex\\.test/roles", "under_score"] }}
{}"#,
        one_route("")
    );
    let setup = Setup::start(&yaml);
    setup.server.answer(
        "x",
        active(json!({
            "host": "evil", "content-length": "999", "https://ex.test/roles": "admin-role", "under_score": "u", "sub": "alice",
            "X-Evil": "1", "a\r\nX-Evil": "1", "": "empty",
        })),
    );
    assert_eq!(
        setup.gateway.get("/", &[("Authorization", "Bearer x"), ("Host", "own.test")]).status,
        200
    );
    let seen = setup.upstream.last();
    assert_eq!(seen.header("host"), Some("own.test"));
    assert_eq!(seen.header("content-length"), None);
    assert_eq!(seen.header("x-evil"), None);
    assert_eq!(seen.header("x-introspected-sub"), Some("alice"));
    assert_eq!(seen.header("x-introspected-under-score"), Some("u"));
    let roles = seen
        .headers
        .iter()
        .find(|(_, value)| value == "admin-role")
        .expect("the configured member");
    assert!(roles.0.to_lowercase().starts_with("x-introspected-https"), "{}", roles.0);
    for (name, _) in &seen.headers {
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{name:?}");
    }
}

/// Pitfall 58: the token goes on exactly when asked for.
#[test]
fn the_token_is_forwarded_only_when_asked_for() {
    let places = "from: [header, query, \"header:X-Access-Token\", \"cookie:at\"]";
    let requests: [(&str, (&str, &str)); 4] = [
        ("/a?x=1", ("Authorization", "Bearer good")),
        ("/a?x=1&access_token=good", ("X-Other", "1")),
        ("/a?x=1", ("X-Access-Token", "good")),
        ("/a?x=1", ("Cookie", "s=2; at=good")),
    ];
    for forward in [true, false] {
        let setup =
            Setup::start(&format!("token: {{ {places}, forward: {forward} }}\n{}", one_route("")));
        for (target, header) in requests {
            assert_eq!(setup.gateway.get(target, &[header]).status, 200);
            let seen = setup.upstream.last();
            let there = seen.target.contains("good")
                || seen.headers.iter().any(|(_, value)| value.contains("good"));
            assert_eq!(there, forward, "{target} {header:?}");
            if forward {
                assert_eq!((seen.target.as_str(), seen.header(header.0)), (target, Some(header.1)));
            }
        }
    }
}

/// Contract §4: removed also where nothing was checked.
#[test]
fn the_token_is_removed_on_open_routes_too() {
    let setup = Setup::route("auth: none");
    assert_eq!(setup.get("good").status, 200);
    assert_eq!(setup.upstream.last().header("authorization"), None);
}

/// Another spelling of the query parameter's name does not carry the token past the gateway
/// (pitfall 58).
#[test]
fn an_escaped_parameter_name_is_the_same_parameter() {
    let setup = Setup::start(&format!("token: {{ from: [query] }}\n{}", one_route("")));
    assert_eq!(setup.gateway.get("/a?access%5Ftoken=good&x=1", &[]).status, 200);
    assert_eq!(setup.upstream.last().target, "/a?x=1");
}

/// Pitfall 54: headers for this connection only stay on it.
#[test]
fn hop_by_hop_headers_are_not_forwarded() {
    let setup = Setup::route("");
    let headers = [
        ("Authorization", "Bearer good"),
        ("Connection", "keep-alive, X-Hop"),
        ("X-Hop", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("Proxy-Authorization", "Basic eDp5"),
        ("TE", "trailers"),
        ("Trailer", "X-T"),
        ("X-End", "1"),
    ];
    assert_eq!(setup.gateway.get("/", &headers).status, 200);
    let seen = setup.upstream.last();
    for name in
        ["x-hop", "keep-alive", "proxy-connection", "proxy-authorization", "trailer", "upgrade"]
    {
        assert_eq!(seen.header(name), None, "{name}");
    }
    assert_eq!(seen.header("x-end"), Some("1"));
}

/// Contract §4: `X-Request-Id` is kept when sane, else made.
#[test]
fn a_request_has_an_id() {
    let setup = Setup::route("");
    let id_for = |sent: Option<&str>| {
        let mut headers = vec![("Authorization", "Bearer good")];
        headers.extend(sent.map(|id| ("X-Request-Id", id)));
        assert_eq!(setup.gateway.get("/", &headers).status, 200);
        setup.upstream.last().header("x-request-id").expect("an id").to_owned()
    };
    assert_eq!(id_for(Some("8f14e45f-ceea-467f-a9d3-1")), "8f14e45f-ceea-467f-a9d3-1");
    let (one, two) = (id_for(None), id_for(None));
    assert!(one.len() >= 16 && one != two, "{one} {two}");
    for insane in ["a b", "x\"y", &"x".repeat(1000), "{\"a\":1}", "é", "a\tb", ""] {
        let id = id_for(Some(insane));
        assert!(id != insane && !id.is_empty(), "{insane:?}");
    }
    let twice =
        [("Authorization", "Bearer good"), ("X-Request-Id", "one"), ("X-Request-Id", "two")];
    setup.gateway.get("/", &twice);
    assert_eq!(setup.upstream.last().headers_all("x-request-id").len(), 1);
}

/// Contract §4 and pitfall 59: forwarded headers are true, unless a trusted proxy has set them
/// before.
#[test]
fn forwarded_headers_are_replaced_unless_trusted() {
    let told = [
        ("Authorization", "Bearer good"),
        ("Host", "api.test"),
        ("X-Forwarded-For", "203.0.113.7"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "told.test"),
        ("Forwarded", "for=203.0.113.7;host=told.test"),
        ("X-Request-Id", "told"),
    ];
    let setup = Setup::route("");
    assert_eq!(setup.gateway.get("/", &told).status, 200);
    let seen = setup.upstream.last();
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("http"));
    assert_eq!(seen.header("x-forwarded-host"), Some("api.test"));
    assert!(!seen.header("forwarded").unwrap_or_default().contains("203.0.113.7"));
    assert_eq!(setup.gateway.access_log_of("told")["client_ip"], "127.0.0.1");

    let setup = Setup::start(&format!("trusted_proxies: [127.0.0.0/8]\n{}", one_route("")));
    assert_eq!(setup.gateway.get("/", &told).status, 200);
    let seen = setup.upstream.last();
    assert_eq!(seen.header("x-forwarded-for"), Some("203.0.113.7, 127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
    assert_eq!(seen.header("x-forwarded-host"), Some("told.test"));
    assert_eq!(setup.gateway.access_log_of("told")["client_ip"], "203.0.113.7");
}

/// The W3C trace context: a valid one is continued, anything else starts anew.
#[test]
fn a_trace_is_continued() {
    let setup = Setup::route("");
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    let traceparent = |sent: Option<&str>| {
        let mut headers = vec![("Authorization", "Bearer good")];
        headers.extend(sent.map(|value| ("traceparent", value)));
        assert_eq!(setup.gateway.get("/", &headers).status, 200);
        let seen = setup.upstream.last().header("traceparent").expect("traceparent").to_owned();
        let lengths: Vec<usize> = seen.split('-').map(str::len).collect();
        assert_eq!(lengths, [2, 32, 16, 2], "{seen}");
        assert!(
            seen.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-')),
            "{seen}"
        );
        seen
    };
    assert_eq!(&traceparent(Some(&parent))[3..35], trace);
    assert_ne!(&traceparent(None)[3..35], "0".repeat(32));
    for bad in [
        "nonsense",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ] {
        assert_ne!(traceparent(Some(bad)), bad);
    }
}

/// Headers of the authorization server's response are never forwarded.
#[test]
fn headers_of_the_authorization_server_go_nowhere() {
    let setup = Setup::route("");
    let headers = [("Set-Cookie", "as=1"), ("X-Introspected-Sub", "evil"), ("X-As", "1")];
    setup.server.behave("x", Behaviour::respond(200, &headers, r#"{"active":true,"sub":"alice"}"#));
    let response = setup.get("x");
    assert_eq!(response.status, 200);
    assert_eq!((response.header("set-cookie"), response.header("x-as")), (None, None));
    assert_eq!(
        introspected(&setup.upstream.last()),
        pairs(&[("server", "main"), ("sub", "alice")])
    );
}
