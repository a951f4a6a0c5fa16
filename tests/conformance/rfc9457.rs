//! RFC 9457: Problem Details for HTTP APIs.

use crate::support::Setup;
use serde_json::Value;

/// §3, §3.1: a JSON object of `application/problem+json`; `status` repeats the code, `type` is a
/// URI reference, `title` and
/// `detail` are text.
#[test]
fn section_3_1_members() {
    let setup = Setup::route("scopes: [read]");
    for (path, token) in
        [("/", ""), ("/", "unknown"), ("/", "narrow"), ("/", "a,b"), ("/%2f", "good")]
    {
        let response = setup.gateway.get_with(path, token);
        assert_eq!(response.header("content-type"), Some("application/problem+json"));
        let problem = response.json();
        assert!(problem.is_object());
        assert_eq!(problem["status"], response.status);
        for member in ["type", "title", "detail"] {
            assert!(problem[member].is_string(), "{member} in {problem}");
        }
        let uri = problem["type"].as_str().unwrap_or_default();
        assert!(!uri.contains([' ', '"', '<', '>', '\\']), "{uri}");
    }
}

/// §3.1.4: `title` does not change from occurrence to occurrence; §3.1.1: nor does `type`.
#[test]
fn section_3_1_4_the_title_is_the_types() {
    let setup = Setup::route("");
    let problems: Vec<Value> = ["one", "two"].iter().map(|token| setup.get(token).json()).collect();
    assert_eq!(problems[0]["type"], problems[1]["type"]);
    assert_eq!(problems[0]["title"], problems[1]["title"]);
    assert_ne!(problems[0]["request_id"], problems[1]["request_id"]);
}

/// §3.2: the extensions are ours and have names of letters, digits and `_`.
#[test]
fn section_3_2_extensions() {
    let setup = Setup::route("");
    let problem = setup.get("unknown").json();
    for member in problem.as_object().expect("an object").keys() {
        assert!(
            member.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'),
            "{member}"
        );
    }
    assert_eq!(
        (&problem["error"], &problem["reason"]),
        (&"invalid_token".into(), &"inactive".into())
    );
}
