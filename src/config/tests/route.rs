//! `routes` and `defaults`.

use super::{WHOLE, read, with, with_server};

#[test]
fn unknown_names() {
    let expected: &[&str] = &[
        "7:53: error: routes[1].authorization_server: there is no authorization server `mian`; did you mean `main`?",
        "8:26: error: routes[2].upstream: there is no upstream `apj`; did you mean `api`?",
    ];
    assert_eq!(
        with(
            "\
         \x20 - {path: /a, upstream: api, authorization_server: mian}\n\
         \x20 - {path: /b, upstream: apj, authorization_server: [main]}\n\
         upstreams: {api: {servers: [http://a]}}\n"
        ),
        expected
    );
}

#[test]
fn an_upstream_without_scheme() {
    let expected: &[&str] = &[
        "7:26: error: routes[1].upstream: there is no upstream `127.0.0.1:9000`; define it under `upstreams`, or write a URL such as `http://127.0.0.1:9000`",
    ];
    assert_eq!(with("  - {path: /a, upstream: 127.0.0.1:9000}\n"), expected);
}

#[test]
fn an_upstream_url_with_a_path() {
    let expected: &[&str] = &[
        "7:26: error: routes[1].upstream: must have no path; write the path as `rewrite: { add_prefix: … }` of the routes",
    ];
    assert_eq!(with("  - {path: /a, upstream: http://a/b}\n"), expected);
}

#[test]
fn which_authorization_server() {
    let expected: &[&str] = &[
        "6:5: error: routes[0].authorization_server: is missing; there are several, so name one: main, second",
    ];
    assert_eq!(with_server("  second: {introspection_endpoint: https://b}\n"), expected);
}

#[test]
fn one_of_several_authorization_servers_is_unknown() {
    let expected: &[&str] = &[
        "7:34: error: routes[0].authorization_server[1]: there is no authorization server `other`; known here: `main`",
    ];
    assert_eq!(with("    authorization_server: [main, other]\n"), expected);
}

#[test]
fn same_names() {
    let expected: &[&str] = &[
        "8:42: error: routes[1].name: the route in line 7 is named `a` already; give each a name of its own",
        "9:42: error: routes[2].name: must be 1 to 100 characters of printable ASCII: it is used in metrics and logs",
    ];
    assert_eq!(
        with(
            "\
         \x20   name: a\n\
         \x20 - {path: /a, upstream: http://a, name: a}\n\
         \x20 - {path: /b, upstream: http://a, name: ''}\n"
        ),
        expected
    );
}

#[test]
fn ties() {
    let expected: &[&str] = &[
        "8:12: error: routes[2].path: routes[2] and `one` (line 7) match the same requests: any host, path /a/{y}, any method; make one of them more specific, or remove it",
        "10:12: error: routes[4].path: routes[4] and routes[3] (line 9) match the same requests: host b.com, path /*, any method; make one of them more specific, or remove it",
    ];
    assert_eq!(
        with(
            "\
         \x20 - {path: '/a/{x}', upstream: http://a, name: one}\n\
         \x20 - {path: [/b, '/a/{y}'], upstream: http://a}\n\
         \x20 - {path: /*, upstream: http://a, host: [a.com, b.com]}\n\
         \x20 - {path: /*, upstream: http://a, host: b.com}\n"
        ),
        expected
    );
}

