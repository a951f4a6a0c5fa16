//! Takes spans from the queue in batches and exports them, one batch at a time. A batch that cannot
//! be exported in time is dropped: the queue must not stop for it.

use super::exporter::{ExportError, ExportOutcome, Exporter};
use super::{TraceProtocol, TraceSettings};
use crate::clock::Clock;
use crate::telemetry::{LazyCounter, Metrics, Occasionally};
use opentelemetry_proto::tonic::trace::v1::Span;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

/// Between the first attempts to export a batch; it doubles.
const PAUSE: Duration = Duration::from_millis(500);

/// Between two attempts at most, whatever the collector asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// `trace_spans_exported_total`, and `trace_spans_dropped_total` by reason.
pub struct SpanCounts {
    exported: [LazyCounter; 2],
    queue_full: LazyCounter,
    failed: LazyCounter,
    rejected: LazyCounter,
    pub stopped: LazyCounter,
    /// `queue_full` since the last line about it.
    unlogged: AtomicU64,
}

impl SpanCounts {
    pub fn new(metrics: &Metrics) -> Self {
        let exported = |protocol: TraceProtocol| {
            LazyCounter::new(&metrics.trace_spans_exported, &[protocol.as_str()])
        };
        let dropped = |reason| LazyCounter::new(&metrics.trace_spans_dropped, &[reason]);
        Self {
            exported: [exported(TraceProtocol::HttpProtobuf), exported(TraceProtocol::Grpc)],
            queue_full: dropped("queue_full"),
            failed: dropped("export_failed"),
            rejected: dropped("rejected"),
            stopped: dropped("stopped"),
            unlogged: AtomicU64::new(0),
        }
    }

    pub fn found_queue_full(&self) {
        self.queue_full.inc();
        self.unlogged.fetch_add(1, Ordering::Relaxed);
    }

    fn exported(&self, protocol: TraceProtocol) -> &LazyCounter {
        let [http, grpc] = &self.exported;
        match protocol {
            TraceProtocol::HttpProtobuf => http,
            TraceProtocol::Grpc => grpc,
        }
    }
}

/// The receiving end of a queue.
pub struct Batches {
    settings: TraceSettings,
    queue: mpsc::Receiver<Span>,
    counts: std::sync::Arc<SpanCounts>,
    failures: Occasionally,
    /// Apart, since it can be full while every export succeeds.
    overflows: Occasionally,
}

impl Batches {
    pub fn new(
        settings: TraceSettings,
        queue: mpsc::Receiver<Span>,
        counts: std::sync::Arc<SpanCounts>,
    ) -> Self {
        let (failures, overflows) = Default::default();
        Self { settings, queue, counts, failures, overflows }
    }

    /// Exports spans until nothing appends any more, or until the process stops: then the rest.
    pub async fn export_all(mut self, mut stopping: watch::Receiver<bool>, clock: &Clock) {
        let mut exporter = Exporter::new(&self.settings);
        while let Some(batch) = self.next(&mut stopping).await {
            let spans = batch.len() as u64;
            let outcome = match &mut exporter {
                Ok(exporter) => self.deliver(exporter, batch, &mut stopping).await,
                Err(error) => Err(error.clone()),
            };
            self.report(spans, outcome, clock);
        }
    }

    /// The next batch, full or after its delay. `None`: there is none to come.
    async fn next(&mut self, stopping: &mut watch::Receiver<bool>) -> Option<Vec<Span>> {
        let most = self.settings.batch.max_export_batch_size.max(1);
        let mut batch = Vec::new();
        tokio::select! {
            taken = self.queue.recv_many(&mut batch, most) => if taken == 0 { return None },
            _ = stopping.wait_for(|stop| *stop) => {}
        }
        let filling = async {
            while batch.len() < most {
                let room = most - batch.len();
                if self.queue.recv_many(&mut batch, room).await == 0 {
                    break;
                }
            }
        };
        tokio::select! {
            () = filling => {}
            () = sleep(self.settings.batch.schedule_delay) => {}
            _ = stopping.wait_for(|stop| *stop) => {}
        }
        while batch.len() < most
            && let Ok(span) = self.queue.try_recv()
        {
            batch.push(span);
        }
        (!batch.is_empty()).then_some(batch)
    }

    /// Exports a batch, again after failures that may pass, as long as its time allows. A process
    /// that stops makes one attempt.
    async fn deliver(
        &self,
        exporter: &mut Exporter,
        batch: Vec<Span>,
        stopping: &mut watch::Receiver<bool>,
    ) -> Result<ExportOutcome, ExportError> {
        let request = exporter.request(batch);
        let until = Instant::now() + self.settings.batch.export_timeout;
        let mut pause = PAUSE;
        loop {
            let limit = self.settings.timeout.min(until.saturating_duration_since(Instant::now()));
            let last = *stopping.borrow();
            let error = match timeout(limit, exporter.export(&request)).await {
                Ok(Ok(exported)) => return Ok(exported),
                Ok(Err(error)) => error,
                Err(_) => ExportError::too_slow(limit),
            };
            let Some(wanted) = error.retry else { return Err(error) };
            let wait = wanted.unwrap_or(pause).min(LONGEST_PAUSE).mul_f64(jitter());
            if last || Instant::now() + wait >= until {
                return Err(error);
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            tokio::select! {
                () = sleep(wait) => {}
                _ = stopping.wait_for(|stop| *stop) => {}
            }
        }
    }

    fn report(&self, spans: u64, outcome: Result<ExportOutcome, ExportError>, clock: &Clock) {
        let (now, collector) = (clock.now().mono, self.settings.origin());
        match outcome {
            Ok(ExportOutcome { rejected }) => {
                let rejected = rejected.min(spans);
                self.counts.exported(self.settings.protocol).inc_by(spans - rejected);
                if rejected > 0 {
                    self.counts.rejected.inc_by(rejected);
                    if let Some(skipped) = self.failures.now("rejected", now) {
                        tracing::warn!(
                            collector,
                            rejected,
                            not_logged_since = skipped.count(),
                            "the collector of traces rejects spans"
                        );
                    }
                } else if self.failures.over() {
                    tracing::info!(collector, "the collector of traces takes spans again");
                }
            }
            Err(error) => {
                self.counts.failed.inc_by(spans);
                if let Some(skipped) = self.failures.now("failed", now) {
                    tracing::warn!(
                        collector,
                        error = &*error.detail,
                        dropped = spans,
                        not_logged_since = skipped.count(),
                        "spans cannot be exported"
                    );
                }
            }
        }
        if self.counts.unlogged.load(Ordering::Relaxed) > 0
            && self.overflows.now("queue_full", now).is_some()
        {
            let dropped = self.counts.unlogged.swap(0, Ordering::Relaxed);
            tracing::warn!(collector, dropped, "spans were dropped: the queue was full");
        }
    }
}

/// Keeps a fleet of gateways from trying again at the same moment.
fn jitter() -> f64 {
    rand::random_range(0.8..1.2)
}
