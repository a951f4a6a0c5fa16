//! `scope_implications` of an authorization server.

use super::Context;
use super::demands::scope_flaw;
use crate::config::path::{KeyPath, ShownKey};
use crate::policy::{Circle, Implications};
use std::collections::BTreeMap;
use std::sync::Arc;

pub fn scope_implications(
    cx: Context,
    section: &KeyPath,
    raw: &BTreeMap<String, Vec<String>>,
) -> Option<Arc<Implications>> {
    let mut sound = true;
    for (scope, implied) in raw {
        let path = section.key(scope);
        if scope_flaw(scope).is_some() {
            let message = format!("`{}` is not a scope; write the name of one", ShownKey(scope));
            cx.report.error_at_key(&path, message);
            sound = false;
        }
        for (i, implied) in implied.iter().enumerate() {
            if let Some(flaw) = scope_flaw(implied) {
                cx.report.error(&path.item(i), flaw);
                sound = false;
            }
        }
    }
    if !sound {
        return None;
    }
    match Implications::new(raw) {
        Ok(implications) => Some(Arc::new(implications)),
        Err(circle) => {
            in_circle(cx, section, &circle);
            None
        }
    }
}

fn in_circle(cx: Context, section: &KeyPath, Circle(scopes): &Circle) {
    let at = scopes.first().map_or_else(|| section.clone(), |scope| section.key(scope));
    let message = if cx.report.hides_within(section) {
        "is part of a circle of scopes that imply each other; remove one of them".to_owned()
    } else {
        let circle = scopes.join("` → `");
        format!("is part of a circle: `{circle}`; remove one of these implications")
    };
    cx.report.error_at_key(&at, message);
}
