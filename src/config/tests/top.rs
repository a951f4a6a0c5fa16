//! `listeners`, `admin`, `cache`, `token`, `identity` and other single keys.

use super::with;

#[test]
fn listeners() {
    let expected: &[&str] = &[
        "8:14: error: listeners[0].address: `localhost:8080` is not an IP address with a port; write one such as `127.0.0.1:8080`, or `unix:/path`",
        "9:14: error: listeners[1].address: `:8080` is not an IP address with a port; write one such as `0.0.0.0:8080`, or `unix:/path`",
        "11:14: error: listeners[3].address: another listener has this address already; remove one of the two",
        "12:14: error: listeners[4].address: is not an absolute path; write one such as `unix:/run/introgate.sock`",
        "14:14: error: listeners[6].address: another listener has this address already; remove one of the two",
    ];
    assert_eq!(
        with(
            "\
         listeners:\n\
         \x20 - address: localhost:8080\n\
         \x20 - address: :8080\n\
         \x20 - address: 0.0.0.0:80\n\
         \x20 - address: 127.0.0.1:80\n\
         \x20 - address: unix:run/x\n\
         \x20 - address: unix:/run/x\n\
         \x20 - address: unix:/run/x\n"
        ),
        expected
    );
}

#[test]
fn admin() {
    let expected: &[&str] = &[
        "8:18: error: admin.address: a listener has this address already; give the admin endpoints an address of their own",
        "8:41: error: admin.token: must be visible ASCII without spaces: it is sent in a header",
    ];
    assert_eq!(
        with(
            "\
         listeners: [{address: 0.0.0.0:9901}]\n\
         admin: {address: 127.0.0.1:9901, token: 'a b'}\n"
        ),
        expected
    );
}

#[test]
fn admin_for_everybody() {
    let expected: &[&str] = &[
        "7:18: warning: admin.address: is not on loopback and there is no `token`: anyone who reaches it can read the status, and it is impossible to purge the cache; write a token, or 127.0.0.1",
    ];
    assert_eq!(with("admin: {address: 0.0.0.0:9901}\n"), expected);
}

#[test]
fn admin_with_two_tokens() {
    let expected: &[&str] = &[
        "7:18: error: admin.address: `nowhere` is not an IP address with a port; write one such as `127.0.0.1:8080`, or `off`",
        "7:37: error: admin.token_file: `token` is written as well; keep one of the two",
    ];
    assert_eq!(with("admin: {address: nowhere, token: a, token_file: /nonexistent}\n"), expected);
}

#[test]
fn a_secret_file_that_is_missing() {
    let expected: &[&str] =
        &["7:21: error: admin.token_file: there is no such file; create it, or correct its name"];
    assert_eq!(with("admin: {token_file: /nonexistent/secret}\n"), expected);
}

#[test]
fn trusted_proxies() {
    let expected: &[&str] = &[
        "7:31: warning: trusted_proxies[1]: covers the whole network; write `10.0.0.0/8` if that is intended",
        "7:54: warning: trusted_proxies[3]: trusts everybody: any client can then say that it is another one; name the proxies' own networks",
        "7:65: error: trusted_proxies[4]: `10.0.0.0/33` is not a network or address; write one such as `10.0.0.0/8` or `192.0.2.7`",
        "7:78: error: trusted_proxies[5]: `proxy` is not a network or address; write one such as `10.0.0.0/8` or `192.0.2.7`",
    ];
    assert_eq!(
        with(
            "trusted_proxies: [10.0.0.0/8, 10.1.0.0/8, 192.0.2.7, 0.0.0.0/0, 10.0.0.0/33, proxy]\n"
        ),
        expected
    );
}

#[test]
fn realm() {
    let expected: &[&str] = &[
        "7:8: error: realm: must be printable ASCII without quotes and backslashes, and not empty: it is quoted in a header",
    ];
    assert_eq!(with("realm: say \"please\"\n"), expected);
}

#[test]
fn timeouts_of_zero() {
    let expected: &[&str] = &[
        "7:19: error: shutdown_timeout: must be longer than zero",
        "8:55: error: upstreams.a.connect_timeout: must be longer than zero",
        "8:73: error: upstreams.a.read_timeout: must be longer than zero",
        "8:93: error: upstreams.a.write_timeout: must be longer than zero",
        "8:111: error: upstreams.a.idle_timeout: must be longer than zero",
    ];
    assert_eq!(
        with(
            "\
         shutdown_timeout: 0s\n\
         upstreams: {a: {servers: [http://a], connect_timeout: 0s, read_timeout: 0ms, write_timeout: 0m, idle_timeout: 0h}}\n"
        ),
        expected
    );
}

