//! `protected_resource`.

use super::{read, with};

const AUDIENCE: &str = "    audience: ['https://api.test']\n";

fn with_issuer(more: &str) -> Vec<String> {
    let whole =
        super::WHOLE.replace("    introspection", "    issuer: https://as.test\n    introspection");
    super::told(&format!("{whole}{AUDIENCE}{more}"))
}

#[test]
fn the_identifier() {
    let not_https = "must start with `https://` (RFC 9728 §1.2); `http://` is for loopback alone";
    let no_url = "is not a URL; write one such as `https://api.example.com`";
    for (text, message) in [
        ("https://api.test", None),
        ("https://api.test/mcp", Some("covers")),
        ("http://127.0.0.1:8080", None),
        ("http://api.test", Some(not_https)),
        ("ftp://api.test", Some(not_https)),
        ("", Some(no_url)),
        ("api.test", Some(no_url)),
        (
            "https://api.test#a",
            Some("must have no fragment (RFC 9728 §1.2); remove `#` and everything after it"),
        ),
        ("https://api.test?a", Some("must have no query; remove `?` and everything after it")),
        ("https://u:p@api.test", Some("must have no user name and password; remove them")),
        (
            "https://API.test",
            Some(
                "is not in normal form: write scheme and host in lower case, no default port, and a path without `..`, `//` and unescaped characters",
            ),
        ),
    ] {
        let told = with_issuer(&format!("protected_resource: {{resource: '{text}'}}\n"));
        match message {
            None | Some("covers") => assert_eq!(told, [""; 0], "{text}"),
            Some(message) => {
                let error = format!("9:32: error: protected_resource.resource: {message}");
                assert_eq!(told, [error], "{text}");
            }
        }
    }
    assert!(!with("protected_resource: {}\n").is_empty());
    assert!(read(&format!("{}protected_resource: 7\n", super::WHOLE)).settings.is_none());
}

#[test]
fn beside_the_routes() {
    let key = "protected_resource: {resource: 'https://api.test'}\n";
    let expected: &[&str] = &[
        "7:32: warning: protected_resource.resource: has metadata without an authorization server, since no server of its routes has an `issuer`; write `issuer` there",
        "5:5: warning: routes[0]: demands no `audience`, and is part of `protected_resource`: a token that a client got for another resource passes (RFC 9728 §7.4); write the resource's identifier as `audience`, here or in `defaults`",
    ];
    let mut told = with(key);
    told.sort();
    let mut expected: Vec<String> = expected.iter().map(|&line| line.to_owned()).collect();
    expected.sort();
    assert_eq!(told, expected);

    let told = with_issuer(&format!("public_url: https://other.test\n{key}"));
    assert_eq!(
        told,
        [
            "10:32: warning: protected_resource.resource: is not at `public_url`: clients that look for the metadata at the resource's own host do not find this gateway; write the same scheme and host in both"
        ]
    );

    let told = with_issuer(&format!("    host: other.test\n{key}"));
    assert_eq!(
        told,
        [
            "10:32: warning: protected_resource.resource: covers no route: none that needs a token has this host and a path of the resource; its metadata names no authorization server"
        ]
    );

    let own = "  - path: ['/.well-known/oauth-protected-resource/*']\n    upstream: http://127.0.0.1:9\n    auth: none\n";
    let told = with_issuer(&format!("{own}{key}"));
    assert_eq!(
        told,
        [
            "9:5: error: routes[1].path: is at `/.well-known/oauth-protected-resource`, which the gateway answers because of `protected_resource`; remove one of the two"
        ]
    );
}
