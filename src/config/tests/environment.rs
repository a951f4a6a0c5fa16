//! References to the environment.

use super::{WHOLE, problems, with};
use crate::config::parse;
use std::path::Path;

#[test]
fn unset_names() {
    let expected: &[&str] = &[
        "7:8: error: realm: the environment variable `NOBODY` is not set; set it, or write `${NOBODY:-default}`",
        "8:16: error: log.level: the environment variable `NEITHER` is not set; set it, or write `${NEITHER:-default}`",
        "8:26: error: log.level: the environment variable `NOBODY` is not set; set it, or write `${NOBODY:-default}`",
        "10:3: error: upstreams.\"${NOT_IN_KEYS}\": `\"${NOT_IN_KEYS}\"` is not a name; use at most 64 of letters, digits, `-`, `_` and `.`, a letter or digit first",
    ];
    assert_eq!(
        with(
            "\
         realm: ${NOBODY}\n\
         log: { level: \"${NEITHER}${NOBODY}\" }\n\
         upstreams:\n\
         \x20 \"${NOT_IN_KEYS}\":\n\
         \x20   servers: [http://a]\n"
        ),
        expected
    );
}

#[test]
fn broken_references() {
    let expected: &[&str] = &[
        "7:9: error: realm: `${` has no `}` behind it; close it, or write `$${` for the two characters themselves",
        "8:20: error: trusted_proxies[0]: the text in `${…}` is not the name of an environment variable; write `${NAME}` or `${NAME:-default}`, or `$${` for the two characters themselves",
        "8:28: error: trusted_proxies[1]: the text in `${…}` is not the name of an environment variable; write `${NAME}` or `${NAME:-default}`, or `$${` for the two characters themselves",
    ];
    assert_eq!(
        with(
            "\
         realm: x${\n\
         trusted_proxies: [\"${1}\", '${A B:-1}']\n"
        ),
        expected
    );
}

#[test]
fn a_reference_in_a_block() {
    let expected: &[&str] = &[
        "9:7: error: realm: the environment variable `NOBODY` is not set; set it, or write `${NOBODY:-default}`",
    ];
    assert_eq!(
        with(
            "\
         realm: |\n\
         \x20 one\n\
         \x20 two ${NOBODY}\n"
        ),
        expected
    );
}

#[test]
fn values_from_the_environment_are_not_shown() {
    let expected: &[&str] = &[
        "7:10: error: threads: expected `auto` or a number from 1 to 1024, found [redacted]",
        "8:23: error: listeners[0].address: [redacted] is not an IP address with a port; write one such as `127.0.0.1:8080`, or `unix:/path`",
        "9:14: error: log.level: expected one of `error`, `warn`, `info`, `debug`, `trace`, found [redacted]",
    ];
    assert_eq!(
        with(
            "\
         threads: ${SECRET}\n\
         listeners: [{address: \"${SECRET}\"}]\n\
         log: {level: \"${SECRET}\"}\n"
        ),
        expected
    );
}

/// A line end that came with a variable is sent with the secret, and no server knows it.
#[test]
fn a_secret_with_white_space_around_it() {
    let auth = |secret: &str| {
        let keys = "method: client_secret_basic, client_id: a";
        let text = WHOLE.replace(
            "routes:\n",
            &format!("    client_auth: {{{keys}, client_secret: {secret}}}\nroutes:\n"),
        );
        let env = |name: &str| match name {
            "LINE" => Some("hunter2\n".to_owned()),
            "CRLF" => Some("hunter2\r\n".to_owned()),
            "SPACE" => Some(" hunter2".to_owned()),
            "INSIDE" => Some("hunter 2".to_owned()),
            name if name.starts_with("OTEL_") => None,
            _ => Some("hunter2".to_owned()),
        };
        let loaded = parse(&text, Path::new("gateway.yaml"), &env);
        assert_eq!(loaded.errors(), 0, "{:?}", loaded.problems);
        let told = problems(&loaded);
        told.iter().map(|problem| problem.display(Path::new("f")).to_string()).collect::<Vec<_>>()
    };
    for secret in ["\"${LINE}\"", "\"${CRLF}\"", "\"${SPACE}\"", "\"x\\n\""] {
        let told = auth(secret);
        assert_eq!(told.len(), 1, "{secret}: {told:?}");
        assert!(
            told[0].contains("warning: authorization_servers.main.client_auth.client_secret: begins or ends with white space")
                && told[0].contains("`client_secret_file`")
                && !told[0].contains("hunter2"),
            "{told:?}"
        );
    }
    for secret in ["\"${FINE}\"", "\"${INSIDE}\"", "x"] {
        assert!(auth(secret).is_empty(), "{secret}");
    }
}
