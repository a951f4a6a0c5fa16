//! Microsoft Entra: version 1 and version 2 tokens, tenants, app roles, and tokens for Graph.

use super::{Signer, claims_with, configured, invalid, passed, refused};
use crate::support::{Behaviour, Setup, one_route};
use serde_json::{Value, json};

const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const OTHER: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
const V2: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";
const V1: &str = "https://sts.windows.net/{tenantid}/";

fn of(template: &str, tenant: &str) -> String {
    template.replace("{tenantid}", tenant)
}

/// As Entra writes them; `scp` for a user's token.
fn claims(issuer: &str, tenant: &str) -> Value {
    claims_with(json!({
        "iss": issuer, "tid": tenant, "aud": "66666666-7777-8888-9999-000000000000", "ver": "2.0", "azp": "client", "oid": "user",
        "scope": null, "client_id": null, "jti": null, "scp": "access_as_user Items.Read", "nbf": crate::support::now() - 5,
    }))
}

fn start(keys: &str) -> Setup {
    configured(&format!(
        "{keys}, audience: [66666666-7777-8888-9999-000000000000, \"api://66666666-7777-8888-9999-000000000000\"], algorithms: [RS256], jwks_uri: \"@AS@/jwks\""
    ))
}

fn publish(setup: &Setup, signer: &Signer) {
    setup.server.publish(
        super::JWKS,
        Behaviour::Json(json!({ "keys": [signer.with(json!({ "use": "sig", "x5t": "x", "x5c": ["MIIC"] })).jwk()] })),
    );
}

#[test]
fn version_2_and_version_1_tokens() {
    let signer = Signer::rsa("k");
    let v2 = start(&format!("issuer: \"{}\"", of(V2, TENANT)));
    publish(&v2, &signer);
    assert_eq!(v2.outcome(&signer.sign(&claims(&of(V2, TENANT), TENANT))), passed());
    let seen = v2.upstream.last();
    assert_eq!(seen.header("x-introspected-scope"), Some("access_as_user Items.Read"));
    assert_eq!(seen.header("x-introspected-client-id"), Some("client"));
    assert_eq!(v2.outcome(&signer.sign(&claims(&of(V1, TENANT), TENANT))), refused("issuer"));
    assert_eq!(v2.outcome(&signer.sign(&claims(&of(V2, OTHER), OTHER))), refused("issuer"));

    let v1 = start(&format!("issuer: \"{}\"", of(V1, TENANT)));
    publish(&v1, &signer);
    let mut token = claims(&of(V1, TENANT), TENANT);
    token["aud"] = json!("api://66666666-7777-8888-9999-000000000000");
    token["appid"] = json!("client-of-v1");
    token.as_object_mut().expect("claims").shift_remove("azp");
    assert_eq!(v1.outcome(&signer.sign(&token)), passed());
    assert_eq!(v1.upstream.last().header("x-introspected-client-id"), Some("client-of-v1"));
    assert_eq!(v1.outcome(&signer.sign(&claims(&of(V2, TENANT), TENANT))), refused("issuer"));
}

#[test]
fn tenants_of_a_list() {
    let signer = Signer::rsa("k");
    let setup = start(&format!("issuer: \"{V2}\", tenants: [{TENANT}, {OTHER}]"));
    publish(&setup, &signer);
    for tenant in [TENANT, OTHER] {
        assert_eq!(
            setup.outcome(&signer.sign(&claims(&of(V2, tenant), tenant))),
            passed(),
            "{tenant}"
        );
    }
    let stranger = "99999999-9999-9999-9999-999999999999";
    for (issuer, tid) in [
        (of(V2, stranger), stranger),
        (of(V2, stranger), TENANT),
        (of(V2, TENANT), stranger),
        (of(V2, TENANT), OTHER),
        (V2.to_owned(), TENANT),
        (of(V2, ""), ""),
        (of(V2, &format!("{TENANT}/../{stranger}")), TENANT),
        (of(V1, TENANT), TENANT),
    ] {
        assert_eq!(
            setup.outcome(&signer.sign(&claims(&issuer, tid))),
            refused("issuer"),
            "{issuer} {tid}"
        );
    }
}

