//! The operational log, on standard error. Libraries are held to warnings at every level: their
//! finer lines print headers, and headers hold tokens.

use super::{LogFormat, LogSettings};
use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::Handle;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

/// The level can be changed while the program runs; the format is the one it started with.
#[derive(Clone)]
pub struct Logging(Handle<Targets, Registry>);

/// Starts logging for the whole process.
pub fn start(settings: &LogSettings) -> Logging {
    let (filter, handle) = reload::Layer::new(targets(settings));
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false);
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
    let others = LevelFilter::from_level(settings.level.min(Level::WARN));
    // calls it an error when two requests reach for one idle connection at the same moment, and one
    // of them makes a new one; what really fails there is told by the request
    let quiet = ("pingora_core::connectors", LevelFilter::OFF);
    Targets::new()
        .with_default(others)
        .with_target("introgate", settings.level)
        .with_targets([quiet])
}
