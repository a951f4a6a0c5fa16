//! `max_age` of a route.

use super::Context;
use super::demands::Origin;
use crate::config::path::KeyPath;
use crate::config::raw::Limits;
use crate::gate::LimitSettings;

pub fn limits(cx: Context, raw: &Limits, origin: Origin) -> LimitSettings {
    max_age(cx, &origin.of(cx, "max_age"), raw);
    LimitSettings { max_age: raw.max_age.map(|period| period.0) }
}

fn max_age(cx: Context, path: &KeyPath, raw: &Limits) {
    let (cache, section) = (&cx.raw.cache, KeyPath::root().key("cache"));
    let oldest = cache.ttl.0.saturating_add(cache.stale_if_error.0);
    let known = !cx.report.is_broken(&section.key("ttl"))
        && !cx.report.is_broken(&section.key("stale_if_error"));
    if known && raw.max_age.is_some_and(|max_age| max_age.0 > oldest) {
        cx.report.warning(
            path,
            "is longer than `cache.ttl` and so has no effect: no cached answer gets that old",
        );
    }
}