#[test]
fn stale_answers_without_a_cache() {
    let expected: &[&str] = &[
        "7:34: warning: cache.stale_if_error: has no effect while `cache.ttl` is `0s`: nothing is cached",
    ];
    assert_eq!(with("cache: {ttl: 0s, stale_if_error: 5m}\n"), expected);
}

#[test]
fn token_places() {
    let expected: &[&str] = &[
        "7:24: error: token.from[1]: `form` has no name behind it: the field is `access_token` (RFC 6750 §2.2); write `form`",
        "7:34: error: token.from[2]: for `Authorization: Bearer …` write `header` alone",
        "7:58: error: token.from[3]: for a cookie write `cookie:NAME`",
        "7:75: error: token.from[4]: this header has a meaning of its own and cannot carry a token; choose another one",
        "7:90: error: token.from[5]: has the prefix of identity headers, which are removed from every request before; choose another name",
        "7:121: error: token.from[6]: `header:` wants the name of a header behind it, as in `header:X-Access-Token`",
        "7:132: error: token.from[7]: `query:` wants the name of a parameter behind it",
        "7:142: error: token.from[8]: `cookie:` wants the name of a cookie behind it, as in `cookie:session`",
        "7:150: error: token.from[9]: expected `header`, `header:NAME`, `query`, `query:NAME`, `cookie:NAME` or `form`, found `body`",
        "7:156: error: token.from[10]: is a duplicate; remove one of the two",
    ];
    assert_eq!(
        with(
            "token: {from: [header, 'form:x', 'header:Authorization', 'header:Cookie', 'header:Host', 'header:X-Introspected-Token', 'header:', 'query:', cookie, body, header]}\n"
        ),
        expected
    );
}

#[test]
fn no_token_place() {
    let expected: &[&str] =
        &["7:15: error: token.from: is an empty list; name at least one, or remove the key"];
    assert_eq!(with("token: {from: []}\n"), expected);
}

#[test]
fn identity_claims() {
    let expected: &[&str] = &[
        "7:29: error: identity.claims[1]: is not the name of a member; write `name`, or `outer.inner` for one inside an object, and `\\.` for a dot in a name",
        "7:35: error: identity.claims[2]: cannot be part of a header's name; letters, digits, `_`, `-`, `.`, `:` and `/` can",
        "7:42: error: identity.claims[3]: its header, `…-sub`, is taken by the gateway or sent anyway; remove it",
        "7:47: error: identity.claims[4]: its header, `…-token-type`, is taken by the gateway or sent anyway; remove it",
        "7:64: error: identity.claims[6]: has the same header name as identity.claims[5]; keep one of the two",
        "7:69: error: identity.claims[7]: cannot be part of a header's name; letters, digits, `_`, `-`, `.`, `:` and `/` can",
    ];
    assert_eq!(
        with("identity: {claims: [groups, a..b, 'süß', sub, token.type, a_b, a-b, '*']}\n"),
        expected
    );
}

#[test]
fn identity_prefix_standard() {
    let expected: &[&str] = &[
        "7:20: error: identity.prefix: would remove `content-digest` and the like from every request; choose a prefix of its own, as `X-Introspected-`",
    ];
    assert_eq!(with("identity: {prefix: Content-}\n"), expected);
}

#[test]
fn identity_prefix_forwarded() {
    let expected: &[&str] = &[
        "7:20: error: identity.prefix: would remove `x-forwarded-for` and the like from every request; choose a prefix of its own, as `X-Introspected-`",
    ];
    assert_eq!(with("identity: {prefix: X-Forwarded-}\n"), expected);
}

#[test]
fn identity_prefix_short() {
    let expected: &[&str] = &[
        "7:20: error: identity.prefix: is too short; write at least three characters, as in `X-Introspected-`",
    ];
    assert_eq!(with("identity: {prefix: X-}\n"), expected);
}

#[test]
fn identity_prefix_without_end() {
    let expected: &[&str] = &[
        "7:20: error: identity.prefix: must be letters, digits and `-`, with `-` at its end, as in `X-Introspected-`",
    ];
    assert_eq!(with("identity: {prefix: Identity}\n"), expected);
}

#[test]
fn identity_prefix_underscore() {
    let expected: &[&str] = &[
        "7:20: error: identity.prefix: must be letters, digits and `-`, with `-` at its end, as in `X-Introspected-`",
    ];
    assert_eq!(with("identity: {prefix: X_Id-}\n"), expected);
}

