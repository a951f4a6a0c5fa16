//! The second level of the cache: whether it would be in use, for answers and for rate limits.

use super::DoctorReport;
use super::upstream::rounded;
use crate::cache::Shared;
use crate::config::Settings;
use crate::rate_limit::{Rate, RateLimitSettings};
use crate::token::DigestKey;
use std::time::{Duration, Instant};

/// Longer than a connection and a first look take.
const PATIENCE: Duration = Duration::from_secs(7);

/// Connects as the gateway does, logs in, reads the log of purges, asks for an answer in time, and
/// takes one request from a made-up bucket when a route has a rate limit.
pub async fn examine(settings: &Settings, shared: &Shared, report: &mut DoctorReport<'_>) {
    let started = Instant::now();
    let limited = limits(settings).next();
    let mut counted = None;
    let settled = async {
        while !shared.is_up() && shared.last_error().is_none() && started.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let took = started.elapsed();
        if shared.is_up()
            && let Some(limit) = limited
        {
            let bucket = DigestKey::random().digest_of("doctor", b"");
            counted = Some(shared.take(&bucket, Rate::from_settings(limit)).await.is_some());
        }
        took
    };
    let took = tokio::select! {
        never = shared.run() => match never {},
        took = settled => took,
    };
    // once `run` has stopped the connection is closed: earlier findings count
    match (shared.last_error(), counted) {
        (trouble, Some(false)) => {
            let detail = trouble.map(|trouble| format!("{}: {}; ", trouble.kind, trouble.detail));
            report.wrong(format_args!(
                "rate limits cannot be counted: {}the gateway needs the command EVAL on keys below cache.redis.prefix; each gateway would limit on its own",
                detail.unwrap_or_default()
            ));
        }
        (Some(trouble), _) => report.wrong(format_args!(
            "{}: {}; the gateway would go without it",
            trouble.kind, trouble.detail
        )),
        (None, counted) if took < PATIENCE => {
            report.good(format_args!("in use within {:?}", rounded(took)));
            if counted.is_some() {
                report.good("rate limits are counted for all gateways together");
            }
        }
        (None, _) => report
            .wrong(format_args!("no answer within {PATIENCE:?}; the gateway would go without it")),
    }
}

/// Reports rate limits that each gateway counts for itself.
pub fn without(settings: &Settings, report: &mut DoctorReport<'_>) {
    let count = limits(settings).count();
    if count > 0 {
        report.section("rate limits");
        report.note(format_args!(
            "routes with a rate_limit: {count}; cache.redis is not configured, so that each gateway counts on its own and a caller of N gateways gets the limit N times"
        ));
    }
}

fn limits(settings: &Settings) -> impl Iterator<Item = &RateLimitSettings> {
    settings.routes.iter().filter_map(|route| route.limits.rate_limit.as_ref())
}
