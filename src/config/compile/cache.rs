//! `cache`.

use super::Context;
use crate::cache::{CacheSettings, GuardSettings};
use crate::config::path::KeyPath;

pub fn cache(cx: Context) -> Option<CacheSettings> {
    let (section, cache) = (KeyPath::root().key("cache"), &cx.raw.cache);
    if cache.ttl.0.is_zero() && !cache.stale_if_error.0.is_zero() {
        cx.report.warning(
            &section.key("stale_if_error"),
            "has no effect while `cache.ttl` is `0s`: nothing is cached",
        );
    }
    let guard = match &cache.guard {
        None => None,
        Some(guard) => {
            let at = section.key("guard");
            if cache.ttl.0.is_zero() {
                cx.report.warning_at_key(
                    &at,
                    "limits every request while `cache.ttl` is `0s`: no token is known from before",
                );
            }
            Some(GuardSettings {
                misses: guard.misses,
                window: cx.positive(&at.key("window"), guard.window)?,
            })
        }
    };
    Some(CacheSettings {
        max_entries: count(cache.max_entries),
        ttl: cache.ttl.0,
        inactive_ttl: cache.inactive_ttl.0,
        inactive_max_entries: count(cache.inactive_max_entries),
        refresh_ahead: cache.refresh_ahead,
        stale_if_error: cache.stale_if_error.0,
        guard,
    })
}

pub fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
