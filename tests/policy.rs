//! Demands of a route on an active token: scopes, audience, claims; and requests that need no
//! token.

use crate::support::{Behaviour, Setup, active, now};
use serde_json::{Value, json};

/// One route with these demands; the result for a token with these members.
struct Demand {
    setup: Setup,
    tokens: std::cell::Cell<usize>,
}

impl Demand {
    fn of(keys: &str) -> Demand {
        Demand { setup: Setup::route(keys), tokens: Default::default() }
    }

    /// Status and reason for a new token with these members.
    fn judges(&self, members: Value) -> (u16, String) {
        let token = format!("token-{}", self.tokens.replace(self.tokens.get() + 1));
        self.setup.server.answer(&token, active(members));
        self.setup.outcome(&token)
    }
}

fn passes() -> (u16, String) {
    (200, String::new())
}

fn refused(status: u16, reason: &str) -> (u16, String) {
    (status, reason.to_owned())
}

/// Pitfalls 43 and 44: all of `scopes`, as whole words, however they are written.
#[test]
fn all_scopes_are_needed() {
    let demand = Demand::of("scopes: [read, write]");
    let enough = [
        json!({ "scope": "read write" }),
        json!({ "scope": "write read" }),
        json!({ "scope": "other read more write" }),
        json!({ "scope": "  read \t write  " }),
        json!({ "scope": "read\nwrite" }),
        json!({ "scope": ["read", "write"] }),
        json!({ "scope": ["other", "write", "read"] }),
        json!({ "scp": "read write" }),
        json!({ "scp": ["read", "write"] }),
    ];
    for members in enough {
        assert_eq!(demand.judges(members.clone()), passes(), "{members}");
    }
    let too_little = [
        json!({}),
        json!({ "scope": "" }),
        json!({ "scope": "   " }),
        json!({ "scope": "read" }),
        json!({ "scope": "write" }),
        json!({ "scope": "readwrite" }),
        json!({ "scope": "read,write" }),
        json!({ "scope": "readall write" }),
        json!({ "scope": "read write2" }),
        json!({ "scope": "READ WRITE" }),
        json!({ "scope": [] }),
        json!({ "scope": ["read"] }),
        json!({ "scope": "read", "scp": "read write" }),
    ];
    for members in too_little {
        assert_eq!(demand.judges(members.clone()), refused(403, "insufficient_scope"), "{members}");
    }
}

/// Contract §6 reads text and arrays of text; nothing else can make a scope.
#[test]
fn scopes_of_another_type_never_pass() {
    let demand = Demand::of("scopes: [\"1\"]");
    for scope in [json!(1), json!({ "1": true }), json!([1]), json!([["1"]]), json!(true)] {
        let (status, reason) = demand.judges(json!({ "scope": scope }));
        assert!([403, 503].contains(&status), "{scope}: {status} {reason}");
    }
    assert_eq!(demand.judges(json!({ "scope": "1" })), passes());
}

#[test]
fn one_of_scopes_any_is_needed() {
    let demand = Demand::of("scopes_any: [read, admin]");
    for scope in ["read", "admin", "other admin", "read admin"] {
        assert_eq!(demand.judges(json!({ "scope": scope })), passes(), "{scope}");
    }
    for scope in ["", "other", "reader", "administrator"] {
        assert_eq!(
            demand.judges(json!({ "scope": scope })),
            refused(403, "insufficient_scope"),
            "{scope}"
        );
    }
}

/// Pitfall 44: both together.
#[test]
fn all_scopes_and_one_of_scopes_any() {
    let demand = Demand::of("scopes: [base], scopes_any: [a, b]");
    for (scope, status) in
        [("base a", 200), ("b base", 200), ("base", 403), ("a b", 403), ("", 403)]
    {
        assert_eq!(demand.judges(json!({ "scope": scope })).0, status, "{scope}");
    }
}

/// Pitfall 45.
#[test]
fn the_audience_must_name_us() {
    let demand = Demand::of("audience: [\"https://api.test\", other]");
    for aud in [
        json!("https://api.test"),
        json!("other"),
        json!(["x", "https://api.test"]),
        json!(["other"]),
    ] {
        assert_eq!(demand.judges(json!({ "aud": aud })), passes(), "{aud}");
    }
    let foreign = [
        json!("https://api.test/"),
        json!("https://api.test.evil"),
        json!("https://api.test other"),
        json!(""),
        json!([]),
        json!(["x"]),
        json!(null),
    ];
    for aud in foreign {
        assert_eq!(demand.judges(json!({ "aud": aud })), refused(401, "audience"), "{aud}");
    }
    assert_eq!(demand.judges(json!({})), refused(401, "audience"));
    for aud in [json!(1), json!({ "other": 1 }), json!([["other"]])] {
        assert_ne!(demand.judges(json!({ "aud": aud })).0, 200, "{aud}");
    }
}

