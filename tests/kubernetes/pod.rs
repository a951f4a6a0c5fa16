//! The pod in which the gateway is, and the `gateway.yaml` that it reads.

use super::objects::{Objects, containers, ports};
use crate::support::{Authority, run_cli};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// The gateway's container among those of a pod.
#[track_caller]
pub fn gateway(pod: &Value) -> &Value {
    let found: Vec<_> =
        containers(pod).into_iter().filter(|one| one["name"] == "introgate").collect();
    assert_eq!(found.len(), 1, "{pod}");
    found[0]
}

/// Volumes and mounts belong together; the container is restricted, has probes and the time to end.
#[track_caller]
pub fn is_sound(pod: &Value) {
    let names = |list: &Value, key: &str| -> Vec<String> {
        let entries = list.as_array().into_iter().flatten();
        entries.map(|entry| entry[key].as_str().expect("a name").to_owned()).collect()
    };
    let volumes = names(&pod["volumes"], "name");
    let mounts: Vec<_> =
        containers(pod).iter().flat_map(|one| names(&one["volumeMounts"], "name")).collect();
    for mount in &mounts {
        assert!(volumes.contains(mount), "no volume {mount}");
    }
    for volume in &volumes {
        assert!(mounts.contains(volume), "volume {volume} is not mounted");
    }
    assert_eq!(pod["automountServiceAccountToken"], false);

    let container = gateway(pod);
    let paths = names(&container["volumeMounts"], "mountPath");
    let mut unique = paths.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), paths.len(), "{paths:?}");
    for mount in container["volumeMounts"].as_array().into_iter().flatten() {
        // those files never change
        assert_eq!(mount["subPath"], Value::Null, "{mount}");
    }
    let admin = &ports(pod)["admin"];
    for (probe, path) in
        [("startupProbe", "/readyz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/livez")]
    {
        let request = &container[probe]["httpGet"];
        assert_eq!(request["path"], path, "{probe}");
        assert!(request["port"] == "admin" || request["port"] == *admin, "{probe}");
    }
    is_restricted(pod, container);
}

/// The restricted Pod Security Standard, and a root file system that nothing writes to.
#[track_caller]
pub fn is_restricted(pod: &Value, container: &Value) {
    let own = &container["securityContext"];
    let of = |key: &str| match own[key].is_null() {
        true => &pod["securityContext"][key],
        false => &own[key],
    };
    assert_eq!(*of("runAsNonRoot"), true);
    assert_eq!(*of("runAsUser"), 65532);
    assert_eq!(*of("seccompProfile"), json!({ "type": "RuntimeDefault" }));
    assert_eq!(own["allowPrivilegeEscalation"], false);
    assert_eq!(own["readOnlyRootFilesystem"], true);
    assert_eq!(own["capabilities"], json!({ "drop": ["ALL"] }));
}

/// The `gateway.yaml` of the ConfigMap, as text.
#[track_caller]
pub fn configuration(objects: &Objects) -> &str {
    objects.the("ConfigMap")["data"]["gateway.yaml"].as_str().expect("gateway.yaml")
}

/// `introgate check` takes the configuration. The files that it names are below the container's
/// mounts, and its ports and times are the pod's.
#[track_caller]
pub fn fits(pod: &Value, yaml: &str, env: &[(&str, &str)]) {
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path().join("run");
    let container = gateway(pod);
    let mounts = container["volumeMounts"].as_array().expect("mounts");
    let named = |c: char| !(c.is_ascii_alphanumeric() || "/._-".contains(c));
    let (authority, mut files) = (Authority::new(), 0);
    let identity = authority.certify(&["gateway.example.com"]);
    for path in yaml.split(named).filter(|word| word.starts_with("/run/secrets/")) {
        let mounted = mounts.iter().any(|mount| {
            let at = mount["mountPath"].as_str().expect("a path");
            path.strip_prefix(at).is_some_and(|rest| rest.starts_with('/'))
        });
        assert!(mounted, "{path} is not mounted");
        let file = run.join(path.strip_prefix("/run/").expect("a path"));
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        let contents = match Path::new(path).extension().and_then(|end| end.to_str()) {
            Some("crt") => &identity.certificate,
            Some("key") => &identity.key,
            Some("pem") => authority.pem(),
            // a service account token: a JWT, whose signature nothing here checks
            _ if path.starts_with("/run/secrets/tokens/") => {
                "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjQxMDI0NDQ4MDB9.c2ln\n"
            }
            _ => "s3cr3t\n",
        };
        fs::write(file, contents).expect("written");
        files += 1;
    }
    assert_eq!(files > 0, yaml.contains("/run/"), "{yaml}");
    let file = folder.path().join("gateway.yaml");
    let here = yaml.replace("/run/secrets/", &format!("{}/secrets/", run.display()));
    fs::write(&file, here).expect("written");
    let (code, out, err) = run_cli(&["check", "-c", &file.to_string_lossy()], env);
    assert_eq!(code, 0, "{out}{err}");

    let read: Value = serde_yaml::from_str(yaml).expect("YAML");
    let port_of = |address: &Value| {
        let (host, port) = address.as_str().expect("an address").rsplit_once(':').expect("a port");
        assert!(["0.0.0.0", "[::]"].contains(&host), "{host}: only the pod itself can reach it");
        port.parse::<u64>().expect("a port")
    };
    let default = json!([{ "address": "0.0.0.0:8080" }]);
    let listeners = read["listeners"].as_array().or(default.as_array()).expect("listeners");
    let mut listened: Vec<_> = listeners.iter().map(|one| port_of(&one["address"])).collect();
    listened.push(port_of(&read["admin"]["address"]));
    let mut declared: Vec<_> = ports(pod).values().filter_map(Value::as_u64).collect();
    listened.sort_unstable();
    declared.sort_unstable();
    assert_eq!(listened, declared);

    let shutdown = read["shutdown_timeout"].as_str().and_then(|text| text.strip_suffix('s'));
    let shutdown: u64 = shutdown.expect("seconds").parse().expect("seconds");
    let first = containers(pod)
        .iter()
        .filter_map(|one| one["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64())
        .max()
        .unwrap_or(0);
    let limit = pod["terminationGracePeriodSeconds"].as_u64().expect("a time");
    assert!(limit > first + shutdown, "{limit} {first} {shutdown}");
}
