//! GitHub's "check a token", both interfaces.

use super::{identity, identity_of, no_answers, ok, sent, server, status, user_agent};
use crate::support::{Behaviour, Setup};

/// The published answer, without its URLs.
const ANSWER: &str = r#"{"id":1,"url":"https://api.github.com/authorizations/1","scopes":["public_repo"],"token":"abc123","app":{"url":"http://my-github-app.com","name":"my github app","client_id":"abcde12345fghij67890"},"note":"optional note","note_url":"http://optional/note/url","updated_at":"2011-09-06T20:39:23Z","created_at":"2011-09-06T17:26:27Z","user":{"login":"octocat","id":1}}"#;

fn keys(more: &str) -> String {
    format!(
        r#"type: github, client_id: abcde12345fghij67890, client_secret: s3cr3t, endpoint: "@AS_ORIGIN@", {more}"#
    )
}

#[track_caller]
fn github(more: &str) -> Setup {
    server(&keys(more))
}

// abcde12345fghij67890:s3cr3t
const BASIC: &str = "authorization: Basic YWJjZGUxMjM0NWZnaGlqNjc4OTA6czNjcjN0";

#[track_caller]
fn published(setup: &Setup) {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        identity(setup),
        [
            pair("client-id", "abcde12345fghij67890"),
            pair("scope", "public_repo"),
            pair("server", "main"),
            pair("sub", "1"),
            pair("username", "octocat"),
        ]
    );
}

#[test]
fn the_recorded_exchange_of_the_current_interface() {
    let setup = github("");
    setup.server.behave_for_all(ok(ANSWER));
    assert_eq!(setup.get("abc123").status, 200);
    let expected = format!(
        "POST /applications/abcde12345fghij67890/token\naccept: application/vnd.github+json\naccept-encoding: gzip\n{BASIC}\ncontent-length: 25\ncontent-type: application/json\n{}\nx-github-api-version: 2022-11-28\n\n{{\"access_token\":\"abc123\"}}",
        user_agent()
    );
    assert_eq!(sent(&setup), expected);
    published(&setup);
}

#[test]
fn the_recorded_exchange_of_the_legacy_interface() {
    let setup = github("api: legacy");
    setup.server.behave_for_all(ok(ANSWER));
    assert_eq!(setup.get("abc123").status, 200);
    let expected = format!(
        "GET /applications/abcde12345fghij67890/tokens/abc123\naccept: application/vnd.github+json\naccept-encoding: gzip\n{BASIC}\n{}\n\n",
        user_agent()
    );
    assert_eq!(sent(&setup), expected);
    published(&setup);
}

/// The token is one segment, with any content.
#[test]
fn the_token_cannot_leave_its_segment() {
    let setup = github("api: legacy");
    setup.server.behave_for_all(status(404, "{}"));
    for (token, segment) in [
        ("a/../../user", "a%2F..%2F..%2Fuser"),
        ("a?b#c", "a%3Fb%23c"),
        ("%2e%2e", "%252e%252e"),
        ("a|b&c=d", "a%7Cb%26c%3Dd"),
    ] {
        assert_eq!(setup.outcome(token), (401, "inactive".into()), "{token}");
        assert_eq!(
            setup.server.last().target,
            format!("/applications/abcde12345fghij67890/tokens/{segment}")
        );
    }
    let before = setup.server.count();
    for token in ["..", "."] {
        assert_eq!(setup.outcome(token), (401, "inactive".into()), "{token}");
    }
    assert_eq!(setup.server.count(), before, "an unencodable token causes no call");
}