/// Contract §2, `claims`.
#[test]
fn a_claim_must_have_an_allowed_value() {
    let demand = Demand::of("claims: { role: [admin, editor], level: 3, verified: true }");
    let good = |role: Value| json!({ "role": role, "level": 3, "verified": true });
    for role in [json!("admin"), json!("editor"), json!(["x", "editor"])] {
        assert_eq!(demand.judges(good(role.clone())), passes(), "{role}");
    }
    for role in [
        json!("Admin"),
        json!("administrator"),
        json!("admin editor"),
        json!(["x"]),
        json!([]),
        json!(null),
        json!({ "admin": 1 }),
        json!(true),
    ] {
        assert_eq!(demand.judges(good(role.clone())), refused(403, "claim"), "{role}");
    }
    let others = [
        json!({ "level": 3, "verified": true }),
        json!({ "role": "admin", "verified": true }),
        json!({ "role": "admin", "level": 4, "verified": true }),
        json!({ "role": "admin", "level": 3, "verified": false }),
        json!({ "role": "admin", "level": 3 }),
        json!({}),
    ];
    for members in others {
        assert_eq!(demand.judges(members.clone()), refused(403, "claim"), "{members}");
    }
}

/// Contract §2: dotted paths, `\.` for a dot in a name.
#[test]
fn claims_are_found_by_path() {
    let demand = Demand::of(r"claims: { 'org.unit': sales, 'https://ex\.test/roles': admin }");
    let url = "https://ex.test/roles";
    assert_eq!(demand.judges(json!({ "org": { "unit": "sales" }, url: ["admin"] })), passes());
    for members in [
        json!({ "org.unit": "sales", url: "admin" }),
        json!({ "org": "sales", url: "admin" }),
        json!({ "org": { "unit": "other" }, url: "admin" }),
        json!({ "org": [{ "unit": "sales" }], "https://ex": { "test/roles": "admin" } }),
        json!({ "org": { "unit": "sales" } }),
    ] {
        assert_eq!(demand.judges(members.clone()), refused(403, "claim"), "{members}");
    }
}

