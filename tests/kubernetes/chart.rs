//! `deploy/helm/introgate`, as Helm renders it. Needs Go: `make kubernetes`.

use super::helm::{Helm, chart};
use super::objects::{Objects, parse};
use super::pod;
use crate::interop::unless_missing;
use crate::support::Builder;
use serde_json::{Value, json};
use std::fs;

const CACHE_KEY: (&str, &str) = ("CACHE_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");

fn values(name: &str) -> String {
    fs::read_to_string(chart().join("ci").join(name)).expect(name)
}

fn minimal() -> String {
    values("minimal-values.yaml")
}

fn pod(objects: &Objects) -> &Value {
    &objects.the("Deployment")["spec"]["template"]["spec"]
}

#[track_caller]
fn rendered(helm: &Helm, values: &str) -> Objects {
    let objects = parse(&helm.template(values).unwrap_or_else(|error| panic!("{error}")));
    objects.are_sound();
    pod::is_sound(pod(&objects));
    // the pod of `helm test` reads the same files
    for test in objects.of_kind("Pod") {
        assert_eq!(test["spec"]["volumes"], pod(&objects)["volumes"]);
        let containers = &test["spec"]["containers"];
        assert_eq!(containers[0]["volumeMounts"], pod::gateway(pod(&objects))["volumeMounts"]);
        pod::is_restricted(&test["spec"], &containers[0]);
    }
    objects
}

#[test]
#[ignore = "needs Go; make kubernetes"]
fn the_least_values() {
    let Some(helm) = unless_missing(Helm::get()) else { return };
    let objects = rendered(&helm, &minimal());
    let kinds = [
        "ConfigMap",
        "Deployment",
        "NetworkPolicy",
        "Pod",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
    ];
    assert_eq!(objects.kinds(), kinds);
    pod::fits(pod(&objects), pod::configuration(&objects), &[]);
    assert_eq!(objects.the("Deployment")["spec"]["replicas"], 2);
    assert_eq!(pod(&objects)["terminationGracePeriodSeconds"], 40);
    assert_eq!(pod(&objects)["topologySpreadConstraints"].as_array().map(Vec::len), Some(2));
    let reach = &objects.the("NetworkPolicy")["spec"]["ingress"];
    assert_eq!(*reach, json!([{ "ports": [{ "port": "http", "protocol": "TCP" }] }]));
    let image = pod::gateway(pod(&objects))["image"].as_str().expect("an image");
    assert!(image.ends_with(concat!(":", env!("CARGO_PKG_VERSION"))), "{image}");
    let lint = helm.run(&["lint", "--strict"], &minimal());
    assert!(lint.is_ok(), "{lint:?}");
}

#[test]
#[ignore = "needs Go; make kubernetes"]
fn everything_on() {
    let Some(helm) = unless_missing(Helm::get()) else { return };
    let objects = rendered(&helm, &values("everything-values.yaml"));
    let kinds = [
        "ConfigMap",
        "Deployment",
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
        "Pod",
        "PodDisruptionBudget",
        "PodMonitor",
        "Service",
        "ServiceAccount",
    ];
    assert_eq!(objects.kinds(), kinds);
    let yaml = pod::configuration(&objects);
    pod::fits(pod(&objects), yaml, &[CACHE_KEY]);
    let read: Value = serde_yaml::from_str(yaml).expect("YAML");
    assert_eq!(read["cache"]["max_entries"], 1_500_000);
    let tls = json!({
        "address": "[::]:8443", "serves": "proxy", "protocols": ["h1", "h2"],
        "tls": {
            "certificate": "/run/secrets/introgate/tls-https/tls.crt",
            "private_key": "/run/secrets/introgate/tls-https/tls.key", "min_version": "1.3"
        }
    });
    assert!(read["listeners"].as_array().expect("listeners").contains(&tls), "{yaml}");
    assert_eq!(pod(&objects)["terminationGracePeriodSeconds"], 105);
    let token = json!({
        "path": "gateway", "audience": "https://as.example.com", "expirationSeconds": 7200
    });
    let volumes = pod(&objects)["volumes"].as_array().expect("volumes");
    let projected = volumes.iter().find_map(|one| one["projected"]["sources"].get(0));
    assert_eq!(projected.map(|source| &source["serviceAccountToken"]), Some(&token));
    let ports = objects.the("Service")["spec"]["ports"].as_array().expect("ports");
    let h2c: Vec<_> = ports.iter().filter(|one| one["appProtocol"].is_string()).collect();
    assert_eq!(h2c.len(), 1);
    assert_eq!(h2c[0]["port"], 8090);
    let policy = &objects.the("NetworkPolicy")["spec"];
    assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(policy["egress"].as_array().map(Vec::len), Some(2));
    let pods = &objects.the("Deployment")["spec"]["template"]["metadata"];
    assert_eq!(pods["labels"]["example.com/tier"], "edge");
    assert_eq!(pods["annotations"]["example.com/team"], "platform");
    let image = pod::gateway(pod(&objects))["image"].as_str().expect("an image");
    assert!(image.contains("@sha256:"), "{image}");
}

