//! `client_auth` and its files: keys, certificates, and their mistakes.

use super::{WHOLE, env, problems, with_server};
use crate::config::load;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The problems of the server's keys, without the path of `client_auth`; `files` are beside the
/// configuration.
fn told(files: &[(&str, &str)], keys: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    for (name, content) in files {
        fs::write(folder.path().join(name), content).unwrap_or_else(|error| panic!("{error}"));
    }
    let file = folder.path().join("gateway.yaml");
    let text = WHOLE.replace("routes:\n", &format!("    client_auth: {{{keys}}}\nroutes:\n"));
    fs::write(&file, text).unwrap_or_else(|error| panic!("{error}"));
    let loaded = load(&file, &env);
    assert_eq!(loaded.settings.is_some(), loaded.errors() == 0, "{:?}", loaded.problems);
    let lines = problems(&loaded)
        .into_iter()
        // `an_assertion_needs_the_issuer_for_its_audience` tests this one
        .filter(|problem| !problem.message.contains("servers that follow rfc7523bis refuse"))
        .map(|problem| problem.display(Path::new("")).to_string()[1..].to_owned());
    lines.map(|line| line.replace("authorization_servers.main.client_auth.", "")).collect()
}

fn pair() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap_or_else(|error| panic!("{error}"))
}

fn certificate(pair: &KeyPair, until: i32) -> String {
    let mut parameters =
        CertificateParams::new(Vec::new()).unwrap_or_else(|error| panic!("{error}"));
    parameters.not_after = rcgen::date_time_ymd(until, 1, 1);
    parameters.self_signed(pair).unwrap_or_else(|error| panic!("{error}")).pem()
}

#[test]
fn missing_keys_are_reported() {
    for (keys, expected) in [
        (
            "method: private_key_jwt",
            &[
                "client_id: is missing; `private_key_jwt` needs it",
                "private_key: is missing; `private_key_jwt` needs it",
            ][..],
        ),
        (
            "method: client_secret_jwt, client_id: a",
            &["client_secret: is missing; `client_secret_jwt` needs it, or `client_secret_file`"],
        ),
        (
            "method: tls_client_auth, client_id: a",
            &[
                "certificate: is missing; `tls_client_auth` needs it",
                "private_key: is missing; `tls_client_auth` needs it",
            ],
        ),
        (
            "method: self_signed_tls_client_auth",
            &[
                "certificate: is missing; `self_signed_tls_client_auth` needs it",
                "client_id: is missing; `self_signed_tls_client_auth` needs it",
                "private_key: is missing; `self_signed_tls_client_auth` needs it",
            ],
        ),
        (
            "method: client_credentials, client_id: a, client_secret: b",
            &[
                "token_endpoint: is missing; `client_credentials` needs it, or the server's `issuer`",
            ],
        ),
    ] {
        let expected: Vec<String> =
            expected.iter().map(|line| format!("4:5: error: {line}")).collect();
        assert_eq!(told(&[], keys), expected, "{keys}");
    }
}

#[test]
fn members_of_other_methods() {
    let jwt = "client_id: a, private_key: key.pem";
    let key = pair().serialize_pem();
    for (keys, expected) in [
        (
            "method: none, audience: x",
            "4:33: error: audience: belongs to `client_secret_jwt`, `private_key_jwt` and `client_credentials`, and the method is `none`",
        ),
        (
            "scope: x",
            "4:19: error: scope: belongs to `client_credentials`, and the method is `none`, the default",
        ),
        (
            &format!("method: private_key_jwt, {jwt}, certificate: x"),
            "4:80: error: certificate: belongs to `tls_client_auth`, `self_signed_tls_client_auth` and `client_credentials`, and the method is `private_key_jwt`",
        ),
        (
            &format!("method: private_key_jwt, {jwt}, client_secret_file: x"),
            "4:100: error: client_secret_file: there is no such file",
        ),
        (
            &format!("method: private_key_jwt, {jwt}, token: x"),
            "4:80: error: token: belongs to `bearer`, and the method is `private_key_jwt`",
        ),
    ] {
        let told = told(&[("key.pem", &key)], keys);
        assert!(told.iter().any(|line| line.starts_with(expected)), "{keys}: {told:?}");
    }
}

