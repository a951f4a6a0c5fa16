//! The configurations in `deploy/` are ones that the program takes.

use crate::support::run_cli;
use std::fs;
use std::path::Path;

/// `introgate check` on a text, with these secrets in files beside it.
fn accepted(yaml: &str, secrets: &[&str], env: &[(&str, &str)]) {
    let directory = tempfile::tempdir().expect("a directory");
    for secret in secrets {
        fs::write(directory.path().join(secret), "s3cr3t\n").expect("written");
    }
    let here = directory.path().to_str().expect("UTF-8");
    let file = directory.path().join("gateway.yaml");
    fs::write(&file, yaml.replace("@SECRETS@", here)).expect("written");
    let mut env = env.to_vec();
    env.push(("CREDENTIALS_DIRECTORY", here));
    let (code, out, _) = run_cli(&["check", "-c", &file.to_string_lossy()], &env);
    assert_eq!(code, 0, "{out}");
}

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_example_is_accepted() {
    accepted(&read("gateway.yaml.example"), &[], &[]);
}

#[test]
fn composes_configuration_is_accepted() {
    accepted(&read("deploy/compose/gateway.yaml"), &[], &[("INTROSPECTION_TOKEN", "t")]);
}

#[test]
fn systemds_configuration_is_accepted() {
    accepted(&read("deploy/systemd/gateway.yaml"), &["introspection-client-secret"], &[]);
}

/// The configuration is inside a ConfigMap, indented.
#[test]
fn the_sidecars_configuration_is_accepted() {
    let manifest = read("deploy/kubernetes/sidecar.yaml");
    let inner = manifest.lines().skip_while(|line| line.trim() != "gateway.yaml: |").skip(1);
    let yaml: Vec<&str> = inner
        .take_while(|line| line.is_empty() || line.starts_with("    "))
        .map(|line| line.get(4..).unwrap_or(""))
        .collect();
    assert!(yaml.len() > 10, "{manifest}");
    accepted(
        &yaml.join("\n").replace("/run/secrets/introgate", "@SECRETS@"),
        &["admin-token", "introspection-token"],
        &[],
    );
}

/// Only the files named there reach the image's builder.
#[test]
fn the_image_is_built_with_all_embedded_files() {
    let embedded = "deploy/gateway.schema.json";
    assert!(read("src/config/schema.rs").contains(&format!("include_str!(\"../../{embedded}\")")));
    assert!(read(".dockerignore").lines().any(|line| line == format!("!{embedded}")));
    assert!(
        read("deploy/Dockerfile").lines().any(|line| line == format!("COPY {embedded} deploy/"))
    );
}

#[test]
fn the_configuration_beside_other_proxies() {
    accepted(&read("deploy/beside/gateway.yaml"), &[], &[("INTROSPECTION_TOKEN", "t")]);
}
