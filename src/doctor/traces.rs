//! The collector of traces: whether it would take spans.

use super::DoctorReport;
use super::upstream::rounded;
use crate::telemetry::{Exporter, TraceSettings};
use std::time::Instant;

/// Exports no spans, as the gateway exports some: OTLP allows an empty message, and the collector
/// looks at the credentials all the same.
pub async fn examine(settings: &TraceSettings, report: &mut DoctorReport<'_>) {
    let (collector, started) = (settings.origin(), Instant::now());
    let outcome = match Exporter::new(settings) {
        Ok(mut exporter) => {
            let nothing = exporter.request(Vec::new());
            match tokio::time::timeout(settings.timeout, exporter.export(&nothing)).await {
                Ok(outcome) => outcome.map_err(|error| error.detail),
                Err(_) => Err(format!("no answer within {:?}", settings.timeout)),
            }
        }
        Err(error) => Err(error.detail),
    };
    match outcome {
        Ok(_) => report.good(format_args!(
            "{collector}: takes spans ({}) in {:?}",
            settings.protocol.as_str(),
            rounded(started.elapsed())
        )),
        Err(detail) => report.wrong(format_args!(
            "{collector}: {detail}; spans would be lost, and requests not affected"
        )),
    }
}
