//! The span of an introspection: a child of the request that caused it.

use super::FactsSource;
use crate::clock::Now;
use crate::introspect::{Failure, result_label};
use crate::telemetry::{Recorder, SpanContext, SpanKind};
use crate::token::Facts;

/// An introspection under way that is recorded.
pub struct Recorded {
    recorder: Recorder,
    span: SpanContext,
    began: Now,
}

impl Recorded {
    pub fn begin(recorder: Recorder, now: Now) -> Self {
        Self { span: recorder.child(), recorder, began: now }
    }

    /// Records it. No URL: that of some servers contains the token.
    pub fn end(
        self,
        source: &FactsSource,
        outcome: &Result<Facts, Failure>,
        now: Now,
    ) -> SpanContext {
        let name = format!("introspect {}", source.server);
        let mut span = self.recorder.begin(self.span, SpanKind::Client, name, self.began);
        span.text("introgate.authorization_server", &*source.server);
        span.text("introgate.introspection.result", result_label(outcome));
        if let Some((host, port)) = &source.address {
            span.text("server.address", host);
            span.number("server.port", (*port).into());
        }
        if let Err(failure) = outcome {
            span.failed(failure.kind.reason().as_str());
        }
        self.recorder.end(span, now);
        self.span
    }
}