/// Contract §3: the checks have an order, and the first that fails is the reason.
#[test]
fn the_first_failing_check_is_the_reason() {
    let setup = Setup::start(
        r#"
authorization_servers:
  main: { introspection_endpoint: "@AS@", issuer: "https://as.test" }
routes:
  - { path: /*, upstream: "@UPSTREAM@", scopes: [read], audience: [api], claims: { role: admin } }
"#,
    );
    let mut members = json!({
        "exp": now() - 60, "nbf": now() + 60, "iss": "https://other.test", "aud": "x", "scope": "x", "role": "x",
    });
    let repairs = [
        ("expired", "exp", json!(now() + 60)),
        ("not_yet_valid", "nbf", json!(now() - 60)),
        ("issuer", "iss", json!("https://as.test")),
        ("audience", "aud", json!("api")),
        ("insufficient_scope", "scope", json!("read")),
        ("claim", "role", json!("admin")),
    ];
    for (number, (reason, member, repaired)) in repairs.into_iter().enumerate() {
        let token = format!("token-{number}");
        setup.server.answer(&token, active(members.clone()));
        assert_eq!(setup.outcome(&token).1, reason);
        members[member] = repaired;
    }
    setup.server.answer("whole", active(members));
    assert_eq!(setup.get("whole").status, 200);
}

/// Pitfall 47.
#[test]
fn a_refresh_token_is_no_access_token() {
    let demand = Demand::of("");
    for members in [
        json!({ "token_type": "refresh_token" }),
        json!({ "token_use": "refresh" }),
        json!({ "token_use": "refresh_token" }),
    ] {
        assert_eq!(demand.judges(members.clone()), refused(401, "token_type"), "{members}");
    }
    for members in [
        json!({ "token_type": "Bearer" }),
        json!({ "token_type": "bearer" }),
        json!({ "token_use": "access" }),
    ] {
        assert_eq!(demand.judges(members.clone()), passes(), "{members}");
    }
}

/// Pitfalls 70 and 72: a token that is bound to a key is not accepted from other holders, also not
/// from the cache.
#[test]
fn a_bound_token_is_refused_without_its_proof() {
    let demand = Demand::of("");
    let thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    let bound = [
        (json!({ "jkt": thumbprint }), "binding_dpop"),
        (json!({ "x5t#S256": thumbprint }), "binding_mtls"),
    ];
    for (cnf, reason) in bound {
        assert_eq!(demand.judges(json!({ "cnf": cnf })), refused(401, reason), "{cnf}");
    }
    for cnf in [json!({ "kid": "x" }), json!({ "jwk": {} }), json!("x"), json!([])] {
        let (status, _) = demand.judges(json!({ "cnf": cnf }));
        assert!([401, 503].contains(&status), "{cnf}: {status}");
    }
    assert_eq!(demand.setup.outcome("token-0"), refused(401, "binding_dpop"), "from the cache");
    assert_eq!(demand.setup.upstream.count(), 0);

    let opted_out = Demand::of("binding: { dpop: off, mtls: off, allow_unbound_use: true }");
    assert_eq!(opted_out.judges(json!({ "cnf": { "jkt": thumbprint } })), passes());
    assert_eq!(opted_out.judges(json!({ "cnf": { "x5t#S256": thumbprint } })), passes());
}

/// Pitfall 50: optional means that there may be no token, not that a bad one will do.
#[test]
fn optional_takes_no_token_but_no_bad_one() {
    let setup = Setup::route("auth: optional, scopes: [read]");
    assert_eq!(setup.gateway.get("/", &[]).status, 200);
    assert_eq!(setup.upstream.last().header("x-introspected-sub"), None);
    assert_eq!(setup.server.count(), 0);
    assert_eq!(setup.get("good").status, 200);
    assert_eq!(setup.upstream.last().header("x-introspected-sub"), Some("alice"));

    assert_eq!(setup.outcome("unknown"), refused(401, "inactive"));
    assert_eq!(setup.outcome("expired"), refused(401, "expired"));
    assert_eq!(setup.outcome("narrow"), refused(403, "insufficient_scope"));
    assert_eq!(setup.outcome("a,b"), refused(400, "malformed_token"));
    setup.server.behave_for_all(Behaviour::status(500));
    assert_eq!(setup.outcome("new"), refused(503, "as_unavailable"));
    assert_eq!(setup.upstream.count(), 2);
}

#[test]
fn none_needs_no_token_and_asks_no_server() {
    let setup = Setup::route("auth: none");
    for token in ["good", "unknown", "a,b"] {
        assert_eq!(setup.get(token).status, 200, "{token}");
        assert_eq!(setup.upstream.last().header("x-introspected-sub"), None);
    }
    assert_eq!(setup.server.count(), 0);
}

/// `scope_implications`: a token with `admin` meets a demand for `read`, over several steps; the
/// upstream gets the server's own scopes.
#[test]
fn a_scope_may_imply_others() {
    let setup = Setup::start(
        r#"
authorization_servers:
  main: { introspection_endpoint: "@AS@", scope_implications: { owner: [admin], admin: [read, write] } }
routes:
  - { path: /*, upstream: "@UPSTREAM@", scopes: [read] }
  - { path: /any, upstream: "@UPSTREAM@", scopes_any: [write, other] }
"#,
    );
    for (scope, status) in [
        ("read", 200),
        ("admin", 200),
        ("owner", 200),
        ("x owner", 200),
        ("write", 403),
        ("adminx", 403),
        ("", 403),
    ] {
        setup
            .server
            .answer(&format!("t{scope}").replace(' ', "-"), active(json!({ "scope": scope })));
        let response = setup.get(&format!("t{scope}").replace(' ', "-"));
        assert_eq!(response.status, status, "{scope}");
        if status == 200 {
            assert_eq!(setup.upstream.last().header("x-introspected-scope"), Some(scope));
        }
    }
    assert_eq!(setup.gateway.get_with("/any", "towner").status, 200);
    assert_eq!(setup.gateway.get_with("/any", "tread").status, 403);
    let challenge = setup.get("twrite");
    let challenge = challenge.header("www-authenticate").unwrap_or_default();
    assert!(challenge.contains("scope=\"read\""), "{challenge}");
}

/// Pitfall 43: a member of a scope array is one scope, also where it has white space; it is
/// forwarded as it is.
#[test]
fn a_scope_with_white_space_meets_no_demand() {
    let setup = Setup::route("scopes: [read]");
    for (number, (scope, status, forwarded)) in [
        (json!(["read", "write"]), 200, "read write"),
        (json!("read write"), 200, "read write"),
        (json!(" write\tread\n"), 200, "write read"),
        (json!(["write", "x read", "read"]), 200, "write x read read"),
        (json!(["read write"]), 403, ""),
        (json!(["write read"]), 403, ""),
        (json!([" read"]), 403, ""),
        (json!(["read "]), 403, ""),
        (json!(["read\twrite"]), 403, ""),
        (json!(["read\u{a0}write"]), 403, ""),
        (json!(["read\u{1f}write"]), 403, ""),
    ]
    .into_iter()
    .enumerate()
    {
        for member in ["scope", "scp"] {
            let token = format!("{member}-{number}");
            setup.server.answer(&token, active(json!({ member: scope })));
            assert_eq!(setup.get(&token).status, status, "{member}: {scope}");
            if status == 200 {
                let seen = setup.upstream.last();
                assert_eq!(seen.header("x-introspected-scope"), Some(forwarded), "{scope}");
            }
        }
    }
}