/// Beside a key Entra publishes whose tokens it may sign.
#[test]
fn a_key_of_another_issuer() {
    let signer = Signer::rsa("k");
    let setup = start(&format!("issuer: \"{V2}\", tenants: [{TENANT}]"));
    for (issuer, expected) in
        [(V2.to_owned(), passed()), (of(V2, TENANT), passed()), (of(V2, OTHER), refused("issuer"))]
    {
        let setup = if expected == passed() {
            &setup
        } else {
            &start(&format!("issuer: \"{V2}\", tenants: [{TENANT}]"))
        };
        publish(setup, &signer.with(json!({ "issuer": issuer })));
        assert_eq!(
            setup.outcome(&signer.sign(&claims(&of(V2, TENANT), TENANT))),
            expected,
            "{issuer}"
        );
    }
}

/// The metadata under `common` has the template for an issuer.
#[test]
fn the_template_is_discovered() {
    let signer = Signer::rsa("k");
    let setup = configured("issuer: \"@AS@/{tenantid}/v2.0\", tenants: [one], audience: [api]");
    let template = format!("{}/{{tenantid}}/v2.0", setup.server.url());
    let document =
        json!({ "issuer": template, "jwks_uri": format!("{}/keys", setup.server.origin()) });
    setup.server.publish(
        "/.well-known/oauth-authorization-server/introspect/common/v2.0",
        Behaviour::status(404),
    );
    setup.server.publish(
        "/introspect/common/v2.0/.well-known/openid-configuration",
        Behaviour::Json(document),
    );
    setup.server.publish("/keys", Behaviour::Json(json!({ "keys": [signer.jwk()] })));
    let issuer = of(&template, "one");
    assert_eq!(
        setup.outcome(&signer.sign(&claims_with(json!({ "iss": issuer, "tid": "one" })))),
        passed()
    );
}

#[test]
fn app_roles_are_claims() {
    let signer = Signer::rsa("k");
    let yaml = format!(
        "authorization_servers:\n  entra: {{ type: jwt, issuer: \"{}\", audience: [66666666-7777-8888-9999-000000000000], jwks_uri: \"@AS@/jwks\" }}\nidentity: {{ claims: [roles] }}\n{}",
        of(V2, TENANT),
        one_route("claims: { roles: [Items.Read, Items.Write] }")
    );
    let setup = Setup::start(&yaml);
    publish(&setup, &signer);
    let with = |roles: Value| {
        let mut claims = claims(&of(V2, TENANT), TENANT);
        claims["roles"] = roles;
        setup.outcome(&signer.sign(&claims))
    };
    assert_eq!(with(json!(["Items.Read", "Other"])), passed());
    assert_eq!(
        setup.upstream.last().header("x-introspected-roles"),
        Some(r#"["Items.Read","Other"]"#)
    );
    assert_eq!(with(json!(["Items.ReadAll"])), (403, "claim".into()));
    assert_eq!(with(json!(null)), (403, "claim".into()));
}

/// A Graph token is signed over another header than the one that is sent: its `nonce` is hashed
/// there.
#[test]
fn a_token_for_graph_is_explained_to_the_operator() {
    let signer = Signer::rsa("k");
    let setup = start(&format!("issuer: \"{}\"", of(V2, TENANT)));
    publish(&setup, &signer);
    for _ in 0..3 {
        let signed =
            signer.sign_with(json!({ "nonce": "hashed" }), &claims(&of(V1, TENANT), TENANT));
        let sent = signed.replacen(
            signed.split('.').next().expect("a header"),
            &super::encode(
                &json!({ "typ": "JWT", "alg": "RS256", "kid": "k", "nonce": "plain" }).to_string(),
            ),
            1,
        );
        assert_eq!(setup.outcome(&sent), invalid());
    }
    let log = setup.gateway.log_with("Microsoft Graph");
    assert_eq!(log.matches("Microsoft Graph").count(), 1, "{log}");
    assert!(!setup.get("x.y.z").text().contains("Graph"));
}