/// A change of the configuration, and nothing else, makes new pods; unless it is not to.
#[test]
#[ignore = "needs Go; make kubernetes"]
fn the_checksum_follows_the_configuration() {
    let Some(helm) = unless_missing(Helm::get()) else { return };
    let checksum = |more: &str| {
        let objects = rendered(&helm, &(minimal() + more));
        let annotations = &objects.the("Deployment")["spec"]["template"]["metadata"]["annotations"];
        annotations["checksum/config"].as_str().map(str::to_owned)
    };
    let first = checksum("");
    assert!(first.is_some());
    assert_eq!(checksum("replicaCount: 3\n"), first);
    assert_ne!(checksum("shutdownSeconds: 31\n"), first);
    assert_ne!(checksum("admin: { settings: { hosts: [a.example.com] } }\n"), first);
    assert_eq!(checksum("rolloutOnConfigChange: false\n"), None);
}

/// A listener for questions of other proxies, alone; and a configuration of the user's own.
#[test]
#[ignore = "needs Go; make kubernetes"]
fn other_arrangements() {
    let Some(helm) = unless_missing(Helm::get()) else { return };
    let beside =
        "listeners:\n  http: null\n  grpc: { port: 8090, servicePort: 8090, serves: ext_authz }\n";
    let objects = rendered(&helm, &(minimal() + beside));
    let read: Value = serde_yaml::from_str(pod::configuration(&objects)).expect("YAML");
    assert_eq!(read["listeners"], json!([{ "address": "0.0.0.0:8090", "serves": "ext_authz" }]));

    let objects = rendered(&helm, "existingConfigMap: mine\n");
    assert!(objects.of_kind("ConfigMap").is_empty());
    assert_eq!(pod(&objects)["volumes"][0]["configMap"]["name"], "mine");

    let off = "tests: { enabled: false }\nnetworkPolicy: { enabled: false }\npreStopSeconds: 0\n\
        podDisruptionBudget: { enabled: false }\nserviceAccount: { create: false, name: theirs }\n";
    let objects = rendered(&helm, &(minimal() + off));
    assert_eq!(objects.kinds(), ["ConfigMap", "Deployment", "Service"]);
    assert_eq!(pod(&objects)["serviceAccountName"], "theirs");
    assert_eq!(pod::gateway(pod(&objects))["lifecycle"], Value::Null);
}

