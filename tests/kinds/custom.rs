//! A home-grown way of asking.

use super::{identity, no_answers, ok, sent, server, status, user_agent};
use crate::support::{Setup, now, run_cli_in};

const CHECK: &str = r#"request: { method: GET, url: "@AS_ORIGIN@/check/{token}?v=1", headers: { X-Api-Key: k3y } }, answer: { active: /valid, sub: /user/id, username: /user/name, client_id: /app, scope: /permissions, expires_in: /ttl }, inactive_status: [401, 404]"#;

#[track_caller]
fn custom(keys: &str) -> Setup {
    server(&format!("type: custom, {keys}"))
}

#[test]
fn the_exchange_of_the_example() {
    let setup = custom(CHECK);
    setup.server.behave_for_all(ok(r#"{"valid":true,"user":{"id":7,"name":"jo"},"app":"shop","permissions":["read","write"],"ttl":"60"}"#));
    let before = now();
    assert_eq!(setup.get("t0k/n").status, 200);
    let expected = format!(
        "GET /check/t0k%2Fn?v=1\naccept: application/json\naccept-encoding: gzip\n{}\nx-api-key: k3y\n\n",
        user_agent()
    );
    assert_eq!(sent(&setup), expected);
    let headers = identity(&setup);
    let value = |name: &str| {
        headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    };
    assert_eq!(
        (value("sub"), value("username"), value("client-id")),
        (Some("7"), Some("jo"), Some("shop"))
    );
    assert_eq!((value("scope"), value("server")), (Some("read write"), Some("main")));
    let exp: i64 = value("exp").and_then(|exp| exp.parse().ok()).expect("exp");
    assert!((before + 60..=now() + 60).contains(&exp), "{exp}");
}

/// A token with any content stays in its place.
#[test]
fn the_token_is_encoded_for_where_it_stands() {
    let token = "a&b<c>'d%2F../{e}=f+g";
    let percent = "a%26b%3Cc%3E%27d%252F..%2F%7Be%7D%3Df%2Bg";
    let form = "a%26b%3Cc%3E%27d%252F..%2F%7Be%7D%3Df%2Bg";
    let xml = "a&amp;b&lt;c&gt;&apos;d%2F../{e}=f+g";
    for (request, target, header, content_type, body) in [
        (
            r#"url: "@AS@?t={token}&x=y""#,
            format!("/introspect?t={percent}&x=y"),
            None,
            None,
            String::new(),
        ),
        (
            r#"url: "@AS@", headers: { X-Token: "is {token}" }"#,
            "/introspect".into(),
            Some(format!("is {token}")),
            None,
            String::new(),
        ),
        (
            r#"url: "@AS@", body: '{"a":["{token}"]}'"#,
            "/introspect".into(),
            None,
            Some("application/json"),
            format!(r#"{{"a":["{token}"]}}"#),
        ),
        (
            r#"url: "@AS@", body: "token={token}&x=y""#,
            "/introspect".into(),
            None,
            Some("application/x-www-form-urlencoded"),
            format!("token={form}&x=y"),
        ),
        (
            r#"url: "@AS@", body: "<t a='{token}'>{token}</t>""#,
            "/introspect".into(),
            None,
            Some("application/xml; charset=utf-8"),
            format!("<t a='{xml}'>{xml}</t>"),
        ),
        (
            r#"url: "@AS@", method: PUT, headers: { content-type: "text/plain; charset=utf-8" }, body: "{token}""#,
            "/introspect".into(),
            None,
            Some("text/plain; charset=utf-8"),
            token.to_owned(),
        ),
    ] {
        let setup = custom(&format!("request: {{ {request} }}, answer: {{ active: /ok }}"));
        setup.server.behave_for_all(ok(r#"{"ok":true}"#));
        assert_eq!(setup.get(token).status, 200, "{request}");
        let seen = setup.server.last();
        let method = if request.contains("PUT") {
            "PUT"
        } else if body.is_empty() {
            "GET"
        } else {
            "POST"
        };
        assert_eq!(
            (seen.method.as_str(), seen.target.as_str()),
            (method, target.as_str()),
            "{request}"
        );
        assert_eq!(
            (seen.header("x-token"), seen.header("content-type")),
            (header.as_deref(), content_type),
            "{request}"
        );
        assert_eq!(String::from_utf8(seen.body).expect("UTF-8"), body, "{request}");
    }
}

#[test]
fn a_token_that_the_path_would_swallow_is_asked_about_nowhere() {
    let setup = custom(CHECK);
    setup.server.behave_for_all(ok(r#"{"valid":true}"#));
    for token in ["..", "."] {
        assert_eq!(setup.outcome(token), (401, "inactive".into()), "{token}");
    }
    assert_eq!(setup.server.count(), 0);
    assert_eq!(setup.outcome("..."), (200, String::new()));
}

#[test]
fn three_values_are_true() {
    let setup = custom(CHECK);
    for (i, (value, active)) in [
        ("true", true),
        ("1", true),
        ("\"true\"", true),
        ("false", false),
        ("0", false),
        ("\"1\"", false),
        ("\"yes\"", false),
        ("2", false),
        ("null", false),
    ]
    .into_iter()
    .enumerate()
    {
        setup.server.behave_for_all(ok(&format!(r#"{{"valid":{value}}}"#)));
        let expected = if active { (200, String::new()) } else { (401, "inactive".into()) };
        assert_eq!(setup.outcome(&format!("t{i}")), expected, "{value}");
    }
}

#[test]
fn statuses_may_mean_inactive() {
    let setup = custom(CHECK);
    for code in [401, 404] {
        setup.server.behave_for_all(status(code, "no"));
        assert_eq!(setup.outcome(&format!("t{code}")), (401, "inactive".into()), "{code}");
    }
    setup.server.behave_for_all(status(400, "no"));
    assert_eq!(setup.outcome("t"), (503, "as_bad_response".into()));
}

#[test]
fn without_active_any_200_is_active() {
    let setup = custom(r#"request: { url: "@AS@/{token}" }, inactive_status: [403]"#);
    for (i, body) in
        ["", "OK", "{}", "[1]", r#"{"active":false,"scope":"admin"}"#].into_iter().enumerate()
    {
        setup.server.behave_for_all(ok(body));
        assert_eq!(setup.outcome(&format!("t{i}")), (200, String::new()), "{body}");
        assert_eq!(super::identity_of(&setup, "scope"), None, "no pointer selects it");
    }
    setup.server.behave_for_all(status(403, ""));
    assert_eq!(setup.outcome("no"), (401, "inactive".into()));
    setup.server.behave_for_all(status(500, ""));
    assert_eq!(setup.outcome("down"), (503, "as_unavailable".into()));
}

#[test]
fn members_that_are_missing_or_of_another_type() {
    let setup = custom(CHECK);
    for body in [
        "{}",
        "[]",
        r#"{"valid":{}}"#,
        r#"{"valid":[true]}"#,
        r#"{"valid":true,"user":{"id":{}}}"#,
        r#"{"valid":true,"permissions":7}"#,
        r#"{"valid":true,"ttl":"soon"}"#,
        r#"{"valid":true,"valid":true}"#,
        r#"{"valid":true,"app":[]}"#,
    ] {
        setup.server.behave_for_all(ok(body));
        assert_eq!(setup.outcome("token"), (503, "as_bad_response".into()), "{body}");
    }
    setup.server.behave_for_all(ok(r#"{"valid":true,"ttl":0}"#));
    assert_eq!(setup.outcome("ended"), (401, "expired".into()));
}

#[test]
fn invalid_answers_are_bad_responses() {
    no_answers(&custom(&CHECK.replace(", inactive_status: [401, 404]", "")));
}

#[test]
fn unusable_settings_are_reported() {
    let check = |keys: &str| {
        let directory = tempfile::tempdir().expect("a folder");
        let yaml = format!(
            "authorization_servers:\n  main: {{ type: custom, {keys} }}\nroutes: [{{ path: /*, upstream: \"http://127.0.0.1:1\" }}]\n"
        );
        std::fs::write(directory.path().join("gateway.yaml"), yaml).expect("write");
        let (code, out, err) = run_cli_in(directory.path(), &["check"], &[("KEY", "s3cr3t-key")]);
        (code, out + &err)
    };
    let request = |more: &str| format!("answer: {{ active: /a }}, request: {{ {more} }}");
    for (keys, expected) in [
        ("answer: { active: /a }".to_owned(), "main.request: is missing"),
        (request("url: \"https://a/x\""), "has no place for the token"),
        (request("url: \"https://{token}.a/x\""), "nowhere else"),
        (request("url: \"https://a/{token}#{token}\""), "must have no fragment"),
        (request("url: \"https://a/{token}\", method: HEAD"), "cannot bring an answer"),
        (request("url: \"https://a/{token}\", method: get"), "is not a method"),
        (request("url: \"https://a/{token}\", headers: { Host: x }"), "is set by the gateway itself"),
        (request("url: \"https://a/x\", body: '{\"a\":{token}}'"), "is not JSON"),
        (request("url: \"https://a/x\", body: '<a>{token}'"), "is not XML"),
        (request("url: \"https://a/x\", headers: { Content-Type: image/png }, body: '{token}'"), "it is not known how"),
        ("request: { url: \"https://a/{token}\" }, answer: { actve: /a }".into(), "did you mean `active`"),
        ("request: { url: \"https://a/{token}\" }, answer: { active: a }".into(), "is not a JSON pointer"),
        ("request: { url: \"https://a/{token}\" }, answer: { active: /a, exp: /b, expires_in: /c }".into(), "keep one of the two"),
        ("request: { url: \"https://a/{token}\" }, inactive_status: [200]".into(), "is the status of an answer"),
        ("request: { url: \"https://a/{token}\" }, inactive_status: [503]".into(), "cannot mean an inactive token"),
        (request("url: \"https://a/{token}\"") + ", client_auth: { method: none }", "belongs to servers of type `rfc7662`"),
    ] {
        let (code, output) = check(&keys);
        assert_eq!(code, 64, "{keys}\n{output}");
        assert!(output.contains(expected), "{keys}\n{output}");
    }
    let (code, output) = check("request: { url: \"https://a/{token}\" }");
    assert!(
        code == 0 && output.contains("warning") && output.contains("nothing makes one inactive"),
        "{output}"
    );
    let (code, output) = check(
        "request: { url: \"https://a/{token}?k=${KEY}\", headers: { X: \"${KEY}\" } }, answer: { active: /a }",
    );
    assert!(code == 0 && !output.contains("s3cr3t"), "{output}");
}
