//! `public_url`, `dpop` and `binding`.

use super::with;

#[test]
fn public_url() {
    for (text, fine) in [
        ("https://api.example.com", true),
        ("https://api.example.com/", true),
        ("http://127.0.0.1:8080", true),
        ("https://[::1]:8443", true),
        ("", true),
        ("/", false),
        ("api.example.com", false),
        ("ftp://api.example.com", false),
        ("https://api.example.com/v1", false),
        ("https://api.example.com?x", false),
        ("https://user@api.example.com", false),
        ("https://api.example.com:x", false),
        ("https://", false),
    ] {
        let error = "7:13: error: public_url: is not the address that clients call; write scheme and host alone, such as `https://api.example.com`";
        let expected: &[&str] = if fine { &[] } else { &[error] };
        assert_eq!(with(&format!("public_url: '{text}'\n")), expected, "{text}");
    }
}

#[test]
fn dpop() {
    let expected: &[&str] = &[
        "7:28: error: dpop.algorithms[1]: uses a secret key, and a proof needs a key pair; write one of ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512",
        "7:35: error: dpop.algorithms[2]: `none` is not supported; write one of ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512",
        "7:41: error: dpop.algorithms[3]: is written twice; remove one of the two",
        "7:57: error: dpop.window: must be whole seconds, from 1s to 1h",
    ];
    assert_eq!(with("dpop: {algorithms: [ES256, HS256, none, ES256], window: 500ms}\n"), expected);
    for (window, fine) in
        [("1s", true), ("1h", true), ("2h", false), ("0s", false), ("1500ms", false)]
    {
        let problems =
            with(&format!("dpop: {{window: {window}, nonce: true, algorithms: [RS512]}}\n"));
        assert_eq!(problems.is_empty(), fine, "{window}: {problems:?}");
    }
    assert!(!with("dpop: {algorithms: []}\n").is_empty());
}

#[test]
fn binding() {
    let expected: &[&str] = &[
        "7:50: error: routes[0].binding.allow_unbound_use: contradicts `required`: it lets bound tokens pass without their proof; remove one of the two",
    ];
    assert_eq!(with("    binding: {dpop: required, allow_unbound_use: true}\n"), expected);
    for fine in [
        "{dpop: required}",
        "{dpop: if_bound}",
        "{dpop: off, allow_unbound_use: true}",
        "{allow_unbound_use: true}",
    ] {
        assert_eq!(with(&format!("    binding: {fine}\n")), [""; 0], "{fine}");
    }
}
