//! The queue of spans, and the tasks that export them.

use super::batch::{Batches, SpanCounts};
use super::{Sampling, TraceSettings};
use crate::clock::Clock;
use crate::telemetry::Metrics;
use opentelemetry_proto::tonic::trace::v1::Span;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};

/// Takes the spans of the requests of one configuration.
pub struct Tracer {
    settings: TraceSettings,
    queue: mpsc::Sender<Span>,
    counts: Arc<SpanCounts>,
}

impl Tracer {
    fn new(settings: &TraceSettings, metrics: &Metrics) -> (Self, Batches) {
        let (queue, waiting) = mpsc::channel(settings.batch.max_queue_size.max(1));
        let counts = Arc::new(SpanCounts::new(metrics));
        let batches = Batches::new(settings.clone(), waiting, counts.clone());
        (Self { settings: settings.clone(), queue, counts }, batches)
    }

    /// Which requests are to be recorded.
    pub fn sampling(&self) -> Sampling {
        self.settings.sampling
    }

    /// Appends a span, or drops it where the queue is full. Never waits.
    pub fn record(&self, span: Span) {
        match self.queue.try_send(span) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => self.counts.found_queue_full(),
            Err(TrySendError::Closed(_)) => self.counts.stopped.inc(),
        }
    }
}

/// The tracers of a process, and the tasks that export their spans.
pub struct Traces {
    held: Mutex<HeldTracers>,
    /// Tracers whose spans are not all exported.
    at_work: watch::Sender<usize>,
    stopping: watch::Sender<bool>,
}

#[derive(Default)]
struct HeldTracers {
    /// Of the newest configuration.
    tracer: Option<Arc<Tracer>>,
    /// Queues that no task exports yet.
    waiting: Vec<(Batches, ExportInProgress)>,
}

impl Default for Traces {
    fn default() -> Self {
        Self {
            held: Mutex::default(),
            at_work: watch::Sender::new(0),
            stopping: watch::Sender::new(false),
        }
    }
}

impl Traces {
    /// The tracer with these settings: the one there is, or a new one. The spans that a former one
    /// has taken are still exported.
    pub fn tracer(
        &self,
        settings: Option<&TraceSettings>,
        metrics: &Metrics,
    ) -> Option<Arc<Tracer>> {
        let mut held = self.held.lock();
        match (&held.tracer, settings) {
            (Some(tracer), Some(settings)) if tracer.settings == *settings => {}
            (_, None) => held.tracer = None,
            (_, Some(settings)) => {
                let (tracer, batches) = Tracer::new(settings, metrics);
                held.tracer = Some(Arc::new(tracer));
                held.waiting.push((batches, ExportInProgress::begin(&self.at_work)));
            }
        }
        held.tracer.clone()
    }

    /// Starts the tasks of tracers that have none yet, on the present tokio runtime.
    pub fn start(&self, clock: &Clock) {
        let waiting = std::mem::take(&mut self.held.lock().waiting);
        for (batches, at_work) in waiting {
            let (stopping, clock) = (self.stopping.subscribe(), clock.clone());
            tokio::spawn(async move {
                batches.export_all(stopping, &clock).await;
                drop(at_work);
            });
        }
    }

    /// Exports the spans that wait, and takes no more. Gives up after `limit`.
    pub async fn finish(&self, clock: &Clock, limit: Duration) {
        self.start(clock);
        self.stopping.send_replace(true);
        let mut at_work = self.at_work.subscribe();
        // the senders are held by `self`
        let _ = tokio::time::timeout(limit, at_work.wait_for(|count| *count == 0)).await;
    }
}

/// Counts a tracer as long as it has spans to export.
struct ExportInProgress(watch::Sender<usize>);

impl ExportInProgress {
    fn begin(count: &watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count.clone())
    }
}

impl Drop for ExportInProgress {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}
