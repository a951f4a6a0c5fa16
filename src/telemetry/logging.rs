//! The operational log, on standard error. Libraries log headers, request targets and whole header
//! sections, and those hold tokens; so only modules of libraries whose lines are known to hold
//! nothing that was read from a peer are logged at all.

use super::{LogFormat, LogSettings};
use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::Handle;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

/// Modules of libraries whose errors and warnings are logged. Each call of `error!` and `warn!` in
/// them was read (pingora 0.9.1): they print addresses, file names, counts and errors of the
/// system. Left out on purpose:
///
/// - `pingora_core::apps`, `pingora_core::protocols::http` and `pingora_proxy`: a header section
///   that cannot be parsed, header values, request lines with their query;
/// - `pingora_core::connectors`: calls it an error when two requests reach for one idle connection
///   and one of them makes a new one; real failures are logged by the request.
const AUDITED: [&str; 3] =
    ["pingora_core::server", "pingora_core::services", "pingora_core::listeners"];

/// The level can be changed while the program runs; the format is the one it started with.
#[derive(Clone)]
pub struct Logging(Handle<Targets, Registry>);

/// Starts logging for the whole process.
pub fn start(settings: &LogSettings) -> Logging {
    let (filter, handle) = reload::Layer::new(targets(settings));
    // a line that cannot be written has no other place; to report it would panic
    let lines =
        fmt::layer().with_writer(std::io::stderr).with_target(false).log_internal_errors(false);
    let lines = match settings.format {
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
        LogFormat::Text => lines.with_ansi(false).boxed(),
    };
    // a second start in one process (tests) keeps the first
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
    let _ = tracing_log::LogTracer::builder().with_max_level(log::LevelFilter::Warn).init();
    Logging(handle)
}

impl Logging {
    pub fn change(&self, settings: &LogSettings) {
        let _ = self.0.reload(targets(settings));
    }
}

fn targets(settings: &LogSettings) -> Targets {
    let libraries = LevelFilter::from_level(settings.level.min(Level::WARN));
    Targets::new()
        .with_default(LevelFilter::OFF)
        .with_targets(AUDITED.map(|module| (module, libraries)))
        .with_target("introgate", settings.level)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::AccessLog;

    #[test]
    fn libraries_are_silent_unless_they_were_audited() {
        let settings =
            |level| LogSettings { level, format: LogFormat::Json, access: AccessLog::All };
        let targets = targets(&settings(Level::TRACE));
        for module in [
            "pingora_core::apps::http_app",
            "pingora_core::protocols::http::v1::server",
            "pingora_core::protocols::http::v1::common",
            "pingora_core::connectors",
            "pingora_core",
            "pingora_proxy",
            "h2::codec",
            "hyper::client",
            "reqwest",
            "rustls",
            "redis",
            "any_library",
        ] {
            assert!(!targets.would_enable(module, &Level::ERROR), "{module}");
        }
        for module in ["pingora_core::server", "pingora_core::services::listening"] {
            assert!(targets.would_enable(module, &Level::WARN), "{module}");
            assert!(!targets.would_enable(module, &Level::INFO), "{module}");
        }
        assert!(targets.would_enable("introgate::admin", &Level::TRACE));
    }
}
