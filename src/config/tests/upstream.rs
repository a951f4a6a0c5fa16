//! `upstreams`.

use super::with;

#[test]
fn servers() {
    let expected: &[&str] = &[
        "9:15: error: upstreams.api.servers[0]: must have no path; write the path as `rewrite: { add_prefix: … }` of the routes",
        "9:27: error: upstreams.api.servers[1]: must have no query; only scheme, host and port belong here (routes change paths by `rewrite`)",
        "9:41: error: upstreams.api.servers[2]: must have no user name and password; for an authorization server they belong into `client_auth`",
        "9:57: error: upstreams.api.servers[3]: must start with `http://` or `https://`; write a URL such as `http://127.0.0.1:9000` or `unix:/run/service.sock`",
        "9:63: error: upstreams.api.servers[4]: is not an absolute path; write one such as `unix:/run/introgate.sock`",
        "9:83: error: upstreams.api.servers[6]: is a duplicate; keep one of the two and give it a `weight`",
        "9:117: error: upstreams.api.servers[7].weight: must be at least 1, found `0`",
        "9:121: error: upstreams.api.servers[8].url: is missing; it must be written",
        "9:122: error: upstreams.api.servers[8].weigth: unknown key `weigth`; did you mean `weight`?",
        "10:14: error: upstreams.api.balance: expected one of `round_robin`, `random`, `least_connections`, `hash:sub`, `hash:client_ip`, found `least`; did you mean `least_connections`?",
        "11:14: error: upstreams.api.retries: must be at most 10, found `99`",
    ];
    assert_eq!(
        with(
            "\
         upstreams:\n\
         \x20 api:\n\
         \x20   servers: [http://a/x, 'http://a?b', 'http://u:p@a', a:80, 'unix:x', http://b, http://b, {url: http://c, weight: 0}, {weigth: 1}]\n\
         \x20   balance: least\n\
         \x20   retries: 99\n"
        ),
        expected
    );
}

#[test]
fn no_servers() {
    let expected: &[&str] = &[
        "7:13: error: upstreams.a.servers: is missing; it must be written",
        "7:33: error: upstreams.b.servers: is an empty list; name at least one, or remove the key",
    ];
    assert_eq!(with("upstreams: {a: {}, b: {servers: []}}\n"), expected);
}

#[test]
fn server_names() {
    let expected: &[&str] = &[
        "7:58: error: upstreams.a.tls.server_name: is not a host name; write one such as `api.internal`",
        "7:111: warning: upstreams.b.tls.server_name: has no effect: no server's URL starts with `https://`",
    ];
    assert_eq!(
        with(
            "upstreams: {a: {servers: [https://a], tls: {server_name: 'a:1'}}, b: {servers: [http://a], tls: {server_name: b}}}\n"
        ),
        expected
    );
}

#[test]
fn unused() {
    let expected: &[&str] = &[
        "7:13: warning: upstreams.a: no route uses this upstream; remove it, or name it in a route",
    ];
    assert_eq!(with("upstreams: {a: {servers: [http://a]}}\n"), expected);
}

#[test]
fn names() {
    let expected: &[&str] = &[
        "7:13: error: upstreams.\"http://x\": `\"http://x\"` is not a name; use at most 64 of letters, digits, `-`, `_` and `.`, a letter or digit first",
    ];
    assert_eq!(with("upstreams: {'http://x': {servers: [http://a]}}\n"), expected);
}

#[test]
fn protocols_fit_the_servers() {
    let expected: &[&str] = &[
        "7:59: error: upstreams.a.protocol: is `h2`, which needs servers with `https://`; write `h2c` for HTTP/2 in plaintext",
        "7:100: error: upstreams.b.protocol: is `h2c`, which is plaintext; write `h2` for servers with `https://`",
    ];
    assert_eq!(
        with(
            "upstreams: {a: {servers: [https://a, http://a], protocol: h2}, b: {servers: [https://b], protocol: h2c}}\n"
        ),
        expected
    );
}

#[test]
fn health_checks() {
    let expected: &[&str] = &[
        "7:59: error: upstreams.a.health_check.path: must be a path of visible ASCII such as `/healthz`, or empty to check connections only",
        "7:72: error: upstreams.a.health_check.interval: must be longer than zero",
        "7:87: error: upstreams.a.health_check.unhealthy: must be at least 1, found `0`",
    ];
    assert_eq!(
        with(
            "upstreams: {a: {servers: [http://a], health_check: {path: h, interval: 0s, unhealthy: 0}}}\n"
        ),
        expected
    );
}

#[test]
fn certificates_come_with_their_keys() {
    let expected: &[&str] = &[
        "7:39: error: upstreams.a.tls.private_key: is missing beside `certificate`; name the file with its key",
        "7:100: error: upstreams.b.tls.ca: there is no such file; create it, or correct its name",
    ];
    assert_eq!(
        with(
            "upstreams: {a: {servers: [https://a], tls: {certificate: /a}}, b: {servers: [https://b], tls: {ca: /nowhere}}}\n"
        ),
        expected
    );
}