#[test]
fn keys_that_cannot_sign() {
    let (own, p384) = (
        pair(),
        KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap_or_else(|error| panic!("{error}")),
    );
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let good = own.serialize_pem();
    let (public, both) = (own.public_key_pem(), format!("{good}{good}"));
    for (content, more, expected) in [
        ("", "", "private_key: there is no private key in the file; name a PEM file with"),
        ("hello", "", "private_key: there is no private key in the file; name a PEM file with"),
        (&*public, "", "private_key: there is no private key in the file; name a PEM file with"),
        (
            &certificate(&own, 2999),
            "",
            "private_key: there is no private key in the file; name a PEM file with",
        ),
        (
            encrypted,
            "",
            "private_key: the private key in the file is encrypted; write it without a password",
        ),
        (&both, "", "private_key: there are several private keys in the file"),
        (
            "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
            "",
            "private_key: there is a key in the file that cannot be used; RSA",
        ),
        (
            "-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n",
            "",
            "private_key: the private key in the file cannot be read",
        ),
        (
            SHORT_RSA,
            "",
            "private_key: there is an RSA key of 1024 bits in the file; RSA of 2048 to 8192 bits",
        ),
        (
            r#"{"kty":"oct","k":"AAAA"}"#,
            "",
            "private_key: the key in the file is a secret, not a private key",
        ),
        (
            r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}"#,
            "",
            "private_key: the key in the file is a public one",
        ),
        (
            r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA"}"#,
            "",
            "private_key: there is a key in the file that cannot be used",
        ),
        (
            r#"{"kty":"EC","use":"enc","d":"AA"}"#,
            "",
            "private_key: the key in the file is for another use than signatures",
        ),
        (
            r#"{"kty":"EC","key_ops":["verify"],"d":"AA"}"#,
            "",
            "private_key: the key in the file is for another use than signatures",
        ),
        (r#"{"keys":[]}"#, "", "private_key: there is no key in the file"),
        (
            r#"{"keys":[{"kid":"a"},{"kid":"b"}]}"#,
            ", key_id: c",
            "private_key: there are several keys in the file, and none is the one",
        ),
        (
            r#"{"kty":"EC","kty":"EC"}"#,
            "",
            "private_key: the file is not one JSON object without duplicate members",
        ),
        (
            &good,
            ", algorithm: RS256",
            "algorithm: `RS256` does not fit the key in `private_key`; write ES256",
        ),
        (
            &p384.serialize_pem(),
            ", algorithm: ES256",
            "algorithm: `ES256` does not fit the key in `private_key`; write ES384",
        ),
        (
            &good,
            ", algorithm: HS256",
            "algorithm: `HS256` is a secret-key algorithm, which `client_secret_jwt` has; write ES256",
        ),
        (
            &good,
            ", algorithm: none",
            "algorithm: `none` does not fit the key in `private_key`; write ES256",
        ),
    ] {
        let told = told(
            &[("key", content)],
            &format!("method: private_key_jwt, client_id: a, private_key: key{more}"),
        );
        assert_eq!(told.len(), 1, "{content}{more}: {told:?}");
        let (place, problem) = told[0].split_once(" error: ").unwrap_or_default();
        assert!(
            problem.starts_with(expected) && place.starts_with("4:"),
            "{content}{more}: {told:?}"
        );
    }
    assert_eq!(
        told(
            &[("key", &good)],
            "method: private_key_jwt, client_id: a, private_key: key, algorithm: ES256"
        ),
        [""; 0]
    );
}

/// RFC 7518 §3.2.
#[test]
fn secrets_that_are_too_short_for_their_algorithm() {
    for (length, algorithm, fine) in [
        (32, "HS256", true),
        (31, "HS256", false),
        (32, "''", true),
        (31, "''", false),
        (48, "HS384", true),
        (47, "HS384", false),
        (64, "HS512", true),
        (63, "HS512", false),
        (64, "RS256", false),
    ] {
        let secret = "s".repeat(length);
        let told = told(
            &[],
            &format!(
                "method: client_secret_jwt, client_id: a, client_secret: {secret}, algorithm: {algorithm}"
            ),
        );
        assert_eq!(told.is_empty(), fine, "{length} {algorithm}: {told:?}");
        assert!(!told.iter().any(|line| line.contains(&secret)));
    }
    let told =
        told(&[("s", "short\n")], "method: client_secret_jwt, client_id: a, client_secret_file: s");
    let expected = "4:80: error: client_secret_file: is shorter than the 32 bytes that HS256 needs (RFC 7518 §3.2); have a longer one made";
    assert_eq!(told, [expected]);
}

#[test]
fn certificates_that_cannot_be_shown() {
    let (own, other) = (pair(), pair());
    let (good, key) = (certificate(&own, 2999), own.serialize_pem());
    for (certificate, key, expected) in [
        (&*good, &*key, None),
        (&format!("{key}{good}"), &format!("{key}{good}"), None),
        ("", &key, Some("certificate: there is no certificate in the file")),
        (&key, &key, Some("certificate: there is no certificate in the file")),
        (
            "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
            &key,
            Some("certificate: the first certificate in the file cannot"),
        ),
        (&good, &good, Some("private_key: there is no private key in the file")),
        (
            &good,
            &other.serialize_pem(),
            Some("private_key: is not the key of the first certificate in `certificate`"),
        ),
        (&certificate(&own, 2001), &key, Some("certificate: has expired")),
    ] {
        for method in ["tls_client_auth", "self_signed_tls_client_auth"] {
            let files = [("c", certificate), ("k", key)];
            let told = told(
                &files,
                &format!("method: {method}, client_id: a, certificate: c, private_key: k"),
            );
            assert_eq!(told.len(), usize::from(expected.is_some()), "{expected:?}: {told:?}");
            assert!(expected.is_none_or(|expected| told[0].contains(expected)), "{told:?}");
        }
    }
}