#[test]
fn guard() {
    let expected: &[&str] = &[];
    assert_eq!(with("cache: {guard: {misses: 5, window: 1m}}\n"), expected);
    let expected: &[&str] = &["7:36: error: cache.guard.window: must be longer than zero"];
    assert_eq!(with("cache: {guard: {misses: 1, window: 0s}}\n"), expected);
    let expected: &[&str] = &[
        "7:18: warning: cache.guard: limits every request while `cache.ttl` is `0s`: no token is known from before",
    ];
    assert_eq!(with("cache: {ttl: 0s, guard: {}}\n"), expected);
    assert!(
        with("cache: {guard: {misses: 0}}\n")
            .iter()
            .any(|told| told.contains("cache.guard.misses"))
    );
    assert!(
        with("cache: {guard: {hits: 1}}\n").iter().any(|told| told.contains("cache.guard.hits"))
    );
}

#[test]
fn protocols_and_tls_of_listeners() {
    let pair = "certificate: /none.crt, private_key: /none.key";
    for (keys, expected) in [
        ("protocols: [h2]".to_owned(), "protocols: `h2` is chosen in a TLS handshake"),
        (format!("protocols: [h2c], tls: {{{pair}}}"), "protocols: `h2c` is HTTP/2 without TLS"),
        ("proxy_protocol: true".to_owned(), "proxy_protocol: needs `trusted_proxies`"),
        (format!("tls: {{{pair}}}"), "tls.certificate: there is no such file"),
        (format!("tls: {{{pair}}}"), "tls.private_key: there is no such file"),
        (format!("tls: {{{pair}, client_ca: /ca}}"), "tls.client_ca: has no effect"),
        (
            format!("tls: {{{pair}, client_certificates: required}}"),
            "tls.client_certificates: needs `client_ca`",
        ),
        (
            format!("tls: {{{pair}, certificates: [{{{pair}}}]}}"),
            "tls.certificates[0].certificate: there is no such file",
        ),
        ("limits: {header_size: 1B}".to_owned(), "limits.header_size: must be from 512B"),
        ("limits: {idle_timeout: 0s}".to_owned(), "limits.idle_timeout: must be longer"),
        ("limits: {headers: 0}".to_owned(), "limits.headers: "),
    ] {
        let problems = with(&format!("listeners: [{{address: '127.0.0.1:1', {keys}}}]\n"));
        let found = problems.iter().any(|problem| problem.contains(expected));
        assert!(found, "{keys}: {problems:?}");
    }
    let problems = with("listeners: [{address: 'systemd:'}]\n");
    assert!(problems.iter().any(|problem| problem.contains("systemd:introgate")), "{problems:?}");
}

#[test]
fn assertions() {
    let key = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    for (name, content, mode) in
        [("key", key, 0o600), ("shared", key, 0o644), ("other", "x", 0o600)]
    {
        let file = folder.path().join(name);
        std::fs::write(&file, content).unwrap_or_else(|error| panic!("{error}"));
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(&file, mode).unwrap_or_else(|error| panic!("{error}"));
    }
    let file = |name: &str| folder.path().join(name).display().to_string();
    for (keys, expected) in [
        (format!("private_key: {}, audience: a", file("key")), None),
        (
            format!("private_key: {}, audience: a", file("shared")),
            Some("warning: identity.assertion.private_key: is readable by every user"),
        ),
        (
            format!("private_key: {}, audience: a", file("none")),
            Some("error: identity.assertion.private_key: there is no such file"),
        ),
        (
            format!("private_key: {}, audience: a", file("other")),
            Some("error: identity.assertion.private_key: there is no "),
        ),
        (
            "private_key: '', audience: a".into(),
            Some("error: identity.assertion.private_key: is empty"),
        ),
        (
            format!("private_key: {}, audience: ''", file("key")),
            Some("error: identity.assertion.audience: is empty"),
        ),
        (
            format!("private_key: {}", file("key")),
            Some("error: identity.assertion.audience: is missing"),
        ),
        (
            format!("private_key: {}, audience: a, ttl: 500ms", file("key")),
            Some("error: identity.assertion.ttl: must be whole seconds, from 1s to 1h"),
        ),
        (
            format!("private_key: {}, audience: a, ttl: 2h", file("key")),
            Some("error: identity.assertion.ttl: must be whole seconds, from 1s to 1h"),
        ),
    ] {
        let problems = with(&format!("identity: {{assertion: {{{keys}}}}}\n"));
        match expected {
            None => assert!(problems.is_empty(), "{keys}: {problems:?}"),
            Some(words) => {
                let [problem] = problems.as_slice() else { panic!("{keys}: {problems:?}") };
                assert!(problem.contains(words), "{keys}: {problem}");
            }
        }
    }
}