#[test]
fn the_token_is_a_json_string() {
    let setup = github("");
    setup.server.behave_for_all(status(404, "{}"));
    for token in ["a'b{}c", "</script>", "%22", "a/b"] {
        assert_eq!(setup.outcome(token), (401, "inactive".into()), "{token}");
        assert_eq!(
            setup.server.last().body,
            format!(r#"{{"access_token":"{token}"}}"#).into_bytes()
        );
    }
}

#[test]
fn an_end_is_kept_and_an_ended_token_refused() {
    let setup = github("");
    let answer = |end: &str| {
        ok(&ANSWER.replace("\"id\":1,\"url\"", &format!("\"expires_at\":{end},\"url\"")))
    };
    setup.server.behave_for_all(answer("\"2100-01-01T00:00:00Z\""));
    assert_eq!(setup.outcome("long"), (200, String::new()));
    assert_eq!(identity_of(&setup, "exp").as_deref(), Some("4102444800"));
    setup.server.behave_for_all(answer("\"2011-09-06T17:26:27Z\""));
    assert_eq!(setup.outcome("ended"), (401, "expired".into()));
    setup.server.behave_for_all(answer("null"));
    assert_eq!(setup.outcome("endless"), (200, String::new()));
}

#[test]
fn a_token_of_another_app_is_refused() {
    let setup = github("");
    setup.server.behave_for_all(ok(&ANSWER.replace("abcde12345fghij67890", "another")));
    assert_eq!(setup.outcome("other"), (401, "audience".into()));
}

#[test]
fn not_found_and_unprocessable_are_inactive() {
    let setup = github("");
    for code in [404, 422] {
        setup.server.behave_for_all(status(code, r#"{"message":"Not Found"}"#));
        assert_eq!(setup.outcome(&format!("bad{code}")), (401, "inactive".into()));
    }
}

#[test]
fn a_rate_limit_is_kept() {
    for headers in [
        &[("Retry-After", "60")][..],
        &[("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", "99999999999")],
    ] {
        let setup = github("");
        setup.server.behave_for_all(Behaviour::respond(403, headers, "{}"));
        for token in ["a", "b"] {
            let response = setup.get(token);
            assert_eq!(
                (response.status, response.reason().as_str()),
                (503, "as_throttled"),
                "{headers:?}"
            );
            assert!(
                response.header("retry-after").is_some_and(|seconds| seconds
                    .parse::<u64>()
                    .is_ok_and(|seconds| seconds > 50))
            );
        }
        assert_eq!(setup.server.count(), 1, "the pause is kept");
    }
}

#[test]
fn members_that_are_missing_or_of_another_type() {
    let setup = github("");
    for body in [
        "{}",
        &ANSWER.replace("scopes", "x"),
        &ANSWER.replace("client_id", "x"),
        &ANSWER.replace("[\"public_repo\"]", "{}"),
        &ANSWER.replace("{\"login\":\"octocat\",\"id\":1}", "\"octocat\""),
        &ANSWER.replace("\"id\":1,\"url\"", "\"expires_at\":\"soon\",\"url\""),
        "[]",
    ] {
        setup.server.behave_for_all(ok(body));
        assert_eq!(setup.outcome("token"), (503, "as_bad_response".into()), "{body}");
    }
}

#[test]
fn invalid_answers_are_bad_responses() {
    no_answers(&github(""));
}

#[test]
fn neither_the_token_nor_its_hash_is_passed_on() {
    let yaml = format!("identity: {{ all_claims: true }}\n{}", super::configuration(&keys("")));
    let setup = Setup::start(&yaml);
    setup.server.behave_for_all(ok(
        &ANSWER.replace("\"id\":1,", "\"hashed_token\":\"x\",\"token_last_eight\":\"abc123\",")
    ));
    assert_eq!(setup.get("abc123").status, 200);
    use base64::prelude::*;
    let claims = BASE64_URL_SAFE_NO_PAD
        .decode(identity_of(&setup, "claims").expect("claims"))
        .expect("base64url");
    let claims = String::from_utf8(claims).expect("UTF-8");
    assert!(
        !claims.contains("token") && !claims.contains("abc123") && claims.contains("my github app"),
        "{claims}"
    );
}
