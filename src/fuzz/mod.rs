//! Properties of the readers that get bytes from strangers, as plain functions. `make test` runs
//! them on the corpus in `fuzz/corpus` and on changed copies of it; `fuzz/` hands them to libFuzzer.
//!
//! A target panics when its property does not hold. Only tests and fuzzers compile this module.

#[cfg(test)]
mod tests;

pub use crate::proxy::fuzz::{plain_request, response_head};
pub use crate::security_events::fuzz::security_event;

use crate::introspect::jwt::Jws;
use crate::route::normalise;
use crate::token::json;
use serde_json::Value;
use std::path::Path;

/// Panics when the property does not hold for these bytes.
pub type FuzzTarget = fn(&[u8]);

/// Each target by the name of its corpus.
pub const TARGETS: [(&str, FuzzTarget); 7] = [
    ("plain_request", plain_request),
    ("response_head", response_head),
    ("path", path),
    ("json_object", json_object),
    ("jws", jws),
    ("security_event", security_event),
    ("configuration", configuration),
];

/// A path has one normal form: it is stable, has no dot segments and no empty segments.
pub fn path(data: &[u8]) {
    let Ok(target) = normalise(data) else { return };
    let again = normalise(target.path.as_bytes()).map(|again| again.path.into_owned());
    assert_eq!(again.as_deref(), Ok(&*target.path));
    assert!(target.path.starts_with('/') && !target.path.contains("//"));
    assert!(target.path.split('/').all(|segment| segment != "." && segment != ".."));
    assert!(target.path.bytes().all(|byte| matches!(byte, 0x21..=0x7e)));
}

/// The strict reader accepts nothing that serde_json refuses, and reads the same from the rest.
pub fn json_object(data: &[u8]) {
    let Ok(members) = json::object(data) else { return };
    let plain: Result<Value, _> = serde_json::from_slice(data);
    assert_eq!(plain.ok(), Some(Value::Object(members)));
}

/// A JWS that is read has three parts, which are the text again.
pub fn jws(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(jws) = Jws::parse(text) else { return };
    assert_eq!(format!("{}.{}", jws.signed, jws.signature), text);
    assert_eq!(text.matches('.').count(), 2);
    // may be an error, must not panic
    let _ = jws.claims();
}

/// A configuration becomes settings or problems, every problem is in the file, and none is a bug.
pub fn configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let env = |name: &str| (name == "SET").then(|| "value".to_owned());
    let loaded = crate::config::parse(text, Path::new("/nowhere/gateway.yaml"), &env);
    assert_eq!(loaded.settings.is_some(), loaded.errors() == 0);
    // CR alone ends a line too (YAML 1.2 §5.4)
    let lines = text.split(['\n', '\r']).count() + 1;
    for problem in &loaded.problems {
        assert!(problem.line <= lines, "{problem:?}");
        for bug in ["report this as a bug", "a different structure"] {
            assert!(!problem.message.contains(bug), "{problem:?}");
        }
    }
}
