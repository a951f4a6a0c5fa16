//! The schemas of `schemas/schemas.json`.

use jsonschema::Validator;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

static SCHEMAS: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("schemas/schemas.json")).expect("the schemas")
});
static VALIDATORS: LazyLock<Mutex<HashMap<String, Validator>>> = LazyLock::new(Mutex::default);

/// The mistakes that an API server with strict field validation would find, with their places.
pub fn mistakes(object: &Value) -> Vec<String> {
    let text = |key: &str| object[key].as_str().unwrap_or_default();
    let kind = format!("{}/{}", text("apiVersion"), text("kind"));
    let mut validators = VALIDATORS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let validator = validators.entry(kind.clone()).or_insert_with(|| {
        let schema = &SCHEMAS["kinds"][&kind];
        assert!(schema.is_object(), "no schema of {kind}: add it to schemas/make.py");
        let schema = json!({ "allOf": [schema], "$defs": SCHEMAS["$defs"] });
        jsonschema::validator_for(&schema).expect("a schema")
    });
    let errors = validator.iter_errors(object);
    errors.map(|error| format!("{kind} {}: {error}", error.instance_path())).collect()
}

#[test]
fn mistakes_are_found() {
    let deployment = |pod: Value| {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "a" },
            "spec": { "selector": { "matchLabels": { "a": "b" } }, "template": { "spec": pod } }
        })
    };
    let good = json!({ "containers": [{ "name": "a", "resources": { "limits": { "cpu": 1 } } }] });
    assert_eq!(mistakes(&deployment(good)), Vec::<String>::new());
    for (pod, place) in [
        (json!({ "containers": [{ "image": "a" }] }), "/containers/0: \"name\""),
        (
            json!({ "containers": [{ "name": "a", "imagePullpolicy": "Always" }] }),
            "imagePullpolicy",
        ),
        (
            json!({ "containers": [{ "name": "a", "imagePullPolicy": "Often" }] }),
            "/imagePullPolicy",
        ),
        (json!({ "containers": [], "terminationGracePeriodSeconds": "5" }), "GracePeriodSeconds"),
        (
            json!({ "containers": [{ "name": "a", "ports": [{ "name": "http" }] }] }),
            "containerPort",
        ),
        (
            json!({ "containers": [], "volumes": [{ "name": "a", "secret": { "name": "b" } }] }),
            "/secret",
        ),
    ] {
        let found = mistakes(&deployment(pod));
        assert!(found.len() == 1 && found[0].contains(place), "{place}: {found:?}");
    }
    let route = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": { "name": "a" },
        "spec": { "rules": [{ "filters": [{ "type": "ExternalAuth", "externalAuth": { "protocol": "TCP" } }] }] }
    });
    let found = mistakes(&route).join("\n");
    assert!(found.contains("backendRef") && found.contains("protocol"), "{found}");
}
