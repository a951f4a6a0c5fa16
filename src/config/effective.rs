//! The configuration as it works, for people to look at: defaults filled in, nothing secret.

use super::path::KeyPath;
use super::raw::{Gateway, Traces};
use super::redact::{REDACTED, redact, redact_urls};
use super::settings::Settings;
use crate::telemetry::TraceSettings;
use serde_json::Value;
use std::collections::HashSet;

/// `foreign`: the places whose text came from the environment.
pub fn effective(raw: &Gateway, settings: &Settings, foreign: &HashSet<KeyPath>) -> Value {
    let mut values = serde_json::to_value(raw).unwrap_or_default();
    redact(&mut values, foreign);
    redact_urls(&mut values);
    if let (Some(traces), Some(settings)) = (&raw.traces, &settings.traces) {
        show_traces(&mut values["traces"], traces, settings);
    }
    let defaults = values.get("defaults").and_then(Value::as_object).cloned().unwrap_or_default();
    let Some(routes) = values.get_mut("routes").and_then(Value::as_array_mut) else {
        return values;
    };
    for (i, (route, settings)) in
        routes.iter_mut().filter_map(Value::as_object_mut).zip(&settings.routes).enumerate()
    {
        // a derived name may contain text from the environment
        let matched =
            ["host", "path", "methods"].map(|key| KeyPath::root().key("routes").item(i).key(key));
        let derived_is_foreign =
            foreign.iter().any(|path| matched.iter().any(|matched| path.is_within(matched)));
        for (key, value) in &defaults {
            route.entry(key.clone()).or_insert_with(|| value.clone());
        }
        route.entry("name").or_insert_with(|| {
            if derived_is_foreign { REDACTED.into() } else { (*settings.name).into() }
        });
        route.entry("auth").or_insert_with(|| "required".into());
        route
            .entry("timeout")
            .or_insert_with(|| format!("{}s", settings.destination.timeout.as_secs()).into());
        if let [server] = settings.demands.authorization_servers.as_slice() {
            route.entry("authorization_server").or_insert_with(|| (**server).into());
        }
    }
    values
}

/// The keys that are not written come from the environment, or are defaults. The words of closed
/// sets are shown all the same.
fn show_traces(shown: &mut Value, raw: &Traces, settings: &TraceSettings) {
    if raw.protocol.is_none() {
        shown["protocol"] = settings.protocol.as_str().into();
    }
    if raw.endpoint.is_none() {
        shown["endpoint"] = REDACTED.into();
    }
}