#[test]
fn patterns() {
    let expected: &[&str] = &[
        "7:13: error: routes[1].path[0]: `a` does not start with `/`",
        "7:16: error: routes[1].path[1]: `/a/../b` can never match, since requests are matched in normal form: write `/b`",
        "7:25: error: routes[1].path[2]: `*` is allowed only at the end, as `/*`, in `/a*`",
        "7:30: error: routes[1].path[3]: `/{a}/{a}` has two parameters named `a`",
        "7:42: error: routes[1].path[4]: `/a?b` can never match, since requests are matched in normal form: a path has no query",
        "8:23: error: routes[2].host[0]: `*` is not a host name; write `api.example.com` or `*.example.com`, without scheme, port or path",
        "8:28: error: routes[2].host[1]: `a:1` is not a host name; write `api.example.com` or `*.example.com`, without scheme, port or path",
        "8:35: error: routes[2].host[2]: `http://a` is not a host name; write `api.example.com` or `*.example.com`, without scheme, port or path",
        "8:76: error: routes[2].methods[0]: `get` is not `GET`, since case counts in methods; write `GET`",
        "8:81: error: routes[2].methods[1]: `G T` is not a method; write one such as `GET`",
        "8:93: error: routes[2].methods[3]: is a duplicate; remove one of the two",
        "9:12: error: routes[3].path: is an empty list; name at least one, or remove the key",
        "9:22: error: routes[3].host: is an empty list; name at least one, or remove the key",
        "9:35: error: routes[3].methods: is an empty list; name at least one, or remove the key",
    ];
    assert_eq!(
        with(
            "\
         \x20 - {path: [a, /a/../b, /a*, '/{a}/{a}', /a?b], upstream: http://a}\n\
         \x20 - {path: /x, host: ['*', 'a:1', http://a], upstream: http://a, methods: [get, 'G T', GET, GET]}\n\
         \x20 - {path: [], host: [], methods: [], upstream: http://a}\n"
        ),
        expected
    );
}

#[test]
fn empty_lists() {
    let expected: &[&str] = &[
        "7:13: error: routes[0].scopes: is an empty list, which would demand nothing; name at least one, or remove the key",
        "8:17: error: routes[0].scopes_any: is an empty list, which would demand nothing; name at least one, or remove the key",
        "9:15: error: routes[0].audience: is an empty list, which would demand nothing; name at least one, or remove the key",
        "10:17: error: routes[0].claims.a: is an empty list; name at least one, or remove the key",
    ];
    assert_eq!(
        with(
            "\
         \x20   scopes: []\n\
         \x20   scopes_any: []\n\
         \x20   audience: []\n\
         \x20   claims: {a: []}\n"
        ),
        expected
    );
}

#[test]
fn an_inherited_empty_list() {
    let expected: &[&str] = &[
        "7:20: error: defaults.scopes: is an empty list, which would demand nothing; name at least one, or remove the key",
    ];
    assert_eq!(with("defaults: {scopes: []}\n"), expected);
}

#[test]
fn scopes_and_audience() {
    let expected: &[&str] = &[
        "7:14: error: routes[0].scopes[0]: is empty; name a scope",
        "7:18: error: routes[0].scopes[1]: has white space, which a scope cannot have; write each scope as an item of its own, as in `[read, write]`",
        "7:30: error: routes[0].scopes[2]: has characters that no scope has (RFC 6749 §3.3): visible ASCII other than `\"` and `\\`",
        "7:37: error: routes[0].scopes[3]: has characters that no scope has (RFC 6749 §3.3): visible ASCII other than `\"` and `\\`",
        "7:43: warning: routes[0].scopes[5]: is a duplicate; remove one of the two",
        "8:18: warning: routes[0].scopes_any[0]: is among `scopes` as well, so that `scopes_any` demands nothing more; remove one of the two",
        "9:16: error: routes[0].audience[0]: is blank and can never match; name an audience",
        "9:20: error: routes[0].audience[1]: has white space around it or control characters and can never match; write it as it is in `aud`",
        "9:26: error: routes[0].audience[2]: has white space around it or control characters and can never match; write it as it is in `aud`",
        "9:36: warning: routes[0].audience[4]: is a duplicate; remove one of the two",
    ];
    assert_eq!(
        with(
            "\
         \x20   scopes: ['', read write, 'a\"b', ü, a, a]\n\
         \x20   scopes_any: [a, b]\n\
         \x20   audience: ['', ' a', \"a\\n\", b, b]\n"
        ),
        expected
    );
}

