//! `max_age` and `rate_limit` of a route.

use super::Context;
use super::demands::MergedKeys;
use crate::config::path::KeyPath;
use crate::config::raw::{self, Limits, RateLimit};
use crate::gate::{EndWithToken, LimitSettings};
use crate::policy::AuthMode;
use crate::rate_limit::{Per, RateLimitSettings};
use std::time::Duration;

/// A longer window would outlast most processes, whose memory it is counted in.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A limit beyond this one limits nothing.
const MOST_A_SECOND: u128 = 1_000_000;

pub fn limits(cx: Context, raw: &Limits, auth: AuthMode, origin: MergedKeys) -> LimitSettings {
    max_age(cx, &origin.path_of(cx, "max_age"), raw);
    let end_with_token = match raw.end_with_token {
        None | Some(raw::EndWithToken::Streams) => EndWithToken::Streams,
        Some(raw::EndWithToken::All) => EndWithToken::All,
        Some(raw::EndWithToken::Off) => EndWithToken::Off,
    };
    let rate_limit = raw.rate_limit.as_ref();
    LimitSettings {
        max_age: raw.max_age.map(|period| period.0),
        rate_limit: rate_limit.and_then(|limit| self::rate_limit(cx, limit, auth, origin)),
        end_with_token,
    }
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

fn rate_limit(
    cx: Context,
    raw: &RateLimit,
    auth: AuthMode,
    origin: MergedKeys,
) -> Option<RateLimitSettings> {
    let path = origin.path_of(cx, "rate_limit");
    if cx.report.is_broken(&path) {
        return None;
    }
    let per = per(raw.per?);
    let window = raw.window.map(|window| window.0)?;
    if window.is_zero() || window > LONGEST {
        cx.report.error(&path.key("window"), "must be from 1ms to 24h");
        return None;
    }
    if u128::from(raw.requests) * 1_000_000 > window.as_micros() * MOST_A_SECOND {
        cx.report.error(
            &path.key("requests"),
            "is more than a million requests a second, which limits nothing; write fewer, or a longer `window`",
        );
        return None;
    }
    if auth == AuthMode::None && per != Per::ClientAddress {
        // a route may drop the inherited value by `auth: none`
        if origin.is_own(cx, "rate_limit") || !origin.is_own(cx, "auth") {
            cx.report.error(
                &path.key("per"),
                "needs a token, and `auth` is `none` here; write `client_ip`, or another `auth`",
            );
        }
        return None;
    }
    Some(RateLimitSettings { per, requests: raw.requests, window })
}

fn per(raw: raw::Per) -> Per {
    match raw {
        raw::Per::ClientId => Per::ClientId,
        raw::Per::Sub => Per::Subject,
        raw::Per::ClientIp => Per::ClientAddress,
        raw::Per::Token => Per::Token,
    }
}
