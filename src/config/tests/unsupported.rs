//! Keys that this version refuses, by name.

use super::{with, with_server};

#[test]
fn at_the_top() {
    let expected: &[&str] =
        &["7:1: error: protected_resource: is not supported in this version; remove it"];
    assert_eq!(
        with(
            "\
         protected_resource: {resource: https://a}\n\
         listeners: [{address: '127.0.0.1:1'}]\n\
         cache: {ttl: 1s}\n"
        ),
        expected
    );
}

#[test]
fn documented_defaults_are_no_harm() {
    let expected: &[&str] = &[];
    assert_eq!(
        with_server(
            "\
         \x20   response: json\n\
         \x20   type: rfc7662\n\
         \x20   tokens: {prefix: '', jwt_issuer: ''}\n\
         \x20   tls: {ca: '', server_name: ''}\n\
         \x20   client_auth: {method: none, token: '', token_endpoint: '', client_id: '', form_encode: true}\n\
         public_url: ''\n\
         listeners: [{protocols: [h1]}]\n\
         defaults: {require: '', step_up: {acr_values: [], max_age: 0s}, binding: {dpop: off, mtls: off}}\n\
         dpop: {algorithms: [ES256, ES384, EdDSA, PS256, RS256], window: 60s, nonce: false}\n"
        ),
        expected
    );
}
