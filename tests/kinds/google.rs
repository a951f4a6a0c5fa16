//! Google's tokeninfo, both forms.

use super::{identity, identity_of, no_answers, ok, sent, server, status, user_agent};
use crate::support::{Setup, now};

const V1: &str = r#"{"audience":"8819981768.apps.googleusercontent.com","user_id":"123456789","scope":"https://www.googleapis.com/auth/userinfo.profile https://www.googleapis.com/auth/userinfo.email","expires_in":436}"#;

#[track_caller]
fn google(keys: &str) -> Setup {
    server(&format!(
        r#"type: google, audience: ["8819981768.apps.googleusercontent.com", second], endpoint: "@AS_ORIGIN@/oauth2/v1/tokeninfo", {keys}"#
    ))
}

#[test]
fn the_recorded_exchange_of_v1() {
    let setup = google("");
    setup.server.behave_for_all(ok(V1));
    let before = now();
    assert_eq!(setup.get("1/fFBGRNJru1FQd44AzqT3Zg").status, 200);
    let expected = format!(
        "GET /oauth2/v1/tokeninfo?access_token=1%2FfFBGRNJru1FQd44AzqT3Zg\naccept: application/json\naccept-encoding: gzip\n{}\n\n",
        user_agent()
    );
    assert_eq!(sent(&setup), expected);
    let exp: i64 = identity_of(&setup, "exp").expect("exp").parse().expect("a number");
    assert!((before + 436..=now() + 436).contains(&exp), "{exp}");
    let rest: Vec<_> = identity(&setup).into_iter().filter(|(name, _)| name != "exp").collect();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        rest,
        [
            pair("aud", "8819981768.apps.googleusercontent.com"),
            pair("client-id", "8819981768.apps.googleusercontent.com"),
            pair(
                "scope",
                "https://www.googleapis.com/auth/userinfo.profile https://www.googleapis.com/auth/userinfo.email"
            ),
            pair("server", "main"),
            pair("sub", "123456789"),
        ]
    );
}

#[test]
fn the_recorded_exchange_of_the_current_one() {
    let yaml = format!(
        "identity: {{ claims: [email_verified] }}\n{}",
        super::configuration(
            "type: google, audience: [app], endpoint: \"@AS_ORIGIN@/tokeninfo?alt=json\""
        )
    );
    let setup = Setup::start(&yaml);
    let exp = now() + 3599;
    setup.server.behave_for_all(ok(&format!(
        r#"{{"azp":"web","aud":"app","sub":"1029384756","scope":"openid email","exp":"{exp}","expires_in":"3599","email":"a@example.com","email_verified":"true","access_type":"online"}}"#
    )));
    assert_eq!(setup.get("ya29.a0Af_x-y").status, 200);
    assert_eq!(setup.server.last().target, "/tokeninfo?alt=json&access_token=ya29.a0Af_x-y");
    for (name, value) in [
        ("aud", "app"),
        ("client-id", "web"),
        ("sub", "1029384756"),
        ("email-verified", "true"),
        ("exp", &exp.to_string()),
    ] {
        assert_eq!(identity_of(&setup, name).as_deref(), Some(value), "{name}");
    }
}

#[test]
fn a_token_of_another_app_is_refused() {
    let setup = google("");
    setup.server.behave_for_all(ok(&V1.replace("8819981768", "666")));
    assert_eq!(setup.outcome("other"), (401, "audience".into()));
    setup.server.behave_for_all(ok(&V1.replace("8819981768.apps.googleusercontent.com", "second")));
    assert_eq!(setup.outcome("ours"), (200, String::new()));
}

#[test]
fn an_invalid_token_is_inactive_and_other_400s_are_failures() {
    let setup = google("");
    for (i, body) in [
        r#"{"error":"invalid_token"}"#,
        r#"{"error":"invalid_token","error_description":"Invalid Value"}"#,
        r#"{"error_description":"Invalid Value"}"#,
    ]
    .into_iter()
    .enumerate()
    {
        setup.server.behave_for_all(status(400, body));
        assert_eq!(setup.outcome(&format!("bad{i}")), (401, "inactive".into()), "{body}");
    }
    for body in ["", "<html>", r#"{"error":"invalid_request"}"#] {
        setup.server.behave_for_all(status(400, body));
        assert_eq!(setup.outcome("other"), (503, "as_bad_response".into()), "{body}");
    }
}

#[test]
fn an_ended_token_is_expired() {
    let setup = google("");
    setup.server.behave_for_all(ok(&V1.replace("436", "0")));
    assert_eq!(setup.outcome("ended"), (401, "expired".into()));
}

#[test]
fn members_that_are_missing_or_of_another_type() {
    let setup = google("");
    for body in [
        "{}",
        r#"{"error":"invalid_token"}"#,
        &V1.replace("audience", "x"),
        &V1.replace("expires_in", "x"),
        &V1.replace("436", "\"soon\""),
        &V1.replace("436", "[436]"),
        &V1.replace("\"123456789\"", "{}"),
        &V1.replace("\"8819981768.apps.googleusercontent.com\"", "1"),
        &V1.replace("}", ",\"expires_in\":9}"),
        "[]",
        "null",
    ] {
        setup.server.behave_for_all(ok(body));
        assert_eq!(setup.outcome("token"), (503, "as_bad_response".into()), "{body}");
    }
}

#[test]
fn invalid_answers_are_bad_responses() {
    no_answers(&google(""));
}

/// The token cannot add a parameter.
#[test]
fn the_token_is_encoded_for_the_query() {
    let setup = google("");
    for (token, query) in
        [("a&b=c", "a%26b%3Dc"), ("a+b%20c", "a%2Bb%2520c"), ("#?", "%23%3F"), ("a|b", "a%7Cb")]
    {
        setup.server.behave_for_all(ok(V1));
        assert_eq!(setup.get(token).status, 200, "{token}");
        assert_eq!(
            setup.server.last().target,
            format!("/oauth2/v1/tokeninfo?access_token={query}")
        );
    }
}
