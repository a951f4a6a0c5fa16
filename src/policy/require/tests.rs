//! Conditions: the mistakes that are found at load, and evaluations.

use super::Condition;
use crate::clock::Now;
use crate::introspect::read_answer;
use crate::policy::{Case, Implications, PolicySettings, ServerDemands};
use crate::proof::dpop::{Dpop, DpopSettings};
use crate::request::{Forwarded, RequestView};
use crate::route::PathPattern;
use crate::token::{AccessToken, AuthScheme, Credential, DigestKey, Facts};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The mistakes of a text, as `offset: message`.
fn mistakes(source: &str) -> Vec<String> {
    match Condition::compile(source, None) {
        Ok(_) => Vec::new(),
        Err(found) => {
            found.into_iter().map(|found| format!("{}: {}", found.offset, found.message)).collect()
        }
    }
}

/// A request about which a condition is asked.
struct Asked {
    method: Method,
    path: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    client: Option<&'static str>,
    claims: Value,
    /// Milliseconds since 1970.
    now: i64,
}

/// Wednesday, 2026-11-25, 09:30 UTC.
const WEDNESDAY: i64 = 1_795_599_000_000;

impl Default for Asked {
    fn default() -> Self {
        Self {
            method: Method::GET,
            path: "/tenants/acme/items",
            headers: Vec::new(),
            client: Some("10.1.2.3"),
            claims: json!({}),
            now: WEDNESDAY,
        }
    }
}

impl Asked {
    fn claims(claims: Value) -> Self {
        Self { claims, ..Self::default() }
    }

    fn outcome(&self, source: &str) -> Result<bool, String> {
        let paths: Vec<PathPattern> = ["/tenants/{tenant}/*", "/*"]
            .iter()
            .flat_map(|path| PathPattern::parse(path))
            .collect();
        let paths = if source.contains("params") { &paths[..1] } else { &paths[..] };
        let condition = Condition::compile(source, Some(paths))
            .unwrap_or_else(|mistakes| panic!("{source}: {mistakes:?}"));
        let mut answer = self.claims.clone();
        answer["active"] = json!(true);
        let Ok(Facts::Active(facts)) = read_answer(answer.to_string().as_bytes()) else {
            panic!("no answer: {answer}");
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|e| panic!("{e}")),
            );
        }
        let forwarded = Forwarded {
            client: self.client.and_then(|client| client.parse().ok()),
            ..Forwarded::default()
        };
        let request = RequestView {
            method: &self.method,
            host: "api.example.com",
            path: self.path,
            ..RequestView::bare(&headers, &forwarded)
        };
        let implied = BTreeMap::from([("admin".to_owned(), vec!["write".to_owned()])]);
        let server = ServerDemands {
            implications: Arc::new(Implications::new(&implied).unwrap_or_default()),
            ..ServerDemands::default()
        };
        let demands = PolicySettings::default();
        let now = Now { wall: self.now, ..crate::clock::Clock::system().now() };
        let token = AccessToken::parse(b"t", 1).unwrap_or_else(|e| panic!("{e:?}"));
        let credential = Credential { token, scheme: AuthScheme::Bearer };
        let dpop = Dpop::new(DpopSettings::default(), &DigestKey::random());
        condition.holds(&Case {
            facts: &facts,
            request: &request,
            credential,
            dpop: &dpop,
            demands: &demands,
            server: &server,
            now,
            to_claim: &Cell::new(None),
        })
    }
}

#[test]
fn syntax_errors_have_their_place() {
    let found = mistakes("claims.a == ");
    assert!(found.iter().any(|found| found.starts_with("12: is no CEL: ")), "{found:?}");
    let found = mistakes("claims.a ==\n  1 &&& true");
    assert!(found.iter().any(|found| found.starts_with("18: is no CEL: ")), "{found:?}");
    assert!(!mistakes("'open").is_empty());
    assert!(!mistakes("a b").is_empty());
    assert!(!mistakes("claims.?a").is_empty(), "optional values are not supported");
}

