//! The operator's view: metrics, log lines, the access log, traces. One struct for each event, so that its
//! log line and its metric cannot drift apart.

mod access;
mod contended;
mod counters;
mod decisions;
mod events;
mod history;
mod lazy;
mod line;
mod logging;
mod metrics;
mod occasionally;
mod queue;
mod route;
mod server;
mod settings;
mod traces;

pub use access::{AccessLine, AccessLogger, Cache, Timestamp};
pub use contended::{Count, Counter, CounterVec, HistogramVec, TimeHistogram};
pub use decisions::{Decisions, RecordedDecision};
pub use events::{
    CarriedOut, Polled, Received, ReceivedTogether, Reloaded, Stranger, StreamChanged,
    StreamFailed, StreamRole, VerificationMissing,
};
pub use history::{History, INTERVAL as HISTORY_INTERVAL, Interval, KEPT as HISTORY_KEPT};
pub use lazy::LazyCounter;
pub use logging::{Logging, start};
pub use metrics::{Metrics, method_label};
pub use occasionally::Occasionally;
pub use route::RouteMetrics;
pub use server::ServerMetrics;
pub use settings::{AccessLog, LogFormat, LogSettings};
pub use traces::{
    BatchSettings, Exporter, Recorder, Sampling, Share, SpanBuilder, SpanContext, SpanKind,
    TraceProtocol, TraceSettings, Tracer, Traces,
};
