//! Traces for an OpenTelemetry collector (`docs/tracing.md`). The collector of the tests is made of
//! OpenTelemetry's own messages. Each test also runs with `FAST_PATH=off`.

mod collector;
mod sampling;
mod secrets;
mod settings;
mod spans;
mod trouble;

use crate::support::{Builder, Gateway, Setup};
use collector::{Collector, text};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// A caller that is recorded.
const SAMPLED: (&str, &str) =
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
const UNSAMPLED: (&str, &str) =
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00");

const ROUTES: &str = r#"
routes:
  - { name: items, path: "/items/*", upstream: "@UPSTREAM@", scopes: [read] }
  - { name: users, path: ["/users/{id}", "/people/{id}"], upstream: "@UPSTREAM@", auth: none }
"#;

/// Spans arrive soon.
fn quick() -> Builder {
    Gateway::env("OTEL_BSP_SCHEDULE_DELAY", "20")
}

/// Two routes, and a collector that gets the spans that `sample` allows.
#[track_caller]
fn traced(collector: &Collector, sample: &str) -> Setup {
    Setup::build(quick(), &section(collector, sample, ROUTES))
}

fn section(collector: &Collector, sample: &str, rest: &str) -> String {
    format!("traces: {{ {}, sample: {sample} }}\n{rest}", collector.keys())
}

/// The only span of this kind whose name begins so.
#[track_caller]
fn one(spans: &[Span], kind: SpanKind, name: &str) -> Span {
    let of_kind = spans.iter().filter(|span| span.kind() == kind && span.name.starts_with(name));
    let found: Vec<&Span> = of_kind.collect();
    let [span] = found.as_slice() else { panic!("{} {kind:?} {name}: {spans:?}", found.len()) };
    (*span).clone()
}

/// The span has these attributes, and no attribute whose value here is empty.
#[track_caller]
fn has(span: &Span, attributes: &[(&str, &str)]) {
    for (name, value) in attributes {
        assert_eq!(text(&span.attributes, name), *value, "{name} of {span:?}");
    }
}
