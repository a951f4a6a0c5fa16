//! `cache`.

use super::Context;
use crate::cache::CacheSettings;
use crate::config::path::KeyPath;

pub fn cache(cx: Context) -> CacheSettings {
    let (section, cache) = (KeyPath::root().key("cache"), &cx.raw.cache);
    if cache.ttl.0.is_zero() && !cache.stale_if_error.0.is_zero() {
        cx.report.warning(&section.key("stale_if_error"), "has no effect while `cache.ttl` is `0s`: nothing is cached");
    }
    CacheSettings {
        max_entries: count(cache.max_entries),
        ttl: cache.ttl.0,
        inactive_ttl: cache.inactive_ttl.0,
        inactive_max_entries: count(cache.inactive_max_entries),
        refresh_ahead: cache.refresh_ahead,
        stale_if_error: cache.stale_if_error.0,
    }
}

pub fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
