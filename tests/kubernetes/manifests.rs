//! `deploy/kubernetes/`, as it is.

use super::objects::{Objects, parse};
use super::pod;
use serde_json::Value;
use std::fs;
use std::path::Path;

fn manifest(name: &str) -> Objects {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kubernetes");
    parse(&fs::read_to_string(folder.join(name)).expect(name))
}

#[test]
fn all_manifests_are_sound() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kubernetes");
    let mut found = 0;
    for entry in fs::read_dir(folder).expect("a folder") {
        let name = entry.expect("an entry").file_name();
        let objects = manifest(&name.to_string_lossy());
        assert!(!objects.0.is_empty(), "{name:?}");
        objects.are_sound();
        found += 1;
    }
    assert_eq!(found, 3);
}

/// It runs before the app and ends after it; only the gateway can be reached.
#[test]
fn the_sidecar_is_a_native_one() {
    let objects = manifest("sidecar.yaml");
    let pod = &objects.the("Deployment")["spec"]["template"]["spec"];
    pod::is_sound(pod);
    pod::fits(pod, pod::configuration(&objects), &[]);
    assert_eq!(pod["initContainers"][0]["name"], "introgate");
    assert_eq!(pod["initContainers"][0]["restartPolicy"], "Always");
    assert_eq!(pod["containers"][0]["ports"], Value::Null);
    let mounted = &pod["volumes"][0]["configMap"]["name"];
    assert_eq!(*mounted, objects.the("ConfigMap")["metadata"]["name"]);
}

/// A header that the proxy does not copy would be the client's own.
#[test]
fn ingress_nginx_copies_every_identity_header() {
    let objects = manifest("ingress-nginx.yaml");
    let annotations = &objects.the("Ingress")["metadata"]["annotations"];
    let copied = annotations["nginx.ingress.kubernetes.io/auth-response-headers"].as_str();
    let copied: Vec<_> = copied.expect("a list").split(',').collect();
    let nginx = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/beside/nginx.conf");
    let nginx = fs::read_to_string(nginx).expect("nginx.conf");
    let headers: Vec<_> =
        nginx.split_whitespace().filter(|word| word.starts_with("X-Introspected-")).collect();
    assert!(headers.len() > 10);
    for header in headers.into_iter().chain(["X-Introspected-Claims", "X-Introspected-Assertion"]) {
        assert!(copied.contains(&header), "{header}");
    }
}
