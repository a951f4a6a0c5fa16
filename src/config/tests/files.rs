//! Files: the configuration itself, and those that it names.

use super::{WHOLE, client_auth, env, problems};
use crate::config::{Loaded, load};
use crate::introspect::ClientAuth;
use std::fs;
use std::path::Path;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";

fn loaded(folder: &Path, text: &[u8]) -> Loaded {
    let file = folder.join("gateway.yaml");
    fs::write(&file, text).unwrap_or_else(|error| panic!("{error}"));
    load(&file, &env)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"))
}

fn server(more: &str) -> String {
    WHOLE.replace("routes:\n", &format!("{more}routes:\n"))
}

#[test]
fn secrets_are_read_from_files_beside_the_configuration() {
    let folder = folder();
    let _ = fs::write(folder.path().join("token"), "s3cret\r\n\n");
    let _ = fs::write(folder.path().join("ca.pem"), CERTIFICATE);
    let loaded = loaded(
        folder.path(),
        server("    client_auth: {method: bearer, token_file: token}\n    tls: {ca: ca.pem}\n")
            .as_bytes(),
    );
    let settings = loaded.settings.unwrap_or_else(|| panic!("{:?}", loaded.problems));
    assert!(matches!(
        client_auth(&settings.servers[0]),
        Some(ClientAuth::Bearer { token }) if token.expose() == "s3cret"
    ));
    assert_eq!(
        settings.servers[0].extra_roots.as_ref().map(|(path, _)| path),
        Some(&folder.path().join("ca.pem"))
    );
    assert_eq!(
        loaded.files,
        ["gateway.yaml", "token", "ca.pem"].map(|name| folder.path().join(name))
    );
}

#[test]
fn unusable_files_are_reported_and_watched() {
    let folder = folder();
    let _ = fs::write(folder.path().join("empty"), "\n");
    let _ = fs::write(folder.path().join("binary"), [0xff, 0xfe]);
    let text = server(
        "    client_auth: {method: bearer, token_file: empty}\n    tls: {ca: empty}\n  b:\n    introspection_endpoint: https://b\n    \
         client_auth: {method: client_secret_post, client_id: a, client_secret_file: binary}\n    tls: {ca: missing}\n",
    );
    let loaded = loaded(
        folder.path(),
        text.replace("path: /*", "path: /*\n    authorization_server: main").as_bytes(),
    );
    let told: Vec<_> = loaded.problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        told,
        [
            "the file is empty; write the secret into it",
            "there is no certificate in the file; name a PEM file with `BEGIN CERTIFICATE`",
            "the file is not UTF-8 text",
            "there is no such file; create it, or correct its name",
        ]
    );
    assert_eq!(loaded.files.len(), 4);
}

#[test]
fn a_configuration_that_is_no_text() {
    let folder = folder();
    let loaded_bytes = |bytes: &[u8]| {
        let loaded = loaded(folder.path(), bytes);
        problems(&loaded).iter().map(|problem| problem.message.clone()).collect::<Vec<_>>()
    };
    assert_eq!(
        loaded_bytes(b"a: 1\nb: \xff\n"),
        ["the file is not UTF-8 text from this line on; save it as UTF-8"]
    );
    assert_eq!(
        loaded_bytes(&vec![b'#'; 1 << 21]),
        ["the file is larger than 1 MiB; that is not a gateway configuration"]
    );
    assert_eq!(loaded_bytes(format!("\u{feff}{WHOLE}").as_bytes()), [""; 0]);
    assert_eq!(loaded_bytes(WHOLE.replace('\n', "\r\n").as_bytes()), [""; 0]);
    assert_eq!(load(folder.path(), &env).errors(), 1);
}

/// Some editors write one (RFC 8259 §8.1).
#[test]
fn a_byte_order_mark_is_no_part_of_a_file() {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let _ = fs::write(folder.path().join("token"), "\u{feff}s3cret\n");
    let _ = fs::write(
        folder.path().join("keys.json"),
        "\u{feff}{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}",
    );
    let keys =
        "    response: jwt\n    issuer: https://a\n    audience: [g]\n    keys: [keys.json]\n";
    let text = server(&format!("    client_auth: {{method: bearer, token_file: token}}\n{keys}"));
    let loaded = loaded(folder.path(), text.as_bytes());
    let settings = loaded.settings.unwrap_or_else(|| panic!("{:?}", loaded.problems));
    assert!(matches!(
        client_auth(&settings.servers[0]),
        Some(ClientAuth::Bearer { token }) if token.expose() == "s3cret"
    ));
}
