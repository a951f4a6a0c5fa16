//! Which route a request gets: specificity, methods, hosts, and the one path that matcher and
//! upstream see.

use crate::support::{Setup, percent_decode};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Sends a request that is recognisable in the access log and returns the `route` written there.
#[track_caller]
fn route_of(setup: &Setup, id: &str, method: &str, path: &str, host: &str) -> String {
    let headers = [("Host", host), ("X-Request-Id", id)];
    setup.gateway.request(method, path, &headers, b"");
    let line = setup.gateway.access_log_of(id);
    line["route"].as_str().unwrap_or_default().to_owned()
}

/// Contract §2: exact path before parameters before the longest prefix; a route with methods before
/// one without. The order in the file is the reverse of the specificity.
#[test]
fn the_most_specific_path_wins_in_any_order() {
    let setup = Setup::start(
        r#"
routes:
  - { name: everything, path: /*, upstream: "@UPSTREAM@", auth: none }
  - { name: items, path: /items/*, upstream: "@UPSTREAM@", auth: none }
  - { name: items-deep, path: /items/deep/*, upstream: "@UPSTREAM@", auth: none }
  - { name: one, path: "/items/{id}", upstream: "@UPSTREAM@", auth: none }
  - { name: part, path: "/items/{id}/parts/{part}", upstream: "@UPSTREAM@", auth: none }
  - { name: special, path: /items/special, upstream: "@UPSTREAM@", auth: none }
  - { name: special-post, path: /items/special, methods: [POST], upstream: "@UPSTREAM@", auth: none }
"#,
    );
    let cases = [
        ("GET", "/", "everything"),
        ("GET", "/other/x", "everything"),
        ("GET", "/items", "items"),
        ("GET", "/items/", "items"),
        ("GET", "/items/7", "one"),
        ("GET", "/items/7/other", "items"),
        ("GET", "/items/7/parts/8", "part"),
        ("GET", "/items/deep/x/y", "items-deep"),
        ("GET", "/items/special", "special"),
        ("POST", "/items/special", "special-post"),
        ("GET", "/itemsx", "everything"),
        ("GET", "/Items/7", "everything"),
    ];
    for (number, (method, path, route)) in cases.into_iter().enumerate() {
        let got = route_of(&setup, &format!("path-{number}"), method, path, "a.test");
        assert_eq!(got, route, "{method} {path}");
    }
}

/// Contract §2: exact host before wildcard before any; a wildcard is one or more labels, never the
/// domain itself.
#[test]
fn the_most_specific_host_wins() {
    let setup = Setup::start(
        r#"
routes:
  - { name: any, path: /*, upstream: "@UPSTREAM@", auth: none }
  - { name: wild, host: "*.example.com", path: /*, upstream: "@UPSTREAM@", auth: none }
  - { name: exact, host: api.example.com, path: /*, upstream: "@UPSTREAM@", auth: none }
  - { name: listed, host: [one.test, two.test], path: /*, upstream: "@UPSTREAM@", auth: none }
  - { name: any-exact-path, path: /exact, upstream: "@UPSTREAM@", auth: none }
"#,
    );
    let cases = [
        ("api.example.com", "/", "exact"),
        ("API.Example.COM", "/", "exact"),
        ("api.example.com:8443", "/", "exact"),
        ("www.example.com", "/", "wild"),
        ("a.b.example.com", "/", "wild"),
        ("example.com", "/", "any"),
        ("notexample.com", "/", "any"),
        ("example.com.evil.test", "/", "any"),
        ("one.test", "/", "listed"),
        ("two.test", "/", "listed"),
        ("api.example.com", "/exact", "exact"),
        ("other.test", "/exact", "any-exact-path"),
    ];
    for (number, (host, path, route)) in cases.into_iter().enumerate() {
        let got = route_of(&setup, &format!("host-{number}"), "GET", path, host);
        assert_eq!(got, route, "{host}{path}");
    }
}

/// Pitfall 60: a host with a final dot is the same host; it does not get a more open route.
#[test]
fn a_final_dot_does_not_lead_around_a_host_rule() {
    let setup = Setup::start(
        r#"
routes:
  - { name: guarded, host: api.example.com, path: /*, upstream: "@UPSTREAM@" }
  - { name: open, path: /*, upstream: "@UPSTREAM@", auth: none }
"#,
    );
    for host in ["api.example.com.", "api.example.com.:80", " api.example.com", "API.EXAMPLE.COM."]
    {
        let response = setup.gateway.get("/", &[("Host", host)]);
        assert!([400, 401].contains(&response.status), "{host}: {}", response.status);
    }
    assert_eq!(setup.upstream.count(), 0);
}

/// Contract §2: nothing is ever forwarded without a route.
#[test]
fn without_a_route_it_is_404_and_nothing_is_asked() {
    let setup = Setup::start(
        r#"
routes:
  - { path: /items/*, methods: [GET, HEAD], host: api.test, upstream: "@UPSTREAM@" }
"#,
    );
    let bearer = ("Authorization", "Bearer good");
    let cases = [
        ("GET", "/other", "api.test"),
        ("GET", "/item", "api.test"),
        ("GET", "/itemsx", "api.test"),
        ("POST", "/items/1", "api.test"),
        ("BREW", "/items/1", "api.test"),
        ("GET", "/items/1", "other.test"),
    ];
    for (method, path, host) in cases {
        let response = setup.gateway.request(method, path, &[bearer, ("Host", host)], b"");
        assert_eq!(
            (response.status, response.reason().as_str()),
            (404, "no_route"),
            "{method} {host}{path}"
        );
    }
    assert_eq!((setup.upstream.count(), setup.server.count()), (0, 0));
    let found = setup.gateway.get("/items/1", &[bearer, ("Host", "api.test")]);
    assert_eq!(found.status, 200);
}

/// Pitfall 61.
#[test]
fn unknown_methods_and_method_overrides_skip_no_rule() {
    let setup = Setup::start(
        r#"
routes:
  - { name: reads, path: /*, methods: [GET], upstream: "@UPSTREAM@", auth: none }
  - { name: rest, path: /*, upstream: "@UPSTREAM@" }
"#,
    );
    for method in ["POST", "BREW", "get", "PROPFIND", "TRACE", "Get"] {
        let response = setup.gateway.request(method, "/", &[], b"");
        assert!([400, 401, 405, 501].contains(&response.status), "{method}: {}", response.status);
    }
    for header in ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"] {
        let response = setup.gateway.request("DELETE", "/", &[(header, "GET")], b"");
        assert_eq!(response.status, 401, "{header}");
    }
    assert_eq!(setup.upstream.count(), 0);
}

/// Pitfall 59.
#[test]
fn headers_that_rename_host_or_path_do_not_choose_the_route() {
    let setup = Setup::start(
        r#"
routes:
  - { name: open, host: open.test, path: /public/*, upstream: "@UPSTREAM@", auth: none }
  - { name: guarded, path: /*, upstream: "@UPSTREAM@" }
"#,
    );
    let tricks = [
        ("X-Forwarded-Host", "open.test"),
        ("Forwarded", "host=open.test"),
        ("X-Host", "open.test"),
        ("X-Original-Host", "open.test"),
        ("X-Forwarded-Server", "open.test"),
    ];
    for trick in tricks {
        let response = setup.gateway.get("/public/x", &[("Host", "guarded.test"), trick]);
        assert_eq!(response.status, 401, "{trick:?}");
    }
    for name in ["X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Uri", "X-Forwarded-Prefix"] {
        let response = setup.gateway.get("/admin", &[("Host", "open.test"), (name, "/public/x")]);
        assert_eq!(response.status, 401, "{name}");
    }
    assert_eq!(setup.upstream.count(), 0);
}

const PUBLIC_AND_ADMIN: &str = r#"
routes:
  - { name: public, path: /public/*, upstream: "@UPSTREAM@", auth: none }
  - { name: admin, path: /admin/*, upstream: "@UPSTREAM@" }
"#;

/// Contract §2: the path that is matched is the path that is forwarded.
#[test]
fn the_upstream_gets_the_path_that_was_matched() {
    let setup = Setup::start(PUBLIC_AND_ADMIN);
    let cases = [
        ("/public/a", "/public/a"),
        ("/public", "/public"),
        ("/public/", "/public/"),
        ("/public/%61", "/public/a"),
        ("/%70ublic/a", "/public/a"),
        ("/public/%7Euser%2D%5F%2e", "/public/~user-_."),
        ("/public/./a", "/public/a"),
        ("/public/%2E/a", "/public/a"),
        ("/public//a", "/public/a"),
        ("//public///a//", "/public/a/"),
        ("/public/b/../a", "/public/a"),
        ("/public/b/%2e%2e/a", "/public/a"),
        ("/public/b/.%2E/a", "/public/a"),
        ("/other/../public/a", "/public/a"),
        ("/admin/../public/a", "/public/a"),
        ("/public/a%20b", "/public/a%20b"),
        ("/public/%C3%A4", "/public/%C3%A4"),
        ("/public/a;x=1", "/public/a;x=1"),
        ("/public/a..b/...", "/public/a..b/..."),
        ("/public/100%25", "/public/100%25"),
        ("/public/a%3Fb", "/public/a%3Fb"),
        ("/public/a?next=/../admin%2f", "/public/a?next=/../admin%2f"),
        ("/public/a?", "/public/a"),
        ("/public/a:b@c!$&'()*+,=", "/public/a:b@c!$&'()*+,="),
    ];
    for (sent, seen) in cases {
        let response = setup.gateway.get(sent, &[]);
        assert_eq!(response.status, 200, "{sent}: {}", response.text());
        let target = setup.upstream.last().target;
        assert_eq!(target.trim_end_matches('?'), seen, "{sent}");
    }
}

/// Pitfall 60: in any spelling, a path that ends below `/admin` is judged by the rule for `/admin`.
#[test]
fn every_spelling_of_a_guarded_path_is_guarded() {
    let setup = Setup::start(PUBLIC_AND_ADMIN);
    let spellings = [
        "/admin",
        "/admin/",
        "//admin",
        "/./admin",
        "/%61dmin",
        "/adm%69n/x",
        "/public/../admin",
        "/public/%2e%2e/admin",
        "/public/.%2e/admin/x",
        "/public/%2E./admin",
        "/public/..//admin",
        "/public//../admin",
        "/public/x/../../admin",
        "/public/./../admin",
        "/admin/x/..",
        "/admin/.",
        "/admin/public/../x",
    ];
    for path in spellings {
        let response = setup.gateway.get(path, &[]);
        assert_eq!((response.status, response.reason().as_str()), (401, "missing_token"), "{path}");
    }
    assert_eq!(setup.upstream.count(), 0);
}

/// Contract §2: the refused forms.
#[test]
fn ambiguous_paths_are_refused() {
    let setup = Setup::start(PUBLIC_AND_ADMIN);
    let ambiguous = [
        "/public/%2fadmin",
        "/public/a%2Fb",
        "/public/..%2fadmin",
        "/public/a\\b",
        "/public/..\\admin",
        "/public/%5c",
        "/public/%5Cadmin",
        "/public/%00",
        "/public/a%00b",
        "/public/%",
        "/public/%2",
        "/public/%zz",
        "/public/%u002e",
        "/public/%252e",
        "/public/%252e%252e/admin",
        "/public/%c0%ae%c0%ae/admin",
        "/public/%252fadmin",
        "/public/%25%32%65",
        "/public/..;x/admin",
        "/public/..;/admin",
        "/public/.;x/a",
        "/public/%2e%2e;x/admin",
        "/public/;/../..;/admin",
        "/..",
        "/../admin",
        "/public/../../admin",
        "/%2e%2e/public/a",
        "/public/../../public/a",
    ];
    for path in ambiguous {
        let response = setup.gateway.get(path, &[("Authorization", "Bearer good")]);
        assert_eq!((response.status, response.reason().as_str()), (400, "bad_request"), "{path}");
    }
    assert_eq!((setup.upstream.count(), setup.server.count()), (0, 0));
}

/// Raw bytes that have no place in a request line never reach the upstream.
#[test]
fn control_and_foreign_bytes_in_the_target_are_refused() {
    let setup = Setup::start(PUBLIC_AND_ADMIN);
    for target in [b"/public/\x00a".as_slice(), b"/public/\x01", b"/public/\x7f", b"/public/a\tb"] {
        let request =
            [b"GET ", target, b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"].concat();
        let answer = setup.gateway.raw(&request);
        let refused = answer.is_empty() || answer.starts_with(b"HTTP/1.1 400");
        assert!(refused, "{target:?}: {}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(setup.upstream.count(), 0);
}

/// For paths of harmless and harmful segments in any order: without a token only paths below
/// `/public` are forwarded, and the forwarded path contains nothing that a service could read in
/// another way.
#[test]
fn no_combination_of_segments_leads_around_the_rule() {
    let setup = Setup::start(PUBLIC_AND_ADMIN);
    let segment = prop::sample::select(vec![
        "public",
        "admin",
        "a",
        "",
        ".",
        "..",
        "%2e",
        "%2e%2e",
        ".%2E",
        "..;",
        "..;x",
        ";x",
        "%61dmin",
        "%2fadmin",
        "%5cadmin",
        "\\admin",
        "%252e%252e",
        "%00",
        "..%2f",
        "...",
        "%",
        "PUBLIC",
    ]);
    let paths = prop::collection::vec(segment, 1..7);
    let mut runner =
        TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&paths, |segments| {
        let path = format!("/{}", segments.join("/"));
        let before = setup.upstream.count();
        let response = setup.gateway.get(&path, &[]);
        if response.status == 200 {
            let seen = setup.upstream.last().target;
            prop_assert!(seen == "/public" || seen.starts_with("/public/"), "{path} became {seen}");
            let plain = percent_decode(&seen);
            let dots = plain.split('/').any(|segment| [".", ".."].contains(&segment));
            prop_assert!(
                !dots && !plain.contains("//") && !plain.contains('\\'),
                "{path} became {seen}"
            );
        } else {
            prop_assert!([400, 401, 404].contains(&response.status), "{path}: {}", response.status);
            prop_assert_eq!(setup.upstream.count(), before, "{} was refused and forwarded", path);
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

/// Pitfall 64: tunnels and the server-wide target are no paths.
#[test]
fn connect_and_the_asterisk_are_not_forwarded() {
    let setup = Setup::start("routes: [{ path: /*, upstream: \"@UPSTREAM@\", auth: none }]");
    let requests = [
        "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
        "CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET public HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET ?a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ];
    for request in requests {
        let mut connection = setup.gateway.connect();
        connection.send(request.as_bytes()).expect("send");
        match connection.read_response("GET") {
            Ok(response) => assert!(
                [400, 404, 405, 501].contains(&response.status),
                "{request}: {}",
                response.status
            ),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof, "{request}"),
        }
    }
    assert_eq!(setup.upstream.count(), 0);
}

/// Contract §2, `preflight`: by default a preflight is authenticated like any request; `pass` sends
/// it on without identity.
#[test]
fn preflight_is_authenticated_unless_it_is_let_pass() {
    let setup = Setup::start(
        r#"
routes:
  - { name: closed, path: /closed/*, upstream: "@UPSTREAM@" }
  - { name: open, path: /open/*, upstream: "@UPSTREAM@", preflight: pass }
"#,
    );
    let preflight = [
        ("Origin", "https://app.test"),
        ("Access-Control-Request-Method", "PUT"),
        ("X-Introspected-Sub", "evil"),
    ];
    let options = |path: &str, headers: &[(&str, &str)]| {
        setup.gateway.request("OPTIONS", path, headers, b"").status
    };
    assert_eq!(options("/closed/x", &preflight), 401);
    assert_eq!(setup.upstream.count(), 0);
    assert_eq!(options("/open/x", &preflight), 200);
    assert_eq!(setup.upstream.last().header("x-introspected-sub"), None);
    assert_eq!(options("/open/x", &[]), 401, "OPTIONS without the two headers is no preflight");
    assert_eq!(options("/open/x", &preflight[..1]), 401, "nor is it with one of them");
    assert_eq!(setup.gateway.get("/open/x", &preflight).status, 401, "nor is GET");
    assert_eq!(setup.server.count(), 0);
}

/// Contract §2, `rewrite`: after the match, on whole segments.
#[test]
fn rewriting_changes_the_forwarded_path_and_not_the_match() {
    let setup = Setup::start(
        r#"
routes:
  - { path: /v1/*, upstream: "@UPSTREAM@", auth: none, rewrite: { strip_prefix: /v1, add_prefix: /internal } }
  - { path: /v2/*, upstream: "@UPSTREAM@", auth: none, rewrite: { strip_prefix: /v2 } }
  - { path: /internal/*, upstream: "@UPSTREAM@" }
"#,
    );
    let cases = [
        ("/v1/a?b=c", "/internal/a?b=c"),
        ("/v1//x/../a", "/internal/a"),
        ("/v2/a", "/a"),
        ("/v2", "/"),
        ("/v2/", "/"),
    ];
    for (sent, seen) in cases {
        assert_eq!(setup.gateway.get(sent, &[]).status, 200, "{sent}");
        assert_eq!(setup.upstream.last().target, seen, "{sent}");
    }
    assert_eq!(setup.gateway.get("/internal/a", &[]).status, 401);
}

/// Contract §2, `defaults`: inherited by each route, which may override.
#[test]
fn routes_inherit_defaults_and_override_them() {
    let setup = Setup::start(
        r#"
defaults: { scopes: [write] }
routes:
  - { path: /inherits, upstream: "@UPSTREAM@" }
  - { path: /overrides, upstream: "@UPSTREAM@", scopes: [admin] }
  - { path: /open, upstream: "@UPSTREAM@", auth: none }
"#,
    );
    assert_eq!(setup.gateway.get_with("/inherits", "good").status, 200);
    assert_eq!(setup.gateway.get_with("/overrides", "good").status, 403);
    assert_eq!(setup.gateway.get_with("/inherits", "narrow").status, 403);
    assert_eq!(setup.gateway.get("/open", &[]).status, 200);
}