#[test]
fn names_are_known_or_a_mistake() {
    for (source, expected) in [
        (
            "claim.sub == 'a'",
            "there is no variable `claim`; known here: claims, scopes, request, now",
        ),
        ("claims.sub == alice", "there is no variable `alice`"),
        ("request.query == 'a'", "there is no `request.query`; known here: method, host, path"),
        ("lower(claims.sub) == 'a'", "there is no function `lower`; known here: size, int"),
        (
            "claims.sub.toUpper() == 'A'",
            "there is no function `toUpper`; known here: size, contains",
        ),
        ("optional.of(1).hasValue()", "there is no"),
        ("claims.groups.exists(g, h == 'a')", "there is no variable `h`"),
        ("Point{x: 1}.x == 1", "is not supported here"),
    ] {
        let found = mistakes(source);
        assert!(found.iter().any(|found| found.contains(expected)), "{source}: {found:?}");
    }
}

#[test]
fn kinds_that_cannot_match_are_a_mistake() {
    for (source, expected) in [
        ("request.method == 1", "`==` is not for a string and an int"),
        ("request.path < now", "`<` is not for a string and a timestamp"),
        ("'read' in request.path", "`in` is not for a string and a string"),
        ("1 in scopes", "`in` is not for an int and a list"),
        ("scopes == 'read'", "`==` is not for a list and a string"),
        ("claims.sub", ""),
        ("request.path", "is a string, and a condition must be a bool"),
        ("1 + 1", "is an int, and a condition must be a bool"),
        ("!request.path", "`!` is not for a string"),
        ("request.path && true", "`&&` is not for a string and a bool"),
        ("(request.path ? 1 : 2) == 1", "the condition of `? :` is a string"),
        ("size(1) == 1", "`size` does not take an int"),
        ("request.path.startsWith(1)", "`startsWith` does not take a string and an int"),
        ("request.path.exists(c, c == 'a')", "a string has no items to go through"),
        ("request.headers.exists(h, h == 'a')", "a map of strings has no items to go through"),
        ("request.path.a == 1", "a string has no member `a`"),
        ("1 + 1.5 == 2.5", "`+` is not for an int and a double"),
        ("now - 1 == now", "`-` is not for a timestamp and an int"),
        ("claims.a.matches(claims.b)", "the pattern must be a literal"),
        ("request.path.matches('(')", "this is not a pattern"),
        ("now.getHours('Mars/Olympus') > 1", "there is no such time zone"),
        ("now.getHours(claims.zone) > 1", "the time zone must be a literal"),
        ("[claims].exists(c, c.a == 1)", "cannot be part of a list"),
    ] {
        let found = mistakes(source);
        match expected {
            "" => assert_eq!(found, [""; 0], "{source}"),
            expected => {
                assert!(found.iter().any(|found| found.contains(expected)), "{source}: {found:?}");
            }
        }
    }
    // all of them at once, each at its place
    let found = mistakes("claim.a == 1 && request.path == 2");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("0: ") && found[1].starts_with("29: "), "{found:?}");
}

#[test]
fn a_parameter_is_one_of_every_path() {
    let paths: Vec<PathPattern> =
        ["/t/{tenant}/*", "/plain"].iter().flat_map(|path| PathPattern::parse(path)).collect();
    let found = Condition::compile("request.params.tenant == claims.tenant", Some(&paths));
    let found = found.err().unwrap_or_default();
    assert_eq!(found[0].message, "the route's path `/plain` has no parameter `{tenant}`");
    assert!(Condition::compile("has(request.params.tenant)", Some(&paths)).is_ok());
}

