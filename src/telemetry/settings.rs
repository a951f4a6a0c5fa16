//! Settings of logs.

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// A `tracing` level: error, warn, info, debug, trace.
    pub level: tracing::Level,
    pub format: LogFormat,
    pub access: AccessLog,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// An object a line.
    Json,
    /// `name=value`.
    Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLog {
    All,
    /// Refusals and failures only.
    Denied,
    Off,
}