#[test]
fn origins() {
    let expected: &[&str] = &[
        "7:15: error: routes[0].origins[0]: is not an origin; write scheme, host and perhaps a port, as in `https://app.example.com`",
        "7:32: error: routes[0].origins[1]: has a path; an origin is scheme, host and port alone: remove everything behind them, a final slash too",
        "7:44: error: routes[0].origins[2]: would allow every site; list the sites, or remove `origins` if every site may call",
        "7:49: error: routes[0].origins[3]: has `*` elsewhere than for the port; write each host, and `:*` behind it for any port",
        "7:73: warning: routes[0].origins[5]: is a duplicate; remove one of the two",
        "8:15: warning: routes[0].origins[6]: allows every site: any of them can send `Origin: null` from a sandboxed frame; remove it unless the route may be called from everywhere",
    ];
    assert_eq!(
        with(
            "\
         \x20   origins: [app.example.com, https://a/, '*', https://*.a, https://a, https://A:443,\n\
         \x20             'null', 'http://localhost:*']\n"
        ),
        expected
    );
    let expected: &[&str] = &[
        "7:21: error: defaults.origins: is an empty list, which would demand nothing; name at least one, or remove the key",
    ];
    assert_eq!(with("defaults: {origins: []}\n"), expected);
    let expected: &[&str] = &[];
    let public = "  - {path: /a, upstream: http://a, auth: none, origins: [https://a]}\n";
    assert_eq!(with(public), expected, "public routes have origins too");
}

#[test]
fn demands_without_authentication() {
    let expected: &[&str] = &[
        "8:5: error: routes[0].scopes: would be ignored, since `auth` is `none` here; remove it, or write another `auth`",
        "9:5: error: routes[0].scopes_any: would be ignored, since `auth` is `none` here; remove it, or write another `auth`",
        "10:5: error: routes[0].audience: would be ignored, since `auth` is `none` here; remove it, or write another `auth`",
        "11:5: error: routes[0].claims: would be ignored, since `auth` is `none` here; remove it, or write another `auth`",
        "12:5: warning: routes[0].max_age: is ignored, since `auth` is `none` here; remove it",
        "13:5: warning: routes[0].authorization_server: is ignored, since `auth` is `none` here; remove it",
    ];
    assert_eq!(
        with(
            "\
         \x20   auth: none\n\
         \x20   scopes: [a]\n\
         \x20   scopes_any: [b]\n\
         \x20   audience: [c]\n\
         \x20   claims: {a: b}\n\
         \x20   max_age: 5s\n\
         \x20   authorization_server: main\n"
        ),
        expected
    );
}

#[test]
fn no_authentication_by_default() {
    let expected: &[&str] = &[
        "7:5: error: routes[0].scopes: would be ignored, since `auth` is `none` here; remove it, or write another `auth`",
        "8:24: error: defaults.audience: would be ignored, since `auth` is `none` here; remove it, or write another `auth`",
    ];
    assert_eq!(
        with(
            "\
         \x20   scopes: [a]\n\
         defaults: {auth: none, audience: [b]}\n"
        ),
        expected
    );
}

#[test]
fn claims() {
    let expected: &[&str] = &[
        "7:14: error: routes[0].claims.\"a..b\": `\"a..b\"` is not the name of a member; write `name`, or `outer.inner` for one inside an object, and `\\.` for a dot in a name",
        "7:23: error: routes[0].claims.\"a\\\\b\": `\"a\\\\b\"` is not the name of a member; write `name`, or `outer.inner` for one inside an object, and `\\.` for a dot in a name",
        "7:41: error: routes[0].claims.active: can never match: `active` is `true` in every answer that gets this far; remove it",
        "7:51: error: routes[0].claims.c: expected a text, a number, `true` or `false`, or a list of such values, found a mapping",
        "7:63: error: routes[0].claims.f[0]: expected text or a number or `true` or `false`, found a list",
        "7:72: error: routes[0].claims.g: has no value; write a text, a number, `true` or `false`, or a list of such values, or remove the key",
    ];
    assert_eq!(
        with("    claims: {a..b: 1, 'a\\b': 1, active: false, c: {d: e}, f: [[1]], g: null}\n"),
        expected
    );
}

#[test]
fn authorization_details() {
    let expected: &[&str] = &[
        "7:28: error: routes[0].authorization_details: is an empty list, which would demand nothing; name at least one, or remove the key",
        "8:60: error: routes[1].authorization_details[0].type: is missing; it must be written",
        "9:67: error: routes[2].authorization_details[0].type: is empty; name a type of authorization details",
        "9:79: error: routes[2].authorization_details[1].type: expected text, found `1`; put it in quotes",
        "10:60: error: routes[3].authorization_details[0]: expected a mapping (`key: value`), found `t`",
    ];
    assert_eq!(
        with(
            "\
         \x20   authorization_details: []\n\
         \x20 - {path: /b, upstream: http://a, authorization_details: [{actions: [a]}]}\n\
         \x20 - {path: /c, upstream: http://a, authorization_details: [{type: ''}, {type: 1}]}\n\
         \x20 - {path: /d, upstream: http://a, authorization_details: [t]}\n"
        ),
        expected
    );
}