#[test]
fn a_certificate_needs_https_and_a_token_a_place_to_be_fetched() {
    let plain = super::told(&WHOLE.replace("https://as", "http://127.0.0.1").replace(
        "routes:\n",
        "    client_auth: {method: tls_client_auth, client_id: a}\nroutes:\n",
    ));
    let expected = "introspection_endpoint: `tls_client_auth` needs https: no certificate can be shown over plain http";
    assert!(plain.iter().any(|line| line.contains(expected)), "{plain:?}");
    let credentials = "    client_auth: {method: client_credentials, client_id: a, client_secret: b, scope: 'x  y', token_endpoint: ftp://a}\n";
    let told = with_server(credentials);
    assert!(
        told.iter()
            .any(|line| line.contains("client_auth.scope: is not a list of scopes with one space")),
        "{told:?}"
    );
    assert!(
        told.iter().any(|line| line.contains("client_auth.token_endpoint: must start with")),
        "{told:?}"
    );
    for (keys, expected) in [
        (
            "client_secret: b, private_key: key.pem",
            "client_auth.client_secret: is not used: the gateway authenticates to the token endpoint by `private_key_jwt`",
        ),
        (
            "token_endpoint_auth_method: client_secret_post",
            "client_auth.client_secret: is missing; `client_credentials` needs it",
        ),
        (
            "token_endpoint_auth_method: client_secret_post, client_secret: b, form_encode: false",
            "client_auth.form_encode: is not used",
        ),
        (
            "token_endpoint_auth_method: none, client_secret: b",
            "client_auth.token_endpoint_auth_method: ",
        ),
    ] {
        let told = with_server(&format!(
            "    client_auth: {{method: client_credentials, client_id: a, token_endpoint: 'https://a', {keys}}}\n"
        ));
        assert!(told.iter().any(|line| line.contains(expected)), "{keys}: {told:?}");
    }
    let told = with_server(
        "    issuer: my-issuer\n    client_auth: {method: client_credentials, client_id: a, client_secret: b}\n",
    );
    let expected = "issuer: is not an https URL, and so nothing can be found by it; write `client_auth.token_endpoint` as well";
    assert!(told.iter().any(|line| line.contains(expected)), "{told:?}");
}

#[test]
fn server_names() {
    for (name, fine) in [
        ("as.internal", true),
        ("127.0.0.1", false),
        ("a b", false),
        ("as:443", false),
        ("[::1]", false),
        ("1", false),
    ] {
        let told = with_server(&format!("    tls: {{server_name: '{name}'}}\n"));
        assert_eq!(told.is_empty(), fine, "{name}: {told:?}");
    }
}

/// draft-ietf-oauth-rfc7523bis: `aud` of an assertion is the issuer alone.
#[test]
fn an_assertion_needs_the_issuer_for_its_audience() {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let _ = fs::write(folder.path().join("key"), pair().serialize_pem());
    let secret = "0123456789abcdef0123456789abcdef";
    let by_key = "method: private_key_jwt, client_id: a, private_key: key".to_owned();
    let by_secret = format!("method: client_secret_jwt, client_id: a, client_secret: {secret}");
    let basic = "method: client_secret_basic, client_id: a, client_secret: b".to_owned();
    for (keys, more, warned) in [
        (&by_key, "", true),
        (&by_secret, "", true),
        (&format!("{by_key}, audience: https://as"), "", false),
        (&by_key, "    issuer: https://as\n", false),
        (&by_secret, "    issuer: https://as\n", false),
        (&basic, "", false),
    ] {
        let file = folder.path().join("gateway.yaml");
        let text =
            WHOLE.replace("routes:\n", &format!("    client_auth: {{{keys}}}\n{more}routes:\n"));
        let _ = fs::write(&file, text);
        let loaded = load(&file, &env);
        assert_eq!(loaded.errors(), 0, "{:?}", loaded.problems);
        let told = problems(&loaded);
        let found: Vec<_> = told.iter().map(|problem| (&*problem.path, problem.line)).collect();
        let expected = [("authorization_servers.main.client_auth.audience", 4)];
        assert_eq!(found, if warned { &expected[..] } else { &[] }, "{keys} {more}");
    }
}

