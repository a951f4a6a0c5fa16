//! Settings of traces.

use super::Sampling;
use http::{HeaderName, HeaderValue};
use std::time::Duration;
use url::Url;

/// `traces`, and the `OTEL_*` variables where a key is not written.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceSettings {
    /// The URL that is called. With gRPC only its scheme, host and port count.
    pub endpoint: Url,
    /// By which the endpoint is called.
    pub protocol: TraceProtocol,
    /// Of every call; marked as sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Which requests are recorded.
    pub sampling: Sampling,
    /// For one attempt to export a batch.
    pub timeout: Duration,
    /// How many spans wait, and for how long.
    pub batch: BatchSettings,
    /// Describes this process, `service.name` among them.
    pub resource: Vec<(String, String)>,
}

/// How the collector is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceProtocol {
    /// Messages as bodies of POST requests.
    HttpProtobuf,
    /// Messages as unary calls.
    Grpc,
}

/// `OTEL_BSP_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSettings {
    /// How long spans wait for a batch to fill.
    pub schedule_delay: Duration,
    /// For a batch, all attempts included.
    pub export_timeout: Duration,
    /// Spans that may wait; at least 1.
    pub max_queue_size: usize,
    /// Spans in a batch; at least 1.
    pub max_export_batch_size: usize,
}

impl TraceProtocol {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HttpProtobuf => "http/protobuf",
            Self::Grpc => "grpc",
        }
    }
}

impl TraceSettings {
    /// Scheme, host and port of the collector, for messages.
    pub fn origin(&self) -> String {
        self.endpoint.origin().ascii_serialization()
    }
}