#[test]
fn step_up() {
    let expected: &[&str] = &[
        "7:28: error: routes[0].step_up.acr_values[0]: must be visible ASCII without `\"`, `\\` and white space; write each value as an item of its own",
        "7:33: error: routes[0].step_up.acr_values[1]: must be visible ASCII without `\"`, `\\` and white space; write each value as an item of its own",
        "7:41: warning: routes[0].step_up.acr_values[3]: is a duplicate; remove one of the two",
        "7:54: error: routes[0].step_up.max_age: must be whole seconds, since `auth_time` is; write `1s` or more",
    ];
    assert_eq!(with("    step_up: {acr_values: [a b, '\"', a, a], max_age: 500ms}\n"), expected);
}

#[test]
fn shadow_mode_is_a_warning() {
    let expected: &[&str] = &[
        "7:5: warning: routes[0].enforce: is shadow mode: requests that would be refused are forwarded, without identity headers; remove it to protect the upstream",
        "8:48: warning: routes[1].enforce: is ignored, since `auth` is `none` here; remove it",
    ];
    assert_eq!(
        with(
            "\
         \x20   enforce: false\n\
         \x20 - {path: /b, upstream: http://a, auth: none, enforce: false}\n"
        ),
        expected
    );
}

#[test]
fn a_long_max_age() {
    let expected: &[&str] = &[
        "7:14: warning: routes[0].max_age: is longer than `cache.ttl` and so has no effect: no cached answer gets that old",
    ];
    assert_eq!(with("    max_age: 2m\n"), expected);
}

#[test]
fn rewrites() {
    let expected: &[&str] = &[
        "7:72: error: routes[1].rewrite.strip_prefix: the route's path `/v2/*` does not start with `/v1`; write a prefix that all its paths have",
        "7:89: error: routes[1].rewrite.add_prefix: must be a plain path such as `/v1`, without a final slash, `*` and parameters",
        "8:62: error: routes[2].rewrite.strip_prefix: the route's path `/v1x` does not start with `/v1`; write a prefix that all its paths have",
        "9:60: error: routes[3].rewrite.strip_prefix: must be a plain path such as `/v1`, without a final slash, `*` and parameters",
        "9:75: error: routes[3].rewrite.add_prefix: must be a plain path such as `/v1`, without a final slash, `*` and parameters",
        "10:45: error: routes[4].timeout: must be longer than zero",
    ];
    assert_eq!(
        with(
            "\
         \x20 - {path: [/v1/*, /v2/*], upstream: http://a, rewrite: {strip_prefix: /v1, add_prefix: /x/}}\n\
         \x20 - {path: /v1x, upstream: http://a, rewrite: {strip_prefix: /v1}}\n\
         \x20 - {path: /c, upstream: http://a, rewrite: {strip_prefix: /, add_prefix: 'a/{b}'}}\n\
         \x20 - {path: /d, upstream: http://a, timeout: 0s}\n"
        ),
        expected
    );
}

/// A mistake has the line and the column that an editor shows, however the text is written.
#[test]
fn mistakes_of_conditions() {
    let unknown = |place: &str, key: &str| {
        format!(
            "{place}: error: {key}: there is no variable `claim`; known here: claims, scopes, request, now; write a text in quotes"
        )
    };
    for (written, place) in [
        ("    require: claim.a == 1\n", "7:14"),
        ("    require: '  claim.a == 1'\n", "7:17"),
        ("    require: \"'x' == claim.a\"\n", "7:22"),
        ("    require: \"\\\"x\\\" == claim.a\"\n", "7:24"),
        ("    require: '''x'' == claim.a'\n", "7:24"),
        ("    require: |\n      claims.a == 1 &&\n      claim.b == 2\n", "9:7"),
        (
            "    require: >-\n      claims.a == 1 &&\n        claims.c == 2 || claim.b == 2\n",
            "9:26",
        ),
    ] {
        assert_eq!(with(written), [unknown(place, "routes[0].require")], "{written}");
    }
    let inherited = with("defaults: {require: claim.a == 1}\n");
    assert_eq!(inherited, [unknown("7:21", "defaults.require")]);
}

