//! Traces: the spans of sampled requests, exported to an OpenTelemetry collector by OTLP. A request
//! appends its spans to a bounded queue and never waits; a task takes them from there in batches.
//!
//! The spans are made as OTLP's own messages. `opentelemetry-otlp` is not used: its exporters read
//! the process's environment by themselves, and would send `OTEL_EXPORTER_OTLP_HEADERS` to an
//! endpoint of the configuration file.

mod batch;
mod exporter;
mod sampling;
mod settings;
mod span;
mod tracer;

pub use exporter::Exporter;
pub use sampling::{Sampling, Share};
pub use settings::{BatchSettings, TraceProtocol, TraceSettings};
pub use span::{Recorder, SpanBuilder, SpanContext, SpanKind};
pub use tracer::{Tracer, Traces};