#[test]
fn the_cost_is_bounded_at_load() {
    let doublings = format!("[claims.a]{}.exists(x, x == 'a')", ".map(x, x + x)".repeat(60));
    let nested = "claims.a.exists(x, claims.b.exists(y, x == y))";
    let thrice = "claims.a.exists(x, x.exists(y, x.exists(z, z == y)))";
    let sums = format!("({}) == 'x'", ["claims.a"; 30].join(" + "));
    let deep = format!("{}claims.a{}", "!(".repeat(40), ")".repeat(40));
    let left_deep = format!("claims.a{} == 1", " + 1".repeat(200));
    let long = format!("claims.a == '{}'", "x".repeat(5000));
    let many = (0..300).map(|n| format!("claims.a == {n}")).collect::<Vec<_>>().join(" || ");
    for (source, expected) in [
        (&*doublings, "1 MiB"),
        (nested, "steps for one request"),
        (thrice, "steps for one request"),
        (&*sums, "1 MiB"),
        (&*deep, ""),
        (&*left_deep, "nested too deep"),
        (&*long, "is longer than 4096 bytes"),
        (&*many, ""),
    ] {
        let found = mistakes(source);
        assert!(!found.is_empty(), "{}", &source[..source.len().min(60)]);
        assert!(found.iter().any(|found| found.contains(expected)), "{found:?}");
    }
    for source in [
        "claims.orgs.exists(o, o.roles.exists(r, r == 'admin'))",
        "claims.groups.exists(g, g.startsWith('app-'))",
        "claims.groups.exists(g, g in claims.allowed)",
        "claims.groups.filter(g, g.startsWith('a')).map(g, g + '!').exists(g, g == 'ab!')",
        "claims.groups.all(g, size(g) < 100)",
    ] {
        assert_eq!(mistakes(source), [""; 0], "{source}");
    }
}

/// Brackets without end neither end the program nor take long.
#[test]
fn hostile_texts_are_mistakes() {
    for source in [
        "(".repeat(4000),
        "[".repeat(4000),
        "!".repeat(4000),
        "-".repeat(4000),
        "a.".repeat(2000),
        "a[".repeat(2000),
        "a?".repeat(2000),
        "a+".repeat(2000),
        "1+".repeat(2000) + "1",
        "{'a':".repeat(800),
        "a.map(x,".repeat(500),
        "\u{0}\u{1}".into(),
        "ü == 1".into(),
        "\"\\ud800\" == ''".into(),
        "99999999999999999999 == 1".into(),
        "1.0e999 == 1.0 && x".into(),
    ] {
        assert!(!mistakes(&source).is_empty(), "{}", &source.chars().take(20).collect::<String>());
    }
}

#[test]
fn the_request_is_seen() {
    let asked = Asked {
        method: Method::POST,
        headers: vec![("x-tenant", "acme"), ("x-list", "a"), ("x-list", "b"), ("x-raw", "\u{fc}")],
        claims: json!({"scope": "read admin", "n": 3, "big": u64::MAX, "f": 1.5}),
        ..Asked::default()
    };
    for source in [
        "request.method == 'POST'",
        "request.host == 'api.example.com'",
        "request.path == '/tenants/acme/items'",
        "request.path.matches('^/tenants/[a-z]+/items$')",
        "request.client_ip == '10.1.2.3'",
        "request.params.tenant == 'acme' && request.params['tenant'] == 'acme'",
        "request.headers['x-tenant'] == 'acme' && request.headers['X-Tenant'] == 'acme'",
        "request.headers['x-list'] == 'a, b'",
        "has(request.headers.accept) == false && !('x-none' in request.headers)",
        "'x-tenant' in request.headers && has(request.params.tenant)",
        "'read' in scopes && 'write' in scopes && !('owner' in scopes) && size(scopes) == 3",
        "claims.n == 3 && claims.n < 3.5 && claims['n'] == 3 && claims.f == 1.5",
        "claims.big > 9223372036854775807u",
        "'n' in claims && !('m' in claims) && claims[request.method.lowerAscii() == 'post' ? 'n' : 'm'] == 3",
        "now == timestamp('2026-11-25T09:30:00Z') && now.getFullYear() == 2026",
        "now - timestamp('2026-11-25T09:00:00Z') == duration('30m')",
        "'ABC'.lowerAscii() == 'abc'",
    ] {
        assert_eq!(asked.outcome(source), Ok(true), "{source}");
    }
    let error = asked.outcome("request.headers['x-raw'] == 'x'");
    assert_eq!(error, Err("a value that is not ASCII".into()));
}

/// Parameters are decoded, and those of another path are not there.
#[test]
fn parameters_are_decoded() {
    let of = |path| Asked { path, ..Asked::default() };
    let source = "request.params.tenant == 'a b/c'";
    assert_eq!(of("/tenants/a%20b%2fc/x").outcome(source), Ok(true));
    assert_eq!(of("/tenants/a%20b%2fd").outcome(source), Ok(false));
    let error = of("/tenants/%ff/x").outcome(source);
    assert_eq!(error, Err("the parameter `tenant` is not UTF-8".into()));
}