#[test]
fn files_of_the_platform() {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let jwt = |claims: &str| format!("{}.{}.{}", part("{}"), part(claims), part("signature"));
    let (good, past) = (jwt(r#"{"exp":4102444800}"#), jwt(r#"{"exp":1}"#));
    let expected_shared = "assertion_file: is readable by every user of this machine";
    for (content, mode, keys, expected) in [
        (&*good, 0o600, "assertion_file: f", &[][..]),
        (&good, 0o600, "assertion_file: f, client_id: a", &[]),
        (&good, 0o644, "assertion_file: f", &[expected_shared]),
        (&past, 0o600, "assertion_file: f", &["assertion_file: has an assertion that has expired"]),
        ("", 0o600, "assertion_file: f", &["assertion_file: the file is empty"]),
        (&good[..20], 0o600, "assertion_file: f", &["assertion_file: the file has no signed JWT"]),
        (
            &jwt("{}"),
            0o600,
            "assertion_file: f",
            &["assertion_file: the JWT in the file has no `exp`"],
        ),
        (&good, 0o600, "assertion_file: g", &["assertion_file: there is no such file"]),
        (
            &good,
            0o600,
            "client_id: a",
            &["assertion_file: is missing; `client_assertion` needs it"],
        ),
        (
            &good,
            0o600,
            "assertion_file: f, audience: x",
            &[
                "audience: belongs to `client_secret_jwt`, `private_key_jwt` and `client_credentials`",
            ],
        ),
    ] {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let file = folder.path().join("f");
        let _ = fs::write(&file, content);
        let _ = fs::set_permissions(&file, fs::Permissions::from_mode(mode));
        let text = WHOLE.replace(
            "routes:\n",
            &format!("    client_auth: {{method: client_assertion, {keys}}}\nroutes:\n"),
        );
        let yaml = folder.path().join("gateway.yaml");
        let _ = fs::write(&yaml, text);
        let loaded = load(&yaml, &env);
        let told = problems(&loaded);
        let told: Vec<_> = told
            .iter()
            .map(|problem| format!("{}: {}", problem.path, problem.message))
            .map(|line| line.replace("authorization_servers.main.client_auth.", ""))
            .collect();
        assert_eq!(told.len(), expected.len(), "{keys} {mode:o}: {told:?}");
        assert!(
            told.iter().zip(expected).all(|(told, expected)| told.starts_with(expected)),
            "{told:?}"
        );
        assert!(!loaded.files.contains(&file), "a change of it asks for no reload");
    }
}

/// 1024 bits.
const SHORT_RSA: &str = "\
-----BEGIN RSA PRIVATE KEY-----\n\
MIICXAIBAAKBgQDEszzfy9KVnVRJWfdYUgRe3KZY3a70FpE7VgNwV6qDMEwvz4sk\n\
Qil1wjUBGHMcoP03n2X1ABP5FVR6lTql4HlQEUios3DeQy2hzsMgnW8iA0hTiPmr\n\
IEPHalSVNvEn/fwg2BsigQst9DOZwe0u+k6hDRh/zGI6GWkODDk+wkIvWQIDAQAB\n\
AoGARVHFSjlSZVektJT4DjAZSjUIipjVZz/svrR5UcYTWVhUASVrK8QFSHLAqzoq\n\
lxRFKK0MCWOVplpWAz1EBeEt3uKCIC6pQd82f9YoLXpJOTv0IRlb8sAFfA8iqrSu\n\
3yk8oWbG8s5OrbdtLnD6UFDQB7tR9Xo6ZUSyRYgPVYRKg+ECQQD7wZ4UsUtD3664\n\
q8Lluq88F7UqPGeZlgiyPs+OHsraiAAsVKCYHQIkGeLt+nnTk+G84vBD4tM1Kk0Z\n\
c84YqSzbAkEAyAQKhdCuqH05Fi4Gs6PqhLbQaOF8UlvasEvA94vTbXQv4pJZmAs2\n\
Hri6qUmujge1sw+wNQ60ItqHMjUbUYtw2wJAMqRE50aurC2PmOg8ITgHTeA6+g8C\n\
i/uJLknCOIVrKsBWwJQZZd/X8Wkfo91RqkTCENvZlt5GvBgRQEByQbWuJwJAT39L\n\
r2QCB3W9+tLQVxYPYDBJJWZ5w0I+6VMynzE0F4zWe3cvpP7Pw+YoSqC+gDUQQts5\n\
bd0qO7AfjBUPhpmlgQJBAIYzm+PFfiHxq0e2wzS302IInknx5tufv8Jh/aVNxxjQ\n\
ltZMoA2kzjmqBkPj2U43YrbLlA7OOikpLzOHkEbgs8c=\n\
-----END RSA PRIVATE KEY-----\n";
