//! A key whose capability does not exist yet is refused by name, never ignored.

use super::{SMALLEST, check, problems};

#[test]
fn unsupported_keys_are_refused_by_name() {
    let top = |keys: &str| format!("{SMALLEST}{keys}\n");
    let cases = [(
        top("protected_resource: { resource: \"https://api.example.com\" }"),
        "protected_resource",
    )];
    for (yaml, key) in cases {
        let (code, output) = check(&yaml);
        assert_eq!(code, 64, "{key}: {yaml}\n{output}");
        let found = problems(&output);
        let refused = found.iter().any(|problem| {
            problem.key.contains(key) && problem.text.contains("not supported in this version")
        });
        assert!(refused, "{key}: {yaml}\n{output}");
    }
}

/// The same words when the file is run.
#[test]
fn it_is_refused_by_run_too() {
    let directory = tempfile::tempdir().expect("a folder");
    let yaml = format!("{SMALLEST}protected_resource: {{ resource: \"https://a\" }}\n");
    std::fs::write(directory.path().join("gateway.yaml"), yaml).expect("write");
    let (code, out, err) = crate::support::run_cli_in(directory.path(), &["run"], &[]);
    assert_eq!(code, 64, "{out}{err}");
    assert!(err.contains("not supported in this version"), "{err}");
}
