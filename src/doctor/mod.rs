//! `introgate doctor`: reaches every authorization server, Redis, the collector of traces and every
//! upstream once, as the gateway would, looks at listeners and certificates, and reports the
//! findings in words.

mod certificates;
mod events;
mod listeners;
mod made_up;
mod metadata;
mod redis;
mod report;
mod server;
mod token_kind;
mod traces;
mod upstream;

pub use report::DoctorReport;

use crate::config::Settings;
use crate::runtime::CarriedOver;
use crate::token::AccessToken;
use crate::upstream::Upstream;

/// Examines everything that the settings name, one after the other, so that a slow one is seen to
/// be the slow one. `token`: a real token, shown only to the servers that take tokens like it.
pub async fn examine(
    settings: &Settings,
    parts: &CarriedOver,
    token: Option<AccessToken<'_>>,
    report: &mut DoctorReport<'_>,
) {
    for server in &settings.servers {
        report.section(&format!("authorization server `{}` ({})", server.name, server.kind.word()));
        server::examine(server, parts, token, report).await;
        events::examine(server, parts, report).await;
    }
    if let Some(shared) = settings.redis.as_ref().map(|redis| parts.shared(redis)) {
        report.section("cache.redis");
        redis::examine(settings, &shared, report).await;
    } else {
        redis::without(settings, report);
    }
    if let Some(traces) = &settings.traces {
        report.section("traces");
        traces::examine(traces, report).await;
    }
    for upstream in &settings.upstreams {
        report.section(&format!("upstream `{}`", upstream.name));
        upstream::examine(&Upstream::new(upstream.clone()), report).await;
    }
    listeners::examine(settings, report);
    certificates::examine(settings, parts, report);
}
