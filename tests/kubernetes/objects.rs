//! Objects of a stream of YAML documents, and how they refer to each other.

use super::schemas;
use serde::Deserialize;
use serde_json::{Map, Value};

pub struct Objects(pub Vec<Value>);

/// The documents that are not empty.
pub fn parse(stream: &str) -> Objects {
    let documents = serde_yaml::Deserializer::from_str(stream);
    let objects = documents.map(|document| Value::deserialize(document).expect("YAML"));
    Objects(objects.filter(|object| !object.is_null()).collect())
}

/// Whether a selector's `matchLabels` are among these labels. An empty one selects nothing here.
fn selects(selector: &Value, labels: &Value) -> bool {
    let wanted = selector.as_object().filter(|wanted| !wanted.is_empty());
    wanted.is_some_and(|wanted| wanted.iter().all(|(name, value)| labels[name] == *value))
}

/// The ports of all containers, native sidecars included, by name.
pub fn ports(pod: &Value) -> Map<String, Value> {
    let mut ports = Map::new();
    for container in containers(pod) {
        for port in container["ports"].as_array().into_iter().flatten() {
            let name = port["name"].as_str().expect("ports have names");
            let before = ports.insert(name.to_owned(), port["containerPort"].clone());
            assert_eq!(before, None, "two ports are called {name}");
        }
    }
    ports
}

/// Init containers first.
pub fn containers(pod: &Value) -> Vec<&Value> {
    let lists = [&pod["initContainers"], &pod["containers"]];
    lists.into_iter().filter_map(Value::as_array).flatten().collect()
}

impl Objects {
    pub fn of_kind(&self, kind: &str) -> Vec<&Value> {
        self.0.iter().filter(|object| object["kind"] == kind).collect()
    }

    /// The only one of this kind.
    #[track_caller]
    pub fn the(&self, kind: &str) -> &Value {
        let found = self.of_kind(kind);
        assert_eq!(found.len(), 1, "objects of kind {kind}");
        found[0]
    }

    /// The kinds, sorted.
    pub fn kinds(&self) -> Vec<&str> {
        let mut kinds: Vec<_> =
            self.0.iter().map(|object| object["kind"].as_str().expect("a kind")).collect();
        kinds.sort_unstable();
        kinds
    }

    /// Every object is one of its kind, names are unique, and what refers to the Deployment's pods
    /// finds them and their ports.
    #[track_caller]
    pub fn are_sound(&self) {
        let mistakes: Vec<_> = self.0.iter().flat_map(schemas::mistakes).collect();
        assert_eq!(mistakes, Vec::<String>::new());
        let mut names: Vec<_> = self
            .0
            .iter()
            .map(|object| format!("{} {}", object["kind"], object["metadata"]["name"]))
            .collect();
        names.sort();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all, "{names:?}");

        let [deployment] = self.of_kind("Deployment")[..] else { return };
        let template = &deployment["spec"]["template"];
        let (labels, ports) = (&template["metadata"]["labels"], ports(&template["spec"]));
        let port = |name: &Value| match name.as_str() {
            Some(name) => ports.contains_key(name),
            None => ports.values().any(|port| port == name),
        };
        let selector = |pointer: &str, object: &Value| {
            let selector = object.pointer(pointer).unwrap_or(&Value::Null);
            assert!(selects(selector, labels), "{pointer} does not select the pods: {object}");
        };
        selector("/spec/selector/matchLabels", deployment);
        for service in self.of_kind("Service") {
            selector("/spec/selector", service);
            for entry in service["spec"]["ports"].as_array().expect("ports") {
                assert!(port(&entry["targetPort"]), "{entry}");
                assert_ne!(entry["targetPort"], "admin", "the admin listener is not in a Service");
            }
        }
        for policy in self.of_kind("NetworkPolicy") {
            selector("/spec/podSelector/matchLabels", policy);
            for rule in policy["spec"]["ingress"].as_array().expect("rules") {
                for entry in rule["ports"].as_array().expect("every rule names its ports") {
                    assert!(port(&entry["port"]), "{entry}");
                    let admin = entry["port"] == "admin" || entry["port"] == ports["admin"];
                    assert!(!admin || rule["from"].is_array(), "all may reach the admin listener");
                }
            }
        }
        for budget in self.of_kind("PodDisruptionBudget") {
            selector("/spec/selector/matchLabels", budget);
        }
        for monitor in self.of_kind("PodMonitor") {
            selector("/spec/selector/matchLabels", monitor);
            for endpoint in monitor["spec"]["podMetricsEndpoints"].as_array().expect("endpoints") {
                assert!(port(&endpoint["port"]), "{endpoint}");
            }
        }
        for scaler in self.of_kind("HorizontalPodAutoscaler") {
            let target = &scaler["spec"]["scaleTargetRef"];
            assert_eq!(target["name"], deployment["metadata"]["name"]);
            assert!(deployment["spec"]["replicas"].is_null(), "two parts set the replicas");
        }
        if let [account] = self.of_kind("ServiceAccount")[..] {
            assert_eq!(template["spec"]["serviceAccountName"], account["metadata"]["name"]);
        }
    }
}
