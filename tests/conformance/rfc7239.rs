//! RFC 7239: the `Forwarded` header of a trusted proxy, read like `X-Forwarded-*`.

use crate::support::{Setup, one_route};

fn behind_a_proxy() -> Setup {
    Setup::start(&format!(
        "trusted_proxies: [127.0.0.1, 10.0.0.0/8, \"fd00::/8\"]\n{}",
        one_route("auth: none")
    ))
}

/// The service's `X-Forwarded-For`, `-Host` and `-Proto`, and the client in the access log.
#[track_caller]
fn told(setup: &Setup, id: &str, headers: &[(&str, &str)]) -> [String; 4] {
    let headers = [&[("X-Request-Id", id)], headers].concat();
    let response = setup.gateway.get("/", &headers);
    assert_eq!(response.status, 200, "{headers:?}: {}", response.text());
    let seen = setup.upstream.last();
    let header = |name: &str| seen.header(name).unwrap_or_default().to_owned();
    let client =
        setup.gateway.access_log_of(id)["client_ip"].as_str().unwrap_or_default().to_owned();
    [header("x-forwarded-for"), header("x-forwarded-host"), header("x-forwarded-proto"), client]
}

/// §4, §5, §6, §7.1: elements, parameters without case, quoted strings, IPv6 in brackets with and
/// without port, `unknown` and obfuscated identifiers; the nearest untrusted node is the client.
#[test]
fn section_4_and_6_nodes_host_and_proto() {
    let setup = behind_a_proxy();
    let cases: [(&[&str], [&str; 4]); 14] = [
        (
            &["for=192.0.2.60;proto=http;by=203.0.113.43"],
            ["192.0.2.60, 127.0.0.1", "gateway.test", "http", "192.0.2.60"],
        ),
        (
            &["For=\"[2001:db8:cafe::17]:4711\""],
            ["[2001:db8:cafe::17]:4711, 127.0.0.1", "gateway.test", "http", "2001:db8:cafe::17"],
        ),
        (
            &["for=\"[2001:db8:cafe::17]\""],
            ["[2001:db8:cafe::17], 127.0.0.1", "gateway.test", "http", "2001:db8:cafe::17"],
        ),
        (
            &["for=192.0.2.43;HOST=\"api.example.com:8443\";Proto=HTTPS"],
            ["192.0.2.43, 127.0.0.1", "api.example.com:8443", "https", "192.0.2.43"],
        ),
        (
            &["for=\"192.0.2.43:47011\""],
            ["192.0.2.43:47011, 127.0.0.1", "gateway.test", "http", "192.0.2.43"],
        ),
        (
            &["for=\"192.0.2.43:_port\""],
            ["192.0.2.43:_port, 127.0.0.1", "gateway.test", "http", "192.0.2.43"],
        ),
        (
            &["for=192.0.2.43, for=198.51.100.17"],
            ["192.0.2.43, 198.51.100.17, 127.0.0.1", "gateway.test", "http", "198.51.100.17"],
        ),
        (
            &["for=192.0.2.43;host=a.test;proto=https, for=10.0.0.2;host=inner;proto=http"],
            ["192.0.2.43, 10.0.0.2, 127.0.0.1", "a.test", "https", "192.0.2.43"],
        ),
        (
            &["for=6.6.6.6;host=evil.test;proto=https, for=192.0.2.43"],
            ["6.6.6.6, 192.0.2.43, 127.0.0.1", "gateway.test", "http", "192.0.2.43"],
        ),
        (
            &["for=192.0.2.43", "for=\"[fd00::2]\""],
            ["192.0.2.43, [fd00::2], 127.0.0.1", "gateway.test", "http", "192.0.2.43"],
        ),
        (
            &["for=192.0.2.43, for=_hidden, for=10.0.0.2"],
            ["192.0.2.43, _hidden, 10.0.0.2, 127.0.0.1", "gateway.test", "http", "10.0.0.2"],
        ),
        (
            &["for=unknown;proto=https"],
            ["unknown, 127.0.0.1", "gateway.test", "https", "127.0.0.1"],
        ),
        (&["for=\"_gazonk\""], ["_gazonk, 127.0.0.1", "gateway.test", "http", "127.0.0.1"]),
        (
            &["for=192.0.2.43;secret=\"a, b; c\\\"\""],
            ["192.0.2.43, 127.0.0.1", "gateway.test", "http", "192.0.2.43"],
        ),
    ];
    for (number, (lines, expected)) in cases.into_iter().enumerate() {
        let headers: Vec<_> = lines.iter().map(|line| ("Forwarded", *line)).collect();
        assert_eq!(told(&setup, &format!("node-{number}"), &headers), expected, "{lines:?}");
    }
}

/// §4: a header that violates the grammar is ignored.
#[test]
fn section_4_malformed_fields_are_refused() {
    let setup = behind_a_proxy();
    for field in [
        "for",
        "for=",
        "for=1.2.3.4;for=1.2.3.5",
        "for=\"1.2.3.4",
        "for=1.2.3.4 proto=http",
        "for=[::1]",
        "for=\"::1\"",
        "for=a.test",
        "for=\"1.2.3.4:123456\"",
        "host=\"a/b\"",
        "host=\"a:80:80\"",
        "proto=\"a b\"",
        "for = 1.2.3.4",
        "by=nonsense",
    ] {
        for method in ["GET", "POST"] {
            let response = setup.gateway.request(method, "/", &[("Forwarded", field)], b"");
            let refusal = (response.status, response.reason());
            assert_eq!(refusal, (400, "bad_request".into()), "{field}");
        }
    }
    assert_eq!(setup.upstream.count(), 0);
}

/// §7.4: `Forwarded` and `X-Forwarded-*` together agree, or one of them was not written by the
/// proxy.
#[test]
fn section_7_4_two_stories_are_refused() {
    let setup = behind_a_proxy();
    for (forwarded, name, value) in [
        ("for=192.0.2.43", "X-Forwarded-For", "192.0.2.44"),
        ("for=192.0.2.43, for=10.0.0.2", "X-Forwarded-For", "192.0.2.44, 10.0.0.2"),
        ("host=a.test", "X-Forwarded-Host", "b.test"),
        ("proto=https", "X-Forwarded-Proto", "http"),
    ] {
        let response = setup.gateway.get("/", &[("Forwarded", forwarded), (name, value)]);
        assert_eq!(
            (response.status, response.reason()),
            (400, "bad_request".into()),
            "{forwarded}"
        );
    }
    assert_eq!(setup.upstream.count(), 0);
    let both = [
        ("Forwarded", "for=192.0.2.43;host=A.test;proto=https"),
        ("X-Forwarded-For", "6.6.6.6, 192.0.2.43"),
        ("X-Forwarded-Host", "a.test"),
        ("X-Forwarded-Proto", "https"),
    ];
    let expected = ["6.6.6.6, 192.0.2.43, 127.0.0.1", "a.test", "https", "192.0.2.43"];
    assert_eq!(told(&setup, "agreed", &both), expected);
}

/// §8.1: of a stranger, the field is neither read nor forwarded, however it looks.
#[test]
fn section_8_1_a_stranger_is_not_believed() {
    let setup = Setup::route("auth: none");
    for field in ["for=6.6.6.6;host=evil.test;proto=https", "for=\"", "for=1;for=2"] {
        let told = told(&setup, &format!("stranger-{}", field.len()), &[("Forwarded", field)]);
        assert_eq!(told, ["127.0.0.1", "gateway.test", "http", "127.0.0.1"], "{field}");
        assert_eq!(setup.upstream.last().header("forwarded"), None);
    }
}
