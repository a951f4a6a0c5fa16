//! Spans, as OTLP's messages.

use super::Tracer;
use crate::clock::{Now, micros};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::{Link, SpanKind as Proto};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, SpanFlags, Status};
use std::sync::Arc;

/// Names a span that is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanContext {
    /// Not zero.
    pub trace_id: u128,
    /// Not zero.
    pub span_id: u64,
}

impl SpanContext {
    /// A new span of a trace.
    pub fn new(trace_id: u128) -> Self {
        Self { trace_id, span_id: rand::random::<u64>().max(1) }
    }
}

/// The span of a request that is recorded, and the way to record the spans below it.
#[derive(Clone)]
pub struct Recorder {
    tracer: Arc<Tracer>,
    span: SpanContext,
    /// When the request began. Later times follow from it by the monotonic clock.
    began: Now,
}

impl Recorder {
    /// For a new span of this trace, of a request that began then.
    pub fn new(tracer: Arc<Tracer>, trace_id: u128, began: Now) -> Self {
        Self { tracer, span: SpanContext::new(trace_id), began }
    }

    /// The span of the request.
    pub fn span(&self) -> SpanContext {
        self.span
    }

    /// A new span below it.
    pub fn child(&self) -> SpanContext {
        SpanContext::new(self.span.trace_id)
    }

    /// A span that has ended, to be filled in and recorded.
    pub fn begin(&self, span: SpanContext, kind: SpanKind, name: String, from: Now) -> SpanBuilder {
        SpanBuilder(Span {
            trace_id: span.trace_id.to_be_bytes().to_vec(),
            span_id: span.span_id.to_be_bytes().to_vec(),
            parent_span_id: self.span.span_id.to_be_bytes().to_vec(),
            flags: SAMPLED | SpanFlags::ContextHasIsRemoteMask as u32,
            name,
            kind: match kind {
                SpanKind::Server => Proto::Server,
                SpanKind::Client => Proto::Client,
            }
            .into(),
            start_time_unix_nano: self.nanos(from),
            attributes: Vec::with_capacity(16),
            ..Span::default()
        })
    }

    /// Records a span that ended then. It is dropped, and counted, where the queue is full.
    pub fn end(&self, SpanBuilder(mut span): SpanBuilder, at: Now) {
        span.end_time_unix_nano = self.nanos(at);
        self.tracer.record(span);
    }

    /// Nanoseconds since the Unix epoch. A change of the wall clock does not move spans of one
    /// request against each other.
    fn nanos(&self, at: Now) -> u64 {
        let began = u64::try_from(self.began.wall).unwrap_or(0).saturating_mul(1_000_000);
        began.saturating_add(micros(at.since(self.began)).saturating_mul(1000))
    }
}

/// The sampled flag of Trace Context (§3.2.2.5.1).
const SAMPLED: u32 = 1;

/// The side of a call on which the gateway is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// It is called.
    Server,
    /// It calls.
    Client,
}

/// A span that is being filled in.
pub struct SpanBuilder(Span);

impl SpanBuilder {
    /// The caller's span, which another process recorded; `None`: the trace begins here.
    pub fn remote_parent(&mut self, parent: Option<u64>) {
        self.0.parent_span_id = parent.map(|id| id.to_be_bytes().to_vec()).unwrap_or_default();
        if parent.is_some() {
            self.0.flags |= SpanFlags::ContextIsRemoteMask as u32;
        }
    }

    /// An attribute.
    pub fn text(&mut self, name: &str, value: impl Into<String>) {
        self.attribute(name, Value::StringValue(value.into()));
    }

    /// An attribute.
    pub fn number(&mut self, name: &str, value: i64) {
        self.attribute(name, Value::IntValue(value));
    }

    /// An attribute.
    pub fn boolean(&mut self, name: &str, value: bool) {
        self.attribute(name, Value::BoolValue(value));
    }

    fn attribute(&mut self, name: &str, value: Value) {
        self.0.attributes.push(attribute(name, value));
    }

    /// Another span that this one depends on.
    pub fn link(&mut self, to: SpanContext) {
        self.0.links.push(Link {
            trace_id: to.trace_id.to_be_bytes().to_vec(),
            span_id: to.span_id.to_be_bytes().to_vec(),
            flags: SAMPLED | SpanFlags::ContextHasIsRemoteMask as u32,
            ..Link::default()
        });
    }

    /// The operation failed. The word of the failure is `error.type` of the semantic conventions.
    pub fn failed(&mut self, error: impl Into<String>) {
        self.text("error.type", error);
        self.0.status = Some(Status { code: StatusCode::Error.into(), ..Status::default() });
    }
}

pub fn attribute(name: &str, value: Value) -> KeyValue {
    KeyValue {
        key: name.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}