#[test]
fn conditions_of_routes() {
    let expected: &[&str] = &[
        "7:28: error: routes[0].require: the route's path `/*` has no parameter `{tenant}`",
        "8:52: error: routes[1].require: is a string, and a condition must be a bool",
        "9:48: error: routes[2].require: would be ignored, since `auth` is `none` here; remove it, or write another `auth`",
        "10:50: error: routes[3].require: is no CEL: mismatched input '<EOF>'",
    ];
    assert_eq!(
        with(
            "\
         \x20   require: request.params.tenant == claims.tenant\n\
         \x20 - {path: /b, upstream: http://a, require: request.path}\n\
         \x20 - {path: /c, upstream: http://a, auth: none, require: 'true'}\n\
         \x20 - {path: /d, upstream: http://a, require: '1 == '}\n"
        ),
        expected
    );
}

#[test]
fn rate_limits() {
    let expected: &[&str] = &[
        "7:80: error: routes[1].rate_limit.window: must be from 1ms to 24h",
        "8:80: error: routes[2].rate_limit.window: must be from 1ms to 24h",
        "9:59: error: routes[3].rate_limit.requests: is more than a million requests a second, which limits nothing; write fewer, or a longer `window`",
        "10:66: error: routes[4].rate_limit.per: needs a token, and `auth` is `none` here; write `client_ip`, or another `auth`",
    ];
    assert_eq!(
        with(
            "\
         \x20 - {path: /a, upstream: http://a, rate_limit: {per: sub, requests: 1, window: 0s}}\n\
         \x20 - {path: /b, upstream: http://a, rate_limit: {per: sub, requests: 1, window: 25h}}\n\
         \x20 - {path: /c, upstream: http://a, rate_limit: {requests: 1001, per: token, window: 1ms}}\n\
         \x20 - {path: /d, upstream: http://a, auth: none, rate_limit: {per: sub, requests: 1, window: 1s}}\n\
         \x20 - {path: /e, upstream: http://a, auth: none, rate_limit: {per: client_ip, requests: 1, window: 24h}}\n\
         \x20 - {path: /f, upstream: http://a, rate_limit: {per: client_id, requests: 1000, window: 1ms}}\n"
        ),
        expected
    );
}

#[test]
fn rate_limits_that_are_incomplete() {
    let problems = with(
        "\
         \x20 - {path: /a, upstream: http://a, rate_limit: {requests: 0, window: 1s}}\n\
         \x20 - {path: /b, upstream: http://a, rate_limit: {per: subject, requests: 1}}\n\
         \x20 - {path: /c, upstream: http://a, rate_limit: {per: sub, requests: 1, window: 1, burst: 2}}\n",
    );
    let found: Vec<&str> =
        problems.iter().filter_map(|line| Some(line.split_once("error: ")?.1)).collect();
    for (key, words) in [
        ("routes[1].rate_limit", "per"),
        ("routes[1].rate_limit.requests", "1"),
        ("routes[2].rate_limit.per", "client_id"),
        ("routes[2].rate_limit", "window"),
        ("routes[3].rate_limit.window", "duration"),
        ("routes[3].rate_limit.burst", "unknown"),
    ] {
        let told = found.iter().any(|line| line.starts_with(key) && line.contains(words));
        assert!(told, "{key}: {problems:#?}");
    }
}

/// `auth: none` sets an inherited limit by a value of the token aside, and keeps one by address.
#[test]
fn inherited_rate_limits() {
    let limited = |per: &str, auth: &str| {
        let text = format!(
            "{}defaults: {{rate_limit: {{per: {per}, requests: 1, window: 1s}}{auth}}}\n",
            WHOLE.replace("    upstream", "    auth: none\n    upstream")
        );
        read(&text).settings.map(|settings| settings.routes[0].limits.rate_limit.is_some())
    };
    assert_eq!(limited("sub", ""), Some(false));
    assert_eq!(limited("client_ip", ""), Some(true));
    assert_eq!(limited("sub", ", auth: none"), None, "an error");
}
