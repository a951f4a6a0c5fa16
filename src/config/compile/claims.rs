//! `claims` of a route.

use super::Context;
use crate::config::path::{KeyPath, ShownKey};
use crate::config::raw::{Allowed, Scalar};
use crate::policy::ClaimDemand;
use crate::token::ClaimPath;
use serde_json::Value;
use std::collections::BTreeMap;

pub fn claims(
    cx: Context,
    section: &KeyPath,
    raw: Option<&BTreeMap<String, Allowed>>,
) -> Vec<ClaimDemand> {
    let mut demands = Vec::new();
    for (name, Allowed(allowed)) in raw.into_iter().flatten() {
        let path = section.key(name);
        let Some(claim) = ClaimPath::parse(name) else {
            let message = format!(
                "`{}` is not the name of a member; write `name`, or `outer.inner` for one inside an object, and `\\.` for a dot in a name",
                ShownKey(name)
            );
            cx.report.error_at_key(&path, message);
            continue;
        };
        let allowed: Vec<Value> = allowed.as_slice().iter().map(value).collect();
        if name == "active" && !allowed.contains(&Value::Bool(true)) {
            cx.report.error(
                &path,
                "can never match: `active` is `true` in every answer that gets this far; remove it",
            );
        }
        demands.push(ClaimDemand { path: claim, allowed });
    }
    demands
}

fn value(scalar: &Scalar) -> Value {
    match scalar {
        Scalar::Bool(boolean) => Value::Bool(*boolean),
        Scalar::Number(number) => Value::Number(number.clone()),
        Scalar::Text(text) => Value::String(text.clone()),
    }
}
