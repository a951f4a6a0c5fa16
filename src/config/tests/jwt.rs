//! `type: jwt`.

use super::{read, told};
use crate::introspect::jwt::{KeySource, RequiredIssuer};

/// One `jwt` server `a` with these keys, and a route.
fn with_jwt(keys: &str) -> Vec<String> {
    without_place(told(&format!(
        "authorization_servers:\n  a: {{type: jwt, {keys}}}\nroutes: [{{path: /*, upstream: http://b}}]\n"
    )))
}

fn without_place(told: Vec<String>) -> Vec<String> {
    told.iter()
        .map(|problem| {
            problem.split_once(": ").map_or(problem.clone(), |(_, text)| text.to_owned())
        })
        .collect()
}

#[test]
fn required_keys_of_jwt_servers() {
    let expected: &[&str] =
        &["error: authorization_servers.a.issuer: is missing; write the exact value of `iss`"];
    assert_eq!(with_jwt("audience: [x]"), expected);
    let expected: &[&str] = &[
        "error: authorization_servers.a.audience: is missing; write the name of this service in `aud`, here or in every route (`/*` has no `audience`); otherwise tokens for any other service would be accepted",
    ];
    assert_eq!(with_jwt("issuer: https://a"), expected);
    let expected: &[&str] = &[
        "error: authorization_servers.a.issuer: is plain http, and its content decides whom to trust; write `jwks_uri` or `keys` as well",
    ];
    assert_eq!(with_jwt("issuer: http://a, audience: [x]"), expected);
}

#[test]
fn an_audience_of_every_route_will_do() {
    let expected: &[&str] = &[];
    let servers = "authorization_servers: {a: {type: jwt, issuer: https://a}}\n";
    assert_eq!(
        told(&format!(
            "{servers}routes: [{{path: /*, upstream: http://b, audience: [x]}}, {{path: /p, upstream: http://b, auth: none}}]\n"
        )),
        expected
    );
    assert_eq!(
        told(&format!(
            "{servers}defaults: {{audience: [x]}}\nroutes: [{{path: /*, upstream: http://b}}]\n"
        )),
        expected
    );
}

#[test]
fn algorithms() {
    let expected: &[&str] = &[
        "error: authorization_servers.a.algorithms[0]: means no signature; any sender can make such tokens",
        "error: authorization_servers.a.algorithms[1]: is a secret-key algorithm: everyone who can check a token with it can make one; use public keys",
        "error: authorization_servers.a.algorithms[2]: `rs256` is not an algorithm that is known here; these are: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 and EdDSA",
    ];
    assert_eq!(
        with_jwt("issuer: https://a, audience: [x], algorithms: [None, HS256, rs256, RS256]"),
        expected
    );
    let expected: &[&str] = &[
        "error: authorization_servers.a.algorithms: is an empty list; name at least one, or remove the key",
    ];
    assert_eq!(with_jwt("issuer: https://a, audience: [x], algorithms: []"), expected);
}

#[test]
fn keys() {
    let expected: &[&str] = &[
        "error: authorization_servers.a.jwks_uri: `keys` is written as well; keep one of the two",
    ];
    assert_eq!(
        with_jwt("issuer: https://a, audience: [x], keys: [/nonexistent], jwks_uri: https://a/k"),
        expected
    );
    let expected: &[&str] = &[
        "error: authorization_servers.a.keys[0]: there is no such file; create it, or correct its name",
    ];
    assert_eq!(with_jwt("issuer: https://a, audience: [x], keys: [/nonexistent]"), expected);
    let expected: &[&str] = &[
        "warning: authorization_servers.a.jwks_uri: is plain http: an attacker who changes the response can make tokens; use https",
    ];
    assert_eq!(with_jwt("issuer: https://a, audience: [x], jwks_uri: http://a/k"), expected);
}

#[test]
fn tenants() {
    let expected: &[&str] = &[
        "error: authorization_servers.a.tenants: is missing; name the tenants whose tokens are good here, by their ids: else everybody's would be",
    ];
    assert_eq!(with_jwt("issuer: 'https://a/{tenantid}/v2.0', audience: [x]"), expected);
    let expected: &[&str] = &[
        "error: authorization_servers.a.tenants: needs `{tenantid}` in `issuer`, in the place of the tenant's id; remove one of the two",
    ];
    assert_eq!(with_jwt("issuer: https://a, audience: [x], tenants: [t]"), expected);
    let expected: &[&str] = &[
        "error: authorization_servers.a.tenants[0]: is not the id of a tenant as in `tid` and `iss`",
    ];
    assert_eq!(
        with_jwt("issuer: 'https://a/{tenantid}', audience: [x], tenants: ['t/../u']"),
        expected
    );
    let loaded = read(
        "authorization_servers: {a: {type: jwt, issuer: 'https://a/{tenantid}/v2.0', tenants: [t, u], audience: [x]}}\nroutes: [{path: /*, upstream: http://b}]\n",
    );
    let Some(settings) = loaded.settings else { panic!("{:?}", loaded.problems) };
    let server = &settings.servers[0];
    let Some(jwt) = server.profile().verification else { panic!("not jwt") };
    assert_eq!(server.issuer, None, "routes do not compare a template");
    assert!(matches!(jwt.issuer, RequiredIssuer::OfTenants { tenants, .. } if tenants.len() == 2));
    assert!(matches!(jwt.keys, KeySource::Issuer(issuer, at)
        if issuer == "https://a/{tenantid}/v2.0" && at.as_str() == "https://a/common/v2.0"));
}

#[test]
fn who_is_asked_then() {
    let with = |then: &str| {
        without_place(told(&format!(
            "authorization_servers:\n  a: {{type: jwt, issuer: https://a, audience: [x], then: {then}}}\n  b: {{introspection_endpoint: https://b}}\n  c: {{type: jwt, issuer: https://c, audience: [x]}}\nroutes: [{{path: /a, upstream: http://b, authorization_server: a}}, {{path: /c, upstream: http://b, authorization_server: c}}]\n"
        )))
    };
    let expected: &[&str] = &[];
    assert_eq!(with("b"), expected);
    assert_eq!(
        with("''"),
        expected
            .iter()
            .chain(&["warning: authorization_servers.b: no route uses this authorization server; remove it, or name it in a route"])
            .copied()
            .collect::<Vec<_>>()
    );
    assert!(with("a")[0].contains("is this server itself"));
    assert!(with("c")[0].contains("is of a type that is not asked about JWTs"));
    assert!(with("d")[0].contains("there is no authorization server `d`"));
}

#[test]
fn keys_of_other_kinds() {
    let expected: &[&str] = &[
        "error: authorization_servers.a.introspection_endpoint: belongs to servers of type `rfc7662`, and the type is `jwt`; remove it",
        "error: authorization_servers.a.client_auth: belongs to servers of type `rfc7662`, and the type is `jwt`; remove it",
    ];
    assert_eq!(
        with_jwt(
            "issuer: https://a, audience: [x], introspection_endpoint: https://a/i, client_auth: {method: none}"
        ),
        expected
    );
    let expected: &[&str] = &[
        "error: authorization_servers.a.typ: belongs to servers of type `jwt`, and the type is `rfc7662`, the default; remove it",
    ];
    assert_eq!(
        without_place(told(
            "authorization_servers: {a: {introspection_endpoint: https://a, typ: [jwt]}}\nroutes: [{path: /*, upstream: http://b}]\n"
        )),
        expected
    );
}
