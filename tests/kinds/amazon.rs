//! Login with Amazon's tokeninfo.

use super::{identity, identity_of, no_answers, ok, sent, server, status, user_agent};
use crate::support::{Setup, now};

const ANSWER: &str = r#"{"iss":"https://www.amazon.com","user_id":"amznl.account.K2LI23KL2LK2","aud":"amznl.oa2-client.ASFWDFBRN","app_id":"amznl.application.436457DFHDH","exp":3597,"iat":1311280970}"#;

#[track_caller]
fn amazon(keys: &str) -> Setup {
    server(&format!(
        r#"type: amazon, audience: ["amznl.oa2-client.ASFWDFBRN"], endpoint: "@AS_ORIGIN@/auth/O2/tokeninfo", {keys}"#
    ))
}

#[test]
fn the_recorded_exchange() {
    let setup = amazon("");
    setup.server.behave_for_all(ok(ANSWER));
    let before = now();
    assert_eq!(setup.get("Atza|IQEBLjAsAhRmHjNgHpi0U-Dme37rR6CuUpSR").status, 200);
    let expected = format!(
        "GET /auth/O2/tokeninfo?access_token=Atza%7CIQEBLjAsAhRmHjNgHpi0U-Dme37rR6CuUpSR\naccept: application/json\naccept-encoding: gzip\n{}\n\n",
        user_agent()
    );
    assert_eq!(sent(&setup), expected);
    let exp: i64 = identity_of(&setup, "exp").expect("exp").parse().expect("a number");
    assert!((before + 3597..=now() + 3597).contains(&exp), "{exp}");
    let rest: Vec<_> = identity(&setup).into_iter().filter(|(name, _)| name != "exp").collect();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        rest,
        [
            pair("aud", "amznl.oa2-client.ASFWDFBRN"),
            pair("client-id", "amznl.oa2-client.ASFWDFBRN"),
            pair("iat", "1311280970"),
            pair("iss", "https://www.amazon.com"),
            pair("server", "main"),
            pair("sub", "amznl.account.K2LI23KL2LK2"),
        ]
    );
}

#[test]
fn a_400_is_inactive() {
    let setup = amazon("");
    for (i, body) in [
        r#"{"error":"invalid_token","error_description":"x"}"#,
        r#"{"error":"invalid_request"}"#,
        "",
    ]
    .into_iter()
    .enumerate()
    {
        setup.server.behave_for_all(status(400, body));
        assert_eq!(setup.outcome(&format!("bad{i}")), (401, "inactive".into()), "{body}");
    }
}

#[test]
fn a_token_of_another_app_is_refused() {
    let setup = amazon("");
    setup.server.behave_for_all(ok(&ANSWER.replace("ASFWDFBRN", "OTHER")));
    assert_eq!(setup.outcome("other"), (401, "audience".into()));
}

#[test]
fn a_configured_issuer_is_demanded() {
    let setup = amazon("issuer: \"https://www.amazon.com\", require_issuer: true");
    setup.server.behave_for_all(ok(ANSWER));
    assert_eq!(setup.outcome("good"), (200, String::new()));
    setup.server.behave_for_all(ok(&ANSWER.replace("www.amazon.com", "www.example.com")));
    assert_eq!(setup.outcome("other"), (401, "issuer".into()));
}

#[test]
fn the_remaining_time_counts_from_now() {
    let setup = amazon("");
    for (i, exp) in ["0", "-1"].into_iter().enumerate() {
        setup.server.behave_for_all(ok(&ANSWER.replace("3597", exp)));
        assert_eq!(setup.outcome(&format!("t{i}")), (401, "expired".into()), "{exp}");
    }
    // an absolute time would end in the next century, a relative one ends within the cache's ttl
    setup.server.behave_for_all(ok(&ANSWER.replace("3597", "2")));
    assert_eq!(setup.outcome("short"), (200, String::new()));
    setup.server.behave_for_all(status(400, "{}"));
    crate::support::wait_until("the token has ended", || {
        setup.outcome("short") != (200, String::new())
    });
}

#[test]
fn members_that_are_missing_or_of_another_type() {
    let setup = amazon("");
    for body in [
        "{}",
        &ANSWER.replace("\"exp\"", "\"x\""),
        &ANSWER.replace("\"aud\"", "\"x\""),
        &ANSWER.replace("3597", "\"soon\""),
        &ANSWER.replace("3597", "null"),
        &ANSWER.replace("1311280970", "{}"),
        &ANSWER.replace("\"amznl.account.K2LI23KL2LK2\"", "[]"),
        "[]",
    ] {
        setup.server.behave_for_all(ok(body));
        assert_eq!(setup.outcome("token"), (503, "as_bad_response".into()), "{body}");
    }
}

#[test]
fn invalid_answers_are_bad_responses() {
    no_answers(&amazon(""));
}