#[test]
#[ignore = "needs Go; make kubernetes"]
fn bad_values_are_refused() {
    let Some(helm) = unless_missing(Helm::get()) else { return };
    for (bad, complaint) in [
        ("replicas: 3\n", "'replicas' not allowed"),
        ("replicaCount: many\n", "/replicaCount"),
        ("replicaCount: -1\n", "/replicaCount"),
        ("image: { tag: 1.0 }\n", "/image/tag"),
        ("image: { repository: \"\" }\n", "/image/repository"),
        ("image: { digest: latest }\n", "/image/digest"),
        ("image: { pullPolicy: Sometimes }\n", "/image/pullPolicy"),
        ("listeners: { http: { port: 80 } }\n", "/listeners/http/port"),
        ("listeners: { http: { serves: anything } }\n", "/listeners/http/serves"),
        ("listeners: { more: { port: 8081 } }\n", "servicePort"),
        ("listeners: { admin: { port: 8081, servicePort: 81 } }\n", "invalid propertyName 'admin'"),
        ("listeners: { http: null }\n", "/listeners"),
        ("admin: { port: 80 }\n", "/admin/port"),
        // a token would be in the ConfigMap, for everyone to read
        ("admin: { settings: { token: s3cr3t } }\n", "/admin/settings/token"),
        ("files: { a: { secret: b, configMap: c } }\n", "/files/a"),
        ("files: { a: {} }\n", "/files/a"),
        ("files: { A_b: { secret: c } }\n", "invalid propertyName 'A_b'"),
        ("files: { tls-http: { secret: c } }\n", "invalid propertyName 'tls-http'"),
        ("serviceAccountToken: { audience: a, expirationSeconds: 60 }\n", "expirationSeconds"),
        ("shutdownSeconds: 0\n", "/shutdownSeconds"),
        ("shutdownSeconds: 30s\n", "/shutdownSeconds"),
        ("service: { type: ExternalName }\n", "/service/type"),
        ("podDisruptionBudget: { maxUnavailable: half }\n", "/podDisruptionBudget"),
        (
            "autoscaling: { enabled: true, minReplicas: 3, maxReplicas: 2 }\n",
            "maxReplicas is below",
        ),
        ("networkPolicy: { from: 10.0.0.0/8 }\n", "/networkPolicy/from"),
        ("podMonitor: { interval: often }\n", "/podMonitor/interval"),
        ("readinessProbe: { httpGet: { path: / } }\n", "/readinessProbe"),
    ] {
        let error = helm.template(&(minimal() + bad)).expect_err(bad);
        assert!(error.contains(complaint), "{bad}: {error}");
    }
    // `config` itself: parts that the chart makes, and parts that it needs
    for (config, complaint) in [
        ("{}", "config.authorization_servers is missing"),
        ("{ authorization_servers: { main: {} } }", "config.routes is missing"),
        ("{ authorization_servers: {} }", "/config/authorization_servers"),
        ("{ routes: [] }", "/config/routes"),
        ("{ admin: { address: off } }", "config.admin is made by the chart"),
        ("{ listeners: [] }", "write the value `listeners`"),
        ("{ shutdown_timeout: 1s }", "write the value `shutdownSeconds`"),
    ] {
        let error = helm.template(&format!("config: {config}\n")).expect_err(config);
        assert!(error.contains(complaint), "{config}: {error}");
    }
}

/// The rendered `gateway.yaml` runs, and the probes find it ready.
#[test]
#[ignore = "needs Go; make kubernetes"]
fn the_rendered_configuration_runs() {
    let Some(helm) = unless_missing(Helm::get()) else { return };
    let objects = rendered(&helm, &minimal());
    let builder = Builder::new().file("introspection-token", "s3cr3t");
    let yaml = pod::configuration(&objects)
        .replace("/run/secrets/introgate/credentials", "@DIR@")
        .replace("0.0.0.0:8080", "127.0.0.1:@PORT@")
        .replace("0.0.0.0:9901", "127.0.0.1:@ADMIN_PORT@");
    let gateway = builder.start(&yaml);
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let request = &pod::gateway(pod(&objects))[probe]["httpGet"];
        let path = request["path"].as_str().expect("a path");
        assert_eq!(gateway.admin_get(path).status, 200, "{probe}");
    }
    assert_eq!(gateway.get("/", &[]).status, 401);
}

/// The notes name the next steps, and warn of settings that do not work together.
#[test]
#[ignore = "needs Go; make kubernetes"]
fn the_notes_warn() {
    let Some(helm) = unless_missing(Helm::get()) else { return };
    let notes =
        |more: &str| helm.notes(&(minimal() + more)).unwrap_or_else(|error| panic!("{error}"));
    let usual = notes("");
    assert!(usual.contains("http://gate-introgate.default.svc:80"), "{usual}");
    assert!(usual.contains("helm --namespace default test gate") && !usual.contains("WARNING"));
    assert!(notes("podMonitor: { enabled: true }\n").contains("WARNING: podMonitor is on"));
    let beside = notes("listeners: { http: { serves: forward_auth } }\n");
    assert!(beside.contains("WARNING: listener http answers to the proxies"), "{beside}");
}

/// Each block of `docs/kubernetes.md` that begins with `# values.yaml`.
#[test]
#[ignore = "needs Go; make kubernetes"]
fn the_values_of_the_docs_are_good() {
    let Some(helm) = unless_missing(Helm::get()) else { return };
    let mut blocks = 0;
    for block in include_str!("../../docs/kubernetes.md").split("```yaml\n").skip(1) {
        let (block, _) = block.split_once("```").expect("a whole block");
        if block.starts_with("# values.yaml\n") {
            let objects = rendered(&helm, block);
            pod::fits(pod(&objects), pod::configuration(&objects), &[]);
            blocks += 1;
        }
    }
    assert_eq!(blocks, 4);
}
