//! RFC 6750: The OAuth 2.0 Authorization Framework: Bearer Token Usage.

use crate::support::{Response, Setup};

/// A challenge taken apart: scheme and parameters.
fn challenge(response: &Response) -> (String, Vec<(String, String)>) {
    let header = response.header("www-authenticate").expect("a challenge");
    let (scheme, mut rest) = header.split_once(' ').unwrap_or((header, ""));
    let mut parameters = Vec::new();
    while let Some((name, after)) = rest.split_once("=\"") {
        let name = name.trim_start_matches([',', ' ']);
        let (value, after) = after.split_once('"').expect("a closing quote");
        parameters.push((name.to_owned(), value.to_owned()));
        rest = after;
    }
    assert_eq!(rest, "", "all parameters are quoted: {header}");
    (scheme.to_owned(), parameters)
}

fn parameter(response: &Response, name: &str) -> Option<String> {
    let (_, parameters) = challenge(response);
    let mut named = parameters.into_iter().filter(|(n, _)| n == name);
    let first = named.next().map(|(_, value)| value);
    assert!(named.next().is_none(), "{name} must not appear more than once");
    first
}

/// §2.1: resource servers must support the `Authorization` header with the scheme `Bearer`.
#[test]
fn section_2_1_the_authorization_header() {
    let setup = Setup::route("");
    assert_eq!(setup.get("good").status, 200);
}

/// §2: clients must not use more than one method to send the token.
#[test]
fn section_2_one_method_a_request() {
    let yaml = "token: { from: [header, query] }\nroutes: [{ path: /*, upstream: \"@UPSTREAM@\" }]";
    let setup = Setup::start(yaml);
    let response = setup.gateway.get_with("/?access_token=good", "good");
    assert_eq!(response.status, 400);
    assert_eq!(parameter(&response, "error").as_deref(), Some("invalid_request"));
}

/// §3: a request without authentication information is challenged without an error code or other
/// error information.
#[test]
fn section_3_no_credentials_no_error() {
    let setup = Setup::route("scopes: [read]");
    let response = setup.gateway.get("/", &[]);
    assert_eq!(response.status, 401);
    let (scheme, parameters) = challenge(&response);
    assert_eq!(scheme, "Bearer");
    let names: Vec<_> = parameters.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["realm", "scope"]);
}

/// §3: `realm` and `scope` must not appear more than once, the scope in the syntax of RFC 6749
/// §3.3.
#[test]
fn section_3_realm_and_scope_once() {
    let setup = Setup::route("scopes: [read, admin]");
    let response = setup.get("narrow");
    assert_eq!(parameter(&response, "realm").as_deref(), Some("introgate"));
    assert_eq!(parameter(&response, "scope").as_deref(), Some("read admin"));
}

/// §3: values of `error` and `error_description` have no characters outside %x20-21 / %x23-5B /
/// %x5D-7E, and the client's token is not among them.
#[test]
fn section_3_characters_of_the_parameters() {
    let setup = Setup::route("scopes: [read]");
    for value in
        ["Bearer unknown", "Bearer narrow", "Bearer a\"b", "Bearer t\u{f6}ken", "Bearer a\\b"]
    {
        let response = setup.gateway.get("/", &[("Authorization", value)]);
        for (name, value) in challenge(&response).1 {
            let allowed = |byte: u8| matches!(byte, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
            assert!(value.bytes().all(allowed), "{name}: {value:?}");
        }
    }
}

/// §3.1: `invalid_request` should be 400.
#[test]
fn section_3_1_invalid_request() {
    let setup = Setup::route("");
    let response = setup.gateway.get("/", &[("Authorization", "Bearer a b")]);
    assert_eq!(
        (response.status, parameter(&response, "error").as_deref()),
        (400, Some("invalid_request"))
    );
}

/// §3.1: `invalid_token` should be 401.
#[test]
fn section_3_1_invalid_token() {
    let setup = Setup::route("");
    for token in ["unknown", "expired"] {
        let response = setup.get(token);
        assert_eq!(
            (response.status, parameter(&response, "error").as_deref()),
            (401, Some("invalid_token"))
        );
    }
}

/// §3.1: `insufficient_scope` should be 403, and may name the scope that is needed.
#[test]
fn section_3_1_insufficient_scope() {
    let setup = Setup::route("scopes: [read]");
    let response = setup.get("narrow");
    assert_eq!(
        (response.status, parameter(&response, "error").as_deref()),
        (403, Some("insufficient_scope"))
    );
    assert_eq!(parameter(&response, "scope").as_deref(), Some("read"));
}