/// An error is neither true nor false: it refuses, and its cause names no value.
#[test]
fn errors_are_errors() {
    let asked = Asked::claims(json!({"n": 0, "secret": "s3cret", "a": null, "list": [1], "o": {}}));
    for (source, cause) in [
        ("1 / claims.n == 1", "division by zero"),
        ("1 % claims.n == 1", "remainder by zero"),
        ("claims.missing == 'x'", "there is no member `missing`"),
        (
            "claims.a.b == 'x'",
            "found no matching overload for '_._' applied to '(null_type, string)'",
        ),
        ("has(claims.a.b)", "found no matching overload"),
        ("claims.secret < 1", "found no matching overload for '_<_' applied to '(string, int)'"),
        ("claims.secret", "the value is not a bool, but string"),
        ("claims.list[5] == 1", "there is no such item in the list"),
        ("claims.n + 9223372036854775807 + 1 == 0", "the operator `add` overflowed"),
        ("claims.secret + claims.n == 'x'", "the operator `add` is not for these values"),
        ("int(claims.secret) == 1", "the function `int` does not take this value"),
        ("timestamp(claims.secret) == now", "the function `timestamp` does not take this value"),
        ("claims.n.startsWith('x')", "found no matching overload"),
        ("claims.n.exists(x, x == 1)", "int in place of iterable"),
        ("claims[claims.secret] == 1", "there is no member `s3cret`"),
        ("claims.secret && true", ""),
    ] {
        let outcome = asked.outcome(source);
        let error = outcome.as_ref().err();
        assert!(error.is_some_and(|error| error.contains(cause)), "{source}: {outcome:?}");
    }
    // CEL: a decided side absorbs the other one's error
    assert_eq!(asked.outcome("claims.missing == 1 || true"), Ok(true));
    assert_eq!(asked.outcome("claims.missing == 1 && false"), Ok(false));
}

#[test]
fn inputs_have_limits() {
    let list = |count: usize| Asked::claims(json!({"list": vec!["x"; count]}));
    let source = "claims.list.exists(x, x == 'y')";
    assert_eq!(list(1000).outcome(source), Ok(false));
    assert!(list(1001).outcome(source).is_err());
    let large = Asked::claims(json!({"a": "x".repeat(70_000)}));
    assert_eq!(large.outcome("claims.a == 'x'"), Err("the claims are larger than 64 KiB".into()));
    assert_eq!(large.outcome("request.method == 'GET'"), Ok(true), "claims are not looked at");
    let nested = (0..100).fold(json!("x"), |inner, _| json!({ "a": inner }));
    assert_eq!(Asked::claims(nested).outcome("has(claims.a.a)"), Ok(true));
}

/// The most that an accepted expression may do takes a moment.
#[test]
fn the_worst_accepted_expression_ends() {
    let words: Vec<String> = (0..1000).map(|n| format!("{n:025}")).collect();
    let asked = Asked::claims(json!({"groups": words, "allowed": words}));
    let clock = crate::clock::Clock::system();
    let began = clock.now();
    assert_eq!(asked.outcome("claims.groups.all(g, g in claims.allowed)"), Ok(true));
    assert!(clock.now().since(began) < std::time::Duration::from_secs(5));
}

/// One of the ten conditions of `docs/policy.md`, whose outcome depends on the clock.
#[test]
fn working_hours() {
    let source = "now.getDayOfWeek('Europe/Berlin') in [1, 2, 3, 4, 5] && now.getHours('Europe/Berlin') >= 8 && now.getHours('Europe/Berlin') < 18";
    assert!(include_str!("../../../docs/policy.md").contains(source));
    // minutes from 10:30 on a Wednesday in Berlin
    for (minutes, open) in [
        (0, true),
        (-150, true),
        (-151, false),
        (449, true),
        (450, false),
        (3 * 1440, false),
        (4 * 1440, false),
        (5 * 1440, true),
    ] {
        let asked = Asked { now: WEDNESDAY + minutes * 60_000, ..Asked::default() };
        assert_eq!(asked.outcome(source), Ok(open), "{minutes}");
    }
}
