//! RFC 3986: one path has many spellings. The route is the same for all of them, or the request is
//! refused.

use crate::support::Setup;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// `good` has the scopes `read` and `write`: 200 is the wide route, 403 the guarded one.
const WIDE_AND_GUARDED: &str = r#"
routes:
  - { name: wide, path: /*, upstream: "@UPSTREAM@", scopes: [read] }
  - { name: purge, path: "/v1/items:purge", upstream: "@UPSTREAM@", scopes: [admin] }
  - { name: admin, path: /admin/*, upstream: "@UPSTREAM@", scopes: [admin] }
  - { name: pipe, path: "/pipe%7Cs", upstream: "@UPSTREAM@", scopes: [admin] }
  - { name: me, path: "/users/@me", upstream: "@UPSTREAM@", scopes: [admin] }
  - { name: call, path: "/call(x)/*", upstream: "@UPSTREAM@", scopes: [admin] }
  - { name: item, path: "/items/{id}", upstream: "@UPSTREAM@", scopes: [write] }
  - { name: moved, path: "/a:b/*", upstream: "@UPSTREAM@", scopes: [read], rewrite: { strip_prefix: "/a%3Ab" } }
"#;

/// §2.2, §3.3: `pchar` may be raw or escaped, and services read both as one. The forwarded path
/// keeps the original form.
#[test]
fn section_3_3_an_escaped_pchar_is_the_character() {
    let setup = Setup::start(WIDE_AND_GUARDED);
    for (path, status) in [
        ("/v1/items:purge", 403),
        ("/v1/items%3Apurge", 403),
        ("/v1/items%3apurge", 403),
        ("/%76%31/items%3Apurge", 403),
        ("/v1/./items%3Apurge", 403),
        ("/users/@me", 403),
        ("/users/%40me", 403),
        ("/call(x)/y", 403),
        ("/call%28x%29/y", 403),
        ("/call%28x)", 403),
        ("/pipe|s", 403),
        ("/pipe%7cs", 403),
        ("/v1/items%3Aother", 200),
        ("/x%21%24%26%27%28%29%2A%2B%2C%3D%40", 200),
        ("/x%3a%3A", 200),
        ("/x!$&'()*+,=@:", 200),
        ("/caf%c3%A9", 200),
    ] {
        let before = setup.upstream.count();
        assert_eq!(setup.gateway.get_with(path, "good").status, status, "{path}");
        if status == 200 {
            assert_eq!(setup.upstream.last().target, path, "forwarded as it came");
        } else {
            assert_eq!(setup.upstream.count(), before, "{path}");
        }
    }
    for (path, seen) in [("/a:b/c", "/c"), ("/a%3ab/c%3Ad", "/c%3Ad"), ("/a%3Ab", "/")] {
        assert_eq!(setup.gateway.get_with(path, "good").status, 200, "{path}");
        assert_eq!(setup.upstream.last().target, seen, "{path}");
    }
}

/// §3.3: parameters of a segment. Some services cut them off, so they lead around no route.
#[test]
fn section_3_3_path_parameters() {
    let setup = Setup::start(WIDE_AND_GUARDED);
    for (path, status) in [
        ("/other;x=1", 200),
        ("/other;x/y;z", 200),
        ("/items/7;v=1", 200),
        ("/admin;x", 400),
        ("/admin;", 400),
        ("/admin%3Bx", 400),
        ("/admin%3bx/y", 400),
        ("/admin;x/y", 400),
        ("/;x/admin", 400),
        ("/;/admin/y", 400),
        ("/items;x/7", 400),
        ("/v1/items:purge;x", 400),
        ("/v1;x/items%3Apurge", 400),
        ("/users/%40me;x", 400),
        ("/admin/x;y", 403),
        ("/x/..%3By/admin", 400),
        ("/x/..;/admin", 400),
        ("/x/.%3b/admin", 400),
    ] {
        let before = setup.upstream.count();
        let response = setup.gateway.get_with(path, "good");
        assert_eq!(response.status, status, "{path}: {}", response.text());
        match status {
            200 => assert_eq!(setup.upstream.last().target, path),
            400 => assert_eq!(response.reason(), "bad_request", "{path}"),
            _ => {}
        }
        assert_eq!(setup.upstream.count() - before, usize::from(status == 200), "{path}");
    }
}

/// Contract §2, `encoded_slashes`: the route that is matched decides about `%2F`, and nothing that
/// it hides is a dot segment.
#[test]
fn an_encoded_slash_is_refused_or_a_character_of_its_segment() {
    let setup = Setup::start(
        r#"
defaults: { scopes: [read] }
routes:
  - { name: wide, path: /*, upstream: "@UPSTREAM@" }
  - { name: npm, path: "/npm/{package}", upstream: "@UPSTREAM@", encoded_slashes: keep }
  - { name: gitlab, path: "/projects/{id}/*", upstream: "@UPSTREAM@", encoded_slashes: keep }
  - { name: queues, path: "/queues/%2F/*", upstream: "@UPSTREAM@", encoded_slashes: keep }
  - { name: public, path: /open/*, upstream: "@UPSTREAM@", auth: none, encoded_slashes: keep }
  - { name: moved, path: /old/*, upstream: "@UPSTREAM@", encoded_slashes: keep, rewrite: { strip_prefix: /old, add_prefix: /new } }
"#,
    );
    for (path, seen) in [
        ("/npm/@scope%2fname", Some("/npm/@scope%2fname")),
        ("/npm/@scope%2Fname", Some("/npm/@scope%2Fname")),
        ("/npm/%40scope%2Fname", Some("/npm/%40scope%2Fname")),
        ("/projects/group%2Fsub%2Fproject/issues", Some("/projects/group%2Fsub%2Fproject/issues")),
        ("/queues/%2f/jobs", Some("/queues/%2f/jobs")),
        ("/open/a%2Fb", Some("/open/a%2Fb")),
        ("/old/a%2Fb", Some("/new/a%2Fb")),
        ("/npm/@scope%2Fname/x", None),
        ("/a%2Fb", None),
        ("/npm%2Fx", None),
        ("/queues/%2Fx/jobs", None),
        ("/open/..%2fadmin", None),
        ("/open/a%2f..", None),
        ("/open/a%2f%2e%2e%2f%2e%2e%2fadmin", None),
        ("/open/a%2f..;x", None),
        ("/open/a%252fb", None),
        ("/open/a%5cb", None),
        ("/open%2f..%2fadmin", None),
    ] {
        let response = setup.gateway.get_with(path, "good");
        match seen {
            Some(seen) => {
                assert_eq!(response.status, 200, "{path}: {}", response.text());
                assert_eq!(setup.upstream.last().target, seen, "{path}");
            }
            None => {
                let refusal = (response.status, response.reason());
                assert_eq!(refusal, (400, "bad_request".into()), "{path}");
            }
        }
    }
}

/// §6.2.2: with any escapes, in either case, the route is the plain path's, or the request is
/// refused.
#[test]
fn section_6_2_2_no_spelling_takes_another_route() {
    let setup = Setup::start(WIDE_AND_GUARDED);
    let paths = prop::sample::select(vec![
        "/v1/items:purge",
        "/admin/x",
        "/admin",
        "/users/@me",
        "/call(x)/y",
        "/pipe|s",
        "/items/7",
        "/other/x",
        "/admin;x",
    ]);
    let spellings = (paths, prop::collection::vec(0..6, 24));
    let mut runner =
        TestRunner::new(Config { cases: 150, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&spellings, |(plain, ways)| {
        let spell = |(byte, way): (u8, i32)| match way {
            0 if byte != b'/' => format!("%{byte:02x}"),
            1 if byte != b'/' => format!("%{byte:02X}"),
            2 if byte == b'/' => "//".to_owned(),
            3 if byte == b'/' => "/./".to_owned(),
            4 if byte == b'/' => "/;p/".to_owned(),
            _ => char::from(byte).to_string(),
        };
        let spelled: String = plain.bytes().zip(ways).map(spell).collect();
        let expected = setup.gateway.get_with(plain, "good").status;
        let status = setup.gateway.get_with(&spelled, "good").status;
        prop_assert!(status == expected || status == 400, "{spelled}: {status}, not {expected}");
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}
