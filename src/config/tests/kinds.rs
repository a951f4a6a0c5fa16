//! Authorization servers other than those of RFC 7662.

use super::{told, with_server};

#[test]
fn required_keys_of_each_kind() {
    let expected: &[&str] = &[
        "2:3: error: authorization_servers.a.audience: is missing; name your own client ids, such as `123.apps.googleusercontent.com`: else a token made for any other app would be good here",
        "3:31: error: authorization_servers.b.audience: is empty; name your own client ids, such as `amzn1.application-oa2-client.123`: else a token made for any other app would be good here",
        "4:3: error: authorization_servers.c.client_id: is missing; write the client id of the app whose tokens are checked",
        "4:3: error: authorization_servers.c.client_secret: is missing; write the app's client secret, or name a file by `client_secret_file`",
        "5:3: error: authorization_servers.d.answer.active: is missing; write the path to the token's state in the answer, such as `//v:Valid = 'true'`",
        "5:3: error: authorization_servers.d.body: is missing; write the content of the envelope's body, with `{token}` in place of the token",
        "5:3: error: authorization_servers.d.endpoint: is missing; write the URL of the service",
        "6:3: error: authorization_servers.e.request: is missing; write how the server is asked, such as `request: { url: \"https://as.internal/check/{token}\" }`",
    ];
    let told = told(
        "\
         authorization_servers:\n\
         \x20 a: {type: google}\n\
         \x20 b: {type: amazon, audience: []}\n\
         \x20 c: {type: github}\n\
         \x20 d: {type: soap}\n\
         \x20 e: {type: custom}\n\
         routes: [{path: /*, upstream: http://b, authorization_server: a}]\n",
    );
    assert_eq!(told, expected);
}

#[test]
fn keys_of_another_kind() {
    let expected: &[&str] = &[
        "4:5: error: authorization_servers.main.audience: is about signed answers; write `response: jwt` as well, or remove it; the required `aud` of tokens is configured in routes",
        "5:5: error: authorization_servers.main.api: belongs to servers of type `github`, and the type is `rfc7662`, the default; remove it",
        "6:41: error: authorization_servers.second.client_auth: belongs to servers of type `rfc7662`, and the type is `google`; remove it",
        "6:70: error: authorization_servers.second.introspection_endpoint: belongs to servers of type `rfc7662`, and the type is `google`; remove it",
        "6:107: error: authorization_servers.second.headers: belongs to servers of type `rfc7662`, and the type is `google`; remove it",
    ];
    let told = with_server(
        "\
         \x20   audience: [x]\n\
         \x20   api: current\n\
         \x20 second: {type: google, audience: [x], client_auth: {method: none}, introspection_endpoint: https://a/x, headers: {}}\n",
    );
    assert_eq!(
        told.iter().filter(|line| !line.contains("routes[0]")).collect::<Vec<_>>(),
        expected.iter().collect::<Vec<_>>()
    );
}

#[test]
fn endpoints_and_credentials_that_cannot_be() {
    let expected: &[&str] = &[
        "2:35: error: authorization_servers.a.audience[1]: is empty or has white space, so it is not a client id",
        "2:53: error: authorization_servers.a.endpoint: has `access_token` in its query, which the gateway itself sends; remove it",
        "3:32: error: authorization_servers.b.client_id: has characters that no client id has",
        "3:67: error: authorization_servers.b.endpoint: must have no query; remove `?` and everything after it",
        "4:46: warning: authorization_servers.c.endpoint: is plain http: tokens and the gateway's own credentials cross the network unprotected; use https",
        "4:88: error: authorization_servers.c.tokens.prefix: has characters that no token has, and can never match",
        "4:107: error: authorization_servers.c.tokens.jwt_issuer: must have no white space: no `iss` would ever match",
    ];
    let told = told(
        "\
         authorization_servers:\n\
         \x20 a: {type: google, audience: [x, 'a b'], endpoint: 'https://a/x?access_token=y'}\n\
         \x20 b: {type: github, client_id: 'a:b', client_secret: s, endpoint: 'https://a?b'}\n\
         \x20 c: {type: amazon, audience: [x], endpoint: http://as.example.com/x, tokens: {prefix: 'a b', jwt_issuer: 'a b'}}\n\
         routes: [{path: /*, upstream: http://b, authorization_server: a}]\n",
    );
    assert_eq!(told, expected);
}

#[test]
fn several_on_one_route() {
    let expected: &[&str] = &[
        "6:60: error: routes[0].authorization_server[1]: the choice between `a` and `b` is undecided: neither has `tokens`; write `tokens: { prefix: … }` or `tokens: { jwt_issuer: … }` of each",
        "7:60: error: routes[1].authorization_server[1]: is a duplicate; remove one of the two",
        "7:63: error: routes[1].authorization_server[2]: there is no authorization server `d`; known here: `a`, `b`, `c`",
    ];
    let told = told(
        "\
         authorization_servers:\n\
         \x20 a: {introspection_endpoint: https://a}\n\
         \x20 b: {introspection_endpoint: https://b}\n\
         \x20 c: {introspection_endpoint: https://c, tokens: {prefix: c}}\n\
         routes:\n\
         - {path: /a, upstream: http://u, authorization_server: [a, b, c]}\n\
         - {path: /b, upstream: http://u, authorization_server: [a, a, d]}\n\
         - {path: /c, upstream: http://u, authorization_server: [a, c]}\n",
    );
    assert_eq!(told, expected);
}
